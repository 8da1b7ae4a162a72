"""Ask again when that may help: so many times, with growing random pauses, and never beyond a deadline."""

from __future__ import annotations

from random import SystemRandom
from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeVar

from sensorium_data.remote.faults import Passing, offline, unreachable
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensorium_data.remote.location import Location

__all__ = ["Deadline", "patiently", "pause_s"]

T = TypeVar("T")
FIRST_S, LONGEST_S = 0.2, 10.0  # pauses, before chance takes a part of them away
_chance = SystemRandom()  # many machines that failed together must not come back together


class Deadline:
    """A time until which something may take.

    Parameters
    ----------
    seconds : float

    Examples
    --------
    >>> Deadline(60).left_s > 59
    True
    """

    __slots__ = ("_until",)

    def __init__(self, seconds: float) -> None:
        self._until = monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds that are left; 0 when it has passed."""
        return max(0.0, self._until - monotonic())

    def check(self) -> None:
        """Raise Passing where it has passed."""
        if not self.left_s:
            raise Passing("took too long")


def patiently(place: Location, ask: Callable[[Deadline], T]) -> T:
    """Return what a request answers, repeated while it raises `Passing`.

    Parameters
    ----------
    place : Location
        For the message.
    ask : callable
        Gets the deadline of all its repetitions together.

    Raises
    ------
    StorageFailed
        It did not help, or nothing may be asked of the network.
    """
    if settings().offline:
        raise offline(place)
    deadline = Deadline(max(1, settings().deadline_s))
    for n in range(settings().n_retries + 1):
        try:
            return ask(deadline)
        except Passing as seen:
            last = seen
        pause = pause_s(n, last.after_s)
        if n == settings().n_retries or pause >= deadline.left_s:
            break
        sleep(pause)
    times = "" if n == 0 else f" ({n + 1} times)"
    raise unreachable(place, f"{last.what}{times}", code=last.code) from None


def pause_s(n: int, after_s: float | None) -> float:
    """Return how long to wait before a request is repeated.

    Parameters
    ----------
    n : int
        How often it was repeated already.
    after_s : float, seconds, optional
        When the server wants to be asked again.
    """
    if after_s is not None:
        return after_s + _chance.uniform(0, FIRST_S)
    longest: float = min(LONGEST_S, FIRST_S * 2.0 ** min(n, 16))
    return _chance.uniform(0.5, 1) * longest
