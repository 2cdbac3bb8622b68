"""What blocks of params.yaml say of each other, and what entries ask of a split."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Set
from typing import TypeVar

from pydantic import ValidationError

from stages.config.messages import describe
from stages.config.model import TRAINED, DaeSettings, ResidualBottleneckSettings, VectorsSettings
from stages.config.params import Params
from stages.config.quantizer import CODES, QuantizerSettings
from stages.config.study import FitStudySettings
from stages.run.errors import UserError

Value = TypeVar("Value", int, str)

MAKE_ROWS = ("references", "models", "quantized_models", "quantizers")
"""Blocks whose entries give the rows of the report."""


def cross_check(params: Params, wrong: Set[str]) -> list[str]:
    """All faults between blocks, one a line.

    Parameters
    ----------
    params : with the valid entries only
    wrong : paths of the blocks and entries that are wrong in themselves. Whatever names one of them is not judged:
        its fault is said already
    """
    return [
        *_run(params, wrong),
        *_recipes(params, wrong),
        *_quantized_items_and_refits(params, wrong),
        *_quantized_models(params, wrong),
        *_float_twins(params, wrong),
        *_widths(params),
        *_names_and_seeds(params),
        *_budgets(params, wrong),
        *_serving(params, wrong),
        *_studies(params, wrong),
    ]


def check_split(params: Params, n_users: int, n_items: int, models: Iterable[str]) -> None:
    """Check, before any long work, that a split is large enough for what is trained and fitted on it.

    Parameters
    ----------
    n_users : train users
    n_items : columns of the matrices, each of which has a vector in an item table
    models : names of those that are trained, or quantized

    Raises
    ------
    UserError
        with all entries that need more; entries of other models are not looked at.
    """
    lines = [
        f"  {entry}: {least:,} codes need as many {vectors}, there are {n:,}"
        for entry, least, vectors, n in dict.fromkeys(_needs(params, n_users, n_items, models))
        if least > n
    ]
    if lines:
        raise UserError(
            "this split is too small for some entries of params.yaml; take more ratings, or remove them:\n"
            + "\n".join(lines)
        )


def _needs(params: Params, n_users: int, n_items: int, models: Iterable[str]) -> Iterator[tuple[str, int, str, int]]:
    """Path of an entry, the fewest vectors that it is fitted on, whose vectors, and how many there are."""
    for model in models:
        entry = params.model(model)
        if isinstance(entry, DaeSettings) and entry.bottleneck:
            yield f"models.{model}", CODES, "train users", n_users
        if model in params.quantized_models:
            for name, quantizer in params.quantizers_of(model).items():
                yield f"quantizers.{name}", quantizer.least_vectors, "train users", n_users
        if model in params.quantized_items:
            for name, quantizer in params.item_quantizers_of(model).items():
                yield f"quantizers.{name}", quantizer.least_vectors, "items", n_items


def _run(params: Params, wrong: Set[str]) -> Iterator[str]:
    for name in params.run:
        if _is_missing(name, "datasets", params.datasets, wrong):
            yield f"run: '{name}' is not under datasets"
    for name in sorted(set(params.run)):
        if params.run.count(name) > 1:
            yield f"run: '{name}' is there more than once"


def _recipes(params: Params, wrong: Set[str]) -> Iterator[str]:
    """What a data set says of its models; DVC needs a line for each that a stage trains there."""
    for name, dataset in params.datasets.items():
        for model, changes in dataset.models.items():
            entry = params.models.get(model)
            if _is_missing(model, "models", params.models, wrong):
                if name in params.run:
                    yield f"datasets.{name}.models: '{model}' is not under models"
            elif isinstance(entry, VectorsSettings) and changes.model_dump(exclude_none=True):
                yield f"datasets.{name}.models.{model}: vectors from elsewhere are not trained; write '{model}: {{}}'"
            elif entry and entry.family != "trained" and changes.start is not None:
                yield f"datasets.{name}.models.{model}.start: is for models with a bottleneck"
        if name in params.run and "models" not in wrong:
            for model in params.models:
                if model not in dataset.models:
                    line = f"{model}: {{}}"
                    yield f"datasets.{name}.models: '{model}' is missing; write '{line}' to train it as under models"


def _quantized_items_and_refits(params: Params, wrong: Set[str]) -> Iterator[str]:
    chosen = [("quantized_items", model, names) for model, names in params.quantized_items.items()]
    chosen += [("refits", model, entry.quantizers) for model, entry in params.refits.items()]
    for block, model, names in chosen:
        if _is_missing(model, "quantized_models", params.quantized_models, wrong):
            yield f"{block}: '{model}' is not under quantized_models"
        if isinstance(params.models.get(model), VectorsSettings):
            yield f"{block}: '{model}' is of vectors from elsewhere, without the layers of an auto-encoder; remove it"
        if model not in params.quantized_models:
            continue
        fitted = params.quantized_models[model]
        for name in names:
            quantizer = params.quantizers.get(name)
            if _is_missing(name, "quantizers", params.quantizers, wrong) if fitted == "all" else name not in fitted:
                yield f"{block}.{model}: '{name}' is not fitted on the model's users, by quantized_models"
            elif quantizer and not quantizer.has_vectors:
                yield f"{block}.{model}: '{name}' keeps histories, and has no vectors"


def _quantized_models(params: Params, wrong: Set[str]) -> Iterator[str]:
    keeps_histories = {name for name, entry in params.quantizers.items() if not entry.has_vectors}
    for model, names in params.quantized_models.items():
        entry = params.models.get(model)
        if entry.family != "float" if entry else _is_missing(model, "models", params.models, wrong):
            yield f"quantized_models: '{model}' is not an auto-encoder without bottleneck under models"
        for name in params.quantizers if names == "all" else names:
            if _is_missing(name, "quantizers", params.quantizers, wrong):
                yield f"quantized_models.{model}: '{name}' is not under quantizers"
            elif isinstance(entry, VectorsSettings) and name in keeps_histories:
                yield (
                    f"quantized_models.{model}: '{name}' keeps histories, of which no vector from elsewhere is made; "
                    "name the others"
                )


def _float_twins(params: Params, wrong: Set[str]) -> Iterator[str]:
    floats = {
        row.name for name, entry in params.models.items() if entry.family == "float" for row in params.rows_of(name)
    }
    for model, twin in params.float_twins.items():
        entry = params.models.get(model)
        if entry.family != "trained" if entry else _is_missing(model, "models", params.models, wrong):
            yield f"float_twins: '{model}' is not a model with a bottleneck under models"
        if twin not in floats and not _is_of_wrong_model(twin, wrong):
            yield f"float_twins.{model}: '{twin}' is not the row of a model without bottleneck"
    for model, entry in params.models.items():
        if entry.family == "trained" and _is_missing(model, "float_twins", params.float_twins, wrong):
            yield (
                f"float_twins: '{model}' is quantized in training and has no float twin; name the row of a float model"
            )


def _is_of_wrong_model(row: str, wrong: Set[str]) -> bool:
    """Whether the row may be of a model whose entry is wrong, so that its variants are not known."""
    return "models" in wrong or any(f"models.{row}-".startswith(f"{path}-") for path in wrong)


def _widths(params: Params) -> Iterator[str]:
    """Quantizers that can't be fitted on a model's last layer, or on its item tables."""
    for model, entry in params.models.items():
        if entry.family != "float" or model not in params.quantized_models:
            continue
        quantizers = params.quantizers_of(model)
        for name, quantizer in quantizers.items():
            if fault := _fault_of_width(quantizer, entry.width):
                yield f"quantizers.{name}: {fault} of '{model}'"
        for name in params.quantized_items.get(model, []):
            if isinstance(entry, VectorsSettings) or name not in quantizers:
                continue
            if fault := _fault_of_width(quantizers[name], entry.hidden[0]):
                yield f"quantized_items.{model}: '{name}': {fault}"


def _fault_of_width(quantizer: QuantizerSettings, width: int) -> str | None:
    try:
        quantizer.check_width(width)
    except ValueError as error:
        return str(error)
    return None


def _names_and_seeds(params: Params) -> Iterator[str]:
    """The first of what two rows, or two trainings of a model, would both write."""
    rows = params.rows()
    names = [row.name for row in rows]
    bases = [row.base for row in dict.fromkeys(row._replace(variant=None, encoder="nearest") for row in rows)]
    if name := _repeated(names) or _repeated(bases):
        yield f"two rows are named '{name[0]}'; rename an entry"
    if seed := _repeated(params.seeds):
        yield f"seeds: {seed[0]} is there more than once"


def _repeated(values: list[Value]) -> list[Value]:
    return [value for value, count in Counter(values).items() if count > 1]


def _budgets(params: Params, wrong: Set[str]) -> Iterator[str]:
    """Budgets of models without residual codes, or beyond them."""
    for model, sizes in params.budgets.items():
        entry = params.models.get(model)
        bottleneck = entry.bottleneck if isinstance(entry, DaeSettings) else None
        if isinstance(bottleneck, ResidualBottleneckSettings):
            if sizes[-1] < 2 or sizes[0] > bottleneck.bytes[0]:
                yield f"budgets.{model}: must be from 2 to {bottleneck.bytes[0]}, the bytes of the whole code"
        elif entry or _is_missing(model, "models", params.models, wrong):
            yield f"budgets: '{model}' is not a model with a residual bottleneck under models"


def _serving(params: Params, wrong: Set[str]) -> Iterator[str]:
    """Rows that can't be handed over, and a training that there is not."""
    if "serving" in wrong:
        return
    rows = {row.name: row for row in params.rows()}
    # A row is of a reference, of a model, or of both a model and a quantizer: one that is wrong has no row here.
    may_be_of_wrong_entry = any(path.partition(".")[0] in MAKE_ROWS for path in wrong)
    for name in dict.fromkeys(params.serving.rows):
        if params.serving.rows.count(name) > 1:
            yield f"serving.rows: '{name}' is there more than once"
        if name not in rows:
            if not may_be_of_wrong_entry:
                yield f"serving.rows: '{name}' is not a row of the report"
        elif not params.has_codes(rows[name]):
            yield f"serving.rows: '{name}' has no product or residual codes; name a row that has"
        elif isinstance(params.models.get(rows[name].model), VectorsSettings):
            yield (
                f"serving.rows: '{name}' is of vectors from elsewhere, to which no history is encoded; for its codes "
                "and package, use: python -m stages.commands.compress"
            )
    if "seeds" not in wrong and params.serving.seed not in params.seeds:
        seeds = ", ".join(map(str, params.seeds))
        yield f"serving.seed: {params.serving.seed} is not one of the seeds of the trainings, {seeds}"


def _studies(params: Params, wrong: Set[str]) -> Iterator[str]:
    """Studies without a model, and what they make of their model that is no model."""
    for study, settings in params.studies.items():
        if _is_missing(settings.model, "models", params.models, wrong):
            yield f"studies.{study}.model: '{settings.model}' is not under models"
        if isinstance(settings, FitStudySettings):
            for name in settings.quantizers:
                if _is_missing(name, "quantizers", params.quantizers, wrong):
                    yield f"studies.{study}.quantizers: '{name}' is not under quantizers"
            if _is_missing(settings.yardstick, "models", params.models, wrong):
                yield f"studies.{study}.yardstick: '{settings.yardstick}' is not under models"
            yield from (f"studies.{study}.{fault}" for fault in settings.faults(params.models, params.quantizers))
        base = params.models.get(settings.model)
        if isinstance(base, VectorsSettings):
            yield f"studies.{study}.model: '{settings.model}' is of vectors from elsewhere, which no training makes"
        if base is None or isinstance(base, VectorsSettings):
            continue
        within = ".model" if isinstance(settings, FitStudySettings) else ""
        for name, entry in settings.entries(base).items():
            try:
                TRAINED.validate_python(entry)
            except ValidationError as error:
                yield from describe(error, entry, f"studies.{study}.variants.{name}{within}")


def _is_missing(name: str, block: str, entries: Collection[str], wrong: Set[str]) -> bool:
    """Whether a block has no such entry, not even a wrong one."""
    return name not in entries and block not in wrong and f"{block}.{name}" not in wrong
