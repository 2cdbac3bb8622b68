"""Measures how evenly codebooks are used."""

import numpy as np
import pandas as pd

CODES = 256  # values of a byte


def code_usage(codes: np.ndarray) -> pd.DataFrame:
    """Measure how evenly the codes of each codebook are used.

    Parameters
    ----------
    codes : uint8 (n_users, M)

    Returns
    -------
    DataFrame with one row per codebook and columns codebook (from 1), perplexity (2 to the entropy of the codes in
    bits; 256 if all are used equally) and dead (number of codes that no user has)
    """
    counts = np.stack([np.bincount(column, minlength=CODES) for column in codes.T])  # (M, 256)
    shares = counts / len(codes)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    perplexity = 2.0 ** -(shares * logs).sum(axis=1)
    return pd.DataFrame(
        {"codebook": range(1, len(counts) + 1), "perplexity": perplexity, "dead": (counts == 0).sum(axis=1)}
    )


def no_code_usage() -> pd.DataFrame:
    """An empty table with the columns of `code_usage`, for codecs without codebooks."""
    return pd.DataFrame({"codebook": [], "perplexity": [], "dead": []})
