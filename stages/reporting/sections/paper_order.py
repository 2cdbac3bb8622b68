"""Whether the rows come in the paper's order, and how sure it is where they do not."""

from itertools import pairwise

import pandas as pd

from stages.reporting.csv_files import Tables, TextColumns
from stages.reporting.experiment import Experiment
from stages.reporting.paper import rows_of_the_paper
from stages.reporting.results import Results

TABLES: TextColumns = {"figures/paper_order": ("better", "worse")}


def data(results: Results) -> dict[str, pd.DataFrame]:
    """Each two neighbours of the paper's order: by how much the worse one is above the better one here."""
    by_name = {row.name: row for row in results.rows}
    ordered = rows_of_the_paper(pd.Series({name: row.bytes_per_user for name, row in by_name.items()}))
    lines = [
        (better, worse, *results.bootstrap.difference(by_name[worse].ndcg, by_name[better].ndcg))
        for better, worse in pairwise(ordered)
    ]
    return {"figures/paper_order": pd.DataFrame(lines, columns=["better", "worse", "difference", "low", "high"])}


def words(tables: Tables, experiment: Experiment) -> str:
    """One sentence, and a list of the neighbours that are the other way round here."""
    pairs = tables["figures/paper_order"]
    if experiment.is_made_up:
        return ""
    if pairs.empty:
        return "There are not two rows of the paper's Table 1 here, so there is no order to compare."
    wrong = []
    for _, pair in pairs[pairs["difference"] > 0].iterrows():
        amount = f"{pair['difference']:.4f} (95 % CI {pair['low']:+.4f} to {pair['high']:+.4f})"
        chance = "" if pair["low"] > 0 else ", which may be chance"
        wrong.append(f"- `{pair['worse']}` is above `{pair['better']}` by {amount}{chance}")
    order = " > ".join(f"`{row}`" for row in [pairs["better"].iloc[0], *pairs["worse"]])
    if not wrong:
        return f"**The paper's order of rows holds here**: {order}."
    return "\n".join([f"**The paper's order of rows does not hold here.** It is {order}; but here", "", *wrong])
