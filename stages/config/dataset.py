"""The typed schema of an entry under datasets in params.yaml: where ratings come from, and what becomes of them."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Column = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=1)]


class Strict(BaseModel):
    """Unknown keys and wrong types are errors; values never change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FileSource(Strict):
    """Ratings that are already on this machine: a file, or a folder of parts."""

    kind: Literal["file"]
    path: Annotated[str, Field(pattern=r"[^/.]")]
    """Absolute, or relative to the repository."""
    size: Annotated[int, Field(gt=0)] | None = None
    """Bytes; of a file, together with sha256."""
    sha256: Digest | None = None

    @property
    def name(self) -> str:
        """Of the copy."""
        return PurePath(self.path).name

    @model_validator(mode="after")
    def _size_and_digest(self) -> "FileSource":
        if (self.size is None) != (self.sha256 is None):
            raise ValueError("give both size and sha256, or neither")
        return self


class WebSource(Strict):
    """Ratings to be downloaded."""

    kind: Literal["web"]
    urls: Annotated[list[Annotated[str, Field(pattern=r"^https?://.*[^/]$")]], Field(min_length=1)]
    """Tried in this order."""
    size: Annotated[int, Field(gt=0)]
    """Bytes."""
    sha256: Digest

    @property
    def name(self) -> str:
        """Of the file here."""
        return PurePath(urlsplit(self.urls[0]).path).name


class SyntheticSource(Strict):
    """Made-up ratings with the tails of MovieLens-20M, at any size."""

    kind: Literal["synthetic"]
    users: Annotated[int, Field(ge=1, lt=2**31)]
    items: Annotated[int, Field(ge=10, lt=2**31)]
    ratings: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]

    @property
    def name(self) -> str:
        """Of the archive."""
        return "synthetic.zip"

    @model_validator(mode="after")
    def _can_be_drawn(self) -> "SyntheticSource":
        fewest, most = max(self.users, self.items), self.users * (self.items // 4)
        if not fewest <= self.ratings <= most:
            raise ValueError(f"ratings must be from {fewest:,} to {most:,} for so many users and items")
        return self


Source = Annotated[FileSource | WebSource | SyntheticSource, Field(discriminator="kind")]


class MovieLensFormat(Strict):
    """A zip archive of the MovieLens family."""

    kind: Literal["movielens"]
    member: Annotated[str, Field(pattern=r"(^|/)(ratings\.csv|ratings\.dat|u\.data)$")]
    """The ratings inside the archive; its name tells how they are laid out."""


class Columns(Strict):
    """The file's names for what we need, or positions from 1 where it has no header."""

    user: Column
    item: Column
    rating: Column | None = None
    """None where every row is an interaction."""
    timestamp: Column | None = None
    """None where there is none: then of several rows of a user and item the last one in the file counts."""

    @model_validator(mode="after")
    def _alike_and_distinct(self) -> "Columns":
        given = list(self.given().values())
        if len({type(column) for column in given}) > 1:
            raise ValueError("give names for all columns, or positions for all")
        if len(set(given)) < len(given):
            raise ValueError("a column is named twice")
        return self

    def given(self) -> dict[str, str | int]:
        """Those that there are: our name → the file's."""
        columns: dict[str, str | int] = self.model_dump(exclude_none=True)
        return columns


class CsvFormat(Strict):
    """Delimited text in UTF-8: plain, gzip, or inside a zip archive."""

    kind: Literal["csv"]
    separator: Annotated[str, Field(pattern=r"^([^\n\r]|::)$")] = ","
    member: str | None = None
    """The file inside a zip archive."""
    ids: Literal["integer", "string"]
    """What users and items are: integers of 64 bits, or any text."""
    columns: Columns


class ParquetFormat(Strict):
    """Apache Parquet; the file itself tells what ids are."""

    kind: Literal["parquet"]
    columns: Columns

    @field_validator("columns")
    @classmethod
    def _by_name(cls, columns: Columns) -> Columns:
        if isinstance(columns.user, int):
            raise ValueError("Parquet has names for columns, no positions")
        return columns


Format = Annotated[MovieLensFormat | CsvFormat | ParquetFormat, Field(discriminator="kind")]


class Split(Strict):
    """The protocol of Liang et al. 2018 (strong generalization)."""

    threshold: float | None = None
    """A rating above it is an interaction; None where there are no ratings."""
    min_user_interactions: Annotated[int, Field(ge=1)]
    held_out_users: Annotated[int, Field(ge=1)]
    """Users for validation, and as many again for test."""
    held_out_share: Annotated[float, Field(gt=0, lt=1)]
    """Share of a held-out user's interactions that is to be predicted."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]


class DatasetTraining(Strict):
    """What depends on the size of the data set."""

    batch_size: Annotated[int, Field(ge=1)]
    """Users."""
    epochs: Annotated[int, Field(ge=1)]


class Published(Strict):
    """What a split has to be, where that is known: counts and digests as in `interactions.protocol.describe`."""

    ratings: int
    interactions: int
    users: int
    items: int
    train_users: int
    items_in_train: int
    validation_held_out_pairs: int
    test_held_out_pairs: int
    items_in_train_sha256: Digest
    validation_held_out_pairs_sha256: Digest
    test_held_out_pairs_sha256: Digest

    def differences(self, found: Mapping[str, int | str]) -> list[str]:
        """A line for everything that is not as published."""
        published = self.model_dump()
        return [
            f"{name} is {found[name]}, published {published[name]}"
            for name in published
            if found[name] != published[name]
        ]


class Dataset(Strict):
    """One entry of the catalogue."""

    title: Annotated[str, Field(min_length=1)]
    caution: str = ""
    """The report's first line; empty for none."""
    compare_with_paper: bool = False
    source: Source
    format: Format
    split: Split
    training: DatasetTraining
    published: Published | None = None

    @field_validator("split")
    @classmethod
    def _threshold_where_there_are_ratings(cls, split: Split, info: ValidationInfo) -> Split:
        layout = info.data.get("format")
        if layout is not None:
            has_ratings = isinstance(layout, MovieLensFormat) or layout.columns.rating is not None
            if has_ratings and split.threshold is None:
                raise ValueError("threshold is missing, and there are ratings to compare with it")
            if not has_ratings and split.threshold is not None:
                raise ValueError("threshold is given, but format.columns names no rating to compare with it")
        return split

    @model_validator(mode="after")
    def _made_up_is_not_the_papers(self) -> "Dataset":
        if isinstance(self.source, SyntheticSource):
            if self.compare_with_paper:
                raise ValueError("compare_with_paper must be false: the source is synthetic")
            if not isinstance(self.format, MovieLensFormat):
                raise ValueError("format must be kind: movielens, member: synthetic/ratings.csv for a synthetic source")
        return self
