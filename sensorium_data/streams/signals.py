"""Signals as streams: rows copied where the clocks agree, resampled where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.cached import cached_property
from sensorium_data.clock import TickClock
from sensorium_data.grid import NANOSECOND, Grid
from sensorium_data.resample import Resampler, output_dtype
from sensorium_data.streams.base import NO_LAG, Stream
from sensorium_data.streams.frames import snapped
from sensorium_data.streams.samples import Samples
from sensorium_data.streams.trust import TrialTimes, Trust, counted_before, none_between

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.reading import Verify
    from sensorium_data.resample import Method
    from sensorium_data.streams.base import Place
    from sensorium_data.streams.frames import TrialFrames

__all__ = ["SignalStream"]


class SignalStream(Stream):
    """A signal of a session at the output rate.

    Parameters
    ----------
    handle : SessionHandle
    frames : TrialFrames
        The output clock.
    name : str
        Of the signal.
    method : {"previous", "nearest", "linear", "mean"}
    lag_ns : Fraction, nanoseconds
        The value at time t is the signal's at t + lag.
    offsets_ns : (channel,) int64, nanoseconds, optional
        When each channel was really sampled, counted from the signal's clock.
    verify : {"first", "always", "never"}
        When digests of chunks are checked.
    """

    def __init__(
        self,
        handle: SessionHandle,
        frames: TrialFrames,
        name: str,
        *,
        method: Method = "linear",
        lag_ns: Fraction = NO_LAG,
        offsets_ns: NDArray[np.int64] | None = None,
        verify: Verify = "first",
    ) -> None:
        signal = handle.signal(name)
        self.name, self.dims = name, signal.dims[1:]
        self.clock, self._frames, self._lag_ns = handle.clocks[name], frames, lag_ns
        neurons = handle.selected if "neuron" in signal.dims else None
        self.samples = Samples(handle, name, neurons, verify=verify)
        self.shape, self.dtype = self.samples.shape[1:], output_dtype(self.samples.dtype)
        withheld = handle.trials["responses_withheld"] if name == "responses" else np.zeros(len(frames.there), np.bool_)
        self.absent = withheld | ~frames.there | signal.withheld
        self._resampler = Resampler(self.clock, frames.rate, method=method, offsets_ns=offsets_ns, lag_ns=lag_ns)
        self._plain = isinstance(self.clock, TickClock) and self.clock.rate == frames.rate and offsets_ns is None
        self._trust = Trust(self.clock, frames)

    # -- where the rows of a trial are, known once for all trials

    @cached_property
    def _copied(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row of each trial's frame 0, and how many rows follow without a gap; (trial,), (trial,) int64.

        -1 and 0 where the frames of a trial are no samples of the signal.
        """
        n = len(self._frames.n_frames)
        base, span = np.full(n, -1, np.int64), np.zeros(n, np.int64)
        if not self._plain or not isinstance(self.clock, TickClock) or not len(self.clock.segments):
            return base, span
        ticks, on_grid = self._first_ticks(self.clock)
        segments = self.clock.segments
        of = np.minimum(np.searchsorted(segments[:, 1], ticks, side="right"), len(segments) - 1)
        inside = on_grid & (segments[of, 0] <= ticks) & (ticks < segments[of, 1]) & self._frames.there
        base[inside] = self.clock.rows_from(ticks[inside])
        span[inside] = (segments[of, 1] - ticks)[inside]
        return base, span

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """The same a trial, as Python's integers: numpy's cost ten times as much one by one."""
        base, span = self._copied
        return list(zip(base.tolist(), span.tolist(), strict=True))

    def _first_ticks(self, clock: TickClock) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the tick at which each trial's frame 0 is taken, and whether one is there exactly."""
        lag = self._lag_ns * clock.rate / NANOSECOND
        if clock.grid == self._frames.grid:
            shift = lag.numerator // lag.denominator
            return self._frames.starts + shift, np.full(len(self._frames.starts), lag.denominator == 1)
        ticks, on_grid = np.zeros((2, len(self._frames.starts)), np.int64)
        for row in np.flatnonzero(self._frames.there).tolist():
            at = self._from(self._frames.start_ns(row)) + self._lag_ns
            ticks[row] = tick = clock.grid.tick_from(at)
            on_grid[row] = clock.grid.ns(tick) == at
        return ticks, on_grid.astype(np.bool_)

    def _from(self, start_ns: Fraction) -> Fraction:
        # Explicit times may be rounded multiples of the output's period: frames are then counted from such a one too.
        return snapped(self.clock.grid if isinstance(self.clock, TickClock) else Grid(self._frames.rate), start_ns)

    # -- values

    def fill(self, out: NDArray[Any], mask: NDArray[np.bool_], trial_row: int, first: int) -> None:
        """Write frames [first, first + len(out)) of a trial's clock, and where they are valid."""
        row, n_rows = self._places[trial_row]
        if row >= 0 and first + len(out) <= n_rows:
            self._copy(out, mask, row + first)
        elif self.absent[trial_row] and not self._lag_ns and first + len(out) <= self._frames.n_frames[trial_row]:
            out[...], mask[...] = np.nan, False
        else:
            start = self._from(self._frames.start_ns(trial_row))
            self._resample(out, mask, start + first * NANOSECOND / self._frames.rate)

    def fill_each(self, out: NDArray[Any], mask: NDArray[np.bool_], places: Sequence[Place]) -> None:
        """Write several runs of frames, and where they are valid; see `Stream.fill_each`."""
        n, known = out.shape[1], self._places
        at = [known[trial_row] for trial_row, _ in places]
        if any(row < 0 or first + n > n_rows for (row, n_rows), (_, first) in zip(at, places, strict=True)):
            super().fill_each(out, mask, places)
            return
        rows = [row + first for (row, _), (_, first) in zip(at, places, strict=True)]
        self.samples.read_each(out, rows)
        mask[...] = True
        if (holes := self.samples.holes) is not None:
            for k, row in enumerate(rows):
                np.logical_not(holes[row : row + n], out=mask[k])

    @property
    def options(self) -> tuple[str | NDArray[np.int64], ...]:
        """The method, the lag, and the offsets, if there are any."""
        resampler = self._resampler
        offsets = () if resampler.offsets_ns is None else (resampler.offsets_ns,)
        return resampler.method, f"{resampler.lag_ns} ns", *offsets

    @property
    def announced(self) -> bool:
        """Whether there is nothing left to `prefetch`."""
        return self.samples.reader.announced

    def prefetch(self, trial_row: int, first: int, n: int) -> None:
        """Tell the system that frames [first, first + n) of a trial's clock will be read."""
        row, n_rows = self._places[trial_row]
        if row >= 0 and first + n <= n_rows:
            self.samples.reader.prefetch(row + first, n)

    def prefetch_each(self, places: Sequence[Place], n: int) -> None:
        """Tell the system, or a server, that n frames from each of several places on will be read."""
        self.samples.reader.prefetch_each([self._rows(*place, n) for place in places])

    def _rows(self, trial_row: int, first: int, n: int) -> tuple[int, int]:
        """Return the rows that frames are made of: the first, and how many."""
        row, n_rows = self._places[trial_row]
        if row >= 0 and first + n <= n_rows:
            return row + first, n
        if self.absent[trial_row] and not self._lag_ns:
            return 0, 0
        start = self._from(self._frames.start_ns(trial_row)) + first * NANOSECOND / self._frames.rate
        rows = self._resampler.rows(start, n)
        return rows.start, rows.stop - rows.start

    def at(self, out: NDArray[Any], mask: NDArray[np.bool_], start_ns: Fraction, first: int = 0) -> None:
        """Write samples [first, first + len(out)), counted from a time in nanoseconds, and where they are valid."""
        self._resample(out, mask, self._from(start_ns) + first * NANOSECOND / self._frames.rate)

    def validity(self, start_ns: Fraction, first: int, n: int) -> NDArray[np.bool_]:
        """Return which of the samples [first, first + n) counted from a time are valid, (n,) bool; none is read."""
        begin, end = self._resampler.support(self._from(start_ns) + first * NANOSECOND / self._frames.rate, n)
        good: NDArray[np.bool_] = end > begin
        return good if self._nan_before is None else good & none_between(self._nan_before, begin, end)

    def _resample(self, out: NDArray[Any], mask: NDArray[np.bool_], start_ns: Fraction) -> None:
        if (rows := self._resampler.copied(start_ns, len(out))) is not None:
            self._copy(out, mask, rows.start)
            return
        rows = self._resampler.rows(start_ns, len(out))
        values = self.samples.read(rows.start, rows.stop - rows.start)
        self._resampler.into(out, mask, values, rows.start, start_ns, finite=self.samples.finite)

    def _copy(self, out: NDArray[Any], mask: NDArray[np.bool_], row: int) -> None:
        self.samples.read_into(out, row)
        holes = self.samples.holes
        mask[...] = True if holes is None else ~holes[row : row + len(out)]

    # -- what rests on valid data

    def usable(self, trial_row: int, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of the frames 0 … n - 1 of a trial's clock rest on valid data of allowed trials alone."""
        start = self._from(self._frames.start_ns(trial_row))
        first, last = self._resampler.support(start, n)
        good = (last > first) & self._own(start, first, last, allowed)
        if self._nan_before is not None:
            good &= none_between(self._nan_before, first, last)
        return good

    def trusted(self, trial_row: int, n: int, allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return which of the frames 0 … n - 1 rest on no sample of another trial than the allowed ones; None for all."""
        base, span = self._copied
        inside = n <= self._frames.n_frames[trial_row] and not self._overlapping
        if not self._lag_ns and inside and base[trial_row] >= 0 and n <= span[trial_row]:
            return None
        start = self._from(self._frames.start_ns(trial_row))
        first, last = self._resampler.support(start, n)
        own = self._own(start, first, last, allowed)
        if self._resampler.offsets_ns is not None:
            for i in np.flatnonzero(own & (first == last)).tolist():
                own[i] = self._parts_own(start + i * NANOSECOND / self._frames.rate, allowed)
        return own

    def _parts_own(self, start_ns: Fraction, allowed: NDArray[np.bool_]) -> bool:
        """Return whether no channel rests on a sample of a trial that is not allowed, where not all have a value."""
        picks = self._resampler.picks(start_ns, 1)
        if picks is None or not picks.valid.any():
            return True
        first, last = picks.first[picks.valid].min(keepdims=True), picks.last[picks.valid].max(keepdims=True)
        return bool(none_between(self._trust.foreign_before(allowed), first, last)[0])

    def _own(
        self, start_ns: Fraction, first: NDArray[np.int64], last: NDArray[np.int64], allowed: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        own = none_between(self._trust.foreign_before(allowed), first, last)
        if self._lag_ns:
            own &= self._trial_times.within(start_ns + self._lag_ns, len(first), allowed)
        return own

    def whole(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return the trials whose every frame is usable, or None where only `usable` can say."""
        if not self._plain or self._lag_ns or self._overlapping:
            return None
        base, span = self._copied
        n_frames = self._frames.n_frames
        found: NDArray[np.bool_] = (base >= 0) & (span >= n_frames) & allowed
        if self._nan_before is not None:
            rows = np.where(found, base, 0)
            found &= none_between(self._nan_before, rows, rows + np.where(found, n_frames, 0))
        return found

    @cached_property
    def _overlapping(self) -> bool:
        return self._frames.overlap()

    @cached_property
    def _trial_times(self) -> TrialTimes:
        return TrialTimes(self._frames)

    @cached_property
    def _nan_before(self) -> NDArray[np.int64] | None:
        holes = self.samples.holes
        return None if holes is None else counted_before(holes)
