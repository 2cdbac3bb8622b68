"""Write names beside points and lines of a picture, where nothing else is drawn."""

from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

MARGIN = 3  # pixels around a name that stay free
ABOVE = MARGIN + 2  # pixels from a level line to its name
MARK = 6  # pixels from the middle of a mark to its name's line
REACHES = (9, 13, 18, 24, 31, 40, 50, 62, 76, 92, 110, 130)  # pixels from a point to its name
DIRECTIONS = np.linspace(0, 2 * np.pi, 32, endpoint=False)


class Names:
    """The names of a picture that is else finished, its grid and size included."""

    def __init__(self, axes: Axes) -> None:
        """Draw the picture, to see where it is free."""
        self._axes = axes
        figure = axes.get_figure(root=True)
        axes.grid(visible=False)  # names may stand on it
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        axes.grid(visible=True)
        pixels = np.asarray(canvas.buffer_rgba())[::-1]  # from below, as coordinates go
        self._taken = (pixels != pixels[0, 0]).any(axis=-1)  # bool (height, width)
        self._named = np.zeros_like(self._taken)
        self._renderer = canvas.get_renderer()

    def add_to_point(self, name: str, x: float, y: float, **style: object) -> bool:
        """Write a name near a point, with a line between them; return whether there was room.

        Parameters
        ----------
        x, y : in the units of the axes
        style : of the text
        """
        point = self._axes.transData.transform((x, y))
        text = self._text(name, style)
        width, height = self._size(text)
        best: tuple[float, Bbox, np.ndarray] | None = None
        for reach, angle in product(REACHES, DIRECTIONS):
            if best and reach >= best[0]:
                break
            towards = np.array([np.cos(angle), np.sin(angle)])
            middle = point + towards * (reach + np.array([width / 2, height / 2]))
            box = Bbox.from_bounds(middle[0] - width / 2, middle[1] - height / 2, width, height)
            if not self._is_free(box):
                continue
            line = self._line(point, box)
            rows, columns = line.T
            cost = reach + int(self._taken[rows, columns].sum()) ** 2  # rather over a line or two than over a mark
            if not self._named[rows, columns].any() and (best is None or cost < best[0]):
                best = (cost, box, line)
        if best is None:
            text.remove()
            return False
        _, box, line = best
        self._put(text, box)
        self._taken[line[:, 0], line[:, 1]] = self._named[line[:, 0], line[:, 1]] = True
        if len(line):
            ends = self._axes.transData.inverted().transform(line[[0, -1], ::-1] + 0.5)
            self._axes.plot(
                *ends.T, color=self._axes.xaxis.label.get_color(), linewidth=0.7, scalex=False, scaley=False
            )
        return True

    def add_to_line(self, name: str, y: float, **style: object) -> bool:
        """Write a name just above or below a level line, as far left as there is room; return whether there was."""
        text = self._text(name, style)
        width, height = self._size(text)
        frame = self._axes.bbox
        level = self._axes.transData.transform((1, y))[1]
        for left, bottom in product(
            np.arange(frame.x0 + 4, frame.x1 - width, 4), (level + ABOVE, level - ABOVE - height)
        ):
            box = Bbox.from_bounds(left, bottom, width, height)
            if self._is_free(box):
                self._put(text, box)
                return True
        text.remove()
        return False

    def _text(self, name: str, style: dict[str, object]) -> Text:
        return self._axes.text(0, 0, name, transform=None, ha="center", va="center", **style)  # type: ignore[arg-type]

    def _size(self, text: Text) -> tuple[float, float]:
        box = text.get_window_extent(self._renderer)
        return box.width, box.height

    def _is_free(self, box: Bbox) -> bool:
        frame = self._axes.bbox
        inside = frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1
        return inside and not self._taken[self._pixels(box)].any()

    def _pixels(self, box: Bbox) -> tuple[slice, slice]:
        x0, y0, x1, y1 = (round(edge) for edge in box.extents)
        return slice(y0 - MARGIN, y1 + MARGIN), slice(x0 - MARGIN, x1 + MARGIN)

    def _line(self, point: np.ndarray, box: Bbox) -> np.ndarray:
        """Pixels from a mark to the nearest edge of a name: int (n, 2), rows and columns; none where they touch."""
        end = np.clip(point, box.min, box.max)
        length = float(np.hypot(*(end - point)))
        along = np.arange(MARK, length - 1)[:, None] / max(length, 1)
        return np.floor(point + along * (end - point)).astype(int)[:, ::-1]

    def _put(self, text: Text, box: Bbox) -> None:
        middle = np.mean(box.get_points(), axis=0)
        text.set_transform(self._axes.transData)
        text.set_position(tuple(self._axes.transData.inverted().transform(middle)))
        pixels = self._pixels(box)
        self._taken[pixels] = self._named[pixels] = True
