"""The typed schema of params.yaml, and its only reader."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.catalogue import Dataset, Strict
from stages.errors import UserError

# A name becomes part of file names, DVC stage names and DVC's dotted parameter paths.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Share = Annotated[float, Field(ge=0, lt=1)]

Entry = TypeVar("Entry")


class Popularity(Strict):
    """Items by their number of interactions in train."""

    kind: Literal["popularity"]


class Ease(Strict):
    """Embarrassingly shallow auto-encoder (Steck 2019)."""

    kind: Literal["ease"]
    l2: Annotated[float, Field(gt=0)]


class ProductBottleneck(Strict):
    """Product quantization of the last hidden layer during training (PQ-VAE)."""

    kind: Literal["product"]
    chunks: Annotated[int, Field(ge=1)]
    start: Share
    """Share of the epochs before the codebooks start; float training until then."""
    ema_decay: Share
    commitment: Annotated[float, Field(ge=0)]
    dead_code_share: Share


class AutoEncoder(Strict):
    """What the auto-encoders have in common."""

    hidden: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """Widths of the layers between input and output; the last one is what is stored per user."""
    dropout: Share
    learning_rate: Annotated[float, Field(gt=0)]
    l2: Annotated[float, Field(ge=0)]
    """Divided by the batch size, as in Liang's code."""


class Dae(AutoEncoder):
    """Mult-DAE; with a bottleneck it is the paper's PQ-VAE."""

    kind: Literal["dae"]
    bottleneck: ProductBottleneck | None = None

    @field_validator("bottleneck")
    @classmethod
    def _chunks_divide_the_width(cls, bottleneck: ProductBottleneck | None, info: ValidationInfo) -> Any:
        if bottleneck and "hidden" in info.data:
            _check_chunks(bottleneck.chunks, info.data["hidden"][-1])
        return bottleneck


class Vae(AutoEncoder):
    """Mult-VAE; the middle layer is the Gaussian latent."""

    kind: Literal["vae"]
    kl_cap: Annotated[float, Field(ge=0)]
    kl_anneal: Annotated[float, Field(gt=0, le=1)]
    """Share of the training steps over which the weight of the KL term rises to its cap."""

    @field_validator("hidden")
    @classmethod
    def _has_a_middle(cls, hidden: list[int]) -> list[int]:
        if len(hidden) < 3 or len(hidden) % 2 == 0:
            raise ValueError("needs an odd number of layers, at least 3: the middle one is the latent")
        return hidden


Model = Annotated[Popularity | Ease | Dae | Vae, Field(discriminator="kind")]


class ProductQuantizer(Strict):
    """Post-hoc product quantization with faiss."""

    kind: Literal["product"]
    chunks: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0, lt=2**31)]


class Training(Strict):
    """What all trainings share."""

    seed: Annotated[int, Field(ge=0)]
    precision: Literal["float32", "bfloat16"]
    """Of the products with the items' output weights, in training; all else is float32."""
    checkpoint_epochs: Annotated[int, Field(ge=1)]


class Evaluation(Strict):
    """What all evaluations share."""

    batch_size: Annotated[int, Field(ge=1)]


class Report(Strict):
    """How the report writes numbers."""

    digits: Annotated[int, Field(ge=3, le=10)]


class Row(NamedTuple):
    """A row of the report: a model as it is, or with its users quantized after training."""

    model: str
    quantizer: str | None

    @property
    def name(self) -> str:
        """Its name in the report, in metrics.json and in file names."""
        return self.model if self.quantizer is None else f"{self.model}-{self.quantizer}"


class Params(Strict):
    """The whole of params.yaml."""

    run: list[Name]
    datasets: dict[Name, Dataset]
    device: Literal["auto", "cpu", "cuda"]
    training: Training
    evaluation: Evaluation
    models: dict[Name, Model]
    quantized_models: list[Name]
    quantizers: dict[Name, ProductQuantizer]
    report: Report

    def rows(self) -> list[Row]:
        """All rows of a report, in the order of params.yaml."""
        quantized = [Row(model, quantizer) for model in self.quantized_models for quantizer in self.quantizers]
        return [Row(model, None) for model in self.models] + quantized

    def dataset(self, name: str) -> Dataset:
        """The data set's entry; UserError where there is none."""
        return _entry("datasets", self.datasets, name)

    def model(self, name: str) -> Model:
        """The model's entry; UserError where there is none."""
        return _entry("models", self.models, name)

    def quantizer(self, name: str) -> ProductQuantizer:
        """The quantizer's entry; UserError where there is none."""
        return _entry("quantizers", self.quantizers, name)


def read_params(path: Path = Path("params.yaml")) -> Params:
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
    if problems:
        count = "a wrong entry" if len(problems) == 1 else f"{len(problems)} wrong entries"
        raise UserError(f"{path} has {count}; nothing was run:\n" + "\n".join(f"  {line}" for line in problems))
    return params


def _cross_check(content: dict[str, Any]) -> list[str]:
    """What is wrong between blocks. Judged on the raw file, to be listed beside what is wrong within them."""
    datasets, models, quantizers = (
        block if isinstance(block := content.get(name), dict) else {} for name in ("datasets", "models", "quantizers")
    )
    run, quantized = (
        [name for name in names if isinstance(name, str)] if isinstance(names := content.get(block), list) else []
        for block in ("run", "quantized_models")
    )
    problems = [f"run: '{name}' is not under datasets" for name in run if name not in datasets]
    for block, names in (("run", run), ("quantized_models", quantized)):
        problems += [
            f"{block}: '{name}' is there more than once" for name in sorted(set(names)) if names.count(name) > 1
        ]
    for name in dict.fromkeys(quantized):
        model = models.get(name)
        if not isinstance(model, dict) or "hidden" not in model or model.get("bottleneck"):
            problems.append(f"quantized_models: '{name}' is not an auto-encoder without bottleneck under models")
            continue
        for quantizer, settings in quantizers.items():
            row = Row(name, quantizer).name
            if row in models:
                problems.append(f"quantizers.{quantizer}: its row '{row}' is named as a model is")
            try:
                _check_chunks(settings["chunks"], model["hidden"][-1])
            except ValueError as error:
                problems.append(f"quantizers.{quantizer}.chunks: {error} of '{name}'")
            except (TypeError, LookupError, ZeroDivisionError):
                pass  # said already: an entry is missing or of the wrong type
    return problems


def _check_chunks(chunks: int, width: int) -> None:
    if width % chunks:
        raise ValueError(f"{chunks} chunks do not divide the last hidden layer's width {width}")


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
