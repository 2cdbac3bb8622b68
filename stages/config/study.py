"""The entries under studies in params.yaml: what is compared by hand, on the validation users."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError

from stages.config.model import TRAINED, AutoEncoderSettings, ModelSettings, TrainedSettings, VectorsSettings
from stages.config.quantizer import CODES, ProductSettings, QuantizerSettings
from stages.config.strict import Strict


class StudySettings(Strict):
    """Variants of a model, compared on the validation users."""

    model: str
    """Under models."""
    variants: dict[str, dict[str, Any]]
    """Name → what it changes in the model's entry."""

    def entries(self, base: TrainedSettings) -> dict[str, dict[str, Any]]:
        """Name → the model's whole entry with the variant's changes, unchecked."""
        return {name: _changed(base, change) for name, change in self.variants.items()}


class FitSettings(Strict):
    """How codebooks of product codes are fitted after training, where that is not as the stage quantize does it."""

    points: Annotated[int, Field(ge=CODES)] | None = None
    """Vectors, at most, drawn from all; None for all."""
    iterations: Annotated[int, Field(ge=1)] | None = None
    """Of k-means; None for faiss's own number."""
    shared: bool = False
    """Whether all chunks share one codebook."""
    layer: Literal["tanh", "linear"] = "tanh"
    """What is quantized: the last layer, or what goes into its tanh, which then follows decoding."""
    histories: Literal["parts", "whole"] = "parts"
    """Whose embeddings are the vectors: of parts of the train users' histories, or of whole ones."""


class FitVariant(Strict):
    """What one line of a study of fits changes."""

    model: dict[str, Any] | None = None
    """In the model's entry."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """In place of the model's on this data set."""
    fit: FitSettings = FitSettings()
    """In the fit of the codebooks."""


class FitStudySettings(Strict):
    """Trainings of a model and fits of its product codes after training, compared on the validation users."""

    model: str
    """Under models, without bottleneck."""
    yardstick: str
    """Under models, without bottleneck: the losses are of its NDCG@100 in float."""
    quantizers: Annotated[list[str], Field(min_length=1)]
    """Under quantizers, of kind product without rotation."""
    variants: dict[str, FitVariant]
    """Name → what it changes."""

    def entries(self, base: TrainedSettings) -> dict[str, dict[str, Any]]:
        """Name → the model's whole entry with the variant's changes, unchecked."""
        return {name: _changed(base, variant.model or {}) for name, variant in self.variants.items()}

    def faults(self, models: Mapping[str, ModelSettings], quantizers: Mapping[str, QuantizerSettings]) -> Iterator[str]:
        """What is not quantized after training, or is no plain product quantizer; missing names are not said.

        Parameters
        ----------
        models, quantizers : the entries of params.yaml, by name
        """
        studied = {
            "model": models.get(self.model),
            "yardstick": models.get(self.yardstick),
            **{f"variants.{name}.model": entry for name, entry in self._typed(models.get(self.model)).items()},
        }
        trained = {place: entry for place, entry in studied.items() if isinstance(entry, AutoEncoderSettings)}
        if isinstance(studied["yardstick"], VectorsSettings):
            yield f"yardstick: '{self.yardstick}' is of vectors from elsewhere, which no training makes"
        for place in (place for place, entry in trained.items() if entry.family != "float"):
            yield f"{place}: is quantized in training; a model without bottleneck is needed"
        for name in (name for name in self.quantizers if name in quantizers):
            quantizer = quantizers[name]
            if not isinstance(quantizer, ProductSettings) or quantizer.rotation:
                yield f"quantizers: '{name}' is not of kind product without rotation; name one that is"
                continue
            for place, entry in trained.items():
                try:
                    quantizer.check_width(entry.width)
                except ValueError as error:
                    yield f"{place}: '{name}': {error}"

    def _typed(self, base: ModelSettings | None) -> dict[str, TrainedSettings]:
        """Name → the variant's entry, where it is a right one."""
        typed = {}
        for name, entry in self.entries(base).items() if isinstance(base, AutoEncoderSettings) else ():
            with suppress(ValidationError):
                typed[name] = TRAINED.validate_python(entry)
        return typed


def _kind(entry: object) -> str:
    # No tag is a key of an entry, so that messages leave it out.
    names_quantizers = isinstance(entry, FitStudySettings) or (isinstance(entry, dict) and "quantizers" in entry)
    return "of fits" if names_quantizers else "of models"


AnyStudy = Annotated[
    Annotated[StudySettings, Tag("of models")] | Annotated[FitStudySettings, Tag("of fits")], Discriminator(_kind)
]
"""A study of fits is one that names quantizers."""


def _changed(base: TrainedSettings, change: dict[str, Any]) -> dict[str, Any]:
    return _merged(base.model_dump(exclude_none=True), change)


def _merged(entry: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return entry | {
        key: _merged(entry[key], value) if isinstance(value, dict) and isinstance(entry.get(key), dict) else value
        for key, value in change.items()
    }
