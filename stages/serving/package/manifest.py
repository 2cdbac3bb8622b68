"""manifest.json: what a package is, of what it was made, and the digests of its other files."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError

from stages.config.dataset import Digest
from stages.config.strict import Strict
from stages.guided.guide import Guide
from stages.run.errors import UserError, quoted

MANIFEST = "manifest.json"
FORMAT: Literal["pq-vae package"] = "pq-vae package"
VERSION = 2
"""The newest of the format, which this reader knows; it refuses what is newer."""
Version = Literal[1, 2]
"""A package has the lowest that says what it is: 2 with a guide, or else 1. So whoever reads 1 goes on reading the
packages that have not changed, and never takes one with a guide for one whose codes are the nearest."""

ENCODER, CODEBOOKS, DECODER = "encoder.safetensors", "codebooks.safetensors", "decoder.safetensors"
ITEMS = "items.json"
ENCODE, SCORE = "encode.onnx", "score.onnx"

Count = Annotated[int, Field(ge=1)]


class Measured(Strict):
    """A mean over test users with its 95 % confidence interval."""

    mean: float
    low: float | None
    """None where there is one user alone, as `high`."""
    high: float | None
    users: Count


class Origin(Strict):
    """What a package was made of."""

    data_set: str
    """Its title."""
    row: str
    """Name in the report."""
    seed: int | None
    """Of the training; None of vectors from elsewhere."""
    data_sha256: Digest
    """Of the digests of the split; of the file of vectors that came from elsewhere."""
    parameters_sha256: Digest
    """Of the settings that decide the weights and the codebooks."""
    ndcg: Measured | None
    """NDCG@100 of this training; None where it was not measured."""


class Tensor(Strict):
    """What a tensor has to be."""

    dtype: Literal["float32"]
    shape: list[Count]


class PackageFile(Strict):
    """What a file has to be."""

    bytes: Count
    sha256: Digest
    tensors: dict[str, Tensor] | None = None
    """Of a file of weights."""


class Format(Strict):
    """What says that a folder is a package, and which reader it needs."""

    format: Literal["pq-vae package"] = FORMAT
    version: Version


class Manifest(Origin, Format):
    """The whole of manifest.json, which begins with the format."""

    activations: list[Literal["tanh", "linear"]] | None
    """Of the encoder's layers; None without an encoder."""
    quantizer: Literal["product", "residual"]
    bytes_per_user: Count
    beam: Count
    """Partial codes that the encoder of residual codes keeps."""
    guide: Guide | None = Field(default=None, exclude_if=lambda guide: guide is None)
    """How codes are chosen; not there where they are the nearest."""
    n_items: Count
    width: Count
    """Dimensions of a decoded vector."""
    files: dict[str, PackageFile]
    """Name → what it has to be, of all others in the folder."""
    sha256: Digest = "0" * 64
    """Of this manifest without this line, by `sealed`."""

    def sealed(self) -> Self:
        """The same with its own digest, by which damage of the manifest itself shows."""
        content = json.dumps(self.model_dump(exclude={"sha256"}), sort_keys=True).encode()
        return self.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})


def parse_manifest(content: bytes, folder: Path) -> Manifest:
    """The manifest of a package.

    Parameters
    ----------
    content : of manifest.json
    folder : of the package, for messages

    Raises
    ------
    UserError
        where it is no manifest, newer than this reader, or damaged.
    """
    try:
        written: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(folder, f"{MANIFEST} is cut or no JSON") from error
    if not isinstance(written, dict) or written.get("format") != FORMAT:
        raise UserError(f"{folder} is no package: {MANIFEST} does not say '{FORMAT}'; give the folder of one")
    version = written.get("version")
    if isinstance(version, int) and version > VERSION:
        raise UserError(
            f"{folder} is a package of version {quoted(version)}, and this reader knows versions up to {VERSION}; "
            "update this reader, or export the package again with it"
        )
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise damaged(folder, f"{MANIFEST} does not hold what it should ({place})") from error
    if manifest.sealed() != manifest:
        raise damaged(folder, f"{MANIFEST} was changed after it was written")
    return manifest


def damaged(folder: Path, what: str) -> UserError:
    """The error for a package that is not as it was written; what : what is wrong with it."""
    return UserError(f"the package {folder} is damaged: {what}; copy the whole folder again, or export it again")
