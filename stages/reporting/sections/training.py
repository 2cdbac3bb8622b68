"""Loss and validation NDCG@100 of every training."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.figures import COLOURS, WIDTH, Theme, name_ends, title
from stages.reporting.results import Results
from stages.reporting.wording import paragraphs, picture
from stages.run.text import literal

PICTURE = "curves"
TABLES: TableColumns = {"plots/curves": Columns(("row",), ("epoch", "loss", "validation_ndcg"))}
LINES = len(COLOURS)  # of a panel at most


def data(results: Results) -> dict[str, pd.DataFrame]:
    """Means over seeds, by model and epoch."""
    curves = [
        curve.drop(columns="seed").groupby("epoch", as_index=False).mean().assign(row=model)
        for model, curve in results.curves.items()
    ]
    return {"plots/curves": pd.concat(curves, ignore_index=True)[TABLES["plots/curves"].names]}


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The picture, and how to read it."""
    return paragraphs(
        "## Training",
        _recipes(experiment),
        picture(PICTURE, "Training loss and validation NDCG@100 per epoch"),
        f"The curves are means over seeds, of at most {LINES} models in a panel: those with the best NDCG@100. The "
        "loss is the same throughout, that of the interactions: where codes also learn the float model's scores "
        "(`target: scores`), the loss of these is not in it. The weights of the epoch with the best NDCG@100 on the "
        "validation users are kept, with quantization on; where a model has several rows, their mean decides.",
    )


def draw(tables: Tables, theme: Theme) -> Figure:
    """Loss beside NDCG@100 on the validation users: float models above those that are quantized during training."""
    table = tables["plots/curves"]
    is_trained = {model: _family(model, tables["plots/frontier"]) == "trained" for model in table["row"].unique()}
    groups = [
        (name, curves)
        for name, trained in (("float models", False), ("quantized during training", True))
        if len(curves := table[table["row"].map(is_trained) == trained])
    ]
    figure = Figure(figsize=(WIDTH, 0.9 + 2.15 * len(groups)))
    title(
        figure,
        theme,
        "Have the models converged?",
        "Where a line is flat at its end, more epochs would not help; where it rises, they might. Means over seeds.",
    )
    panels = figure.subplots(len(groups), 2, sharex=True, sharey="col", squeeze=False)
    inches = figure.get_figheight()
    figure.subplots_adjust(0.06, 0.42 / inches, 0.785, 1 - 0.78 / inches, wspace=0.16, hspace=0.28)
    shown = [curves.groupby("row", sort=False)["validation_ndcg"].max().nlargest(LINES).index for _, curves in groups]
    for pair, (name, curves), models in zip(panels, groups, shown, strict=True):
        for axes, column in zip(pair, ("loss", "validation_ndcg"), strict=True):
            for model, colour in zip(models, COLOURS, strict=False):
                curve = curves[curves["row"] == model]
                marker = "o" if len(curve) == 1 else ""  # a line of one point is no line
                axes.plot(curve["epoch"], curve[column], color=colour, marker=marker)
        pair[0].set_title(f"{name}: training loss")
        pair[1].set_title(f"{name}: validation NDCG@100")
    for (_, right), models in zip(panels, shown, strict=True):  # once all lines are there: rows share their limits
        name_ends(right, theme, list(models))
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _family(model: str, rows: pd.DataFrame) -> str:
    """Of the model's first row; the rows that quantize a float model come after its own."""
    own = rows.loc[(rows["row"] == model) | rows["row"].str.startswith(f"{model}-"), "family"]
    return str(own.iloc[0]) if len(own) else "float"


def _recipes(experiment: Experiment) -> str:
    """How the models were trained here; empty where each is trained as params.yaml says for all data sets."""
    if not experiment.recipes:
        return ""
    models = "; ".join(
        f"`{model}` ({', '.join(f'{name} {_value(value)}' for name, value in settings.items())})"
        for model, settings in experiment.recipes.items()
    )
    return (
        f"On this data set these models have values of their own in params.yaml: {models}. `python -m "
        f"stages.commands.sweep --dataset {experiment.dataset} --model …` searches learning rate, L2 and epochs on the "
        "validation users, and writes what it tried to `sweeps/` beside this report. The start of the codebooks, as a "
        "share of the epochs, is not searched."
    )


def _value(value: float | str) -> str:
    return literal(value) if isinstance(value, str) else f"{value:g}"
