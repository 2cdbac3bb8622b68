"""The typed schema of the entries under references, models, studies and sweep in params.yaml."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from stages.config.dataset import Strict

Forms = list[int | str | None]
"""Of what is stored: bytes of a code, the type of floats, or None where there is one form only."""
Share = Annotated[float, Field(ge=0, lt=1)]


def _falling(sizes: list[int]) -> list[int]:
    if sizes != sorted(set(sizes), reverse=True):
        raise ValueError("must fall from one to the next, as the first is of the whole code")
    return sizes


Sizes = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1), AfterValidator(_falling)]


class Popularity(Strict):
    """Items by their number of interactions in train."""

    kind: Literal["popularity"]


class Ease(Strict):
    """Embarrassingly shallow auto-encoder (Steck 2019)."""

    kind: Literal["ease"]
    l2: Annotated[float, Field(gt=0)]


Reference = Annotated[Popularity | Ease, Field(discriminator="kind")]


class Bottleneck(Strict):
    """What the quantizers of the last hidden layer during training have in common."""

    start: Share
    """Share of the epochs before the codebooks start; float training until then."""
    ema_decay: Share
    commitment: Annotated[float, Field(ge=0)]
    dead_code_share: Share
    target: Literal["items", "scores"]
    """What codes learn: the user's items; or the scores of the float model, which goes on learning the items."""
    follow: Literal["dropout", "clean", "parts"]
    """The embeddings that the codebooks follow: those that training sees, of the whole input, or of parts of it."""


class ProductBottleneck(Bottleneck):
    """Product quantization (PQ-VAE)."""

    kind: Literal["product"]
    chunks: Annotated[int, Field(ge=1)]
    rotation: bool
    """Rotate the layer before it is cut, as OPQ finds it when the codebooks start."""


class ResidualBottleneck(Bottleneck):
    """Residual quantization (RQ-VAE): additive codebooks over the full width; any prefix of a code is a code."""

    kind: Literal["residual"]
    bytes: Sizes
    """A row each: the whole code, and prefixes of it."""
    beam: Annotated[int, Field(ge=1)]
    """Partial codes that the encoder keeps, validation included; 1 is greedy."""
    training_beam: Annotated[int, Field(ge=1)]
    """Likewise, within a training step."""
    metric: Literal["euclidean", "decoder"]
    """Of the distances to codes; the decoder's is the mean second-order change of the loss."""


class AutoEncoder(Strict):
    """What the auto-encoders have in common."""

    hidden: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """Widths of the layers between input and output; the last one is what is stored per user."""
    dropout: Share
    learning_rate: Annotated[float, Field(gt=0)]
    l2: Annotated[float, Field(ge=0)]
    """Divided by the batch size, as in Liang's code."""


class Dae(AutoEncoder):
    """Mult-DAE; with a bottleneck it is the paper's PQ-VAE, or RQ-VAE."""

    kind: Literal["dae"]
    bottleneck: Annotated[ProductBottleneck | ResidualBottleneck, Field(discriminator="kind")] | None = None
    stored: Annotated[list[Literal["float32", "float16"]], Field(min_length=1)] | None = None
    """A row each, named by it; without it the one row has float32 and the model's name."""

    @field_validator("bottleneck")
    @classmethod
    def _chunks_divide_the_width(cls, bottleneck: Any, info: ValidationInfo) -> Any:
        if isinstance(bottleneck, ProductBottleneck) and "hidden" in info.data:
            check_chunks(bottleneck.chunks, info.data["hidden"][-1])
        return bottleneck

    @property
    def forms(self) -> Forms:
        """In which this model's users are stored, a row each."""
        if isinstance(self.bottleneck, ResidualBottleneck):
            return list(self.bottleneck.bytes)
        return list(self.stored) if self.stored else [None]

    @field_validator("stored")
    @classmethod
    def _float_or_codes(cls, stored: Any, info: ValidationInfo) -> Any:
        if stored and info.data.get("bottleneck"):
            raise ValueError("is for models without bottleneck: with one, codes are stored")
        return stored


class Vae(AutoEncoder):
    """Mult-VAE; the middle layer is the Gaussian latent."""

    kind: Literal["vae"]
    kl_cap: Annotated[float, Field(ge=0)]
    kl_anneal: Annotated[float, Field(gt=0, le=1)]
    """Share of the training steps over which the weight of the KL term rises to its cap."""

    @property
    def forms(self) -> Forms:
        """The one form."""
        return [None]

    @field_validator("hidden")
    @classmethod
    def _has_a_middle(cls, hidden: list[int]) -> list[int]:
        if len(hidden) < 3 or len(hidden) % 2 == 0:
            raise ValueError("needs an odd number of layers, at least 3: the middle one is the latent")
        return hidden


Model = Annotated[Dae | Vae, Field(discriminator="kind")]


class RefitRules(Strict):
    """Training on of an output layer for what is stored of users."""

    quantizers: Annotated[list[str], Field(min_length=1)]
    """Under quantizers, and fitted on the model's users."""
    epochs: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]


class Study(Strict):
    """Variants of a model, compared on the validation users."""

    model: str
    """Under models."""
    variants: dict[str, dict[str, Any]]
    """Name → what it changes in the model's entry."""


Range = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=2)]


class Sweep(Strict):
    """The search for a model's learning rate and L2 on the validation users."""

    trials: Annotated[int, Field(ge=1)]
    startup_trials: Annotated[int, Field(ge=1)]
    """Drawn at random, and trained to their end."""
    warmup_epochs: Annotated[int, Field(ge=0)]
    """Of a later trial, before it may be stopped."""
    learning_rate: Range
    """Lowest and highest."""
    l2: Range
    """Likewise."""
    seed: Annotated[int, Field(ge=0)]

    @field_validator("learning_rate", "l2")
    @classmethod
    def _rises(cls, bounds: list[float]) -> list[float]:
        if bounds[0] >= bounds[1]:
            raise ValueError("gives the lowest value, then the highest")
        return bounds


def check_chunks(chunks: int, width: int) -> None:
    """ValueError where a layer can't be cut into so many chunks."""
    if width % chunks:
        raise ValueError(f"{chunks} chunks do not divide the hidden layer's width {width}")
