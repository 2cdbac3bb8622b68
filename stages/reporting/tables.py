"""Tables in Markdown."""

import pandas as pd


def markdown(frame: pd.DataFrame) -> str:
    """A table as GitHub shows it: the first column on the left, the others on the right."""
    align = ["left"] + ["right"] * (frame.shape[1] - 1)
    return frame.to_markdown(index=False, disable_numparse=True, colalign=align) if len(frame) else "None."
