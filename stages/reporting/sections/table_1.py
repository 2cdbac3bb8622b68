"""The rows of the paper's Table 1."""

import pandas as pd

from stages.reporting.csv_files import Tables
from stages.reporting.experiment import Experiment
from stages.reporting.paper import TABLE_1, rows_of_the_paper, size_of_all
from stages.reporting.results import NDCG
from stages.reporting.tables import markdown, row_names, share_cells
from stages.reporting.wording import each, number_of_bytes, paragraphs, score


def words(tables: Tables, experiment: Experiment) -> str:
    """The table, and whether it can be compared with the paper's."""
    rows = tables["plots/frontier"].set_index("row", drop=False)
    return paragraphs(
        "## Table 1",
        "These are the rows of Table 1 of *PQ-VAE: Efficient Recommendation Using Quantized Embeddings* (Van Balen & "
        "Levy, RecSys 2019), as measured here.",
        _table(shown := rows.loc[rows_of_the_paper(rows["bytes_per_user"])], experiment.compare_with_paper),
        _float_models(shown, rows),
        _the_papers_values(experiment),
    )


def _table(shown: pd.DataFrame, with_paper: bool) -> str:
    """Markdown: what Table 1 has, and what is kept of the float model, with the paper's values if asked."""
    columns = {
        "row": row_names(shown),
        "bytes per user": each(shown["bytes_per_user"], number_of_bytes),
        "50M users": each(shown["bytes_per_user"], size_of_all),
        "NDCG@100": each(shown[NDCG], score),
        "kept of float (95 % CI)": share_cells(shown, "kept"),
        "above popularity (95 % CI)": share_cells(shown, "above_popularity"),
    }
    if with_paper:
        printed = [TABLE_1[name].ndcg for name in shown.index]
        columns["paper"] = each(printed, "{:.3f}".format)
        columns["difference"] = each(shown[NDCG] - printed, "{:+.4f}".format)
    return markdown(pd.DataFrame(columns))


def _float_models(shown: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Of which rows the shares are; empty where there are none."""
    twins = [name for name in dict.fromkeys(shown["float_twin"]) if name]
    if not twins:
        return ""
    named = ", ".join(f"`{name}` ({score(rows.loc[name, NDCG])})" for name in twins)
    return f"Both shares are of the float model of the same layers: {named}."


def _the_papers_values(experiment: Experiment) -> str:
    if experiment.compare_with_paper:
        return (
            'The paper\'s sentence "less than 1 % for a 10× decrease" does not agree with its own table, which loses '
            "1.9 % at 20× and 4.5 % at 40× (0.412 and 0.401 of 0.420)."
        )
    if experiment.is_made_up:
        return ""
    return (
        "The paper measured its Table 1 on MovieLens-20M. Its values cannot be compared with these; only the order of "
        "the rows can."
    )
