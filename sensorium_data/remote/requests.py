"""Requests side by side: a few threads of this process, that never keep it from ending."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread, local
from typing import TYPE_CHECKING, Any, TypeVar

from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["in_order", "submitted"]

T = TypeVar("T")
_HERE = local()  # whether this thread is one of a crew


class _Crew:
    """Threads that run what they are given, in turn; as many as are needed, up to the setting `n_requests`."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = Lock()
        self._n_threads = self._n_busy = 0

    def run(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        if getattr(_HERE, "serves", False):  # work of work: all threads could wait for one that is free
            _done(future, work)
            return future
        with self._lock:
            self._n_busy += 1
            grow = self._n_busy > self._n_threads < max(1, settings().n_requests)
            self._n_threads += grow
        self._queue.put((future, work))
        if grow:
            # Daemons: a server that never answers must not keep the interpreter from ending.
            Thread(target=self._serve, name="sensorium-data-request", daemon=True).start()
        return future

    def _serve(self) -> None:
        _HERE.serves = True
        while True:
            future, work = self._queue.get()
            if future.set_running_or_notify_cancel():
                _done(future, work)
            with self._lock:
                self._n_busy -= 1
            # While this thread waits it must not hold the bytes of the last answer.
            del future, work


def _done(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001  # raised where the result is asked for
        future.set_exception(error)


_CREWS: dict[int, _Crew] = {}  # by process: threads do not come along a fork


def submitted(work: Callable[[], T]) -> Future[T]:
    """Return the result of some work to come, which a thread of this process does.

    Parameters
    ----------
    work : callable

    Examples
    --------
    >>> submitted(lambda: 6 * 7).result()
    42
    """
    return _CREWS.setdefault(os.getpid(), _Crew()).run(work)


def in_order(works: Iterable[Callable[[], T]], n_ahead: int = 4) -> Iterator[T]:
    """Yield the results of some works in their order, with a few of them under way.

    Parameters
    ----------
    works : iterable of callable
    n_ahead : int
        Works that are begun beyond the one whose result is waited for.

    Examples
    --------
    >>> list(in_order((lambda k=k: k * k) for k in range(4)))
    [0, 1, 4, 9]
    """
    waiting: deque[Future[T]] = deque()
    for work in works:
        waiting.append(submitted(work))
        if len(waiting) > n_ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
