"""Positions among samples at explicit times: jittered, irregular, with pauses of any length.

Explicit times are whole nanoseconds, and output times, moved by the lag, are rounded to them, halves to even, before they
are held against them: an output that was meant to be on a sample is.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sensorium_data.grid import NANOSECOND
from sensorium_data.resampling.phases import regular_steps
from sensorium_data.resampling.positions import Method, Picks, Ruler, moved, picks_of

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from sensorium_data.clock import TimesClock

__all__ = ["TimesRuler"]

FAR_NS = 2**62 + 2**60  # no sample is there, with an offset of at most the second of these


class _Around(NamedTuple):
    """The sample at or before a time."""

    row: int
    exact: bool
    nearer_next: bool


class TimesRuler(Ruler):
    """Samples at explicit times; the clock has one at least."""

    def __init__(
        self, clock: TimesClock, rate: Fraction, method: Method, offsets_ns: NDArray[np.int64], lag_ns: Fraction
    ) -> None:
        super().__init__(rate, method, offsets_ns, lag_ns)
        self._times, self._step = clock.times_ns, NANOSECOND / rate

    def run(self, start_ns: Fraction, n: int) -> slice | None:
        """Return the rows that n outputs rest on, or None where there may be an edge among them."""
        start_ns = self._lagged(start_ns)
        early = self._around(round(start_ns) + self._early)
        # The last output, for mean the end of its bin.
        n_steps = n if self.method == "mean" else n - 1
        late = self._around(round(start_ns + n_steps * self._step) + self._late)
        if early is None or late is None or (self.method == "mean" and self.n_channels > 1):
            return None
        first, last = early.row, late.row + 1
        if self.method == "linear":
            last += not late.exact
        elif self.method == "nearest":
            first, last = first + early.nearer_next, last + late.nearer_next
        elif self.method == "mean":
            first, last = first + (not early.exact), last - late.exact
        return slice(first, last) if first < last else None

    def _lagged(self, start_ns: Fraction) -> Fraction:
        return start_ns + self.lag_ns if self.lag_ns else start_ns

    def _around(self, time_ns: int) -> _Around | None:
        """Return where a time is among the samples, or None if it is outside."""
        row = bisect_right(self._times, time_ns) - 1
        if row < 0:
            return None
        since = time_ns - int(self._times[row])
        if row == len(self._times) - 1:
            return None if since else _Around(row, exact=True, nearer_next=False)
        gap = int(self._times[row + 1]) - int(self._times[row])
        return _Around(row, exact=not since, nearer_next=2 * since > gap)

    def picks(self, start_ns: Fraction, n: int, channels: NDArray[np.int64] | None = None) -> Picks:
        """Return the samples that n outputs rest on, for all channels or some of them."""
        times = self._rounded(start_ns, n + (self.method == "mean"))[:, None] - self.offsets_ns[channels]
        left = np.searchsorted(self._times, times, side="right") - 1
        at = np.maximum(left, 0)
        since, segment = times - self._times[at], np.zeros_like(left[:n])
        hit = since == 0
        inside = (left >= 0) & (hit | (left < len(self._times) - 1))
        if self.method == "mean":
            bounds = left + ~hit
            first, last = bounds[:-1], bounds[1:]
            return picks_of(first, last, (left[:-1] >= 0) & inside[1:] & (first < last), segment)
        if self.method == "previous":
            return picks_of(at, at + 1, inside, segment)
        gap = self._times[np.minimum(at + 1, len(self._times) - 1)] - self._times[at]
        if self.method == "linear":
            weight = since / np.maximum(gap, 1)
            return picks_of(at, at + 2 - hit, inside, segment, None, weight)
        first = at + (gap - since < since)
        return picks_of(first, first + 1, inside, segment)

    def _rounded(self, start_ns: Fraction, n: int) -> NDArray[np.int64]:
        """Return n output times, moved by the lag, in whole nanoseconds, halves to even, (output,) int64."""
        start_ns = self._lagged(start_ns)
        whole, rest = divmod(start_ns.numerator, start_ns.denominator)
        steps = regular_steps(rest, start_ns.denominator, self._step, n)
        times = moved(steps.tick, whole, FAR_NS)
        odd = times % 2 == 1
        twice = 2 * steps.rest
        times += ((twice > steps.below) | ((twice == steps.below) & odd)).astype(np.int64)
        return times

    def between(self, picks: Picks) -> NDArray[np.bool_]:
        """Return where all channels surely have a value if the two extremes have one: bins may be empty anywhere."""
        return np.full(len(picks.valid), self.method != "mean" or self.n_channels <= 2)
