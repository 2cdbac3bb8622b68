"""The entries under datasets in params.yaml: where ratings come from, and what becomes of them."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from stages.config.model import ModelOnDataset, Search
from stages.config.strict import Precision, Strict, matching
from stages.run.errors import quoted

Digest = Annotated[str, matching("[0-9a-f]{64}", "64 digits of 0-9 and a-f")]
"""SHA-256 in lower-case hexadecimal digits."""


def _name_or_position(column: object) -> object:
    is_position = isinstance(column, int) and not isinstance(column, bool) and column >= 1
    if not is_position and not (isinstance(column, str) and column):
        raise ValueError(f"must be the name of a column, or its position from 1 (found {quoted(column)})")
    return column


Column = Annotated[str | int, BeforeValidator(_name_or_position)]
"""A column's name in the file, or its position from 1."""


class FileSource(Strict):
    """Ratings that are already on this machine: a file, or a folder of parts."""

    kind: Literal["file"]
    path: Annotated[str, matching(r"(?s).*[^/.].*", "the path of a file or folder")]
    """Absolute, or relative to the repository."""
    size: Annotated[int, Field(gt=0)] | None = None
    """Bytes of the file; None for a folder, or to go unchecked."""
    sha256: Digest | None = None
    """Of the file; given together with size."""

    @property
    def name(self) -> str:
        """The name of the copy here."""
        return PurePath(self.path).name

    @model_validator(mode="after")
    def _size_and_digest(self) -> "FileSource":
        if (self.size is None) != (self.sha256 is None):
            raise ValueError("give both size and sha256, or neither")
        return self


class WebSource(Strict):
    """Ratings to be downloaded."""

    kind: Literal["web"]
    urls: Annotated[
        list[Annotated[str, matching(r"https?://.*[^/]", "the address of a file, https://…")]], Field(min_length=1)
    ]
    """Tried in this order."""
    size: Annotated[int, Field(gt=0)]
    """Bytes of the file."""
    sha256: Digest
    """Of the file; the same at every address."""

    @property
    def name(self) -> str:
        """The name of the file here."""
        return PurePath(urlsplit(self.urls[0]).path).name


class SyntheticSource(Strict):
    """Made-up ratings with the tails of MovieLens-20M, at any size."""

    kind: Literal["synthetic"]
    users: Annotated[int, Field(ge=1, lt=2**31)]
    """How many rate at least one item."""
    items: Annotated[int, Field(ge=10, lt=2**31)]
    """How many are rated at least once."""
    ratings: Annotated[int, Field(ge=1)]
    """How many are drawn; at most a quarter of the items per user."""
    seed: Annotated[int, Field(ge=0)]
    """Of all draws."""

    @property
    def name(self) -> str:
        """The name of the archive."""
        return "synthetic.zip"

    @model_validator(mode="after")
    def _can_be_drawn(self) -> "SyntheticSource":
        fewest, most = max(self.users, self.items), self.users * (self.items // 4)
        if not fewest <= self.ratings <= most:
            raise ValueError(f"ratings must be from {fewest:,} to {most:,} for so many users and items")
        return self


class SyntheticLogSource(Strict):
    """A made-up log of plays, of any size: files of Parquet in time order."""

    kind: Literal["synthetic-log"]
    users: Annotated[int, Field(ge=1, lt=2**31)]
    """How many there may be."""
    items: Annotated[int, Field(ge=100, lt=2**31)]
    """How many there may be."""
    rows: Annotated[int, Field(ge=1)]
    """Pairs of user and item; some come again."""
    seed: Annotated[int, Field(ge=0)]
    """Of all draws."""

    @property
    def name(self) -> str:
        """The name of the folder."""
        return "synthetic-log"


Source = Annotated[FileSource | WebSource | SyntheticSource | SyntheticLogSource, Field(discriminator="kind")]


class MovieLensFormat(Strict):
    """A zip archive of the MovieLens family."""

    kind: Literal["movielens"]
    member: Annotated[
        str, matching(r"(.*/)?(ratings\.csv|ratings\.dat|u\.data)", "ratings.csv, ratings.dat or u.data, in its folder")
    ]
    """The ratings inside the archive; its name tells how they are laid out."""

    has_ratings: ClassVar = True
    has_timestamps: ClassVar = True


class Columns(Strict):
    """The file's names for what we need, or positions from 1 where it has no header."""

    user: Column
    """Who rated."""
    item: Column
    """What was rated."""
    rating: Column | None = None
    """None where every row is an interaction."""
    timestamp: Column | None = None
    """Of several ratings of an item by a user the latest counts; None where the last one in the file does."""

    @model_validator(mode="after")
    def _alike_and_distinct(self) -> "Columns":
        given = list(self.given().values())
        if len({type(column) for column in given}) > 1:
            raise ValueError("give names for all columns, or positions for all")
        if len(set(given)) < len(given):
            raise ValueError("a column is named twice")
        return self

    def given(self) -> dict[str, str | int]:
        """Our name of a column → the file's, without the columns that the file lacks."""
        columns: dict[str, str | int] = self.model_dump(exclude_none=True)
        return columns


class OwnFormat(Strict):
    """What all formats with columns of the user's share."""

    columns: Columns
    """The file's names, or positions."""
    missing: Literal["refuse", "drop"] = "refuse"
    """What becomes of rows with nothing under one of the columns; dropped ones are counted in the report."""
    missing_words: list[str] = Field(default=[r"\N", "NULL", "NA"])
    """Words that stand for nothing, beside an empty text."""

    @property
    def has_ratings(self) -> bool:
        """Whether there are ratings to compare with a threshold."""
        return self.columns.rating is not None

    @property
    def has_timestamps(self) -> bool:
        """Whether there are timestamps to split by."""
        return self.columns.timestamp is not None


Ids = Literal["integer", "string"]
"""What users and items are: integers of 64 bits, or any text."""


class CsvFormat(OwnFormat):
    """Delimited text in UTF-8: plain, gzip, bz2, zstd, lz4, or inside a zip archive."""

    kind: Literal["csv"]
    separator: Annotated[
        str, matching(r'[^\n\r"0-9A-Za-z\x80-\U0010ffff]|::', 'one sign of ASCII such as "\\t", or ::')
    ] = ","
    """Between columns: one character of ASCII, or ::."""
    quotes: bool | None = None
    """Whether a text may be in quotes, as in RFC 4180; None is true, but false for tabs and ::."""
    member: str | None = None
    """The file inside a zip archive; None for other files."""
    ids: Ids

    @property
    def quoted(self) -> bool:
        """Whether a text may be in quotes."""
        return self.separator not in ("\t", "::") if self.quotes is None else self.quotes

    @model_validator(mode="after")
    def _no_quotes_with_two_colons(self) -> "CsvFormat":
        if self.quotes and self.separator == "::":
            raise ValueError("quotes must be false where the separator is ::")
        return self


class ByName(OwnFormat):
    """Files whose columns have names."""

    @field_validator("columns")
    @classmethod
    def _by_name(cls, columns: Columns) -> Columns:
        if isinstance(columns.user, int):
            raise ValueError("columns have names in these files, no positions")
        return columns


class RecBoleFormat(ByName):
    """RecBole's atomic files of interactions, `.inter`; packed like CSV."""

    kind: Literal["recbole"]
    member: str | None = None
    """The file inside a zip archive; None for other files."""
    ids: Ids
    columns: Columns = Columns(user="user_id", item="item_id")
    """Names from the header without their types; rating and timestamp are named where they are to be read."""


class JsonLinesFormat(ByName):
    """An object per line; packed like CSV."""

    kind: Literal["jsonl"]
    member: str | None = None
    """The file inside a zip archive; None for other files."""
    ids: Ids


class ParquetFormat(ByName):
    """Apache Parquet, a row for each interaction or a user with lists; the file itself tells what ids are."""

    kind: Literal["parquet"]


class NpzFormat(Strict):
    """A sparse matrix users × items in SciPy's NPZ, whose stored values are ratings."""

    kind: Literal["npz"]

    has_ratings: ClassVar = True
    has_timestamps: ClassVar = False


class LightGcnFormat(Strict):
    """Text as LightGCN and NGCF publish it, `train.txt` and `test.txt`: on a line a user and their items."""

    kind: Literal["lightgcn"]
    member: str | None = None
    """The file inside a zip archive; None for other files."""

    has_ratings: ClassVar = False
    has_timestamps: ClassVar = False


class NetflixFormat(Strict):
    """The ratings of the Netflix Prize: a movie and a colon, then lines of user, rating and date."""

    kind: Literal["netflix"]
    member: str | None = None
    """The file inside a zip archive; None for other files."""

    has_ratings: ClassVar = True
    has_timestamps: ClassVar = True


Format = Annotated[
    MovieLensFormat
    | CsvFormat
    | RecBoleFormat
    | JsonLinesFormat
    | ParquetFormat
    | NpzFormat
    | LightGcnFormat
    | NetflixFormat,
    Field(discriminator="kind"),
]


class SplitSettings(Strict):
    """The protocol of Liang et al. 2018 (strong generalization), or the same by time."""

    kind: Literal["users", "time"] = "users"
    """What is held out of a held-out user: interactions drawn at random (users), or the last ones (time)."""
    threshold: float | None = None
    """A rating above it is an interaction; None where there are no ratings."""
    min_user_interactions: Annotated[int, Field(ge=1)]
    """Users with fewer are dropped."""
    min_item_interactions: Annotated[int, Field(ge=1)] = 1
    """Items with fewer are dropped, before users are."""
    filter: Literal["once", "core"] = "once"
    """Whether both minimums are applied once, or again until all that are left have enough (k-core)."""
    held_out_users: Annotated[int, Field(ge=1)]
    """Users for validation, and as many again for test."""
    held_out_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of a held-out user's interactions that is to be predicted; None with a cut."""
    cut: str | int | float | None = None
    """Of kind time: where training ends, and what is to be predicted begins; a date by ISO 8601, or a number where
    timestamps are numbers. None: there is no such moment, and each user's last share is to be predicted."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Of the split, by NumPy's legacy generator as in the published notebook."""

    @field_validator("cut", mode="before")
    @classmethod
    def _a_date_or_a_number(cls, cut: object) -> object:
        if isinstance(cut, date):
            raise ValueError(f"put the date in quotes: '{cut.isoformat()}'")  # DVC takes no dates in params.yaml
        if isinstance(cut, str):
            try:
                datetime.fromisoformat(cut)
            except ValueError:
                raise ValueError(f"{cut!r} is no date; write it like '2026-10-01' or '2026-10-01T12:00:00Z'") from None
        elif cut is not None and (isinstance(cut, bool) or not isinstance(cut, int | float) or not abs(cut) < 2**63):
            raise ValueError("must be a date or a number")
        return cut

    @model_validator(mode="after")
    def _a_share_or_a_cut(self) -> "SplitSettings":
        if self.cut is not None and self.kind != "time":
            raise ValueError("cut is given, but kind is not time; set kind to time, or leave the cut out")
        if self.cut is None and self.held_out_share is None:
            raise ValueError("held_out_share is missing")
        if self.cut is not None and self.held_out_share is not None:
            raise ValueError(
                "held_out_share is given, but with a cut all that comes after it is held out; leave out one"
            )
        return self


class DatasetTraining(Strict):
    """What depends on the size of the data set."""

    batch_size: Annotated[int, Field(ge=1)]
    """Users per training step."""
    epochs: Annotated[int, Field(ge=1)]
    """Unless a model has its own number; the epoch with the best validation NDCG@100 is what counts."""
    precision: Precision | None = None
    """In place of the precision of all data sets."""


class Published(Strict):
    """What a split has to be, as far as that is known: counts and digests by their names in protocol.json."""

    by: Annotated[str, Field(min_length=1)]
    """Whose split it is, as the report names it."""
    ratings: int | None = None
    interactions: int | None = None
    users: int | None = None
    items: int | None = None
    train_users: int | None = None
    items_in_train: int | None = None
    validation_held_out_pairs: int | None = None
    test_held_out_pairs: int | None = None
    items_in_train_sha256: Digest | None = None
    validation_held_out_pairs_sha256: Digest | None = None
    test_held_out_pairs_sha256: Digest | None = None

    def values(self) -> dict[str, int | str]:
        """The counts and digests that are known."""
        return self.model_dump(exclude={"by"}, exclude_none=True)

    @model_validator(mode="after")
    def _something_is_known(self) -> "Published":
        if not self.values():
            raise ValueError("give a count or a digest of the split, or leave out published")
        return self

    def differences(self, counts: Mapping[str, int | str]) -> list[str]:
        """A line for every count or digest of a split that is not as published."""
        published = self.values()
        return [
            f"{name} is {counts[name]}, published {published[name]}"
            for name in published
            if counts[name] != published[name]
        ]


class DatasetSettings(Strict):
    """One entry of the catalogue."""

    title: Annotated[str, Field(min_length=1)]
    """As the report names it."""
    caution: str = ""
    """The report's first line; empty for none."""
    compare_with_paper: bool = False
    """Whether the paper's Table 1 is printed beside ours: only where it was measured on this set."""
    source: Source
    """Where the ratings come from."""
    format: Format
    """How the ratings are laid out."""
    split: SplitSettings
    """What becomes of the ratings."""
    training: DatasetTraining
    """Of every model on this set."""
    models: dict[str, ModelOnDataset] = Field(default_factory=dict)
    """Model → how it is trained here; of a set under `run`, a line for every model."""
    sweep: Search | None = None
    """Ranges and seeds in place of those under sweep."""
    published: Published | None = None
    """None where no split of this set is published."""

    @field_validator("split")
    @classmethod
    def _columns_that_it_needs(cls, split: SplitSettings, info: ValidationInfo) -> SplitSettings:
        layout = info.data.get("format")
        if layout is not None:
            if layout.has_ratings and split.threshold is None:
                raise ValueError("threshold is missing, and there are ratings to compare with it")
            if not layout.has_ratings and split.threshold is not None:
                raise ValueError("threshold is given, but format names no column with a rating to compare with it")
            if split.kind == "time" and not layout.has_timestamps:
                raise ValueError("kind is time, but format names no column with a timestamp")
        return split

    @model_validator(mode="after")
    def _only_the_papers_own_is_compared(self) -> "DatasetSettings":
        if self.compare_with_paper and self.split.kind == "time":
            raise ValueError("compare_with_paper must be false: the split is by time, the paper's is not")
        if self.compare_with_paper and isinstance(self.source, SyntheticSource | SyntheticLogSource):
            raise ValueError("compare_with_paper must be false: the source is synthetic")
        if isinstance(self.source, SyntheticSource) and not isinstance(self.format, MovieLensFormat):
            raise ValueError("format must be kind: movielens, member: synthetic/ratings.csv for a synthetic source")
        if isinstance(self.source, SyntheticLogSource):
            columns = {"user": "user", "item": "item", "timestamp": "timestamp"}
            if not isinstance(self.format, ParquetFormat) or self.format.columns.given().items() - columns.items():
                raise ValueError(
                    "format must be kind: parquet, columns: {user: user, item: item, timestamp: timestamp} for a "
                    "synthetic-log"
                )
        return self
