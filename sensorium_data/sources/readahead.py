"""Small things that lie side by side far away, read many at a time: more of them, the more are taken in order.

A request costs as much time as a megabyte. What lies behind the thing that is asked for is read along, a little at first
and twice as much each time it was wanted, so that taking all in order needs few requests and taking some here and there
reads little for nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ReadAhead"]

FIRST, MOST = 256 << 10, 8 << 20  # bytes read at once: where nothing was read before, and in the end
KEPT = 64 << 20  # bytes


@dataclass(eq=False, slots=True)
class _Run:
    """Consecutive things that are read at once, and their bytes when they have come."""

    first: int
    last: int
    start: int
    stop: int
    size: int
    data: Future[bytes] = field(default_factory=Future)


class ReadAhead:
    """Stretches of one object by number, read together and kept for a while; any number of threads may take them.

    Parameters
    ----------
    spans : sequence of (start, stop), bytes
        In ascending order of their starts. Those that do not follow each other without a gap are never read together.
    fetch : callable
        Returns the bytes of a range.
    largest : int, bytes
        A stretch above it is never read along with another.
    kept : int, bytes
        What is held at most, but for a run that is just read. A stretch in use elsewhere stays in memory with it.

    Examples
    --------
    >>> ahead = ReadAhead([(0, 2), (2, 5)], lambda start, stop: b"abcde"[start:stop])
    >>> bytes(ahead.take(1)), bytes(ahead.take(0))
    (b'cde', b'ab')
    """

    def __init__(
        self, spans: Sequence[tuple[int, int]], fetch: Callable[[int, int], bytes], *,
        largest: int = FIRST, kept: int = KEPT,
    ) -> None:  # fmt: skip
        self._spans, self._fetch, self._largest, self._kept = spans, fetch, largest, kept
        self._lock = Lock()
        self._runs: OrderedDict[int, _Run] = OrderedDict()  # by first number; the one used last at the end
        self._run_of: dict[int, _Run] = {}
        self._n_bytes = 0

    def take(self, number: int) -> memoryview:
        """Return the bytes of a stretch, waiting for another thread where it reads them already.

        Raises
        ------
        Exception
            What fetching raised; nothing of it is kept.
        """
        with self._lock:
            run = self._run_of.get(number)
            mine = run is None
            if run is None:
                run = self._begun(number)
            else:
                self._runs.move_to_end(run.first)
        if mine:
            try:
                run.data.set_result(self._fetch(run.start, run.stop))
            except BaseException as error:
                with self._lock:
                    self._drop(run)
                run.data.set_exception(error)  # whoever waits for it fails as well, and the next one asks again
                raise
        start, stop = self._spans[number]
        return memoryview(run.data.result())[start - run.start : stop - run.start]

    def forget(self, number: int) -> None:
        """Read a stretch anew when it is taken the next time."""
        with self._lock:
            if (run := self._run_of.get(number)) is not None and run.data.done():
                self._drop(run)

    def _begun(self, number: int) -> _Run:
        """Note a run that begins with a stretch; whoever calls reads it."""
        before = self._run_of.get(number - 1)
        # What comes next was wanted: so will be what comes after it.
        size = FIRST if before is None else min(2 * before.size, MOST)
        last, (start, stop) = number, self._spans[number]
        while self._joins(last + 1, stop) and self._spans[last + 1][1] - start <= size:
            last += 1
            stop = self._spans[last][1]
        run = _Run(number, last, start, stop, size)
        self._runs[number] = run
        self._run_of.update(dict.fromkeys(range(number, last + 1), run))
        self._n_bytes += stop - start
        self._make_room(run)
        return run

    def _joins(self, number: int, stop: int) -> bool:
        """True where a stretch follows without a gap, is small, and is not held yet."""
        if number >= len(self._spans) or number in self._run_of:
            return False
        start, end = self._spans[number]
        return start == stop and end - start <= self._largest

    def _make_room(self, newest: _Run) -> None:
        for run in list(self._runs.values()):
            if self._n_bytes <= self._kept:
                break
            if run is not newest and run.data.done():
                self._drop(run)

    def _drop(self, run: _Run) -> None:
        if self._runs.get(run.first) is not run:
            return
        del self._runs[run.first]
        self._n_bytes -= run.stop - run.start
        for number in range(run.first, run.last + 1):
            del self._run_of[number]
