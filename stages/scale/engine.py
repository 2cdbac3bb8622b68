"""Runs work that comes in parts, here or by Ray's workers; what comes of a part is the same either way."""

import logging
import os
import pickle
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Generic, NamedTuple, TypeVar

from stages.config.params import ScaleSettings
from stages.run.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")


class Failed(NamedTuple, Generic[Task]):
    """What comes of a part that can't be done."""

    task: Task
    said: str


Work = Callable[[Task], Result]
LOCAL = ScaleSettings(engine="local", parts=1)
ATTEMPTS = 3
"""At a part whose workers are lost: machines may go, but a part that ends each worker would go on for ever."""
PATIENCE = 300.0
"""Seconds that a cluster may have no machine for a worker; an autoscaler takes minutes to bring one."""
SILENCE = 5.0
"""Seconds without news of a part, after which it is looked whether the cluster still has a machine."""
TO_CONNECT = 10.0
"""Seconds."""


def run_parts(
    settings: ScaleSettings, begin: Callable[[], Work[Task, Result]], tasks: Sequence[Task]
) -> Iterator[Result | Failed[Task]]:
    """What comes of each task, as it is done; with Ray, in any order.

    Parameters
    ----------
    begin : makes what does the tasks, once in each worker
    tasks : none needs another; a worker that is lost has its tasks done again by others

    Raises
    ------
    UserError
        where Ray is wanted and is not installed, can't be reached, or has no machine for a worker.
    """
    run = _locally if settings.engine == "local" else _by_ray
    return run(settings, begin, tasks)


def _locally(
    settings: ScaleSettings,  # noqa: ARG001
    begin: Callable[[], Work[Task, Result]],
    tasks: Sequence[Task],
) -> Iterator[Result | Failed[Task]]:
    work = begin()
    for task in tasks:
        yield _done(work, task)


def _done(work: Work[Task, Result], task: Task) -> Result | Failed[Task]:
    try:
        return work(task)
    except UserError as error:  # the other parts can be done
        return Failed(task, str(error))


def _by_ray(
    settings: ScaleSettings, begin: Callable[[], Work[Task, Result]], tasks: Sequence[Task]
) -> Iterator[Result | Failed[Task]]:
    _connect(settings)
    import ray.data

    class Attempts:  # here, so that it goes to Ray by value: its process does not find this module
        """How often each part was begun, by whichever worker."""

        def __init__(self, n_tasks: int) -> None:
            self.at = [0] * n_tasks

        def begin(self, number: int) -> int:
            """Attempts at a part, with this one."""
            self.at[number] += 1
            return self.at[number]

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    attempts = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Attempts).remote(len(tasks))
    rows = ray.data.from_items(
        [{"task": pickle.dumps((number, task))} for number, task in enumerate(tasks)],
        override_num_blocks=len(tasks),
    )
    workers = min(settings.workers, len(tasks))
    done = rows.map_batches(
        _Worker,
        # `begin` is once on each machine, where its workers share the arrays.
        fn_constructor_args=[ray.put(begin), attempts, ATTEMPTS],
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
        num_cpus=1,
        num_gpus=settings.gpus_per_worker or None,
        runtime_env={"env_vars": _environment()},
    )
    try:
        for row in _as_they_come(done, settings):
            result = pickle.loads(row["result"])  # noqa: S301 (our own)
            if isinstance(result, Exception):
                raise result
            yield result
    finally:
        ray.kill(attempts)


class _Worker:
    """A process of Ray's that does tasks, one after the other; Ray starts it again, and its task, where it is lost."""

    def __init__(self, begin: Any, attempts: Any, most: int) -> None:
        """References to what makes `work`, and to what counts attempts; how many a part may have."""
        import ray

        self.begin: Callable[[], Work[Any, Any]] = ray.get(begin)
        self.work: Work[Any, Any] | None = None
        self.attempts, self.most = attempts, most

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """The result of a task, or the error that ends all."""
        import ray

        number, task = pickle.loads(batch["task"][0])  # noqa: S301 (our own)
        result: Any
        if ray.get(self.attempts.begin.remote(number)) <= self.most:
            result = self._result(task)
        else:
            result = Failed(task, f"Ray lost {self.most} workers that had begun it, perhaps for want of memory")
        return {"result": [pickle.dumps(result)]}

    def _result(self, task: Any) -> Any:
        try:
            self.work = self.work or self.begin()
            return _done(self.work, task)
        except Exception as error:  # is raised where the results are waited for, as without Ray
            if not isinstance(error, UserError):
                error.add_note(traceback.format_exc())
            return error


def _connect(settings: ScaleSettings) -> None:
    """Connect to the cluster, or start one that ends with this process; one that is connected is taken as it is."""
    address = settings.address
    # All errors that matter come as exceptions. What Ray's library prints at that level is none: it warns of each pool.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here reports to nobody
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # or what is left running when Ray ends connects to another
    if address:
        os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # or a wrong address takes a quarter of an hour
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UserError(
            "scale.engine in params.yaml is ray, which is not installed; install it with make scale, or set it to local"
        ) from error
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)  # a file of the session has the rest
    if ray.is_initialized():
        return
    try:
        if address:
            _knock(address)
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        place = f"at {address} (scale.address in params.yaml)" if address else "here"
        raise UserError(
            f"no Ray can be reached {place}: {_reason(error)}; start one as README says (Scale), and give this machine "
            "its token, or leave the address out"
        ) from error


def _knock(address: str) -> None:
    """OSError where nobody listens at host:port; Ray itself would go on trying."""
    host, _, port = address.rpartition(":")
    if host:  # which auto has not
        socket.create_connection((host.strip("[]"), int(port)), TO_CONNECT).close()


def _as_they_come(dataset: Any, settings: ScaleSettings) -> Iterator[Any]:
    """The rows of a dataset; UserError where Ray can't give them, or there is no machine for a worker."""
    import ray

    # Ray waits for machines without an end, so it does that in a thread, which can be left.
    found: SimpleQueue[Any] = SimpleQueue()
    left = Event()

    def read() -> None:
        try:
            for batch in dataset.iter_batches(batch_size=1, prefetch_batches=0):
                if left.is_set():
                    return
                found.put({name: values[0] for name, values in batch.items()})
            found.put(None)
        except Exception as error:  # raised below
            found.put(error)

    Thread(target=read, daemon=True).start()
    try:
        while (row := _next(found, settings)) is not None:
            if isinstance(row, ray.exceptions.RayError):
                raise UserError(f"Ray gave up: {_reason(row)}; run this again: what is done is kept") from row
            if isinstance(row, Exception):
                raise row
            yield row
    finally:
        left.set()


def _next(found: SimpleQueue[Any], settings: ScaleSettings) -> Any:
    """What is found next; UserError where there is no machine for a worker, and none comes."""
    silent = 0.0
    while True:
        try:
            return found.get(timeout=SILENCE)
        except Empty:
            silent = 0.0 if _has_machine(settings) else silent + SILENCE
        if silent > (PATIENCE if settings.address else 0):
            needed = f"a CPU and {settings.gpus_per_worker:g} GPUs" if settings.gpus_per_worker else "a CPU"
            raise UserError(
                f"no machine of Ray's has {needed} for a worker; add one, and run this again: what is done is kept"
            )


def _has_machine(settings: ScaleSettings) -> bool:
    """Whether a worker has room on a machine of the cluster, were it idle."""
    import ray

    return any(
        node["Alive"]
        and node["Resources"].get("CPU", 0) >= 1
        and node["Resources"].get("GPU", 0) >= settings.gpus_per_worker
        for node in ray.nodes()
    )


def _environment() -> dict[str, str]:
    """Of workers, each of which has one CPU; the code is in a folder that all machines see, as they see the data."""
    path = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


def _reason(error: Exception) -> str:
    """The last line of what Ray says: before it is where that was."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
