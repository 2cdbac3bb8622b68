"""The families of rows, and how tables, pictures and the page show each."""

from typing import NamedTuple


class Family(NamedTuple):
    """How the rows of a family look wherever they are shown."""

    label: str
    colour: str
    """Can be told apart by the colour-blind, and from white as well as from black; all but two are of Okabe & Ito. The
    markers say the same."""
    marker: str
    """Matplotlib's name."""
    page_marker: str
    """Name of the outline in frontier.html.j2."""
    after_training: bool
    """Whether a quantizer was fitted on the users of a trained model."""


FAMILIES = {
    "float": Family("floats", "#0072B2", "o", "circle", False),
    "trained": Family("quantized during training", "#D55E00", "s", "square", False),
    "product": Family("PQ, OPQ after training", "#009E73", "^", "triangle", True),
    "additive": Family("residual and additive codes after training", "#CC79A7", "P", "plus", True),
    "whole": Family("k-means after training", "#9A6CF0", "*", "star", True),
    "scalar": Family("scalars and PCA after training", "#E69F00", "X", "cross", True),
    "history": Family("some of the history, embedded again", "#56B4E9", "v", "down", True),
    "reference": Family("reference", "#6E6E6E", "D", "diamond", False),
}
