"""Requests side by side: a few threads of this process, that never keep it from ending."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread, local
from typing import TYPE_CHECKING, Any, TypeVar

from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

__all__ = ["Hands", "in_order", "submitted"]

S = TypeVar("S")
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


class Hands:
    """Threads for a `with` block, for work that waits for a network now and then.

    As an executor's, but daemons: where the block is left early, by an error or by Ctrl-C, what is under way is not waited
    for, neither there nor when the process ends, and what has not begun never does.

    Parameters
    ----------
    n_threads : int
        At most.

    Examples
    --------
    >>> with Hands(4) as hands:
    ...     list(hands.map(abs, [-1, 2, -3]))
    [1, 2, 3]
    """

    def __init__(self, n_threads: int) -> None:
        self._n_free = max(1, n_threads)
        self._lock = Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Return the result of some work to come."""
        future: Future[T] = Future()
        with self._lock:
            self._waiting.append((future, work))
            grow = self._n_free > 0
            self._n_free -= grow
        if grow:
            Thread(target=self._serve, name="sensorium-data-hand", daemon=True).start()
        return future

    def map(self, work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
        """Yield the results of some work on each of several items, in their order; all are begun at once."""
        waiting = deque(self.submit(partial(work, item)) for item in items)
        return (waiting.popleft().result() for _ in range(len(waiting)))

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._n_free += 1
                    return
                future, work = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                _done(future, work)
            del future, work

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            left = list(self._waiting)
            self._waiting.clear()
        for future, _ in left:
            future.cancel()
