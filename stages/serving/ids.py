"""Ids of users and items, as they stand in the user's files: integers or text."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.run.errors import UserError, quoted

Kind = Literal["integers", "text"]
Ids = np.ndarray | Sequence[int] | Sequence[str] | Any
"""Integers or text: NumPy's, Python's or pyarrow's."""


WORDS = {"integers": "an integer"}


def as_ids(values: Ids, where: str, kind: Kind | None = None) -> pa.Array:
    """Ids as an array of int64 or of text (large_string).

    Parameters
    ----------
    where : what they are, for error messages, such as "users of histories.parquet"
    kind : what they have to be; None for either

    Raises
    ------
    UserError
        where they are neither, of the other kind, or one is missing.
    """
    try:
        ids = values if isinstance(values, pa.Array) else pa.array(values)
        if pa.types.is_dictionary(ids.type):
            ids = ids.dictionary_decode()
        if len(ids) == 0:  # of any type: NumPy makes an empty list one of floats
            is_text = kind == "text" or (kind is None and _is_text(ids.type))
            return pa.array([], pa.large_string() if is_text else pa.int64())
        if ids.null_count:
            raise UserError(f"{where}: an id is missing (null); remove such rows, or give each an id")
        found = "integers" if pa.types.is_integer(ids.type) else "text" if _is_text(ids.type) else str(ids.type)
        if found not in ("integers", "text") or kind not in (None, found):
            raise UserError(
                f"{where}: {quoted(ids[0].as_py())} is {WORDS.get(found, found)}; give {kind or 'integers or text'}"
            )
        return ids.cast(pa.int64() if found == "integers" else pa.large_string())
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{where}: {quoted(str(error))}; ids are integers of 64 bits, or text") from error


def kind_of(ids: pa.Array) -> Kind:
    """Of a result of `as_ids`."""
    return "integers" if pa.types.is_integer(ids.type) else "text"


def sorted_order(ids: pa.Array, where: str) -> np.ndarray:
    """Places of the ids in ascending order, int64 (n,): by number, or by the bytes of UTF-8.

    Raises
    ------
    UserError
        where an id stands twice.
    """
    order: np.ndarray = (
        np.argsort(ids.to_numpy()) if kind_of(ids) == "integers" else pc.sort_indices(ids).to_numpy().astype(np.int64)
    )
    _check_neighbours(ids.take(pa.array(order)), where)
    return order


def check_distinct(ids: pa.Array, where: str) -> None:
    """UserError where an id stands twice; integers take 8 bytes each."""
    is_text = kind_of(ids) == "text"
    ordered = ids.take(pc.sort_indices(ids)) if is_text else pa.array(np.sort(ids.to_numpy()))
    _check_neighbours(ordered, where)


def _check_neighbours(ordered: pa.Array, where: str) -> None:
    twice = ordered[1:].filter(pc.equal(ordered[1:], ordered[:-1]))
    if len(twice):
        raise UserError(f"{where}: {quoted(twice[0].as_py())} stands there more than once; give each once")


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)
