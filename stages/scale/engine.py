"""Runs work that comes in parts, here or by Ray's workers; what comes of a part is the same either way."""

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from stages.config.params import ScaleSettings
from stages.run.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")


class Failed(NamedTuple):
    """What comes of a part that can't be done."""

    said: str


Work = Callable[[Task], Result]
LOCAL = ScaleSettings(engine="local", parts=1)


def run_parts(
    settings: ScaleSettings, begin: Callable[[], Work[Task, Result]], tasks: Sequence[Task]
) -> Iterator[Result | Failed]:
    """What comes of each task, as it is done; with Ray, in any order.

    Parameters
    ----------
    begin : makes what does the tasks, once in each worker
    tasks : none needs another; a worker that is lost has its tasks done again by others

    Raises
    ------
    UserError
        where Ray is wanted and is not installed, or can't be reached.
    """
    run = _locally if settings.engine == "local" else _by_ray
    return run(settings, begin, tasks)


def _locally(
    settings: ScaleSettings,  # noqa: ARG001
    begin: Callable[[], Work[Task, Result]],
    tasks: Sequence[Task],
) -> Iterator[Result | Failed]:
    work = begin()
    for task in tasks:
        yield _done(work, task)


def _done(work: Work[Task, Result], task: Task) -> Result | Failed:
    try:
        return work(task)
    except UserError as error:  # the other parts can be done
        return Failed(str(error))


def _by_ray(
    settings: ScaleSettings, begin: Callable[[], Work[Task, Result]], tasks: Sequence[Task]
) -> Iterator[Result | Failed]:
    try:
        import ray  # type: ignore[import-not-found]
        import ray.data  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError(
            "scale.engine in params.yaml is ray, which is not installed; install the extra: pip install '.[scale]', or "
            "set it to local"
        ) from error

    class Worker:
        def __init__(self) -> None:
            self.work = begin()

        def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
            results = [_done(self.work, pickle.loads(task)) for task in batch["task"]]  # noqa: S301 (our own)
            return {"result": [pickle.dumps(result) for result in results]}

    if not ray.is_initialized():
        try:
            ray.init(settings.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": _path()}})
        except ConnectionError as error:
            raise UserError(
                f"there is no Ray at {settings.address} (scale.address in params.yaml): {error}; start one with "
                "ray start --head, or leave the address out"
            ) from error
    rows = ray.data.from_items([{"task": pickle.dumps(task)} for task in tasks], override_num_blocks=len(tasks))
    done = rows.map_batches(
        Worker,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=settings.workers),
        num_cpus=1,
        num_gpus=settings.gpus_per_worker or None,
    )
    for row in done.iter_rows():
        yield pickle.loads(row["result"])  # noqa: S301


def _path() -> str:
    """Where workers find this code: a folder that all machines see, as they see the data."""
    return os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
