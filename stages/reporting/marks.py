"""Where the marks of a picture stand, so that none covers another."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

MARK = 8  # pixels, with room
BAR = 4  # pixels, with room
ASIDE = np.array([0, 5, -5, 10, -10, 15, -15, 20, -20, 25, -25])  # pixels that a mark may move
COVERED = 10  # a mark on a mark is as bad as so many bars on bars


def side_by_side(axes: Axes, marks: pd.DataFrame) -> np.ndarray:
    """Move marks with bars aside where they would cover those before them, as little as can be.

    Parameters
    ----------
    axes : with its final limits and size
    marks : columns x, y, and low and high, the ends of its bar, NaN where it has none; in the units of the axes

    Returns
    -------
    float64 (n_marks,), new x in the units of the axes
    """
    points, bottoms, tops = (
        axes.transData.transform(np.column_stack([marks["x"], marks[end].fillna(marks["y"])]))
        for end in ("y", "low", "high")
    )
    for number, point in enumerate(points):
        others = points[:number]
        level = np.abs(others[:, 1] - point[1]) < MARK
        bars = (bottoms[:number, 1] < tops[number, 1] + BAR) & (bottoms[number, 1] < tops[:number, 1] + BAR)
        distances = np.abs(others[:, 0] - (point[0] + ASIDE)[:, None])  # (n_asides, n_others)
        touched = COVERED * (level & (distances < MARK)).sum(axis=1) + (bars & (distances < BAR)).sum(axis=1)
        point[0] += ASIDE[np.argmin(touched)]
    return np.asarray(axes.transData.inverted().transform(points)[:, 0])
