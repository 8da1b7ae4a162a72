"""Which samples a trial may use: its own and those between trials, none of a trial that was not chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.clock import rows_within
from sensorium_data.grid import NANOSECOND
from sensorium_data.streams.frames import floors

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from sensorium_data.clock import Clock
    from sensorium_data.streams.frames import TrialFrames

__all__ = ["TrialTimes", "Trust", "counted_before", "none_between"]


def counted_before(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many flags are set before each row, (row + 1,) int64."""
    return np.concatenate([[0], np.cumsum(flags)])


def none_between(before: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where no flag is set in rows [first, last)."""
    none: NDArray[np.bool_] = before[last] == before[first]
    return none


class TrialTimes:
    """Which trials a time lies in.

    Parameters
    ----------
    frames : TrialFrames
    """

    def __init__(self, frames: TrialFrames) -> None:
        self.frames = frames

    def within(self, start_ns: Fraction, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of n frames from a time on lie in an allowed trial and in no other, (n,) bool."""
        grid, there = self.frames.grid, self.frames.there
        # Both ends may have been rounded: as in `TrialFrames`, the last nanosecond before a stop is the stop.
        first = (start_ns + self.frames.rounded - grid.origin_ns) * grid.rate / NANOSECOND
        ticks = floors(first, grid.rate / self.frames.rate, n)
        own, others = self._covering(ticks, allowed & there), self._covering(ticks, there & ~allowed)
        within: NDArray[np.bool_] = (own > 0) & (others == 0)
        return within

    def _covering(self, ticks: NDArray[np.int64], trials: NDArray[np.bool_]) -> NDArray[Any]:
        starts, stops = np.sort(self.frames.starts[trials]), np.sort(self.frames.stops[trials])
        return np.searchsorted(starts, ticks, side="right") - np.searchsorted(stops, ticks, side="right")


class Trust:
    """Which rows of a signal belong to trials that are not allowed.

    Parameters
    ----------
    clock : Clock
        Of the signal.
    frames : TrialFrames
    """

    def __init__(self, clock: Clock, frames: TrialFrames) -> None:
        self._clock, self._frames = clock, frames
        self._last: tuple[bytes, NDArray[np.int64]] | None = None

    def foreign_before(self, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many samples of trials that are not allowed come before each row, (row + 1,) int64."""
        key = allowed.tobytes()
        last = self._last  # once: another thread may put that of other trials in its place
        if last is None or last[0] != key:
            foreign = self._frames.there & ~allowed
            starts, stops = self._frames.starts[foreign], self._frames.stops[foreign]
            rows = rows_within(self._clock, self._frames.grid, starts, stops)
            last = self._last = key, counted_before(rows)
        return last[1]
