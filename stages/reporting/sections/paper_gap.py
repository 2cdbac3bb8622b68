"""What the paper's rows lose that are quantized after training, and which of the candidates lose as much here.

It is of a study, which is run by hand: no stage makes its table, and the section is empty until there is one.
"""

from math import nan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stages.config.params import AS_IS
from stages.reporting.csv_files import Columns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.paper import TABLE_1
from stages.reporting.tables import markdown
from stages.reporting.wording import UNKNOWN, paragraphs, score, share
from stages.run.text import code, literal
from stages.statistics.bootstrap import Bootstrap, Interval

FLOAT = "float"
"""What is stored by a line without codes."""
KINDS = ("loss", "own_loss", "added")
"""Of the yardstick's NDCG@100; of the same training's in float; of the yardstick's, beyond the model as it is."""
COLUMNS = Columns(
    ("model", "variant", "stored"), ("ndcg",), tuple(f"{kind}{end}" for kind in KINDS for end in ("", "_low", "_high"))
)
"""Of the table of a study of fits: the yardstick's lines, the model's as it is, then those of its variants."""


class FittedRow(NamedTuple):
    """One line of that table, as measured."""

    model: str
    variant: str
    stored: str
    """Name of a quantizer, or FLOAT."""
    ndcg: np.ndarray
    """float64 (n_seeds, n_users), NDCG@100 of the validation users with held-out interactions."""


def losses(rows: list[FittedRow], bootstrap: Bootstrap) -> pd.DataFrame:
    """The table; rows : in its order."""
    yardstick = rows[0].ndcg
    as_is = {row.stored: row.ndcg for row in rows if row.model == rows[-1].model and row.variant == AS_IS}
    floats = {row[:2]: row.ndcg for row in rows if row.stored == FLOAT}
    lines = []
    for row in rows:
        own = floats[row[:2]]
        line: dict[str, Any] = {"model": row.model, "variant": row.variant, "stored": row.stored}
        line["ndcg"] = row.ndcg.mean()
        compared = {
            "loss": None if row.ndcg is yardstick else (yardstick, yardstick),
            "own_loss": None if row.stored == FLOAT else (own, own),
            "added": None if row.variant == AS_IS else (as_is[row.stored], yardstick),
        }
        for kind, bases in compared.items():
            interval = _loss(bootstrap, row.ndcg, *bases) if bases else (nan, nan, nan)
            line |= dict(zip((kind, f"{kind}_low", f"{kind}_high"), interval, strict=True))
        lines.append(line)
    return pd.DataFrame(lines)


def _loss(bootstrap: Bootstrap, row: np.ndarray, base: np.ndarray, whole: np.ndarray) -> Interval:
    """By how much a row is below `base`, as a share of `whole`; unknown where that is 0."""
    if whole.mean() == 0:
        return Interval(nan, nan, nan)
    of_whole = bootstrap.means(whole)
    resampled = (bootstrap.means(base) - bootstrap.means(row))[of_whole > 0] / of_whole[of_whole > 0]
    low, high = np.quantile(resampled, [0.025, 0.975]) if row.shape[1] > 1 else (nan, nan)
    return Interval(float((base.mean() - row.mean()) / whole.mean()), float(low), float(high))


def check(table: pd.DataFrame) -> None:
    """ValueError where a table is not one of `losses`."""
    COLUMNS.check(table)
    lines = table[["model", "variant", "stored"]]
    first, last = lines["model"].iloc[0], lines["model"].iloc[-1]
    stored = dict.fromkeys(lines["stored"])
    variants = dict.fromkeys([(first, AS_IS), (last, AS_IS), *zip(lines["model"], lines["variant"], strict=True)])
    if FLOAT not in stored or lines.to_numpy().tolist() != [[*names, name] for names in variants for name in stored]:
        raise ValueError("lines are missing")


def words(tables: Tables, experiment: Experiment) -> str:
    """What the study explains, with a link to its table; empty where it was not run, or is of no row of the paper."""
    blocks = []
    for study in experiment.fit_studies:
        table = tables.get(f"studies/{study}")
        said = "" if table is None else explained(table, experiment.title, experiment.compare_with_paper)
        if said:
            blocks += [said, f"The table, and how it was measured: [studies/{study}.md](studies/{study}.md)."]
    return paragraphs("## What the paper's loss after training is made of", *blocks) if blocks else ""


def shown(table: pd.DataFrame) -> str:
    """The table in Markdown, a line for each variant."""
    yardstick = table["model"].iloc[0]
    lines = []
    for (model, variant), stored in table.groupby(["model", "variant"], sort=False):
        by = stored.set_index("stored")
        cells = {"variant": f"{code(model)}, {AS_IS}" if variant == AS_IS else literal(variant)}
        cells |= {name: score(by.loc[name, "ndcg"]) for name in by.index}
        cells |= {f"{name} against {yardstick}": _percent(by.loc[name], "loss") for name in by.index}
        cells |= {f"{name} against own float": _percent(by.loc[name], "own_loss") for name in by.index if name != FLOAT}
        lines.append(cells)
    return markdown(pd.DataFrame(lines))


def explained(table: pd.DataFrame, title: str, is_the_papers: bool) -> str:
    """In words: what depth, the codes as they are, and each candidate lose, and which of them as much as in the paper.

    Empty where the paper has no such rows, or where no interval is known.

    Parameters
    ----------
    table : of `losses`, as read from its file
    title : of the data set
    is_the_papers : whether the paper's Table 1 was measured on it
    """
    printed = _printed(table)
    if not printed or table["loss_low"].isna().all():
        return ""
    yardstick, model = table["model"].iloc[0], table["model"].iloc[-1]
    of_model = table[table["model"] == model]
    as_is = of_model[of_model["variant"] == AS_IS].set_index("stored")
    changed = table[table["variant"] != AS_IS]
    in_paper = " and ".join(f"{share(lost)} as `{name}`" for name, lost in printed.items())
    lines = [
        f"**Depth.** In float, `{model}` loses {_percent(as_is.loc[FLOAT], 'loss')} of `{yardstick}`"
        f"{_significance(as_is.loc[FLOAT], 'loss')}.",
        *(_codes_as_they_are(as_is.loc[name], str(name), yardstick, lost) for name, lost in printed.items()),
        *(_candidates(changed[changed["stored"] == name], name) for name in printed),
        *(
            _reached(table[(table["model"] == model) & (table["stored"] == name)], name, printed[name])
            for name in printed
        ),
    ]
    if len(printed) > 1:
        lines.append(_by_bytes(of_model, printed))
    return paragraphs(
        f"The paper's `{model}`, quantized after training, loses {in_paper}, of its `{yardstick}`. The paper does not "
        f"print `{model}` in float, nor how it fitted the codes. On the validation users of {literal(title)}:",
        "\n".join(f"- {line}" for line in lines if line),
        "What loses as much here may be what happened there, but need not be: a training that is stopped early enough "
        "loses any amount. "
        + (
            "This is the paper's data set, but the split's users and the recipe are this project's."
            if is_the_papers
            else "Nothing is claimed about MovieLens-20M, the paper's data set, without a run of this study on it."
        ),
    )


def _printed(table: pd.DataFrame) -> dict[str, float]:
    """Quantizer → what the paper's row of the model and this quantizer loses against its yardstick, where printed."""
    yardstick, model = table["model"].iloc[0], table["model"].iloc[-1]
    rows = {name: TABLE_1.get(f"{model}-{name}") for name in dict.fromkeys(table["stored"])}
    if yardstick not in TABLE_1:
        return {}
    return {name: 1 - row.ndcg / TABLE_1[yardstick].ndcg for name, row in rows.items() if row}


def _codes_as_they_are(line: "pd.Series[Any]", name: str, yardstick: str, lost: float) -> str:
    left = lost - line["loss"]
    in_paper = (
        f"{left * 100:.1f} of the paper's {lost * 100:.1f} points are not explained by depth and these codes"
        if left > 0
        else f"{-left * 100:.1f} points more than in the paper"
    )
    return (
        f"**`{name}` as it is** loses {_percent(line, 'own_loss')} of its own float model"
        f"{_significance(line, 'own_loss')}, and {_percent(line, 'loss')} of `{yardstick}`: {in_paper}."
    )


def _candidates(lines: pd.DataFrame, name: str) -> str:
    """What each variant adds, from the most to the least, and which of them nothing that can be told from chance."""
    ordered = lines.sort_values("added", ascending=False, kind="stable")
    more, less = ordered[ordered["added_low"] > 0], ordered[ordered["added_high"] < 0]
    unclear = ordered.drop([*more.index, *less.index])
    said = [
        f"{word}: {_listed(group, 'added')}"
        for word, group in (("lose more", more), ("lose less", less), ("not significant", unclear))
        if len(group)
    ]
    return f"**Candidates with `{name}`**, against the model as it is: {'; '.join(said)}." if said else ""


def _reached(lines: pd.DataFrame, name: str, lost: float) -> str:
    """Which lines lose as much as the paper's row."""
    beyond, within = lines[lines["loss_low"] > lost], lines[(lines["loss_low"] <= lost) & (lines["loss_high"] >= lost)]
    if beyond.empty and within.empty:
        most = _listed(lines.loc[[lines["loss"].idxmax()]], "loss")
        return f"**The paper's {share(lost)} with `{name}` is not explained** by any line; the most is lost by {most}."
    said = [
        f"{word} {_listed(group, 'loss')}"
        for word, group in (("within the interval of", within), ("exceeded by", beyond))
        if len(group)
    ]
    less = len(lines) - len(beyond) - len(within)
    others = f"of {less} of the {len(lines)} lines the interval ends below it"
    return f"**The paper's {share(lost)} with `{name}`** is {', and '.join(said)}; {others}."


def _by_bytes(lines: pd.DataFrame, printed: dict[str, float]) -> str:
    """How much more the last quantizer loses than the first."""
    first, *_, last = printed
    by = lines.pivot_table("loss", "variant", "stored", sort=False)
    more = (by[last] - by[first]).sort_values(ascending=False)
    extremes = ", ".join(f"{literal(name)} {more[name] * 100:+.1f}" for name in (more.index[0], more.index[-1]))
    in_paper = f"{(printed[last] - printed[first]) * 100:+.1f}"
    return (
        f"**`{last}` against `{first}`.** The fewer bytes lose {in_paper} points in the paper, and "
        f"{more[AS_IS] * 100:+.1f} here as it is; of all lines, from the most to the least: {extremes}."
    )


def _listed(lines: pd.DataFrame, kind: str) -> str:
    names = (AS_IS if name == AS_IS else literal(name) for name in lines["variant"])
    return ", ".join(f"{name} {_percent(line, kind)}" for name, (_, line) in zip(names, lines.iterrows(), strict=True))


def _percent(line: "pd.Series[Any]", kind: str) -> str:
    value, low, high = (line[f"{kind}{end}"] for end in ("", "_low", "_high"))
    if pd.isna(value):
        return UNKNOWN
    ends = UNKNOWN if pd.isna(low) else f"{_rounded(low)} to {_rounded(high)}"
    return f"{'+' if kind == 'added' and value > 0 else ''}{_rounded(value)} % ({ends})"


def _rounded(value: float) -> str:
    return f"{round(value * 100, 1) + 0.0:.1f}"  # without the sign of -0.0


def _significance(line: "pd.Series[Any]", kind: str) -> str:
    low, high = line[f"{kind}_low"], line[f"{kind}_high"]
    return ", which is not significant" if pd.notna(low) and low <= 0 <= high else ""
