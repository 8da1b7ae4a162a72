"""What runs inside a worker of a cluster: one task, or one session at a time with all the worker's threads."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sensorium_data import __version__
from sensorium_data.errors import ClusterFailed, Interrupted, NotFound
from sensorium_data.settings import limited_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensorium_data.progress import Progress, Report

__all__ = ["on_worker", "require_seen", "whole_worker"]

Task = TypeVar("Task")
Result = TypeVar("Result")
SHARED = "sources and targets must lie where every worker sees them under the same path"
_ONE = threading.Lock()  # a worker with several threads may be given several sessions, and each takes them all


def on_worker(function: Callable[[Task], Result], task: Task, version: str) -> Result:
    """Return the result of a function for a task that another process sent.

    Parameters
    ----------
    function : callable
    task : object
    version : str
        Of this package, where the task comes from.

    Raises
    ------
    ClusterFailed
        Another version is installed here.
    NotFound
        Something that the sender sees is not here; the message names this worker.
    """
    if version != __version__:
        text = f"{_here()} has sensorium-data {__version__}, and the work comes from {version}"
        hint = f"install sensorium-data {version} in the environment of every worker"
        raise ClusterFailed(text, hint=hint, code="worker-environment")
    try:
        return function(task)
    except NotFound as error:
        hint = SHARED if error.code == "no-such-source" else error.hint
        text = f"{_here()}: {error.message}"
        raise NotFound(text, hint=hint, problems=error.problems, code=error.code) from None
    except FileNotFoundError as error:
        raise NotFound(f"{_here()} does not see {error.filename}", hint=SHARED, code="not-on-worker") from None


def require_seen(*paths: str) -> None:
    """Raise NotFound for a path that is not here."""
    from pathlib import Path

    for path in paths:
        if not Path(path).exists():
            raise NotFound(f"{path} is not there", hint=SHARED, code="not-on-worker")


def _here() -> str:
    from distributed import get_worker

    try:
        return f"the worker at {get_worker().address}"
    except ValueError:
        return "this process"  # which is no worker


@contextmanager
def whole_worker() -> Iterator[Report]:
    """Have the worker to oneself, with as many threads as it has; yield what ends the work when nobody wants it."""
    from distributed import get_worker

    worker = get_worker()
    with _ONE, limited_threads(worker.state.nthreads):
        yield partial(_stop_if_unwanted, worker, worker.get_current_task())


def _stop_if_unwanted(worker: Any, key: object, progress: Progress) -> None:  # noqa: ANN401  # a dask.distributed.Worker
    """Raise where the client has gone or has let go of this task: dask cannot end a thread, so the thread must look."""
    del progress
    task = worker.state.tasks.get(key)
    if task is None or task.state in {"cancelled", "released", "forgotten"}:
        raise Interrupted("nobody waits for this session any more")
