"""Base of all codecs that are fitted after training: their size, and the file that holds them."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from zipfile import BadZipFile

import numpy as np
from scipy.sparse import csr_array

from stages.codebooks.transform import Transform
from stages.interfaces.codec import Embeddings
from stages.interfaces.recommender import Recommender
from stages.run.digests import checked, damaged
from stages.run.errors import UserError

CLASS = "codec"  # key of the class name in the file
STAGE = "quantize"  # writes it
PLAIN = (int, int | None, str, np.ndarray)  # types of arguments that a file holds as they are


class FittedCodec(ABC):
    """A codec saved as an NPZ file of its class name and its constructor's arguments."""

    classes: ClassVar[dict[str, type["FittedCodec"]]] = {}
    """All imported codec classes, by the class name in their files."""

    n_codebooks: int = 0
    fit_errors: Sequence[float] = ()

    def __init_subclass__(cls) -> None:
        """Register the class, so that `load_codec` can read its files."""
        FittedCodec.classes[cls.__name__] = cls

    @property
    @abstractmethod
    def bytes_per_vector(self) -> int:
        """Bytes of the code of one vector (faiss: code_size)."""

    @property
    @abstractmethod
    def shared_bytes(self) -> int:
        """Bytes stored once for all vectors."""

    @abstractmethod
    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, bytes_per_vector) uint8; for a codec of histories, from (n, n_items) 0/1.

        Raises
        ------
        UserError
            where the codec was fitted on vectors of another d.
        """

    @abstractmethod
    def decode(self, codes: np.ndarray | csr_array) -> Embeddings:
        """(n, bytes_per_vector) uint8 → (n, d) float32; for a codec of histories, to (n, n_items) 0/1."""

    def recommender(self, model: Recommender) -> Recommender:
        """The recommender that scores items from decoded codes: `model`, unless the codec stores histories."""
        return model

    def _fitting(self, embeddings: Embeddings, width: int) -> Embeddings:
        """The embeddings, if they are as wide as those that the codec was fitted on; errors as in `encode`."""
        if embeddings.shape[1] != width:
            raise UserError(
                f"a {type(self).__name__} of {width:,} dimensions can't store vectors of {embeddings.shape[1]:,}: it "
                f"belongs to another model; run the stage {STAGE} again"
            )
        return embeddings

    @abstractmethod
    def _arguments(self) -> dict[str, Any]:
        """The constructor's arguments that rebuild this codec: arrays, numbers, strings, transforms or None."""

    def save(self, path: Path) -> None:
        """Write the codec as an NPZ file that `load_codec` reads."""
        arrays: dict[str, np.ndarray] = {CLASS: np.asarray(type(self).__name__)}
        for name, value in self._arguments().items():
            if isinstance(value, Transform):
                arrays |= {f"{name}.{field}": array for field, array in vars(value).items() if array is not None}
            elif value is not None:
                arrays[name] = np.asarray(value)
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


def load_codec(path: Path) -> FittedCodec:
    """Load a codec from a file that `FittedCodec.save` wrote; the codec's module has to be imported.

    Raises
    ------
    UserError
        where the file is missing or damaged, as in `stages.run.digests.checked`, its class or arguments are unknown to
        this code, or a number is not finite.
    """
    with checked(path, STAGE) as file:
        try:
            with np.load(file) as archive:
                arrays = dict(archive)
            class_name = arrays.pop(CLASS).item()
        except (OSError, ValueError, LookupError, TypeError, EOFError, BadZipFile) as error:
            raise damaged(path, "is no codec", STAGE) from error
    if not all(array.dtype.kind == "f" for array in arrays.values() if array.ndim):
        raise damaged(path, "holds arrays of something else than floats", STAGE)
    if not all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f"):
        raise damaged(path, "holds numbers that are not finite", STAGE)
    arguments: dict[str, Any] = {}
    for name, array in arrays.items():
        value = array if array.ndim else array.item()
        argument, _, field = name.partition(".")
        if field:
            arguments.setdefault(argument, {})[field] = value
        else:
            arguments[argument] = value
    codec_class = FittedCodec.classes.get(class_name)
    transforms = [value for value in arguments.values() if isinstance(value, dict)]
    if codec_class is None or not (
        _fits(codec_class, arguments) and all(_fits(Transform, value) for value in transforms)
    ):
        raise UserError(
            f"{path} holds a {class_name} of {', '.join(arguments)}, which this code does not know; "
            f"run the stage {STAGE} again"
        )
    try:
        return codec_class(
            **{name: Transform(**value) if isinstance(value, dict) else value for name, value in arguments.items()}
        )
    except ValueError as error:
        raise damaged(path, f"is damaged ({error})", STAGE) from error


def _fits(made: type[FittedCodec | Transform], arguments: dict[str, Any]) -> bool:
    """Whether the class's constructor takes these arguments."""
    signature = inspect.signature(made)
    try:
        bound = signature.bind(**arguments).arguments
    except TypeError:
        return False
    kinds = {name: signature.parameters[name].annotation for name in bound}
    return all(kinds[name] not in PLAIN or isinstance(value, kinds[name]) for name, value in bound.items())
