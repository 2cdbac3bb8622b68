"""Several processes that train one model together, by PyTorch's own means (torchrun)."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from stages.models.shard import AllItems, SomeItems
from stages.run.errors import DivergedError, UserError

PATIENCE = timedelta(minutes=30)
"""Between two exchanges; the first process validates, and fits codebooks, while the others wait."""


def are_started() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def start(n_processes: int, work: Callable[..., None], *arguments: Any) -> None:
    """Run `work` in so many processes on this machine; returns when all have ended.

    Parameters
    ----------
    work : function of a module, which calls `together`
    arguments : that can be pickled

    Raises
    ------
    UserError
        where one of them fails; the others are stopped.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    threads = max(1, torch.get_num_threads() // n_processes)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=n_processes,
        run_id="training",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.5,
        start_method="spawn",
    )
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # its errors are raised as well
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        elastic_launch(config, _recorded)(work, *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise UserError(_in_words(rank, n_processes, failure)) from error
    except SignalException as error:  # the processes have been stopped; this one ends as one that trains alone
        signal.signal(error.sigval, signal.SIG_DFL)
        signal.raise_signal(error.sigval)


def _recorded(work: Callable[..., None], *arguments: Any) -> None:
    from torch.distributed.elastic.multiprocessing.errors import record

    record(work)(*arguments)


def _in_words(rank: int, n_processes: int, failure: Any) -> str:
    if isinstance(failure.message, dict):  # an exception, as its class and its message
        kind, _, message = failure.message["message"].partition(": ")
        if kind in (UserError.__name__, DivergedError.__name__):
            return message
        sys.stderr.write(failure.message["extraInfo"]["py_callstack"])
        return f"process {rank} of {n_processes} that train together failed: {kind}: {message}"
    return (
        f"process {rank} of {n_processes} that train together was ended ({failure.message}), and the others were "
        "stopped; run this again: it goes on from the last checkpoint"
    )


@contextmanager
def together(n_items: int, device: torch.device) -> Iterator[AllItems]:
    """The items of this process: all, or its share where torchrun has started several."""
    if not are_started() or int(os.environ["WORLD_SIZE"]) == 1:
        yield AllItems(n_items)
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        shard = SomeItems(n_items)
        with redirect_stdout(None) if shard.rank else nullcontext():  # one of them is enough
            yield shard
    finally:
        dist.destroy_process_group()
