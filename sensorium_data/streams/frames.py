"""The clock of windows: each trial counts frames of the output rate from its own start."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.grid import NANOSECOND, Grid, as_ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle

__all__ = ["TrialFrames", "floors", "snapped"]

COARSE_NS = 2**22 * NANOSECOND  # 49 days: from here on floats of seconds are about a nanosecond apart, and more


class TrialFrames:
    """Frame f of a trial is at its start plus f / rate; a trial has those that begin before its stop.

    Parameters
    ----------
    handle : SessionHandle
    rate : Fraction, hertz

    Attributes
    ----------
    grid : Grid
        What start and stop of the trials are counted in.
    starts, stops : (trial,) int64, ticks of the grid
    n_frames : (trial,) int64
        0 where a trial is missing.
    there : (trial,) bool
        Trials that are not missing.
    """

    def __init__(self, handle: SessionHandle, rate: Fraction) -> None:
        self.grid: Grid = handle.grid
        self.rate = rate
        self.starts: NDArray[np.int64] = handle.trials["start"]
        self.stops: NDArray[np.int64] = handle.trials["stop"]
        self.there = ~handle.trials["missing"].astype(np.bool_)
        self.n_frames = np.where(self.there, self._counted(), 0).astype(np.int64)

    @property
    def rounded(self) -> bool:
        """True where the trials' ends were rounded to nanoseconds when they were written."""
        return self.grid.rate == NANOSECOND

    def _counted(self) -> NDArray[np.int64]:
        # Both ends may have been rounded: a frame that begins in the last nanosecond before the stop is the stop.
        lengths = np.maximum(self.stops - self.starts - self.rounded, 0)
        each = self.rate / self.grid.rate
        if int(lengths.max(initial=0)) * each.numerator >= 2**62:
            lengths = lengths.astype(object)
        counted: NDArray[np.int64] = -(-lengths * each.numerator // each.denominator)
        return counted.astype(np.int64)

    def start_ns(self, trial_row: int, frame: int = 0) -> Fraction:
        """Return the time of a frame in nanoseconds, exact."""
        start = self.grid.ns(int(self.starts[trial_row]))
        return Fraction(start + frame * NANOSECOND / self.rate if frame else start)

    def overlap(self) -> bool:
        """Return whether any two trials overlap in time."""
        order = np.argsort(self.starts[self.there], kind="stable")
        starts, stops = self.starts[self.there][order], self.stops[self.there][order]
        return bool(np.any(np.maximum.accumulate(stops)[:-1] > starts[1:]))


def floors(first: Fraction, each: Fraction, n: int) -> NDArray[np.int64]:
    """Return floor(first + i * each) for i = 0 … n - 1, exact.

    Examples
    --------
    >>> floors(Fraction(1, 2), Fraction(1, 2), 4).tolist()
    [0, 1, 1, 2]
    """
    below = first.denominator * each.denominator
    start, step = first.numerator * each.denominator, each.numerator * first.denominator
    i = np.arange(n) if abs(start) + n * step < 2**62 else np.arange(n).astype(object)
    counted: NDArray[np.int64] = ((start + i * step) // below).astype(np.int64)
    return counted


def snapped(grid: Grid, start_ns: Fraction) -> Fraction:
    """Return a time, or that of the tick which rounds to it: whole nanoseconds are what times are kept in.

    1/3 s is kept as 333333333 ns. On a clock of 30 Hz that is tick 10, a third of a nanosecond later. Since 1970 floats
    are 238 ns apart: there it may also be what the tick's closest float was kept as.
    """
    if start_ns.denominator != 1:
        return start_ns
    exact = Fraction(grid.ns(grid.tick_from_rounded(int(start_ns))))
    if round(exact) == start_ns:
        return exact
    if abs(start_ns) >= COARSE_NS:
        near = grid.around(start_ns)[0]
        return near if as_ns(float(near / NANOSECOND)) == start_ns else start_ns
    return start_ns
