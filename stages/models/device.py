"""The device, the precision and the threads that models compute in."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import faiss
import torch

from stages.run.errors import UserError
from stages.run.processor import multiplies_bfloat16

Piece = TypeVar("Piece")
Result = TypeVar("Result")

THREADS = torch.get_num_threads()
"""All of the machine's, or as OMP_NUM_THREADS says."""
LARGE_PRODUCT = 2**28  # multiply-adds; threads wait for each other longer than they help with a smaller one


def threads_for(multiply_adds: int, device: torch.device) -> int:
    """How many threads a training is to use: one on a CPU where the largest product of a step is small, else all."""
    return 1 if device.type == "cpu" and multiply_adds < LARGE_PRODUCT else THREADS


def use_threads(number: int) -> None:
    """Use so many threads in PyTorch and faiss, where they are called from this thread of Python."""
    torch.set_num_threads(number)
    faiss.omp_set_num_threads(number)


def side_by_side(work: Callable[[Piece], Result], pieces: Sequence[Piece], threads: int) -> list[Result]:
    """What `work` gives for each piece, such as a seed, in their order; after an error, no other is begun.

    Parameters
    ----------
    threads : number that `work` uses in PyTorch and faiss. If that is all, one piece is worked on at a time; else as
        many as there is room for, each in a thread of Python, and one more where the last would else have the machine
        to itself
    """
    if threads == THREADS:
        use_threads(threads)
        return [work(piece) for piece in pieces]
    room = THREADS // threads
    at_once = room + (len(pieces) % room > 0)
    with ThreadPoolExecutor(at_once, initializer=use_threads, initargs=(threads,)) as pool:
        futures = [pool.submit(work, piece) for piece in pieces]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def choose_device(name: str) -> torch.device:
    """The device that `device` in params.yaml asks for.

    Raises
    ------
    UserError
        where it is cuda, and PyTorch finds no GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device in params.yaml is cuda, but PyTorch finds no GPU here; set it to auto or cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype of a precision in params.yaml.

    Raises
    ------
    UserError
        where it is bfloat16, and the device does not support it.
    """
    if name == "float32":
        return torch.float32
    if device.type == "cuda":
        available, what = torch.cuda.is_bf16_supported(including_emulation=False), torch.cuda.get_device_name(device)
    else:
        available, what = multiplies_bfloat16(), "this processor"
    if not available:
        raise UserError(f"{what} has no bfloat16 instructions; set precision under training in params.yaml to float32")
    return torch.bfloat16


def describe(device: torch.device, threads: int = THREADS) -> dict[str, object]:
    """The device and the number of threads that each piece of work uses, for the run facts."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "threads": threads}
