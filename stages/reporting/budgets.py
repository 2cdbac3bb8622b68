"""Codes that are longer for users with longer histories, against one length for all."""

import numpy as np
import pandas as pd

from stages.statistics.bootstrap import Bootstrap


def budget_lines(users: pd.DataFrame, model: str, bootstrap: Bootstrap) -> pd.DataFrame:
    """A line per budget and quarter of users, and one for all of them (quarter 0).

    Parameters
    ----------
    users : of `stages.budget`

    Returns
    -------
    DataFrame with columns row, budget, quarter, users, bytes, ndcg_flat, ndcg, difference, low, high (95 % interval)
    """
    lines = []
    for budget, of_budget in users.groupby("budget", sort=False):
        for quarter in range(5):
            some = of_budget if quarter == 0 else of_budget[of_budget["quarter"] == quarter]
            if some.empty:
                continue
            ndcg, flat = (some[name].to_numpy(np.float64) for name in ("ndcg", "ndcg_flat"))
            same = bool((ndcg == flat).all()) or len(some) < 2
            value, low, high = (float((ndcg - flat).mean()),) * 3 if same else bootstrap.difference(ndcg, flat)
            lines.append(
                {
                    "row": f"{model}-{budget}b", "budget": budget, "quarter": quarter, "users": len(some),
                    "bytes": some["bytes"].mean(), "ndcg_flat": flat.mean(), "ndcg": ndcg.mean(),
                    "difference": value, "low": low, "high": high,
                }
            )  # fmt: skip
    return pd.DataFrame(lines)


def budget_table(lines: pd.DataFrame) -> pd.DataFrame:
    """The same for people."""
    if lines.empty:
        return lines
    quarters = {0: "all", 1: "1, least active", 2: "2", 3: "3", 4: "4, most active"}
    return pd.DataFrame(
        {
            "row": lines["row"].map("`{}`".format),
            "quarter of users": lines["quarter"].map(quarters),
            "users": lines["users"].map("{:,}".format),
            "bytes, one length": lines["budget"].map(str),
            "bytes, by activity": lines["bytes"].map("{:.2f}".format),
            "NDCG@100, one length": lines["ndcg_flat"].map("{:.4f}".format),
            "by activity": lines["ndcg"].map("{:.4f}".format),
            "difference (95 % CI)": [
                f"{value:+.4f} ({low:+.4f} to {high:+.4f})"
                for value, low, high in zip(lines["difference"], lines["low"], lines["high"], strict=True)
            ],
        }
    )
