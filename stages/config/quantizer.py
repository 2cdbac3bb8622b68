"""The typed schema of the entries under quantizers in params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from stages.config.dataset import Strict
from stages.config.model import Forms, Sizes, check_chunks

CODES = 256  # of a codebook: 8 bits each
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Beam = Annotated[int, Field(ge=1)]


class Entry(Strict):
    """What all quantizers have in common."""

    @property
    def forms(self) -> Forms:
        """That it is fitted in, a row each."""
        return [None]

    @property
    def least_vectors(self) -> int:
        """That it can be fitted on."""
        return CODES

    def check_width(self, width: int) -> None:
        """ValueError where it can't quantize vectors of this width."""


class KMeans(Entry):
    """Whole vectors by their nearest centroid."""

    kind: Literal["kmeans"]
    codes: Annotated[Sizes, Field(max_length=8)]
    """Centroids, a row each."""
    seed: Seed

    @field_validator("codes")
    @classmethod
    def _tells_users_apart(cls, codes: list[int]) -> list[int]:
        if codes[-1] < 2:
            raise ValueError("1 centroid is the same for every user; give 2 or more")
        return codes

    @property
    def forms(self) -> Forms:
        """Named k256 and the like."""
        return [f"k{k}" for k in self.codes]

    @property
    def least_vectors(self) -> int:
        """As many as centroids."""
        return self.codes[0]


class Tree(Entry):
    """Whole vectors by a tree of k-means: every node has as many branches."""

    kind: Literal["tree"]
    branches: Annotated[int, Field(ge=2, le=256)]
    depth: Annotated[int, Field(ge=1, le=8)]
    """Levels; branches ** depth leaves."""
    seed: Seed

    @property
    def least_vectors(self) -> int:
        """As many as leaves."""
        return self.branches**self.depth


class Product(Entry):
    """Chunks, each with a codebook of 256 codes (PQ)."""

    kind: Literal["product"]
    chunks: Annotated[int, Field(ge=1)]
    rotation: bool
    """Rotate the vectors before they are cut (OPQ)."""
    seed: Seed

    def check_width(self, width: int) -> None:
        """Chunks have to divide it."""
        check_chunks(self.chunks, width)


class Summed(Entry):
    """A sum of codes, each of a codebook of 256."""

    bytes: Sizes
    """Codebooks, a row each."""
    beam: Beam
    """Partial codes that the encoder keeps in its search; 1 is greedy."""
    seed: Seed

    @property
    def forms(self) -> Forms:
        """Numbers of bytes."""
        return list(self.bytes)


class Residual(Summed):
    """Each code is of what those before have left (RQ); fewer bytes are a prefix of the whole code."""

    kind: Literal["residual"]


class Additive(Summed):
    """All codebooks are fitted together, by local search (LSQ), and anew for each row."""

    kind: Literal["additive"]


class Scalar(Entry):
    """Every dimension rounded."""

    kind: Literal["scalar"]
    types: Annotated[list[Literal["float16", "bfloat16", "8bit", "6bit", "4bit", "1bit"]], Field(min_length=1)]
    """A row each; 1bit tells whether a dimension is above its mean."""

    @property
    def forms(self) -> Forms:
        """The types."""
        return list(self.types)

    @property
    def least_vectors(self) -> int:
        """Any."""
        return 1


class Principal(Entry):
    """The directions of the greatest variance, rounded to a byte each (PCA)."""

    kind: Literal["principal"]
    bytes: Sizes
    """Directions, a row each."""

    @property
    def forms(self) -> Forms:
        """Numbers of bytes."""
        return list(self.bytes)

    @property
    def least_vectors(self) -> int:
        """As many as directions."""
        return self.bytes[0]

    def check_width(self, width: int) -> None:
        """There are no more directions than dimensions."""
        if self.bytes[0] > width:
            raise ValueError(f"there are no {self.bytes[0]} directions in the hidden layer's width {width}")


class History(Entry):
    """As many item numbers of a user's history as fit; the model embeds them again at query time."""

    kind: Literal["history"]
    bytes: Sizes
    """A row each."""
    seed: Seed
    """Of which items are kept."""

    @field_validator("bytes")
    @classmethod
    def _keeps_an_item(cls, sizes: list[int]) -> list[int]:
        if sizes[-1] < 4:
            raise ValueError("the number of one item takes up to 4 bytes; give as many or more")
        return sizes

    @property
    def forms(self) -> Forms:
        """Numbers of bytes."""
        return list(self.bytes)

    @property
    def least_vectors(self) -> int:
        """Any: nothing is fitted."""
        return 1


Quantizer = Annotated[
    KMeans | Tree | Product | Residual | Additive | Scalar | Principal | History, Field(discriminator="kind")
]
