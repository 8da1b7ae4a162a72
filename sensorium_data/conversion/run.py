"""Run independent tasks on dask: threads of this process, or a client's cluster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from sensorium_data.progress import Progress, Report, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["run_tasks"]

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    stage: Stage,
    n_threads: int,
    client: Any = None,  # noqa: ANN401  # a dask.distributed.Client, which is not a dependency
    report: Report,
) -> list[Result]:
    """Return the results of a function over tasks, in order.

    Parameters
    ----------
    function : callable
        Importable by name, so that a cluster can run it.
    tasks : sequence
        Picklable; earlier ones start first.
    stage : str
        For progress.
    n_threads : int
        Threads to run on, where there is no client.
    client : dask.distributed.Client, optional
    report : callable
        Called in this thread after each task.

    Raises
    ------
    ClusterFailed
        The cluster is gone, has no worker left, or cannot run the tasks.
    """
    if client is not None:
        return _on_cluster(function, tasks, stage, client, report)
    from dask.base import compute
    from dask.callbacks import Callback
    from dask.delayed import delayed

    done = 0

    def after(*_: object) -> None:
        nonlocal done
        done += 1
        report(Progress(stage, done, len(tasks), "tasks"))

    report(Progress(stage, 0, len(tasks), "tasks"))
    # dask starts independent tasks in descending order of their keys (seen in 2024.8.0 and 2026.8.0).
    calls = [
        delayed(function, pure=False)(task, dask_key_name=f"{stage}-{len(tasks) - i:06d}")
        for i, task in enumerate(tasks)
    ]
    # A pool of our own, so that no thread is still writing when an interrupt has left this function.
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="sensorium-data")
    try:
        with Callback(posttask=after):
            return list(compute(*calls, scheduler="threads", pool=pool, num_workers=n_threads))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _on_cluster(
    function: Callable[[Task], Result], tasks: Sequence[Task], stage: Stage, client: object, report: Report
) -> list[Result]:
    from sensorium_data.conversion.cluster import outcomes

    results: dict[int, Result] = {}
    report(Progress(stage, 0, len(tasks), "tasks"))
    with closing(outcomes(client, function, tasks)) as found:
        for number, outcome in found:
            if isinstance(outcome, Exception):
                raise outcome
            results[number] = outcome
            report(Progress(stage, len(results), len(tasks), "tasks"))
    return [results[number] for number in range(len(tasks))]
