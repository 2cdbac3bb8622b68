"""By all metrics: the rows of the paper's Table 1, and those that it lacks."""

from collections.abc import Iterable

import pandas as pd

from stages.reporting.csv_files import Tables
from stages.reporting.experiment import Experiment
from stages.reporting.families import FAMILIES
from stages.reporting.paper import rows_of_the_paper, size_of_all, sizes
from stages.reporting.results import NDCG
from stages.reporting.tables import markdown, row_names, share_cells
from stages.reporting.wording import each, listing, number_of_bytes, paragraphs, score


def words(tables: Tables, experiment: Experiment) -> str:
    """Both tables, and how to read them."""
    rows = tables["plots/frontier"].set_index("row", drop=False)
    labels = _labels(tables)
    in_paper = rows_of_the_paper(rows["bytes_per_user"])
    beside = [
        str(name)
        for name, family in rows["family"].items()
        if name not in in_paper and not FAMILIES[family].after_training
    ]
    return paragraphs(
        "## Table 1 by all metrics, and the rows that the paper lacks",
        accuracy_table(rows, in_paper, labels),
        "These rows are not in the paper's table: float twins of its quantized rows, other codes that are trained, and "
        "references. Rows that are quantized after training are in the table of the frontier.",
        accuracy_table(rows, beside, labels),
        _how_to_read(rows, experiment),
        *(
            f"`{name}` stores its last hidden layer, as the paper counts it. Its latent would take {sizes(n_bytes)}, "
            "and the decoder's first layers at query time."
            for name, n_bytes in experiment.latent_bytes.items()
        ),
    )


def accuracy_table(rows: pd.DataFrame, names: Iterable[str], labels: dict[str, str]) -> str:
    """Markdown: what is stored, and accuracy by all metrics.

    Parameters
    ----------
    rows : of the frontier, indexed by name
    names : of the rows in this table, in this order
    labels : metric → label
    """
    shown = rows.loc[list(names)]
    errors = each(shown["standard_error"], score)
    ndcg = [f"{score(value)} ± {error}" for value, error in zip(shown[NDCG], errors, strict=True)]
    columns = {
        "row": row_names(shown),
        "stored per user": shown["stored"].tolist(),
        "bytes per user": each(shown["bytes_per_user"], number_of_bytes),
        "50M users": each(shown["bytes_per_user"], size_of_all),
        labels[NDCG]: ndcg,
        "seeds": each(shown["seed_spread"], "± {:.4f}".format),
        "kept of float (95 % CI)": share_cells(shown, "kept"),
        "above popularity (95 % CI)": share_cells(shown, "above_popularity"),
        **{label: each(shown[name], score) for name, label in labels.items() if name != NDCG},
    }
    return markdown(pd.DataFrame(columns))


def _labels(tables: Tables) -> dict[str, str]:
    metrics = tables["figures/metrics"]
    return dict(zip(metrics["metric"], metrics["label"], strict=True))


def _how_to_read(rows: pd.DataFrame, experiment: Experiment) -> str:
    histories = rows.index[(rows["family"] == "reference") & (rows["bytes_per_user"] > 0)]
    return " ".join(
        [
            "*Bytes per user* are measured from the encoded test users. *50M users* is the size of 50 million such",
            "vectors, in G = 10⁹ bytes, as in the paper. The value after *±* beside NDCG@100 is the standard error",
            f"over {rows['users'].iloc[0]:,} test users of the mean over seeds {listing(experiment.seeds)}; *seeds* is",
            "the standard deviation between the means of the seeds. *Kept of float* is the share of NDCG@100 that a",
            "row keeps of the same architecture with vectors of floats; *above popularity* is the share of what that",
            "float model has above `popularity`, which has one list for everybody. Their 95 % confidence intervals are",
            "from a bootstrap over users and seeds, paired by both; *kept of float* leaves out resamples in which the",
            "float model has no hit.",
            *(f"`{name}` stores a user's items themselves, 4 bytes each." for name in histories),
        ]
    )
