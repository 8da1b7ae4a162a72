"""Ranges that were asked for and not read yet: of all readers of a process together, no more than there is room for."""

from __future__ import annotations

import os
from collections import OrderedDict, defaultdict
from concurrent.futures import TimeoutError as TookTooLong
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from weakref import finalize

from sensorium_data.errors import StorageFailed
from sensorium_data.remote.requests import submitted
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

__all__ = ["Flights"]

MOST = 256 << 20  # bytes that may wait to be read; what is beyond is asked for when it is read
Key: TypeAlias = tuple[int, int, int, int]  # who asked, number of the object, begin, end


_owners = count()  # not `id`, which another reader may have when this one is gone


class _Flight(NamedTuple):
    data: Future[bytes]
    left: list[int]  # how many reads are to come

    @property
    def has_failed(self) -> bool:
        return self.data.done() and self.data.exception() is not None


class _Registry:
    """All flights of this process."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.flights: OrderedDict[Key, _Flight] = OrderedDict()
        self.of_object: defaultdict[tuple[int, int], list[Key]] = defaultdict(list)
        self.n_bytes = 0

    def around(self, owner: int, number: int, begin: int, end: int) -> tuple[Key, _Flight] | None:
        """Return the flight that brings a range, alone or with others."""
        for key in self.of_object.get((owner, number), ()):
            if key[2] <= begin and end <= key[3]:
                return key, self.flights[key]
        return None

    def add(self, key: Key, flight: _Flight) -> None:
        self.flights[key] = flight
        self.of_object[key[:2]].append(key)
        self.n_bytes += key[3] - key[2]

    def remove(self, key: Key) -> None:
        if self.flights.pop(key, None) is not None:
            self.n_bytes -= key[3] - key[2]
            self.of_object[key[:2]].remove(key)
            if not self.of_object[key[:2]]:
                del self.of_object[key[:2]]

    def make_room(self, n_bytes: int) -> bool:
        """Forget what has come and was never read, the oldest first; False where that is not enough."""
        for key, flight in list(self.flights.items()):
            if self.n_bytes + n_bytes <= MOST:
                break
            if flight.data.done():
                self.remove(key)
        return self.n_bytes + n_bytes <= MOST


_REGISTRIES: dict[int, _Registry] = {}  # by process: what is under way does not come along a fork


def _registry() -> _Registry:
    return _REGISTRIES.setdefault(os.getpid(), _Registry())


class Flights:
    """The ranges that one reader has asked for; thread safe.

    Examples
    --------
    >>> flights = Flights()
    >>> flights.start(0, 10, 13, 1, lambda: b"abc")
    >>> flights.taken(0, 11, 12), flights.taken(0, 11, 12)
    ((10, b'abc'), None)
    """

    def __init__(self) -> None:
        self._owner = next(_owners)
        finalize(self, _forget, self._owner).atexit = False

    def start(self, number: int, begin: int, end: int, n_reads: int, fetch: Callable[[], bytes]) -> None:
        """Ask for a range of an object, unless it is under way already, or too much is.

        Parameters
        ----------
        number : int
            Of the object.
        begin, end : int, bytes
        n_reads : int
            Reads that will want a part of it.
        fetch : callable
        """
        registry, key = _registry(), (self._owner, number, begin, end)
        with registry.lock:
            known = registry.around(*key)
            if known is not None and known[1].has_failed:  # it may go better now
                registry.remove(known[0])
                known = None
            if known is not None:
                known[1].left[0] += n_reads
            elif registry.make_room(end - begin):
                registry.add(key, _Flight(submitted(fetch), [n_reads]))

    def coming(self, number: int, begin: int, end: int) -> bool:
        """Return whether a range is under way."""
        registry = _registry()
        with registry.lock:
            known = registry.around(self._owner, number, begin, end)
            return known is not None and not known[1].has_failed

    def taken(self, number: int, begin: int, end: int) -> tuple[int, bytes] | None:
        """Return bytes in which a range lies, and where they begin, waited for; None where nobody has asked for them.

        Raises
        ------
        Exception
            What the request has raised.
        StorageFailed
            It took too long.
        """
        registry = _registry()
        with registry.lock:
            found = registry.around(self._owner, number, begin, end)
            if found is None:
                return None
            key, flight = found
            flight.left[0] -= 1
            if flight.left[0] < 1 or flight.has_failed:
                registry.remove(key)
        try:
            return key[2], flight.data.result(timeout=3 * settings().deadline_s + 1)
        except TookTooLong:
            what = "a request that was begun did not end"
            raise StorageFailed(what, hint="nothing is lost, run again", code="unreachable") from None


def _forget(owner: int) -> None:
    """Let go of what a reader that is gone has asked for; called in the middle of anything, so without waiting."""
    registry = _registry()
    if registry.lock.acquire(blocking=False):
        try:
            for key in [key for key in registry.flights if key[0] == owner]:
                registry.remove(key)
        finally:
            registry.lock.release()
