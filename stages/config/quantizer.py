"""The entries under quantizers in params.yaml: what can be fitted on a model's embeddings after training.

A new kind is a subclass of `QuantizerSettings` whose `kind` is one literal; params.yaml knows it from then on.
"""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, get_origin

from pydantic import Field, field_validator

from stages.config.strict import Encoder, Family, Sizes, Strict, Variant

CODES = 256
"""Codes of a codebook, 8 bits each."""

Seed = Annotated[int, Field(ge=0, lt=2**31)]
Candidates = Annotated[int, Field(ge=1)]
ShareOfItems = Annotated[float, Field(ge=0, le=1)]
Pull = Annotated[float, Field(ge=0)]


class QuantizerSettings(Strict):
    """What all quantizers have in common."""

    kind: str
    """The name in params.yaml; a subclass that narrows it to one literal is a kind."""
    family: ClassVar[Family]
    has_vectors: ClassVar[bool] = True
    """False where codes are not decoded to vectors, which item tables and refits need."""

    @property
    def variants(self) -> list[Variant]:
        """One for each row of the report."""
        return [None]

    @property
    def encoders(self) -> list[Encoder]:
        """One for each row of a variant."""
        return self.encoder if isinstance(self, EncoderSettings) else ["nearest"]

    @property
    def least_vectors(self) -> int:
        """The fewest vectors that it can be fitted on."""
        return CODES

    @abstractmethod
    def stored(self, variant: Variant, width: int) -> str:
        """What a variant stores per user in words, where embeddings have this width."""

    def check_width(self, width: int) -> None:
        """Check that vectors of this width can be quantized.

        Raises
        ------
        ValueError
            where they can't.
        """


class EncoderSettings(Strict):
    """How the codes of codebooks are chosen, whatever was fitted; every encoder has rows of its own."""

    encoder: Annotated[list[Encoder], Field(min_length=1)] = Field(default=["nearest"])
    """nearest to the embedding; or, with more search, by the scores of what is decoded: those under which the user's
    items are most likely (likelihood), the nearest to the float model's (scores), or between both (mixture)."""
    candidates: Candidates = 8
    """Nearest codes among which the search of the others begins."""
    share: ShareOfItems = 0.2
    """Of the user's items in the target of a mixture; the rest is the float model's scores."""
    pull: Pull = 0.0
    """Weight of the squared distance to the embedding, beside the cross-entropy of all the user's items."""

    @field_validator("encoder")
    @classmethod
    def _nearest_and_others(cls, encoders: list[str]) -> list[str]:
        if len(set(encoders)) < len(encoders):
            raise ValueError("names an encoder twice")
        if encoders[0] != "nearest":
            raise ValueError("must begin with nearest, with which the others are compared")
        return encoders


class KMeansSettings(QuantizerSettings):
    """The number of the nearest of k centroids in place of the vector."""

    kind: Literal["kmeans"]
    codes: Annotated[Sizes, Field(max_length=8)]
    """Numbers of centroids, falling; a row for each."""
    seed: Seed
    """Of the first centroids."""

    family: ClassVar[Family] = "whole"

    @field_validator("codes")
    @classmethod
    def _tells_users_apart(cls, codes: list[int]) -> list[int]:
        if codes[-1] < 2:
            raise ValueError("1 centroid is the same for every user; give 2 or more")
        return codes

    @property
    def variants(self) -> list[Variant]:
        """Named k256 and the like."""
        return [f"k{k}" for k in self.codes]

    @property
    def least_vectors(self) -> int:
        """As many as centroids."""
        return self.codes[0]

    def stored(self, variant: Variant, width: int) -> str:  # noqa: ARG002
        """One number."""
        return f"1 of {int(str(variant).removeprefix('k')):,} centroids"


class TreeSettings(QuantizerSettings):
    """The number of a leaf in a tree of k-means, in which every node has as many branches."""

    kind: Literal["tree"]
    branches: Annotated[int, Field(ge=2, le=256)]
    """Of every node; a byte numbers them."""
    depth: Annotated[int, Field(ge=1, le=8)]
    """Levels; the tree has branches ** depth leaves."""
    seed: Seed
    """Of the first centroids of every node."""

    family: ClassVar[Family] = "whole"

    @property
    def least_vectors(self) -> int:
        """As many as leaves."""
        return self.branches**self.depth

    def stored(self, variant: Variant, width: int) -> str:  # noqa: ARG002
        """One number."""
        return f"1 of {self.least_vectors:,} leaves"


class ProductSettings(EncoderSettings, QuantizerSettings):
    """Chunks of the vector, each with a codebook of 256 codes (PQ)."""

    kind: Literal["product"]
    chunks: Annotated[int, Field(ge=1)]
    """Equal parts that the vector is cut into; a byte each."""
    rotation: bool
    """Whether vectors are rotated before they are cut (OPQ)."""
    seed: Seed
    """Of the first codes."""

    family: ClassVar[Family] = "product"

    def stored(self, variant: Variant, width: int) -> str:  # noqa: ARG002
        """A code for each chunk."""
        return f"{self.chunks} codes of 8 bits"

    def check_width(self, width: int) -> None:
        """Check that the chunks divide the width."""
        check_chunks(self.chunks, width)


class SumSettings(EncoderSettings, QuantizerSettings):
    """What quantizers have in common that sum codes, each from a codebook of 256."""

    bytes: Sizes
    """Codebooks, and so bytes per user, falling; a row for each."""
    beam: Annotated[int, Field(ge=1)]
    """Partial codes that the encoder keeps in its search; 1 is greedy."""
    seed: Seed
    """Of the first codes."""

    family: ClassVar[Family] = "additive"

    @property
    def variants(self) -> list[Variant]:
        """Numbers of bytes."""
        return list(self.bytes)

    def stored(self, variant: Variant, width: int) -> str:  # noqa: ARG002
        """A code for each codebook."""
        return f"{variant} codes of 8 bits"


class ResidualSettings(SumSettings):
    """Each code is of what the codes before have left (RQ); fewer bytes are a prefix of the longest code."""

    kind: Literal["residual"]


class AdditiveSettings(SumSettings):
    """All codebooks are fitted together, by local search (LSQ), and anew for each number of bytes."""

    kind: Literal["additive"]


class ScalarSettings(QuantizerSettings):
    """Every dimension is rounded by itself."""

    kind: Literal["scalar"]
    types: Annotated[list[Literal["float16", "bfloat16", "8bit", "6bit", "4bit", "1bit"]], Field(min_length=1)]
    """Of a dimension; a row for each. 1bit says whether the dimension is above its mean."""

    family: ClassVar[Family] = "scalar"

    @property
    def variants(self) -> list[Variant]:
        """The types."""
        return list(self.types)

    @property
    def least_vectors(self) -> int:
        """One will do: a range is fitted on however many there are."""
        return 1

    def stored(self, variant: Variant, width: int) -> str:
        """A number for each dimension."""
        return f"{width} × {variant}"


class PrincipalSettings(QuantizerSettings):
    """The directions of the greatest variance (PCA), rounded to a byte each."""

    kind: Literal["principal"]
    bytes: Sizes
    """Directions, falling; a row for each."""

    family: ClassVar[Family] = "scalar"

    @property
    def variants(self) -> list[Variant]:
        """Numbers of bytes."""
        return list(self.bytes)

    @property
    def least_vectors(self) -> int:
        """As many as directions."""
        return self.bytes[0]

    def stored(self, variant: Variant, width: int) -> str:  # noqa: ARG002
        """A number for each direction."""
        return f"{variant} × 8bit"

    def check_width(self, width: int) -> None:
        """Check that there are no more directions than dimensions."""
        if self.bytes[0] > width:
            raise ValueError(f"there are no {self.bytes[0]} directions in the width {width}")


class HistorySettings(QuantizerSettings):
    """As many item numbers of a user's history as fit; the model embeds them again at query time."""

    kind: Literal["history"]
    bytes: Sizes
    """Per user, falling; a row for each."""
    seed: Seed
    """Of the choice of items."""

    family: ClassVar[Family] = "history"
    has_vectors: ClassVar[bool] = False

    @field_validator("bytes")
    @classmethod
    def _keeps_an_item(cls, sizes: list[int]) -> list[int]:
        if sizes[-1] < 4:
            raise ValueError("the number of one item takes up to 4 bytes; give as many or more")
        return sizes

    @property
    def variants(self) -> list[Variant]:
        """Numbers of bytes."""
        return list(self.bytes)

    @property
    def least_vectors(self) -> int:
        """One will do: nothing is fitted."""
        return 1

    def stored(self, variant: Variant, width: int) -> str:  # noqa: ARG002
        """Item numbers."""
        return "some items"


def quantizer_kinds() -> tuple[type[QuantizerSettings], ...]:
    """Every class of quantizers that one `kind` in params.yaml names, in the order in which they were defined."""
    return tuple(
        settings
        for settings in QuantizerSettings.descendants()
        if get_origin(settings.model_fields["kind"].annotation) is Literal
    )


def check_chunks(chunks: int, width: int) -> None:
    """Check that a layer of this width can be cut into equal chunks.

    Raises
    ------
    ValueError
        where the chunks do not divide the width.
    """
    if width % chunks:
        raise ValueError(f"{chunks} chunks do not divide the width {width}")
