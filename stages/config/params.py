"""The typed schema of params.yaml, and its only reader."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.config.dataset import Dataset, Strict
from stages.config.model import Dae, Model, Reference, RefitRules, ResidualBottleneck, Sizes, Study, Sweep
from stages.config.quantizer import CODES, Quantizer
from stages.run.errors import UserError

# A name becomes part of file names, DVC stage names and DVC's dotted parameter paths.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Entry = TypeVar("Entry")
PATH = Path("params.yaml")


class Training(Strict):
    """What all trainings share."""

    precision: Literal["float32", "bfloat16"]
    """Of the products with the items' output weights, in training; all else is float32."""
    cooldown: Annotated[float, Field(ge=0, le=1)]
    """Last share of the epochs, over which the learning rate falls linearly to 0."""
    checkpoint_epochs: Annotated[int, Field(ge=1)]


class Evaluation(Strict):
    """What all evaluations share."""

    batch_size: Annotated[int, Field(ge=1)]


class Report(Strict):
    """How the report writes numbers."""

    digits: Annotated[int, Field(ge=3, le=10)]
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    """Of the test users, for confidence intervals."""
    bootstrap_seed: Annotated[int, Field(ge=0)]


class Row(NamedTuple):
    """A row of the report: what is stored of users, from which model."""

    model: str
    """Under models or references."""
    quantizer: str | None = None
    """Fitted after training; None where the model itself says what is stored."""
    form: int | str | None = None
    """Bytes of a code, or the type of floats; None where there is one form only."""

    @property
    def base(self) -> str:
        """What all forms have in common; they are evaluated together."""
        return self.model if self.quantizer is None else f"{self.model}-{self.quantizer}"

    @property
    def name(self) -> str:
        """Its name in the report and in metrics.json."""
        if self.form is None:
            return self.base
        return f"{self.base}-{self.form}b" if isinstance(self.form, int) else f"{self.base}-{self.form}"


TABLES = ("output", "input", "both", "users-too")


class ItemRow(NamedTuple):
    """A model whose item tables are quantized."""

    model: str
    quantizer: str
    form: int | str | None
    tables: str
    """One of `TABLES`: the decoder's last layer, the encoder's first, both, or both and the users' embeddings."""

    @property
    def users(self) -> Row:
        """The row whose users are quantized in the same way."""
        return Row(self.model, self.quantizer, self.form)

    @property
    def name(self) -> str:
        """Its name in the report."""
        return f"{self.users.name}-{self.tables}"


class Params(Strict):
    """The whole of params.yaml."""

    run: list[Name]
    datasets: dict[Name, Dataset]
    device: Literal["auto", "cpu", "cuda"]
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]
    """Of the trainings of every model: weights, order of users, dropout, noise."""
    training: Training
    evaluation: Evaluation
    references: dict[Name, Reference]
    models: dict[Name, Model]
    quantized_models: dict[Name, Literal["all"] | list[Name]]
    """Model → the quantizers that are fitted on its users after training."""
    quantizers: dict[Name, Quantizer]
    quantized_items: dict[Name, list[Name]]
    """Model → the quantizers that are fitted on its item tables as well."""
    refits: dict[Name, RefitRules]
    """Model → how its output layer is trained on for some of its quantizers."""
    budgets: dict[Name, Sizes]
    """Model with a residual bottleneck → average bytes of codes that are longer for users with longer histories."""
    studies: dict[Name, Study]
    sweep: Sweep
    report: Report

    def rows(self) -> list[Row]:
        """All rows of a report, in the order of params.yaml."""
        models = [row for model in self.models for row in self.rows_of(model)]
        quantized = [row for model in self.quantized_models for row in self.quantized_rows_of(model)]
        return [Row(reference) for reference in self.references] + models + quantized

    def rows_of(self, model: str) -> list[Row]:
        """The forms that a model's users are stored in as it is; UserError where there is no such model."""
        if model in self.references:
            return [Row(model)]
        return [Row(model, None, form) for form in self.model(model).forms]

    def quantizers_of(self, model: str) -> dict[str, Quantizer]:
        """Those that are fitted on the model's users after training; UserError where there are none."""
        names = _entry("quantized_models", self.quantized_models, model)
        return {name: entry for name, entry in self.quantizers.items() if names == "all" or name in names}

    def quantized_rows_of(self, model: str) -> list[Row]:
        """The forms that the model's users are stored in by all of its quantizers."""
        return [Row(model, name, form) for name, entry in self.quantizers_of(model).items() for form in entry.forms]

    def item_quantizers_of(self, model: str) -> dict[str, Quantizer]:
        """Those that are fitted on the model's item tables; UserError where there are none."""
        names = _entry("quantized_items", self.quantized_items, model)
        return {name: self.quantizers[name] for name in names}

    def item_rows(self) -> list[ItemRow]:
        """All rows of quantized item tables."""
        return [
            ItemRow(model, name, form, tables) for model in self.quantized_items
            for name, entry in self.item_quantizers_of(model).items() for form in entry.forms for tables in TABLES
        ]  # fmt: skip

    def check_split(self, n_users: int, n_items: int) -> None:
        """UserError, before any long work, where a split is too small for an entry.

        Parameters
        ----------
        n_users : train users
        n_items : columns of the matrices, of which each has a vector in an item table
        """
        wanted = [
            (f"models.{name}", CODES, n_users, "train users")
            for name, model in self.models.items()
            if isinstance(model, Dae) and model.bottleneck
        ]
        of_users = {name: entry for model in self.quantized_models for name, entry in self.quantizers_of(model).items()}
        of_items = {
            name: entry for model in self.quantized_items for name, entry in self.item_quantizers_of(model).items()
        }
        for quantizers, n, what in ((of_users, n_users, "train users"), (of_items, n_items, "items")):
            wanted += [(f"quantizers.{name}", entry.least_vectors, n, what) for name, entry in quantizers.items()]
        problems = [
            f"  {entry}: {least:,} codes need as many {what}, there are {n:,}"
            for entry, least, n, what in wanted
            if least > n
        ]
        if problems:
            raise UserError("this split is too small for some entries of params.yaml:\n" + "\n".join(problems))

    def refits_of(self, model: str) -> RefitRules:
        """How the model's output layer is trained on; UserError where it is not."""
        return _entry("refits", self.refits, model)

    def budgets_of(self, model: str) -> list[int]:
        """Average bytes of the model's codes, falling; UserError where there are none."""
        return _entry("budgets", self.budgets, model)

    def seeds_of(self, model: str) -> list[int]:
        """Of its trainings; a reference is fitted once, without a seed."""
        return self.seeds if model in self.models else self.seeds[:1]

    def variants(self, study: str) -> dict[str, Model]:
        """The model of a study as it is, then each of its variants; UserError where there is no such study."""
        settings = _entry("studies", self.studies, study)
        base = self.model(settings.model)
        changed = {name: _with(base, change) for name, change in settings.variants.items()}
        return {f"{settings.model}, as it is": base, **changed}

    def dataset(self, name: str) -> Dataset:
        """The data set's entry; UserError where there is none."""
        return _entry("datasets", self.datasets, name)

    def model(self, name: str) -> Model:
        """The model's entry; UserError where there is none."""
        return _entry("models", self.models, name)

    def reference(self, name: str) -> Reference:
        """The reference's entry; UserError where there is none."""
        return _entry("references", self.references, name)

    def quantizer(self, name: str) -> Quantizer:
        """The quantizer's entry; UserError where there is none."""
        return _entry("quantizers", self.quantizers, name)


def read_params(path: Path = PATH) -> Params:
    """Read and check the whole file.

    Raises
    ------
    UserError
        where the file is missing or is no YAML, or with *all* wrong entries, one a line, by their paths.
    """
    try:
        # YAML 1.2, as DVC reads it: PyYAML would take 1e-3 for a string.
        content = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise UserError(f"there is no {path} in {Path.cwd()}; run stages from the top of the repository") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no keys; restore it, for example with: git checkout {path}")
    problems = []
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        problems = [_describe(details, content) for details in error.errors()]
    problems += _cross_check(content)
    if not problems:
        problems = _same_names(params) + _wrong_widths(params) + _wrong_budgets(params) + _wrong_variants(params)
    if problems:
        count = "a wrong entry" if len(problems) == 1 else f"{len(problems)} wrong entries"
        raise UserError(f"{path} has {count}; nothing was run:\n" + "\n".join(f"  {line}" for line in problems))
    return params


def _cross_check(content: dict[str, Any]) -> list[str]:
    """What is wrong between blocks. Judged on the raw file, to be listed beside what is wrong within them."""
    datasets, models, quantizers, quantized, items, refits = (
        block if isinstance(block := content.get(name), dict) else {}
        for name in ("datasets", "models", "quantizers", "quantized_models", "quantized_items", "refits")
    )
    run = [name for name in names if isinstance(name, str)] if isinstance(names := content.get("run"), list) else []
    problems = [f"run: '{name}' is not under datasets" for name in run if name not in datasets]
    problems += [f"run: '{name}' is there more than once" for name in sorted(set(run)) if run.count(name) > 1]
    # Where quantized_models is missing, that alone is said.
    wanted = [("quantized_items", name, chosen) for name, chosen in items.items() if "quantized_models" in content]
    wanted += [
        ("refits", name, chosen.get("quantizers"))
        for name, chosen in refits.items()
        if isinstance(chosen, dict) and "quantized_models" in content
    ]
    for block, name, chosen in wanted:
        fitted = quantized.get(name, [])
        names = list(quantizers) if fitted == "all" else fitted
        for quantizer in chosen if isinstance(chosen, list) else []:
            if not isinstance(names, list) or quantizer not in names:
                problems.append(
                    f"{block}.{name}: '{quantizer}' is not fitted on the model's users, by quantized_models"
                )
            elif isinstance(entry := quantizers.get(quantizer), dict) and entry.get("kind") == "history":
                problems.append(f"{block}.{name}: '{quantizer}' keeps histories, and has no vectors")
    for name, chosen in quantized.items():
        model = models.get(name)
        if not isinstance(model, dict) or "hidden" not in model or model.get("bottleneck"):
            problems.append(f"quantized_models: '{name}' is not an auto-encoder without bottleneck under models")
        elif isinstance(chosen, list):
            problems += [
                f"quantized_models.{name}: '{quantizer}' is not under quantizers"
                for quantizer in chosen
                if quantizer not in quantizers
            ]
    return problems


def _wrong_widths(params: Params) -> list[str]:
    """Quantizers that can't be fitted on a model's last layer."""
    problems = []
    for model in params.quantized_models:
        for name, quantizer in params.quantizers_of(model).items():
            try:
                quantizer.check_width(params.models[model].hidden[-1])
            except ValueError as error:
                problems.append(f"quantizers.{name}: {error} of '{model}'")
    for model in params.quantized_items:
        for name, quantizer in params.item_quantizers_of(model).items():
            try:
                quantizer.check_width(params.models[model].hidden[0])
            except ValueError as error:
                problems.append(f"quantized_items.{model}: '{name}': {error}")
    return problems


def _same_names(params: Params) -> list[str]:
    """What two entries would both write."""
    rows = params.rows()
    for names in (
        [row.name for row in rows],
        [row.base for row in dict.fromkeys(row._replace(form=None) for row in rows)],
    ):
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if twice:
            return [f"two rows are named '{name}'; rename an entry" for name in twice]
    return [f"seeds: {seed} is there more than once" for seed in params.seeds if params.seeds.count(seed) > 1][:1]


def _wrong_budgets(params: Params) -> list[str]:
    """Budgets of models without residual codes, or beyond them."""
    problems = []
    for name, sizes in params.budgets.items():
        bottleneck = getattr(params.models.get(name), "bottleneck", None)
        if not isinstance(bottleneck, ResidualBottleneck):
            problems.append(f"budgets: '{name}' is not a model with a residual bottleneck under models")
        elif sizes[-1] < 2 or sizes[0] > bottleneck.bytes[0]:
            problems.append(f"budgets.{name}: must be from 2 to {bottleneck.bytes[0]}, the bytes of the whole code")
    return problems


def _wrong_variants(params: Params) -> list[str]:
    """What studies make of their models that is no model."""
    problems = []
    for study, settings in params.studies.items():
        if settings.model not in params.models:
            problems.append(f"studies.{study}.model: '{settings.model}' is not under models")
            continue
        for name, change in settings.variants.items():
            try:
                _with(params.models[settings.model], change)
            except ValidationError as error:
                content = _merged(params.models[settings.model].model_dump(exclude_none=True), change)
                problems += [
                    f"studies.{study}.variants.{name}.{_describe(details, content)}" for details in error.errors()
                ]
    return problems


def _with(model: Model, change: dict[str, Any]) -> Model:
    """A model's entry with some of its values changed."""
    changed: Model = TypeAdapter(Model).validate_python(_merged(model.model_dump(exclude_none=True), change))
    return changed


def _merged(entry: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return entry | {
        key: _merged(entry[key], value) if isinstance(value, dict) and isinstance(entry.get(key), dict) else value
        for key, value in change.items()
    }


def _describe(details: Any, content: Any) -> str:
    kind, message = details["type"], details["msg"].removeprefix("Value error, ")
    path = _path(details["loc"], content, kind == "missing")
    if kind == "missing":
        message = "is missing"
    elif kind == "extra_forbidden":
        key = str(details["loc"][-1])
        close = difflib.get_close_matches(key, _known_keys(), n=1)
        message = "unknown key" + (f"; did you mean '{close[0]}'?" if close else "")
        if key in close:
            message = "does not belong here"
    elif kind == "union_tag_not_found":
        path, message = f"{path}.kind", "is missing"
    elif kind == "union_tag_invalid":
        path, message = f"{path}.kind", f"'{details['ctx']['tag']}' is none of {details['ctx']['expected_tags']}"
    elif kind != "value_error":
        message += f" (found {details['input']!r})"
    return f"{path}: {message}" if path else message


def _path(location: tuple[int | str, ...], content: Any, missing: bool) -> str:
    """The dotted path in the file: what pydantic adds to it for its own unions is left out."""
    parts = []
    for depth, part in enumerate(location):
        try:
            content = content[part]
        except (TypeError, LookupError):
            if not missing or depth < len(location) - 1:
                continue
        parts.append(str(part))
    return ".".join(parts)


def _known_keys() -> set[str]:
    known: set[str] = set()
    unseen: list[type[Strict]] = [Strict]
    while unseen:
        schema = unseen.pop()
        known |= schema.model_fields.keys()
        unseen += schema.__subclasses__()
    return known


def _entry(block: str, entries: dict[str, Entry], name: str) -> Entry:
    if name not in entries:
        raise UserError(f"params.yaml has no '{name}' under {block}; it has {', '.join(entries)}")
    return entries[name]
