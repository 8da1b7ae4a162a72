"""Work ahead in threads, hand over in order: the parts of each batch run anywhere, the batches come out as they went in.

The threads know a queue of parts and nothing of the iterator that fills it. So an iterator that is dropped half way
dies at once, and its death ends the threads.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from queue import SimpleQueue
from threading import Lock, Thread, current_thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar
from weakref import WeakSet, finalize

from sensorium_data.errors import BadArgument, SensoriumError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["THREAD_NAME", "InOrder", "Work", "run_in_order"]

THREAD_NAME = "sensorium-data-reader"
EXIT_WAIT_S = 5.0  # a read that hangs must not hold the interpreter for longer

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Work(Protocol[R_co]):
    """Something made of parts: a batch of windows."""

    @property
    def parts(self) -> Sequence[Callable[[], None]]:
        """What the threads run, in any order and at the same time."""

    def finish(self) -> R_co:
        """Return the result; called where it is asked for, once all parts are done."""


def run_in_order(works: Iterator[Work[R]], n_threads: int, n_ahead: int) -> InOrder[R]:
    """Return the results of works, in their order.

    Parameters
    ----------
    works : iterator of Work
        Asked for the next one in the thread that asks for results.
    n_threads : int
        0 runs every part where the result is asked for, and nothing ahead.
    n_ahead : int
        Works that may be begun beyond the one that is waited for.

    Raises
    ------
    BadArgument
        A negative number.

    Examples
    --------
    >>> class Square:
    ...     def __init__(self, n):
    ...         self.n, self.parts = n, [self.run]
    ...     def run(self):
    ...         self.square = self.n**2
    ...     def finish(self):
    ...         return self.square
    >>> list(run_in_order(map(Square, range(5)), n_threads=2, n_ahead=3))
    [0, 1, 4, 9, 16]
    """
    if n_threads < 0 or n_ahead < 0:
        raise BadArgument(f"n_threads is {n_threads}, n_ahead is {n_ahead}; expected 0 or more")
    return InOrder(works, n_threads, n_ahead)


class InOrder(Generic[R]):
    """Results of works in their order; made by `run_in_order`.

    What a part or a work raises is raised in its turn, after all results before it, and ends the iterator. As a context
    manager, and when it is used up, closed or dropped, it ends its threads.
    """

    def __init__(self, works: Iterator[Work[R]], n_threads: int, n_ahead: int) -> None:
        self._works: Iterator[Work[R]] | None = works
        self._n_ahead = n_ahead if n_threads else 0
        self._begun: deque[_Job[R]] = deque()
        self._crew = _Crew(n_threads)
        finalize(self, self._crew.stop).atexit = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> R:
        if os.getpid() != self._crew.process:
            raise BadArgument(
                "this iterator was made before the process was forked; its threads are not in this process",
                hint="make the iterator in the process that uses it, or start processes by forkserver or spawn",
                code="iterator-forked",
            )
        self._begin()
        if not self._begun:
            self.close()
            raise StopIteration
        job = self._begun[0]
        job.wait()
        if self._begun:  # empty when another thread has closed this meanwhile
            self._begun.popleft()
        try:
            return job.result()
        except StopIteration as error:
            self._end()
            # As generators do: it would look like the end of the results.
            raise RuntimeError("a part of the work raised StopIteration") from error
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads and wait for them: parts that run are finished, those that wait are left."""
        self._end()
        self._crew.join()

    def _begin(self) -> None:
        """Begin works until enough are under way."""
        while self._works is not None and len(self._begun) <= self._n_ahead:
            try:
                work = next(self._works)
                parts = work.parts
                job = _Job(work, len(parts))
            except StopIteration:
                self._works = None
                return
            except Exception as error:  # noqa: BLE001  # raised in its turn, as `result` does
                self._works, job, parts = None, _Job[R](None, 0, error), ()
            self._begun.append(job)
            self._crew.run(job, parts)

    def _end(self) -> None:
        self._crew.stop()
        self._works = None
        self._begun.clear()


class _Job(Generic[R]):
    """A work under way: how many parts are left, and what went wrong."""

    __slots__ = ("_done", "_error", "_lock", "_n_left", "_work")

    def __init__(self, work: Work[R] | None, n_parts: int, error: BaseException | None = None) -> None:
        self._work, self._n_left, self._error = work, n_parts, error
        self._lock, self._done = Lock(), Lock()
        if n_parts:
            self._done.acquire()  # released by the last part

    @property
    def failed(self) -> bool:
        """Whether there is no use in the parts that are left."""
        return self._error is not None

    def count(self, error: BaseException | None) -> None:
        """Count a part that is over, and what it raised."""
        with self._lock:
            self._error = self._error or error
            self._n_left -= 1
            last = self._n_left == 0
        if last:
            self._done.release()

    def wait(self) -> None:
        with self._done:
            pass

    def result(self) -> R:
        # Neither the error nor its traceback may keep this job, and so a batch of memory, alive.
        work, error, self._work, self._error = self._work, self._error, None, None
        try:
            if error is not None or work is None:
                raise error or RuntimeError("the result was taken before")
            return work.finish()
        finally:
            del work, error


class _Crew:
    """Threads and the parts that wait for them."""

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._queue: SimpleQueue[tuple[_Job[Any], Callable[[], None]] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._stopped = False
        self.process = os.getpid()

    def run(self, job: _Job[R], parts: Sequence[Callable[[], None]]) -> None:
        if not self._n_threads:
            for part in parts:
                job.count(None if job.failed else _raised(part))
            return
        if not self._threads:
            self._start()
        for part in parts:
            self._queue.put((job, part))

    def stop(self) -> None:
        """Let the threads end; called from wherever the iterator dies, so without a lock and without waiting."""
        if self._stopped or os.getpid() != self.process:
            return
        self._stopped = True
        for _ in self._threads:
            self._queue.put(None)

    def join(self, until_s: float | None = None) -> None:
        if os.getpid() != self.process:
            return
        for thread in self._threads:
            if thread is not current_thread():
                thread.join(None if until_s is None else max(0.0, until_s - monotonic()))

    def _start(self) -> None:
        _live.add(self)
        for k in range(self._n_threads):
            # Daemons, so that an iterator still held at exit does not keep the interpreter waiting; `_end_all` ends them.
            thread = Thread(target=self._serve, name=f"{THREAD_NAME}-{k}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self) -> None:
        while (task := self._queue.get()) is not None:
            job, part = task
            if self._stopped:
                job.count(SensoriumError("the iterator was closed while its next result was waited for"))
            else:
                # Not by a method of the job: a traceback holds the frames of its callers too, and a failed work and its
                # memory would live in that cycle until the next collection.
                job.count(None if job.failed else _raised(part))
            # While this thread waits for the next part it must not hold the memory of the last one.
            del task, job, part


def _raised(part: Callable[[], None]) -> BaseException | None:
    """Run a part, and return what it raised."""
    try:
        part()
    except BaseException as error:  # noqa: BLE001  # raised by `result`, in its turn
        return error
    return None


_live: WeakSet[_Crew] = WeakSet()


@atexit.register
def _end_all() -> None:
    """End all threads before the interpreter takes itself apart under them."""
    crews = list(_live)
    until_s = monotonic() + EXIT_WAIT_S
    for crew in crews:
        crew.stop()
    for crew in crews:
        crew.join(until_s)
