"""The folder that holds a package: weights as safetensors, items as JSON, and the whole path as ONNX."""

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
import safetensors.numpy
from pydantic import Field, ValidationError
from safetensors import SafetensorError

from stages.config.strict import Strict
from stages.run.digests import checked
from stages.run.errors import UserError, reason
from stages.serving.package.manifest import (
    CODEBOOKS,
    DECODER,
    ENCODE,
    ENCODER,
    ITEMS,
    MANIFEST,
    SCORE,
    Manifest,
    Origin,
    PackageFile,
    Tensor,
    damaged,
    parse_manifest,
)
from stages.serving.package.package import Items, Layer, Package, Quantizer, check_parts

STAGE = "export"  # writes packages in the pipeline
Tensors = dict[str, np.ndarray]


class _Items(Strict):
    """items.json, in the order of the columns."""

    ids: Annotated[list[Annotated[int, Field(ge=-(2**63), lt=2**63)]] | list[str], Field(min_length=1)]
    titles: list[str] | None
    interactions: list[Annotated[int, Field(ge=0, lt=2**63)]]


def write_package(folder: Path, origin: Origin, encoder: list[Layer] | None, quantizer: Quantizer, items: Items) -> str:
    """Write a package into an existing folder.

    Without an encoder, encode.onnx takes vectors instead of histories; of codes that a guide chooses there is none, as
    a graph can't search.

    Returns
    -------
    digest of the package, as in `Package`

    Raises
    ------
    UserError
        where a number is not finite.
    ValueError
        where the parts do not fit together, as in `check_parts`.
    """
    from stages.serving.package.graphs import encode_graph, score_graph  # readers need no onnx

    check_parts(encoder, quantizer, items)
    transform = {"into": quantizer.into, "back": quantizer.back, "mean": quantizer.mean}
    arrays = {
        CODEBOOKS: {"codebooks": quantizer.codebooks} | {k: v for k, v in transform.items() if v is not None},
        DECODER: {"weight": items.weight, "bias": items.bias},
    }
    if encoder is not None:
        arrays[ENCODER] = {f"{number}.weight": layer.weight for number, layer in enumerate(encoder)}
        arrays[ENCODER] |= {f"{number}.bias": layer.bias for number, layer in enumerate(encoder)}
    for file, tensors in arrays.items():
        if (name := _not_finite(tensors)) is not None:
            raise UserError(f"{name} of {origin.row} has NaN or infinite values, which no {file} holds; train it anew")
    # Of an array that is not contiguous, safetensors writes the memory as it lies.
    content = {
        file: safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
        for file, tensors in arrays.items()
    }
    weights = dict(content)
    listed = _Items(ids=items.ids.tolist(), titles=items.titles, interactions=items.interactions.tolist())
    content[ITEMS] = listed.model_dump_json().encode()
    if quantizer.guide is None:
        content[ENCODE] = encode_graph(encoder, quantizer, weights)
    content[SCORE] = score_graph(quantizer, len(items.ids), weights)
    manifest = Manifest(
        **origin.model_dump(),
        version=1 if quantizer.guide is None else 2,
        activations=None if encoder is None else ["tanh" if layer.tanh else "linear" for layer in encoder],
        quantizer=quantizer.kind,
        bytes_per_user=quantizer.n_bytes,
        beam=quantizer.beam,
        guide=quantizer.guide,
        n_items=len(items.ids),
        width=quantizer.width,
        files={file: _described(text, arrays.get(file)) for file, text in content.items()},
    ).sealed()
    content[MANIFEST] = manifest.model_dump_json(indent=2).encode() + b"\n"
    for file, text in content.items():
        (folder / file).write_bytes(text)
    return hashlib.sha256(content[MANIFEST]).hexdigest()


def load_package(folder: Path) -> Package:
    """Read a package that `write_package` wrote.

    Raises
    ------
    UserError
        where a file is missing, damaged or of another package, the package is newer than this reader, its parts do not
        fit together, or a number is not finite.
    """
    if not folder.is_dir():
        raise UserError(f"there is no package {folder}; run the stage export first, or give the folder of one")
    text = _read(folder, MANIFEST)
    manifest = parse_manifest(text, folder)
    needed = {CODEBOOKS, DECODER, ITEMS, SCORE}
    needed |= {ENCODE} if manifest.guide is None else set()
    needed |= set() if manifest.activations is None else {ENCODER}
    if needed != manifest.files.keys():
        raise damaged(folder, f"{MANIFEST} lists {', '.join(manifest.files)}, expected {', '.join(sorted(needed))}")
    content = {file: _checked(folder, file, listed) for file, listed in manifest.files.items()}
    weights = {
        file: _weights(folder, file, content[file], manifest.files[file])
        for file in (CODEBOOKS, DECODER, ENCODER)
        if file in content
    }
    try:
        items = _Items.model_validate_json(content[ITEMS])
        loaded = _package(hashlib.sha256(text).hexdigest(), manifest, weights, items)
        check_parts(loaded.encoder, loaded.quantizer, loaded.items)
        if (len(items.ids), loaded.quantizer.width) != (manifest.n_items, manifest.width):
            raise ValueError(f"{MANIFEST} counts other items or dimensions than the files have")
    except ValidationError as error:
        raise damaged(folder, f"{ITEMS} does not hold what it should") from error
    except KeyError as error:
        raise damaged(folder, f"there is no tensor {error.args[0]}") from error
    except ValueError as error:
        raise damaged(folder, str(error)) from error
    return loaded


def load_exported(folder: Path) -> Package:
    """Read a package where the stage export left it: the one of this row and data set, and no other one put there.

    Raises
    ------
    UserError
        as in `load_package` and `stages.run.digests.checked`.
    """
    checked(folder / MANIFEST, STAGE).close()
    return load_package(folder)


def _package(digest: str, manifest: Manifest, weights: dict[str, Tensors], items: _Items) -> Package:
    """Put together what was read; KeyError where a tensor is missing."""
    codebooks = weights[CODEBOOKS]
    quantizer = Quantizer(
        kind=manifest.quantizer,
        codebooks=codebooks["codebooks"],
        n_bytes=manifest.bytes_per_user,
        beam=manifest.beam,
        guide=manifest.guide,
        **{name: codebooks.get(name) for name in ("into", "back", "mean")},
    )
    encoder = None if manifest.activations is None else [
        Layer(weights[ENCODER][f"{number}.weight"], weights[ENCODER][f"{number}.bias"], activation == "tanh")
        for number, activation in enumerate(manifest.activations)
    ]  # fmt: skip
    ids = np.array(items.ids, dtype=object if isinstance(items.ids[0], str) else np.int64)
    decoder = weights[DECODER]
    catalogue = Items(ids, items.titles, decoder["weight"], decoder["bias"], np.array(items.interactions, np.int64))
    return Package(manifest.row, digest, encoder, quantizer, catalogue)


def _described(content: bytes, tensors: Tensors | None) -> PackageFile:
    shapes = None if tensors is None else {
        name: Tensor(dtype="float32", shape=list(array.shape)) for name, array in tensors.items()
    }  # fmt: skip
    return PackageFile(bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), tensors=shapes)


def _checked(folder: Path, file: str, listed: PackageFile) -> bytes:
    """The content of a file, if it is the one that the manifest lists."""
    content = _read(folder, file)
    if len(content) < listed.bytes:
        raise damaged(folder, f"{file} is cut: {len(content):,} of {listed.bytes:,} bytes")
    if hashlib.sha256(content).hexdigest() != listed.sha256:
        raise damaged(folder, f"{file} is not the file that {MANIFEST} lists, but a changed one or another package's")
    return content


def _read(folder: Path, file: str) -> bytes:
    path = folder / file
    if not path.is_file():  # to open a pipe would wait for its other end
        raise damaged(folder, f"{file} is missing")
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}; give access to it, then run this again") from error


def _weights(folder: Path, file: str, content: bytes, listed: PackageFile) -> Tensors:
    """The tensors of a file, if they are as listed and finite."""
    try:
        tensors = safetensors.numpy.load(content)
    except SafetensorError as error:
        raise damaged(folder, f"{file} is no safetensors file") from error
    found = {name: (str(array.dtype), list(array.shape)) for name, array in tensors.items()}
    if found != {name: (tensor.dtype, tensor.shape) for name, tensor in (listed.tensors or {}).items()}:
        raise damaged(folder, f"{file} holds other tensors than {MANIFEST} lists")
    if (name := _not_finite(tensors)) is not None:
        raise damaged(folder, f"{name} in {file} holds NaN or infinite values")
    return tensors


def _not_finite(tensors: Tensors) -> str | None:
    """The first tensor with a number that is not."""
    return next((name for name, array in tensors.items() if not np.isfinite(array).all()), None)
