"""The rows of the paper's Table 1, and those that it lacks."""

from collections.abc import Iterable

import pandas as pd

from stages.reporting.csv_files import Tables
from stages.reporting.experiment import Experiment
from stages.reporting.families import FAMILIES
from stages.reporting.paper import TABLE_1, rows_of_the_paper, size_of_all, sizes
from stages.reporting.results import NDCG
from stages.reporting.tables import markdown
from stages.reporting.wording import UNKNOWN, code, each, listing, number_of_bytes, paragraphs, score, share_interval


def words(tables: Tables, experiment: Experiment) -> str:
    """Both tables, and how to read them."""
    rows = tables["plots/frontier"].set_index("row")
    labels = _labels(tables)
    in_paper = rows_of_the_paper(rows["bytes_per_user"])
    beside = [
        str(name)
        for name, family in rows["family"].items()
        if name not in in_paper and not FAMILIES[family].after_training
    ]
    return paragraphs(
        "## Table 1",
        "This is Table 1 of *PQ-VAE: Efficient Recommendation Using Quantized Embeddings* (Van Balen & Levy, RecSys "
        "2019), as measured here.",
        accuracy_table(rows, in_paper, labels, experiment.compare_with_paper),
        "These rows are not in the paper's table: float twins of its quantized rows, other codes that are trained, and "
        "references. Rows that are quantized after training are on the frontier below.",
        accuracy_table(rows, beside, labels, with_paper=False),
        _how_to_read(rows, experiment),
        *(
            f"`{name}` stores its last hidden layer, as the paper counts it. Its latent would take {sizes(n_bytes)}, "
            "and the decoder's first layers at query time."
            for name, n_bytes in experiment.latent_bytes.items()
        ),
        _the_papers_values(experiment),
    )


def accuracy_table(rows: pd.DataFrame, names: Iterable[str], labels: dict[str, str], with_paper: bool) -> str:
    """Markdown: bytes per user, size of 50M users and accuracy, with the paper's values if asked.

    Parameters
    ----------
    rows : of the frontier, indexed by name
    names : of the rows in this table, in this order
    labels : metric → label
    with_paper : only where all these rows are the paper's
    """
    shown = rows.loc[list(names)]
    ndcg = [
        f"{score(value)} ± {score(error)}" for value, error in zip(shown[NDCG], shown["standard_error"], strict=True)
    ]
    columns = {
        "row": code(shown.index),
        "stored per user": shown["stored"].tolist(),
        "bytes per user": each(shown["bytes_per_user"], number_of_bytes),
        "50M users": each(shown["bytes_per_user"], size_of_all),
        labels[NDCG]: ndcg,
        "seeds": each(shown["seed_spread"], "± {:.4f}".format),
        "kept of float (95 % CI)": [
            UNKNOWN if pd.isna(value) else share_interval(value, low, high)
            for value, low, high in zip(shown["kept"], shown["kept_low"], shown["kept_high"], strict=True)
        ],
        **{label: each(shown[name], score) for name, label in labels.items() if name != NDCG},
    }
    if with_paper:
        printed = [TABLE_1[name].ndcg for name in shown.index]
        columns["paper"] = each(printed, "{:.3f}".format)
        columns["difference"] = each(shown[NDCG] - printed, "{:+.4f}".format)
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
            "row keeps of the same architecture with vectors of floats. Its 95 % confidence interval is from a",
            "bootstrap over users, paired, of means over seeds.",
            *(f"`{name}` stores a user's items themselves, 4 bytes each." for name in histories),
        ]
    )


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
