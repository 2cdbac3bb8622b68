"""Edits of a file that can still be parsed: what editors, older versions and mistakes do to it."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import torch

from tests.faults.damage import Canary, Damage


def json_edits() -> dict[str, Damage]:
    def edit(change: Callable[[Any, str], Any]) -> Damage:
        def damage(path: Path, random: Random) -> str:
            content = json.loads(path.read_text())
            key = random.choice([key for key in content if not isinstance(content[key], str)] or list(content))
            path.write_text(json.dumps(change(content, key), indent=2))
            return f"{key}"

        return damage

    return {
        "key renamed": edit(lambda content, key: {(name + "_" * (name == key)): content[name] for name in content}),
        "key dropped": edit(lambda content, key: {name: content[name] for name in content if name != key}),
        "null": edit(lambda content, key: content | {key: None}),
        "text": edit(lambda content, key: content | {key: "x"}),
        "a list": edit(lambda content, _: [content]),
        "not a number": edit(lambda content, key: content | {key: float("nan")}),
    }


def frame_edits(
    read: Callable[[Path], pd.DataFrame], write: Callable[[pd.DataFrame, Path], object]
) -> dict[str, Damage]:
    def edit(change: Callable[[pd.DataFrame, str], pd.DataFrame]) -> Damage:
        def damage(path: Path, random: Random) -> str:
            frame = read(path)
            # In a column of text any other text could be right.
            name = random.choice(list(map(str, frame.select_dtypes("number"))) or list(frame.columns))
            write(change(frame, name), path)
            return name

        return damage

    return {
        "column renamed": edit(lambda frame, name: frame.rename(columns={name: f"{name}_"})),
        "column dropped": edit(lambda frame, name: frame.drop(columns=name)),
        "no rows": edit(lambda frame, _: frame[:0]),
        "text": edit(lambda frame, name: frame.assign(**{name: "x"})),
        "nothing": edit(lambda frame, name: frame.assign(**{name: None})),
        "last row dropped": edit(lambda frame, _: frame[:-1]),
        "numbers raised": edit(lambda frame, _: frame.assign(**{
            name: frame[name] + 1 for name in map(str, frame.select_dtypes("number"))
        })),
    }  # fmt: skip


def _one_changed(array: np.ndarray) -> np.ndarray:
    changed = array.copy()
    flat = changed.reshape(-1)
    if flat.dtype.kind in "biuf":
        flat[0] = flat[0] == 0
    return changed


def array_edits() -> dict[str, Damage]:
    def edit(change: Callable[[dict[str, np.ndarray], str], object]) -> Damage:
        def damage(path: Path, random: Random) -> str:
            with np.load(path) as file:
                arrays = dict(file)
            name = random.choice([name for name in arrays if arrays[name].size])
            change(arrays, name)
            with path.open("wb") as stream:
                np.savez(stream, allow_pickle=True, **arrays)
            return name

        return damage

    def put(value: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict[str, np.ndarray], str], object]:
        return lambda arrays, name: arrays.update({name: value(arrays[name])})

    return {
        "array renamed": edit(lambda arrays, name: arrays.update({f"{name}_": arrays.pop(name)})),
        "array dropped": edit(lambda arrays, name: arrays.pop(name)),
        "text": edit(put(lambda array: np.full(array.shape, "x"))),
        "objects": edit(put(lambda array: np.full(array.shape, Canary(), object))),
        "flattened": edit(put(lambda array: array.reshape(-1)[:-1])),
        "not a number": edit(put(lambda array: np.full(array.shape, np.nan))),
        "out of range": edit(put(lambda array: np.full(array.shape, 100 if array.dtype.kind in "iu" else np.inf))),
        "one value changed": edit(put(_one_changed)),
    }


def tensor_edits() -> dict[str, Damage]:
    def edit(change: Callable[[dict[str, Any], str], object]) -> Damage:
        def damage(path: Path, random: Random) -> str:
            content = torch.load(path, weights_only=True)
            state = content["training"]["best_weights"] if "training" in content else content
            name = random.choice(list(state))
            change(state, name)
            torch.save(content, path)
            return name

        return damage

    def put(value: Callable[[torch.Tensor], object]) -> Callable[[dict[str, Any], str], object]:
        return lambda state, name: state.update({name: value(state[name])})

    return {
        "tensor renamed": edit(lambda state, name: state.update({f"{name}_": state.pop(name)})),
        "tensor dropped": edit(lambda state, name: state.pop(name)),
        "a list": edit(put(lambda tensor: tensor.tolist())),
        "flattened": edit(put(lambda tensor: tensor.reshape(-1)[:-1])),
        "not a number": edit(put(lambda tensor: torch.full(tensor.shape, torch.nan))),
        "doubles": edit(put(lambda tensor: tensor.double())),
        "one value changed": edit(put(lambda tensor: torch.from_numpy(_one_changed(tensor.numpy())))),
    }


def line_edits() -> dict[str, Damage]:
    def edit(change: Callable[[list[bytes], int], list[bytes]]) -> Damage:
        def damage(path: Path, random: Random) -> str:
            lines = path.read_bytes().splitlines(keepends=True)
            number = random.randrange(len(lines))
            path.write_bytes(b"".join(change(lines, number)))
            return f"line {number + 1}"

        return damage

    return {
        "line dropped": edit(lambda lines, number: lines[:number] + lines[number + 1 :]),
        "line twice": edit(lambda lines, number: lines[: number + 1] + lines[number:]),
        "line of noise": edit(lambda lines, number: [*lines[:number], b"\xff\xfe\0x\n", *lines[number:]]),
        "line cut": edit(lambda lines, number: [*lines[:number], lines[number][: len(lines[number]) // 2]]),
    }


def archive_edits() -> dict[str, Damage]:
    def damage(path: Path, _: Random) -> None:
        stream = io.BytesIO()
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(stream, "w") as new:
            for member in old.infolist():
                new.writestr("\x1b[31m" + member.filename, old.read(member))
        path.write_bytes(stream.getvalue())

    return {"member renamed": damage}


EDITS: dict[str, dict[str, Damage]] = {
    ".json": json_edits(),
    ".csv": frame_edits(pd.read_csv, lambda frame, path: frame.to_csv(path, index=False)),
    ".parquet": frame_edits(pd.read_parquet, lambda frame, path: frame.to_parquet(path, index=False)),
    ".npz": array_edits(),
    ".pt": tensor_edits(),
    ".checkpoint": tensor_edits(),
    ".log": line_edits(),
    ".zip": archive_edits(),
}
"""By a file's ending: it can still be parsed, but is not as it was written."""
PLAUSIBLE = ("last row dropped", "numbers raised", "one value changed", "doubles")
"""Edits that could as well be a stage's own result, so only a digest tells."""
