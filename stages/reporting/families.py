"""The families of rows, and how tables, pictures and the page show each."""

from typing import NamedTuple


class Family(NamedTuple):
    """How the rows of a family look wherever they are shown."""

    label: str
    colour: str
    """Of Okabe & Ito, which colour-blind readers can tell apart; the markers say the same."""
    marker: str
    """Matplotlib's name."""
    page_marker: str
    """Name of the outline in frontier.html.j2."""
    side: int
    """Of its point on which a row's name stands: 1 right, -1 left, where the picture has room for float rows."""
    place: int
    """Among rows of equal bytes, which are drawn side by side: 0 in the middle, negative to the left."""
    after_training: bool
    """Whether a quantizer was fitted on the users of a trained model."""


FAMILIES = {
    "float": Family("floats", "#0072B2", "o", "circle", -1, -3, False),
    "trained": Family("quantized during training", "#D55E00", "s", "square", 1, -1, False),
    "product": Family("PQ, OPQ after training", "#009E73", "^", "triangle", 1, 1, True),
    "additive": Family("residual and additive codes after training", "#CC79A7", "P", "plus", 1, 2, True),
    "whole": Family("k-means after training", "#000000", "*", "star", 1, 0, True),
    "scalar": Family("scalars and PCA after training", "#E69F00", "X", "cross", -1, -2, True),
    "history": Family("some of the history, embedded again", "#56B4E9", "v", "down", 1, 3, True),
    "reference": Family("reference", "#555555", "D", "diamond", 1, 0, False),
}
