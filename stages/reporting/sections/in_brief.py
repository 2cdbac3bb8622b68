"""What decides: one table of a few rows, and a line for each question."""

import pandas as pd

from stages.reporting.csv_files import Tables
from stages.reporting.experiment import Experiment
from stages.reporting.frontier import POPULARITY
from stages.reporting.headline import LIMITS, best_float, best_within, outcomes, references, resolvable
from stages.reporting.parts import sentences
from stages.reporting.results import NDCG
from stages.reporting.tables import difference_cells, markdown, row_names, share_cells
from stages.reporting.wording import UNCORRECTED, UNKNOWN, each, gigabytes, number_of_bytes, paragraphs, score, share

USERS = 30_000_000  # whose size is told
COMPARED = [
    "plots/frontier",
    *(f"figures/{name}" for name in ("gains", "parts", "encoders", "items", "refits", "budgets", "paper_order")),
]
"""The tables whose column difference has an interval."""


def words(tables: Tables, experiment: Experiment) -> str:
    """The table, and a line for each question."""
    rows = tables["plots/frontier"].set_index("row", drop=False)
    lines = [
        _resolution(tables, experiment),
        *sentences(tables["figures/parts"]),
        _during_or_after(tables["figures/gains"]),
        _choice(rows),
        _baselines(rows),
        _size(rows, experiment),
    ]
    return paragraphs("## In brief", _table(rows), "\n".join(f"- {line}" for line in lines if line))


def _table(rows: pd.DataFrame) -> str:
    """Markdown: the references, the float models and the best codes within each limit; at most eight rows."""
    roles = _roles(rows)
    shown = rows.loc[list(roles)]
    columns = {
        "": [", ".join(of_row) for of_row in roles.values()],
        "row": row_names(shown),
        "bytes per user": each(shown["bytes_per_user"], number_of_bytes),
        f"{USERS // 10**6}M users": _sizes(shown),
        "NDCG@100": each(shown[NDCG], score),
        "against float model (95 % CI)": difference_cells(shown, "difference"),
        f"above {POPULARITY} (95 % CI)": share_cells(shown, "above_popularity"),
    }
    return markdown(pd.DataFrame(columns))


def _roles(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Row → why it is in the table."""
    roles: dict[str, list[str]] = {name: ["reference"] for name in references(rows)}
    best, floats = best_within(rows), best_float(rows)
    if floats is not None:
        roles[floats] = ["best float model"]
    if (twin := _float_model(rows)) is not None:
        roles.setdefault(twin, ["float model of the codes"])
    for name in dict.fromkeys(best.values()):
        limits = " and ".join(f"≤ {limit}" for limit, row in best.items() if row == name)
        roles.setdefault(name, []).append(f"best at {limits} bytes")
    return roles


def _float_model(rows: pd.DataFrame) -> str | None:
    """That of most of the best codes, or else the best one; None where there is no float row."""
    twins = rows.loc[list(best_within(rows).values()), "float_twin"]
    common = twins[twins != ""].mode()
    return str(common.iloc[0]) if len(common) else best_float(rows)


def _sizes(rows: pd.DataFrame) -> list[str]:
    """Of all users, with what is stored once."""
    return each(rows["bytes_per_user"] * USERS + rows["shared_bytes"] * (rows["bytes_per_user"] > 0), gigabytes)


def _resolution(tables: Tables, experiment: Experiment) -> str:
    table = tables["plots/frontier"]
    made = sum(int(tables[name]["difference"].notna().sum()) for name in COMPARED)
    texts = {"after_training": "fitted after training", "during_training": "learnt in another training"}
    told = " or ".join(f"{width:.4f} ({texts[key]})" for key, width in resolvable(table).items())
    if not told:
        return ""
    return (
        f"**What can be told apart.** With {table['users'].iloc[0]:,} test users and {len(experiment.seeds)} seeds, a "
        f"difference between a code and its float model is mostly not significant below {told}: the median half-width "
        f"of 95 % intervals at up to {LIMITS[0]} bytes. The report has {made} intervals of comparisons, {UNCORRECTED}."
    )


def _during_or_after(gains: pd.DataFrame) -> str:
    if gains["low"].isna().all():
        return ""
    counts = outcomes(gains)
    return (
        f"**During training or after it.** At equal bytes, {counts['wins']} of {len(gains)} rows quantized during "
        f"training win against quantizing after it, {counts['losses']} lose, and {counts['ties']} tie: their "
        "differences are not significant, which does not prove that they are equal."
    )


def _choice(rows: pd.DataFrame) -> str:
    if not best_within(rows):
        return ""
    return (
        "**The best codes** were chosen by NDCG@100 on the validation users; the table shows it on the test users, "
        "which the choice did not see. Another row whose interval overlaps may be as good."
    )


def _baselines(rows: pd.DataFrame) -> str:
    """What the references and the float model reach, as shares of the latter."""
    best = best_float(rows)
    if best is None or POPULARITY not in rows.index:
        return ""
    ndcg = rows[NDCG]
    reached = share(ndcg[POPULARITY] / ndcg[best]) if ndcg[best] else UNKNOWN
    others = "".join(
        f"; `{name}`, which stores the items themselves, {score(ndcg[name])}"
        for name in references(rows)
        if name != POPULARITY
    )
    return (
        f"**Baselines.** One list for everybody (`{POPULARITY}`) reaches {score(ndcg[POPULARITY])}, which is "
        f"{reached} of the best float model ({score(ndcg[best])}). A code is therefore "
        f"judged by the share that it keeps of what its float model has above popularity{others}."
    )


def _size(rows: pd.DataFrame, experiment: Experiment) -> str:
    floats, best = _float_model(rows), best_within(rows)
    if floats is None or not best:
        return ""
    shown = rows.loc[list(dict.fromkeys([floats, *best.values()]))]
    sizes = [
        f"{size} at {number_of_bytes(n_bytes)} bytes each"
        for n_bytes, size in zip(shown["bytes_per_user"], _sizes(shown), strict=True)
    ]
    return (
        f"**{USERS:,} users** take {', '.join(dict.fromkeys(sizes))}, codebooks included. "
        f"For another size: `python -m stages.commands.advise --dataset {experiment.dataset} --users {USERS} "
        "--gigabytes 1`."
    )
