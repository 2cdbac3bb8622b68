"""Loss and validation NDCG@100 of every training."""

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt

from stages.reporting.csv_files import Tables, TextColumns
from stages.reporting.experiment import Experiment
from stages.reporting.figures import draw_lines, legend_below, line_styles, save
from stages.reporting.results import Results
from stages.reporting.wording import paragraphs

TABLES: TextColumns = {"plots/curves": ("row",)}


def data(results: Results) -> dict[str, pd.DataFrame]:
    """Means over seeds, by model and epoch."""
    curves = [
        curve.drop(columns="seed").groupby("epoch", as_index=False).mean().assign(row=model)
        for model, curve in results.curves.items()
    ]
    return {"plots/curves": pd.concat(curves, ignore_index=True)[["row", "epoch", "loss", "validation_ndcg"]]}


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The picture, and how to read it."""
    return paragraphs(
        "## Training",
        _recipes(experiment),
        "![Training loss and validation NDCG@100 per epoch](figures/curves.png)",
        "The curves are means over seeds. Where codes learn the float model's scores (`target: scores`), a second loss "
        "is added when the codebooks start, so the curve jumps. The weights of the epoch with the best NDCG@100 on the "
        "validation users are kept, with quantization on; where a model has several rows, their mean decides.",
    )


def draw(tables: Tables, folder: Path) -> None:
    """Two panels: loss, and NDCG@100 on the validation users."""
    table = tables["plots/curves"]
    styles = line_styles([*tables["plots/frontier"]["row"], *table["row"]])
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    draw_lines(left, table, "epoch", "loss", styles, "training loss (with dropout)")
    draw_lines(right, table, "epoch", "validation_ndcg", styles, "NDCG@100 on validation users")
    legend_below(figure, left)
    save(figure, folder / "curves.png")


def _recipes(experiment: Experiment) -> str:
    """How the models were trained out here; empty where each is trained as params.yaml says for all data sets."""
    if not experiment.recipes:
        return ""
    models = "; ".join(f"`{model}` ({', '.join(settings)})" for model, settings in experiment.recipes.items())
    return (
        f"On this data set these models have values of their own: {models}. They were chosen on the validation users "
        f"by `python -m stages.commands.sweep --dataset {experiment.dataset} --model …`; a model that is quantized in "
        "training takes those of its float twin."
    )
