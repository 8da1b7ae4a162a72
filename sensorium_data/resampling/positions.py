"""Where output times fall among a signal's samples: which rows each output rests on, and how far along, in integers.

A position is a whole sample and a fraction with a denominator, never a rounded float: 64-bit integers where they are
sure to hold it, Python's where not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from math import gcd
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from sensorium_data.grid import NANOSECOND
from sensorium_data.resampling.phases import Grain, Phases, regular_steps

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from sensorium_data.clock import TickClock

__all__ = ["Method", "Picks", "Ruler", "TickRuler", "moved", "picks_of"]

Method: TypeAlias = Literal["previous", "nearest", "linear", "mean"]
FAR = 2**61  # ticks; no sample is there
NONE = np.zeros((0, 1))


class Picks(NamedTuple):
    """The samples that outputs rest on, each (output, channel); one channel stands for all that share an offset.

    Attributes
    ----------
    first, last : (output, channel) int64
        Rows [first, last) that are used, both 0 where there is no value.
    valid : (output, channel) bool
        Whether the signal has a value there, by its clock.
    whole : bool
        It has one everywhere.
    segment : (output, channel) int64
        The run of samples without a gap that they are of.
    anchor : (output, channel) int64, optional
        Linear alone: the row that the value is ``weight`` away from; that of ``first`` if None.
    weight : (output, channel) float64, samples
        Linear alone: from -1 to 1.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    valid: NDArray[np.bool_]
    whole: bool
    segment: NDArray[np.int64]
    anchor: NDArray[np.int64] | None
    weight: NDArray[np.float64]


class Ruler(ABC):
    """The samples of a signal, held against regular output times.

    Parameters
    ----------
    rate : Fraction, hertz
        Of the outputs.
    method : Method
    offsets_ns : (channel,) int64, nanoseconds
        One for all channels, or one for each.
    lag_ns : Fraction, nanoseconds

    Attributes
    ----------
    n_channels : int
        1 where all share one offset.
    extremes : (1 or 2,) int64
        The channels with the smallest and with the largest offset: between them lie all others.
    """

    def __init__(self, rate: Fraction, method: Method, offsets_ns: NDArray[np.int64], lag_ns: Fraction) -> None:
        self.rate, self.method, self.offsets_ns, self.lag_ns = rate, method, offsets_ns, lag_ns
        self._early, self._late = -int(offsets_ns.max()), -int(offsets_ns.min())
        self.n_channels = len(offsets_ns)
        self.extremes = np.array([np.argmin(offsets_ns), np.argmax(offsets_ns)][: self.n_channels], np.int64)

    @abstractmethod
    def run(self, start_ns: Fraction, n: int) -> slice | None:
        """Return the rows that n >= 1 outputs rest on, or None where there may be a gap or an edge among them."""

    @abstractmethod
    def picks(self, start_ns: Fraction, n: int, channels: NDArray[np.int64] | None = None) -> Picks:
        """Return the samples that n >= 1 outputs rest on, for all channels or some of them."""

    @abstractmethod
    def between(self, picks: Picks) -> NDArray[np.bool_]:
        """Return where all channels surely have a value if the two extremes have one, (output,) bool."""


class TickRuler(Ruler):
    """Samples on a regular grid, with or without gaps; the clock has one at least."""

    def __init__(
        self, clock: TickClock, rate: Fraction, method: Method, offsets_ns: NDArray[np.int64], lag_ns: Fraction
    ) -> None:
        super().__init__(rate, method, offsets_ns, lag_ns)
        self.phases = Phases.of(offsets_ns, clock.rate)
        self._plain = not offsets_ns.any()
        self._clock_rate, self._step = clock.rate, clock.rate / rate
        # What a time is moved by, in parts of a nanosecond: a lag of 1/30 s is 10**8 thirds.
        self._parts, self._moved = lag_ns.denominator, lag_ns.numerator - clock.origin_ns * lag_ns.denominator
        self._starts, self._stops = clock.segments[:, 0].tolist(), clock.segments[:, 1].tolist()
        self._segments = np.ascontiguousarray(clock.segments.T)
        lengths = self._segments[1] - self._segments[0]
        self._rows = np.cumsum(lengths) - lengths - self._segments[0]  # what makes a tick of a segment a row
        self._row_of, self._last_rows = self._rows.tolist(), np.cumsum(lengths).tolist()

    def exact_row(self, start_ns: Fraction, n: int) -> int | None:
        """Return the row that a time falls on exactly, if one does and n - 1 more follow it without a gap."""
        over, below = self._position(start_ns, self._early)
        tick, rest = divmod(over, below)
        if rest or self.n_channels > 1:
            return None
        at = bisect_right(self._stops, tick)
        inside = at < len(self._stops) and self._starts[at] <= tick and tick + n <= self._stops[at]
        return tick + self._row_of[at] if inside else None

    def run(self, start_ns: Fraction, n: int) -> slice | None:
        """Return the rows that n outputs rest on, or None where there may be a gap or an edge among them."""
        early, below = self._position(start_ns, self._early)
        late, _ = self._position(start_ns, self._late)
        # The last output, for mean the end of its bin, on a denominator that the step has as well.
        n_steps = n if self.method == "mean" else n - 1
        under = below * self._step.denominator
        late = late * self._step.denominator + n_steps * self._step.numerator * below
        start, stop = early // below, -(-late // under)
        first, last = start, stop + 1
        if self.method == "previous":
            last = late // under + 1
        elif self.method == "nearest":
            first, last = -((below - 2 * early) // (2 * below)), 1 - (under - 2 * late) // (2 * under)
        elif self.method == "mean":
            first, last = -(-early // below), stop
        at = bisect_right(self._stops, start)
        if at == len(self._stops) or start < self._starts[at] or last > self._stops[at] or first >= last:
            return None
        if self.method == "mean" and self._step < 1 and self.n_channels > 1:
            return None  # some channel may have no sample at all
        return slice(first + self._row_of[at], last + self._row_of[at])

    def picks(self, start_ns: Fraction, n: int, channels: NDArray[np.int64] | None = None) -> Picks:
        """Return the samples that n outputs rest on, for all channels or some of them."""
        grain = self.grain(start_ns, n + (self.method == "mean"))
        left, lower, hit = self._fall(grain, channels)
        segment, valid, rows, stop = self._held(left[:n])
        if self.method == "mean":
            bounds = left + ~hit
            first, last = bounds[:-1], bounds[1:]
            return picks_of(first + rows, last + rows, valid & (last <= stop) & (first < last), segment)
        if self.method == "linear":
            first = left + rows
            valid = valid & (hit | (left + 1 < stop))
            weight = grain.rest[:, None] - (0 if self._plain else self.phases.rest[channels])
            return picks_of(first, first + 2 - hit, valid, segment, None if lower is None else first + lower, weight)
        if self.method == "nearest":
            left, _, half = self._fall(self.grain(start_ns, n, halfway=True), channels)
            left = np.minimum(left + ~half, stop - 1)  # the last sample is the nearest to all that is after it
        first = left + rows
        return picks_of(first, first + 1, valid, segment)

    def between(self, picks: Picks) -> NDArray[np.bool_]:
        """Return where all channels surely have a value if the two extremes have one: without a gap or an empty bin."""
        sure = self.method != "mean" or self._step >= 1 or self.n_channels <= 2
        same: NDArray[np.bool_] = picks.segment[:, 0] == picks.segment[:, -1]
        return same & sure

    def together(self, start_ns: Fraction, n: int) -> NDArray[np.int64]:
        """Return the segment of each output whose row is made of neighbouring rows there, (output,) int64, else -1."""
        if self.method != "mean" and (run := self.run(start_ns, n)) is not None:
            return np.full(n, bisect_right(self._last_rows, run.start))
        picks = self.picks(start_ns, n, self.extremes)
        segment = picks.segment[:, 0]
        fine = picks.valid.all(axis=1) & self.between(picks) & (self.method != "mean")
        if self.method == "nearest":  # half a tick before a segment stops, the next row is of another
            fine &= picks.last.max(axis=1) < (self._segments[1] + self._rows)[segment]
        return np.where(fine, segment, -1)

    def interleaving(self, start_ns: Fraction, n: int, segment: int, first_row: int) -> Grain:
        """Return the positions of outputs that are `together` in a segment, counted in rows from one on."""
        grain = self.grain(start_ns, n, halfway=self.method == "nearest")
        if self.method == "nearest":  # of half a tick before, the next sample, or the one that is hit
            grain = grain._replace(tick=grain.tick + 1, split=grain.split - grain.hit)
        return grain._replace(tick=grain.tick + (self._row_of[segment] - first_row))

    def grain(self, start_ns: Fraction, n: int, *, halfway: bool = False) -> Grain:
        """Return the positions of n outputs in ticks; with ``halfway`` of the times half a tick before them."""
        over, below = self._position(start_ns)
        if halfway:
            over, below = 2 * over - below, 2 * below
        tick, rest = divmod(over, below)
        shared = gcd(rest, below)
        steps = regular_steps(rest // shared, below // shared, self._step, n)
        ticks = moved(steps.tick, tick, FAR)
        if self._plain:
            return Grain(ticks, steps.one, steps.hit, steps.part)
        return Grain(ticks, *self.phases.split(steps.rest, steps.below), steps.part)

    def _position(self, start_ns: Fraction, shift_ns: int = 0) -> tuple[int, int]:
        """Return the tick of a time that is moved by the lag and by nanoseconds, as a fraction."""
        below = start_ns.denominator * self._parts * NANOSECOND
        over = start_ns.numerator * self._parts + (self._moved + shift_ns * self._parts) * start_ns.denominator
        return over * self._clock_rate.numerator, below * self._clock_rate.denominator

    def _fall(self, grain: Grain, channels: NDArray[np.int64] | None) -> tuple[Any, Any, Any]:
        """Return the ticks at or before outputs, whether they are one lower for a channel's phase alone, and hits."""
        if self._plain:
            return grain.tick[:, None], None, grain.hit[:, None]
        rank, whole = self.phases.rank[channels], self.phases.whole[channels]
        lower = rank >= grain.split[:, None]
        hit = grain.hit[:, None] & (rank == grain.split[:, None] - 1)
        return grain.tick[:, None] - whole - lower, lower, hit

    def _held(self, left: NDArray[np.int64]) -> tuple[NDArray[np.int64], Any, Any, Any]:
        """Return the segments of ticks, whether the ticks are inside, what makes them rows, and where segments stop."""
        low, high = int(left[0].min()), int(left[-1].max())
        at = bisect_right(self._stops, low)
        if at < len(self._stops) and self._starts[at] <= low and high < self._stops[at]:
            return np.full(left.shape, at), np.ones(left.shape, np.bool_), self._row_of[at], self._stops[at]
        starts, stops = self._segments
        segment = np.minimum(np.searchsorted(stops, left, side="right"), len(stops) - 1)
        return segment, (starts[segment] <= left) & (left < stops[segment]), self._rows[segment], stops[segment]


def moved(ticks: NDArray[Any], by: int, far: int) -> NDArray[np.int64]:
    """Return ticks moved, as 64-bit integers; those farther than any sample are kept at that distance."""
    if ticks.dtype == object or abs(by) > far:
        ticks = np.clip(ticks.astype(object) + by, -far, far)
        by = 0
    moved: NDArray[np.int64] = (ticks + by).astype(np.int64, copy=False)
    return moved


def picks_of(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    valid: NDArray[np.bool_],
    segment: NDArray[np.int64],
    anchor: NDArray[np.int64] | None = None,
    weight: NDArray[np.float64] = NONE,
) -> Picks:
    """Return the samples of outputs, none where there is no value."""
    if not (whole := bool(valid.all())):
        first, last = np.where(valid, first, 0), np.where(valid, last, 0)
    return Picks(first, last, valid, whole, segment, anchor, weight)
