"""Exact time: which sample is where, in integer ticks and rational rates, never in rounded floats."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sensorium_data.errors import BadArgument
from sensorium_data.schemas import ExplicitClock, Rate, RegularClock, SegmentedClock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from sensorium_data.schemas import Clock as ClockDocument

__all__ = ["Clock", "TickClock", "TimesClock", "as_rate", "clock_of"]


def as_rate(rate_hz: float | str | Fraction) -> Fraction:
    """Return a rate as the exact fraction that its decimal spelling names.

    Parameters
    ----------
    rate_hz : float, str or Fraction, hertz

    Raises
    ------
    BadArgument
        The rate is not a finite number above zero.

    Examples
    --------
    >>> as_rate(29.97), as_rate("1000/33")
    (Fraction(2997, 100), Fraction(1000, 33))
    """
    try:
        # str() of a float is the shortest decimal that names it: 29.97 means 2997/100, not 8435…/2814….
        rate = rate_hz if isinstance(rate_hz, Fraction) else Fraction(str(rate_hz))
    except (ValueError, ZeroDivisionError):
        raise BadArgument(f"rate {rate_hz!r} is not a number of hertz", code="bad-rate") from None
    if rate <= 0:
        raise BadArgument(f"rate {rate_hz!r} hertz is not above zero", code="bad-rate")
    return rate


@dataclass(frozen=True, slots=True)
class TickClock:
    """Samples on a regular grid, in one or more half-open runs of ticks.

    Attributes
    ----------
    rate : Fraction, hertz
    segments : (segment, 2) int64, ticks
        Half-open, ascending, not touching; rows count through them.
    origin_ns : int, nanoseconds
        Time of tick 0.
    nominal : bool
        True where the source has no true clock.

    Examples
    --------
    >>> clock = TickClock(Fraction(30), np.array([[0, 300], [600, 900]]))
    >>> clock.n_samples, clock.row(600), clock.times_s()[300]
    (600, 300, np.float64(20.0))
    """

    rate: Fraction
    segments: NDArray[np.int64]
    origin_ns: int = 0
    nominal: bool = False
    _rows: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lengths = self.segments[:, 1] - self.segments[:, 0]
        object.__setattr__(self, "_rows", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @classmethod
    def from_runs(cls, rate: Fraction, runs: Iterable[tuple[int, int]], *, nominal: bool = False) -> TickClock:
        """Return the clock of ascending half-open runs; touching runs become one segment, empty ones vanish."""
        merged: list[list[int]] = []
        for start, stop in runs:
            if start == stop:
                continue
            if merged and merged[-1][1] == start:
                merged[-1][1] = stop
            else:
                merged.append([start, stop])
        return cls(rate, np.array(merged, np.int64).reshape(-1, 2), nominal=nominal)

    @property
    def n_samples(self) -> int:
        """How many samples the clock has."""
        return int(self._rows[-1])

    def row(self, tick: int) -> int:
        """Return the row sampled at a tick.

        Raises
        ------
        BadArgument
            The clock has no sample there.
        """
        index = int(np.searchsorted(self.segments[:, 0], tick, side="right")) - 1
        if index < 0 or tick >= self.segments[index, 1]:
            raise BadArgument(f"no sample at tick {tick}", code="off-clock")
        return int(self._rows[index] + tick - self.segments[index, 0])

    def rows(self, start: int, stop: int) -> slice | None:
        """Return the rows of the half-open run of ticks, or None where not every tick of it was sampled."""
        index = int(np.searchsorted(self.segments[:, 0], start, side="right")) - 1
        if index < 0 or stop > self.segments[index, 1] or start >= stop:
            return None
        first = int(self._rows[index] + start - self.segments[index, 0])
        return slice(first, first + stop - start)

    def ticks(self) -> NDArray[np.int64]:
        """Return the tick of every row, (time,) int64."""
        lengths = np.diff(self._rows)
        return np.arange(self.n_samples, dtype=np.int64) + np.repeat(self.segments[:, 0] - self._rows[:-1], lengths)

    def times_s(self) -> NDArray[np.float64]:
        """Return the time of every row, (time,) float64 seconds, each the closest float to the exact value."""
        return self.tick_times_s(self.ticks())

    def tick_times_s(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the times of ticks in seconds.

        Integers below 2**53 divide to the closest float, so with origin 0 no time is rounded twice.
        """
        offset: NDArray[np.float64] = ticks * self.rate.denominator / self.rate.numerator
        return offset + self.origin_ns / 1e9 if self.origin_ns else offset

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
    """Samples at explicit times, (time,) int64 nanoseconds, strictly increasing."""

    times_ns: NDArray[np.int64]

    @property
    def n_samples(self) -> int:
        """How many samples the clock has."""
        return len(self.times_ns)

    def times_s(self) -> NDArray[np.float64]:
        """Return the time of every row, (time,) float64 seconds."""
        return self.times_ns / 1e9

    def document(self) -> ExplicitClock:
        """Return the clock as a schema document; the times themselves are an array of the store."""
        return ExplicitClock(kind="explicit", n_samples=self.n_samples)


Clock: TypeAlias = TickClock | TimesClock


def clock_of(document: ClockDocument, times_ns: NDArray[np.int64] | None = None) -> Clock:
    """Return the clock a document describes.

    Parameters
    ----------
    document : Clock document
    times_ns : (time,) int64, nanoseconds, optional
        The explicit times, for a clock that has them.

    Raises
    ------
    BadArgument
        The clock is explicit and no times were given.
    """
    if isinstance(document, ExplicitClock):
        if times_ns is None:
            raise BadArgument("an explicit clock needs its times", code="clock-times")
        return TimesClock(times_ns)
    rate = Fraction(document.rate.numerator, document.rate.denominator)
    runs = [(0, document.n_samples)] if isinstance(document, RegularClock) else document.segments
    segments = np.array([run for run in runs if run[0] < run[1]], np.int64).reshape(-1, 2)
    return TickClock(rate, segments, document.origin_ns, document.nominal)
