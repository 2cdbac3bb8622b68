"""The entries under references, models, refits and sweep in params.yaml."""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter, ValidationInfo, field_validator

from stages.config.quantizer import (
    EncoderSettings,
    ProductSettings,
    QuantizerSettings,
    ResidualSettings,
    check_chunks,
)
from stages.config.strict import Family, Share, Sizes, Strict, Variant, matching


class PopularitySettings(Strict):
    """Items by their number of interactions in train."""

    kind: Literal["popularity"]

    family: ClassVar[Family] = "reference"

    def stored(self) -> str:
        """What is stored per user in words."""
        return "nothing"


class EaseSettings(Strict):
    """Embarrassingly shallow auto-encoder (Steck 2019)."""

    kind: Literal["ease"]
    l2: Annotated[float, Field(gt=0)]
    """Added to the diagonal of the Gram matrix, which counts users."""

    family: ClassVar[Family] = "reference"

    def stored(self) -> str:
        """What is stored per user in words."""
        return "items, int32"


ReferenceSettings = Annotated[PopularitySettings | EaseSettings, Field(discriminator="kind")]


class BottleneckSettings(EncoderSettings):
    """What the quantizers of the last hidden layer have in common that learn during training."""

    start: Share
    """Share of the epochs before the codebooks start; training is float until then."""
    ema_decay: Share
    """Of the codebooks' moving averages, per step."""
    commitment: Annotated[float, Field(ge=0)]
    """Weight of the loss that keeps embeddings near their codes."""
    dead_code_share: Share
    """A code used less than this share of the average code is replaced."""
    target: Literal["items", "scores"]
    """What codes learn: the user's items; or the scores of the float model, which goes on learning the items."""
    follow: Literal["dropout", "clean", "parts"]
    """The embeddings that the codebooks follow: those that training sees, of the whole input, or of parts of it."""

    @property
    def variants(self) -> list[Variant]:
        """One for each row of the report."""
        return [None]

    @abstractmethod
    def stored(self, variant: Variant) -> str:
        """What a variant stores per user in words."""

    @abstractmethod
    def matches(self, quantizer: QuantizerSettings) -> bool:
        """Whether a quantizer stores the same codes, but is fitted after training."""


class ProductBottleneckSettings(BottleneckSettings):
    """Product quantization (PQ-VAE)."""

    kind: Literal["product"]
    chunks: Annotated[int, Field(ge=1)]
    """Equal parts that the layer is cut into; a codebook of 256 codes each."""
    rotation: bool
    """Whether the layer is rotated before it is cut, as OPQ finds it when the codebooks start."""

    def stored(self, variant: Variant) -> str:  # noqa: ARG002
        """A code for each chunk."""
        return f"{self.chunks} codes of 8 bits"

    def matches(self, quantizer: QuantizerSettings) -> bool:
        """Whether it is PQ with as many chunks, rotated or not as here."""
        return (
            isinstance(quantizer, ProductSettings)
            and quantizer.chunks == self.chunks
            and quantizer.rotation == self.rotation
        )


class ResidualBottleneckSettings(BottleneckSettings):
    """Residual quantization (RQ-VAE): additive codebooks over the full width; any prefix of a code is a code."""

    kind: Literal["residual"]
    bytes: Sizes
    """Of the whole code, then of prefixes of it; a row for each, from one training."""
    beam: Annotated[int, Field(ge=1)]
    """Partial codes that the encoder keeps, validation included; 1 is greedy."""
    training_beam: Annotated[int, Field(ge=1)]
    """Partial codes that the encoder keeps within a training step."""
    metric: Literal["euclidean", "decoder"]
    """Of the distances to codes; the decoder's is the mean second-order change of the loss."""

    @property
    def variants(self) -> list[Variant]:
        """Numbers of bytes."""
        return list(self.bytes)

    def stored(self, variant: Variant) -> str:
        """A code for each codebook."""
        return f"{variant} codes of 8 bits"

    def matches(self, quantizer: QuantizerSettings) -> bool:
        """Whether it is RQ, with whatever beam."""
        return isinstance(quantizer, ResidualSettings)


TablePath = Annotated[str, matching(r"(?s).*\.parquet", "the path of a Parquet file")]
"""Absolute, or relative to the repository."""


class AutoEncoderSettings(Strict):
    """What the auto-encoders have in common."""

    hidden: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """Widths of the layers between input and output; the last one is what is stored per user."""
    dropout: Share
    """Of the input."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Of Adam."""
    l2: Annotated[float, Field(ge=0)]
    """Divided by the batch size, as in Liang's code."""

    @property
    def width(self) -> int:
        """Dimensions of what is stored per user."""
        return self.hidden[-1]

    @property
    def variants(self) -> list[Variant]:
        """One for each row of the report."""
        return [None]

    @property
    def family(self) -> Family:
        """What is stored unless there is a bottleneck."""
        return "float"

    def stored(self, variant: Variant) -> str:
        """What a variant stores per user in words."""
        return f"{self.hidden[-1]} × {variant or 'float32'}"


class DaeSettings(AutoEncoderSettings):
    """Mult-DAE; with a bottleneck it is the paper's PQ-VAE, or RQ-VAE."""

    kind: Literal["dae"]
    bottleneck: (
        Annotated[ProductBottleneckSettings | ResidualBottleneckSettings, Field(discriminator="kind")] | None
    ) = None
    """Quantizes the last hidden layer during training; None for float embeddings."""
    float_types: Annotated[list[Literal["float32", "float16"]], Field(min_length=1)] | None = Field(
        default=None, alias="stored"
    )
    """Of the dimensions of an embedding without bottleneck, a row for each; `stored` in params.yaml.

    None gives one row of float32 with the model's name.
    """

    @field_validator("bottleneck")
    @classmethod
    def _chunks_divide_the_width(
        cls, bottleneck: BottleneckSettings | None, info: ValidationInfo
    ) -> BottleneckSettings | None:
        if isinstance(bottleneck, ProductBottleneckSettings) and "hidden" in info.data:
            check_chunks(bottleneck.chunks, info.data["hidden"][-1])
        return bottleneck

    @field_validator("float_types")
    @classmethod
    def _float_or_codes(cls, types: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if types and info.data.get("bottleneck"):
            raise ValueError("is for models without bottleneck: with one, codes are stored")
        return types

    @property
    def variants(self) -> list[Variant]:
        """One for each row of the report: of the bottleneck, or the types of floats."""
        if self.bottleneck:
            return self.bottleneck.variants
        return list(self.float_types) if self.float_types else super().variants

    @property
    def family(self) -> Family:
        """A bottleneck is trained."""
        return "trained" if self.bottleneck else "float"

    def stored(self, variant: Variant) -> str:
        """What a variant stores per user in words."""
        return self.bottleneck.stored(variant) if self.bottleneck else super().stored(variant)


class VaeSettings(AutoEncoderSettings):
    """Mult-VAE; the middle layer is the Gaussian latent."""

    kind: Literal["vae"]
    kl_cap: Annotated[float, Field(ge=0)]
    """The weight of the KL term rises to this."""
    kl_anneal: Annotated[float, Field(gt=0, le=1)]
    """Share of the training steps over which the weight of the KL term rises to its cap."""

    @field_validator("hidden")
    @classmethod
    def _has_a_middle(cls, hidden: list[int]) -> list[int]:
        if len(hidden) < 3 or len(hidden) % 2 == 0:
            raise ValueError("needs an odd number of layers, at least 3: the middle one is the latent")
        return hidden


class VectorsSettings(Strict):
    """Vectors of users and items from elsewhere, such as a two-tower model's."""

    kind: Literal["vectors"]
    users: TablePath
    """Parquet with the log's ids in a column user, and a column of lists of floats; of every user of the split."""
    items: TablePath
    """The same of the items, with a column item; a score is the inner product."""
    width: Annotated[int, Field(ge=1)]
    """Dimensions of a vector."""

    family: ClassVar[Family] = "float"

    @property
    def variants(self) -> list[Variant]:
        """One row of the report."""
        return [None]

    def stored(self, variant: Variant) -> str:  # noqa: ARG002
        """What is stored per user in words."""
        return f"{self.width} × float32"


TrainedSettings = Annotated[DaeSettings | VaeSettings, Field(discriminator="kind")]
TRAINED: TypeAdapter[TrainedSettings] = TypeAdapter(TrainedSettings)
"""Checks an entry under models of a kind that is trained."""
ModelSettings = Annotated[DaeSettings | VaeSettings | VectorsSettings, Field(discriminator="kind")]


class ModelOnDataset(Strict):
    """How a model is trained on one data set, where that is not as its entry under models says."""

    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Of Adam."""
    l2: Annotated[float, Field(ge=0)] | None = None
    """Divided by the batch size, as in Liang's code."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """In place of the data set's number for all models."""
    start: Share | None = None
    """Share of the epochs before the codebooks start."""
    warm_start: Annotated[str, Field(min_length=1)] | None = None
    """Copy of `data/<dataset>/` of an earlier run, from whose weights the training begins, seed by seed."""

    def apply(self, entry: TrainedSettings) -> TrainedSettings:
        """The model's entry with these values; epochs are not part of it."""
        changed = entry.model_copy(update=self.model_dump(include={"learning_rate", "l2"}, exclude_none=True))
        if self.start is not None and isinstance(changed, DaeSettings) and changed.bottleneck:
            bottleneck = changed.bottleneck.model_copy(update={"start": self.start})
            changed = changed.model_copy(update={"bottleneck": bottleneck})
        return changed


class RefitSettings(Strict):
    """Training on of an output layer for what is stored of users."""

    quantizers: Annotated[list[str], Field(min_length=1)]
    """Under quantizers, and fitted on the model's users."""
    epochs: Annotated[int, Field(ge=1)]
    """The best on the validation users is kept, or none."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Of Adam."""


Range = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=2)]
Counts = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)]


class Search(Strict):
    """Where a model's training is searched, each from the lowest to the highest value, on a logarithmic scale."""

    learning_rate: Range
    """Of Adam."""
    l2: Range
    """Divided by the batch size, as in Liang's code."""
    epochs: Counts | None = None
    """None where the data set's own number of epochs is not searched."""
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]
    """Of the trainings of a trial, whose mean counts; on few validation users one is mostly noise."""

    @field_validator("learning_rate", "l2", "epochs")
    @classmethod
    def _rises(cls, bounds: list[float] | None) -> list[float] | None:
        if bounds and bounds[0] >= bounds[1]:
            raise ValueError("gives the lowest value, then the highest")
        return bounds

    def ranges(self) -> dict[str, list[float]]:
        """What is searched → its lowest and highest value."""
        searched: dict[str, list[float]] = self.model_dump(include={"learning_rate", "l2", "epochs"}, exclude_none=True)
        return searched


class SweepSettings(Search):
    """The search on the validation users; ranges and seeds are for data sets that have none of their own."""

    trials: Annotated[int, Field(ge=1)]
    """Trainings."""
    startup_trials: Annotated[int, Field(ge=1)]
    """Drawn at random, and trained to their end."""
    warmup_epochs: Annotated[int, Field(ge=0)]
    """Of a later trial, before it may be stopped for being below the median."""
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    """Of what is drawn."""
