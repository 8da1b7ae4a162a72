"""Exact time: which sample is where, in integer ticks and rational rates, never in rounded floats."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sensorium_data.errors import BadArgument
from sensorium_data.grid import NANOSECOND, Grid, as_rate
from sensorium_data.intervals import Intervals
from sensorium_data.schemas import ExplicitClock, Rate, RegularClock, SegmentedClock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray


__all__ = [
    "Clock",
    "Intervals",
    "TickClock",
    "TimesClock",
    "as_rate",
    "rows_within",
    "same_clock",
]

EVERY = slice(None)


@dataclass(frozen=True, slots=True)
class TickClock:
    """Samples on a regular grid, in one or more half-open runs of ticks.

    Attributes
    ----------
    rate : Fraction, hertz
        Given as `as_rate` takes it: a number, a spelling or a fraction.
    segments : (segment, 2) int64, ticks
        Half-open, ascending, not touching; rows count through them.
    origin_ns : int, nanoseconds
        Time of tick 0.
    nominal : bool
        True where the source has no true clock.

    Raises
    ------
    BadArgument
        The rate is none, or segments are empty, not ascending, or overlap or touch.

    Examples
    --------
    >>> clock = TickClock(Fraction(30), np.array([[0, 300], [600, 900]]))
    >>> clock.n_samples, clock.times_s()[300]
    (600, np.float64(20.0))
    """

    rate: Fraction
    segments: NDArray[np.int64]
    origin_ns: int = 0
    nominal: bool = False
    _rows: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # No recording has a sample each nanosecond, but trials are counted in them, and their ticks are held against clocks.
        object.__setattr__(self, "rate", Fraction(NANOSECOND) if self.rate == NANOSECOND else as_rate(self.rate))
        object.__setattr__(self, "segments", _laid(self.segments))
        lengths = self.segments[:, 1] - self.segments[:, 0]
        object.__setattr__(self, "_rows", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @classmethod
    def from_runs(
        cls,
        rate: float | str | Fraction,
        runs: Iterable[tuple[int, int]],
        *,
        origin_ns: int = 0,
        nominal: bool = False,
    ) -> TickClock:
        """Return the clock of ascending half-open runs; touching runs become one segment, empty ones vanish.

        Raises
        ------
        BadArgument
            The rate is none, or runs go back or overlap.
        """
        merged: list[list[int]] = []
        for start, stop in runs:
            if start == stop:
                continue
            if merged and merged[-1][1] == start:
                merged[-1][1] = stop
            else:
                merged.append([start, stop])
        return cls(as_rate(rate), np.array(merged).reshape(-1, 2), origin_ns, nominal)

    @property
    def n_samples(self) -> int:
        """How many samples the clock has."""
        return int(self._rows[-1])

    def ticks(self, rows: slice = EVERY) -> NDArray[np.int64]:
        """Return the tick of every row, or of those of a slice, (time,) int64."""
        wanted = np.arange(self.n_samples, dtype=np.int64)[rows]
        segment = np.searchsorted(self._rows, wanted, side="right") - 1
        return wanted + (self.segments[:, 0] - self._rows[:-1])[segment]

    def times_s(self, rows: slice = EVERY) -> NDArray[np.float64]:
        """Return the time of every row, or of those of a slice, (time,) float64 seconds.

        Each is the closest float to the exact value.
        """
        return self.grid.times_s(self.ticks(rows))

    @property
    def grid(self) -> Grid:
        """The ticks that the clock counts in."""
        return Grid(self.rate, self.origin_ns)

    def around(self, time_ns: Fraction) -> tuple[Fraction, ...]:
        """Return the times of the ticks before and after a time, in nanoseconds, the nearer one first."""
        return self.grid.around(time_ns)

    def rows_from(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each tick the first row that is not before it, or ``n_samples`` past the last."""
        if not len(self.segments):
            return np.zeros(len(ticks), np.int64)
        index = np.searchsorted(self.segments[:, 1], ticks, side="right")
        inside = np.minimum(index, len(self.segments) - 1)
        rows = self._rows[inside] + np.maximum(ticks - self.segments[inside, 0], 0)
        return np.where(index < len(self.segments), rows, self.n_samples)

    def intervals(self, grid: Grid, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows [first, last) sampled within each half-open interval, (interval, 2) int64.

        Intervals in nanoseconds were rounded to them. So are then the times of the samples they are held against: one
        that starts on a sample hits it, and one that stops on a sample leaves it out, at any rate.

        Parameters
        ----------
        grid : Grid
            What the intervals are counted in.
        starts, stops : (interval,) int64, ticks of the grid
        """
        ends = [starts, stops]
        if grid.rate == NANOSECOND:
            first = self.grid.tick_from_rounded
            ends = [np.array([first(grid.origin_ns + int(t)) for t in side], np.int64) for side in ends]
        elif grid != self.grid:
            ends = [np.array([self.grid.tick_from(grid.ns(int(t))) for t in side], np.int64) for side in ends]
        return np.stack([self.rows_from(side) for side in ends], axis=1)

    def document(self) -> RegularClock | SegmentedClock:
        """Return the clock as a schema document."""
        rate = Rate(numerator=self.rate.numerator, denominator=self.rate.denominator)
        if len(self.segments) == 1 and self.segments[0, 0] == 0:
            return RegularClock(
                kind="regular", origin_ns=self.origin_ns, rate=rate, n_samples=self.n_samples, nominal=self.nominal
            )
        runs = tuple((int(start), int(stop)) for start, stop in self.segments)
        return SegmentedClock(
            kind="segmented", origin_ns=self.origin_ns, rate=rate, segments=runs, nominal=self.nominal
        )


@dataclass(frozen=True, slots=True)
class TimesClock:
    """Samples at explicit times.

    Attributes
    ----------
    times_ns : (time,) int64, nanoseconds
        Strictly increasing.

    Raises
    ------
    BadArgument
        They are no whole nanoseconds, or do not increase.
    """

    times_ns: NDArray[np.int64]

    def __post_init__(self) -> None:
        times = np.asarray(self.times_ns)
        if times.ndim != 1 or (times.size and times.dtype.kind not in "iu"):
            what = f"times of shape {times.shape} and dtype {times.dtype}, expected (time,) whole nanoseconds"
            raise BadArgument(what, hint="`whole_nanoseconds` makes them of seconds", code="bad-clock")
        if len(wrong := np.flatnonzero(times[1:] <= times[:-1])):
            before, after = times[wrong[0] : wrong[0] + 2].tolist()
            what = f"times do not increase: row {wrong[0]} is at {before} ns, row {wrong[0] + 1} at {after} ns"
            raise BadArgument(what, hint="sort the samples by time, and leave out those taken twice", code="bad-clock")
        object.__setattr__(self, "times_ns", times.astype(np.int64, copy=False))

    @property
    def n_samples(self) -> int:
        """How many samples the clock has."""
        return len(self.times_ns)

    def times_s(self, rows: slice = EVERY) -> NDArray[np.float64]:
        """Return the time of every row, or of those of a slice, (time,) float64 seconds.

        Each is the closest float to the exact value.
        """
        return Grid(Fraction(NANOSECOND)).times_s(self.times_ns[rows])

    @property
    def origin_ns(self) -> int:
        """Time of the first sample in nanoseconds; 0 if there is none."""
        return int(self.times_ns[0]) if len(self.times_ns) else 0

    def around(self, time_ns: Fraction) -> tuple[Fraction, ...]:
        """Return the times of the samples before and after a time, in nanoseconds, the nearer one first."""
        after = int(np.searchsorted(self.times_ns, floor(time_ns), side="right"))
        beside = [Fraction(time) for time in self.times_ns[max(after - 1, 0) : after + 1].tolist()]
        return tuple(sorted(beside, key=lambda time: abs(time - time_ns)))

    def intervals(self, grid: Grid, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows [first, last) sampled within each half-open interval, (interval, 2) int64.

        Parameters
        ----------
        grid : Grid
            What the intervals are counted in.
        starts, stops : (interval,) int64, ticks of the grid
        """
        # A sample is at a whole nanosecond, so "not before" an exact time is "not before" the next whole one.
        ends = [np.array([ceil(grid.ns(int(t))) for t in side], np.int64) for side in (starts, stops)]
        return np.stack([np.searchsorted(self.times_ns, side, side="left") for side in ends], axis=1)

    def document(self) -> ExplicitClock:
        """Return the clock as a schema document; the times themselves are an array of the store."""
        return ExplicitClock(kind="explicit", n_samples=self.n_samples)


Clock: TypeAlias = TickClock | TimesClock


def _laid(segments: ArrayLike) -> NDArray[np.int64]:
    """Return segments as they are kept, or refuse them."""
    laid = np.asarray(segments)
    if laid.shape == (0,):
        laid = laid.reshape(0, 2)
    if laid.ndim != 2 or laid.shape[1] != 2 or (laid.size and laid.dtype.kind not in "iu"):
        what = f"segments of shape {laid.shape} and dtype {laid.dtype}, expected (segment, 2) ticks, whole numbers"
        raise BadArgument(what, hint="each is [start, stop) in ticks of the rate", code="bad-clock")
    laid = laid.astype(np.int64, copy=False)
    if len(wrong := np.flatnonzero(laid[:, 1] <= laid[:, 0])):
        start, stop = laid[wrong[0]].tolist()
        what = f"segment {wrong[0]} is [{start}, {stop}), {'empty' if start == stop else 'backwards'}"
        raise BadArgument(what, hint="segments are half-open runs of ticks, each of one at least", code="bad-clock")
    if len(wrong := np.flatnonzero(laid[1:, 0] <= laid[:-1, 1])):
        (_, stop), (start, _) = laid[wrong[0] : wrong[0] + 2].tolist()
        what = f"segment {wrong[0] + 1} starts at tick {start}, segment {wrong[0]} stops at {stop}"
        hint = "segments ascend with gaps between them; `TickClock.from_runs` merges those that touch"
        raise BadArgument(what, hint=hint, code="bad-clock")
    return laid


def same_clock(one: Clock, other: Clock) -> bool:
    """True where two clocks have the same samples at the same times."""
    if isinstance(one, TickClock) and isinstance(other, TickClock):
        return one.grid == other.grid and np.array_equal(one.segments, other.segments)
    return type(one) is type(other) and np.array_equal(one.times_s(), other.times_s())


def rows_within(clock: Clock, grid: Grid, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows of a clock were sampled within any of the half-open intervals, (time,) bool.

    Parameters
    ----------
    clock : Clock
    grid : Grid
        What the intervals are counted in.
    starts, stops : (interval,) int64, ticks of the grid
    """
    # How many intervals are open at each row; they may overlap.
    opened = np.zeros(clock.n_samples + 1, np.int64)
    rows = clock.intervals(grid, starts, stops)
    np.add.at(opened, rows[:, 0], 1)
    np.add.at(opened, rows[:, 1], -1)
    return np.cumsum(opened[:-1]) > 0
