"""What can be measured of a picture once it is drawn."""

from itertools import combinations

import numpy as np
from matplotlib.axis import Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def texts_of(figure: Figure) -> dict[str, Bbox]:
    """All that is written → its box in pixels, numbered, as a text may be there twice."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    hidden = {tick.label1 for tick in figure.findobj(Tick) if not _is_in_view(tick)}
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text() and text not in hidden]
    # An annotation's own box has its arrow in it.
    boxes = [Text.get_window_extent(text, canvas.get_renderer()) for text in shown]
    return {f"{number} {text.get_text()}": box for number, (text, box) in enumerate(zip(shown, boxes, strict=True))}


def overlaps(texts: dict[str, Bbox]) -> list[tuple[str, str]]:
    """Pairs of texts that cover each other."""
    return [(one, two) for (one, box), (two, other) in combinations(texts.items(), 2) if box.overlaps(other)]


def texts_on_marks(figure: Figure) -> list[str]:
    """Texts of the axes below which something but the grid is drawn."""
    texts = [text for axes in figure.axes for text in axes.texts]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in texts]
    for axes in figure.axes:
        axes.grid(visible=False)
    for text in texts:
        text.set_visible(False)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1]
    ground = pixels[0, 0]
    covered = []
    for text, box in zip(texts, boxes, strict=True):
        x0, y0, x1, y1 = np.round(box.extents).astype(int)
        if (pixels[y0:y1, x0:x1] != ground).any():
            covered.append(text.get_text())
    return covered


def _is_in_view(tick: Tick) -> bool:
    x, y = tick.label1.get_transform().transform(tick.label1.get_position())
    frame = tick.axes.bbox
    return bool(frame.x0 - 1 <= x <= frame.x1 + 1 or frame.y0 - 1 <= y <= frame.y1 + 1)
