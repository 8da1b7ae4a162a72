"""A stream of one's own: values, and when each of them was sampled."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sensorium_data.clock import Clock, TickClock, TimesClock
from sensorium_data.errors import BadArgument, Problem
from sensorium_data.grid import NANOSECOND, Grid, as_ns, as_rate, whole_nanoseconds
from sensorium_data.schemas import Channel
from sensorium_data.sources import RawSignal
from sensorium_data.spelling import seconds_text, shown
from sensorium_data.writing.faults import SHAPELESS, faults_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = ["NumberLike", "SignalData"]

NumberLike: TypeAlias = float | str | Fraction


@dataclass(frozen=True, eq=False)
class SignalData:
    """Samples of one stream, with their clock; nothing is read or checked before `write_session` does.

    Give one clock: ``rate_hz`` with ``start_s`` for samples without a gap; ``rate_hz`` with ``runs`` where there are
    gaps; or ``times_s`` where every sample has a time of its own, jittered or irregular.

    Parameters
    ----------
    name : str
        As the store calls it: `responses`, `pupil`, `running`, `gaze`, or any name of lower-case letters, digits and _.
    values : (time,) or (time, channel) or (time, neuron) array
        numpy, numpy.memmap, dask, or anything with `shape`, `dtype` and slices; real numbers or bool.
    unit : str
        Of the values: `"px"`, `"cm/s"`, `"1"` for pure numbers, `"a.u."` for arbitrary units.
    rate_hz : float, str or Fraction, hertz, optional
        Floats mean the decimal number they are written as: 29.97 is 2997/100.
    start_s : float, str or Fraction, seconds
        Time of the first sample.
    runs : sequence of (start_s, n_samples), optional
        Stretches of samples at ``rate_hz``; between them nothing was recorded.
    times_s : (time,) float, seconds, optional
        Time of each sample, increasing; kept to the nanosecond.
    dims : tuple of str, optional
        By default `("time", "neuron")` for `responses`, else `("time", "channel")` for two axes.
    channels : sequence of str or Channel
        Name of each column, where there are columns that are no neurons.
    description : str

    Examples
    --------
    >>> running = SignalData("running", np.zeros(100), unit="cm/s", rate_hz=20)
    >>> running.name, running.problems()
    ('running', [])
    """

    name: str
    values: Any
    unit: str | None = None
    rate_hz: NumberLike | None = None
    start_s: NumberLike = 0
    runs: Sequence[tuple[NumberLike, int]] | None = None
    times_s: ArrayLike | None = None
    dims: tuple[str, ...] | None = None
    channels: Sequence[str | Channel] = field(default_factory=tuple)
    description: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return tuple(self.values.shape)

    @property
    def all_dims(self) -> tuple[str, ...]:
        """Names of the axes, time first."""
        if self.dims is not None:
            return tuple(self.dims)
        second = "neuron" if self.name == "responses" else "channel"
        return ("time", second)[: len(self.shape)]

    @property
    def of_neurons(self) -> bool:
        """True where the columns are neurons."""
        return "neuron" in self.all_dims

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the values are."""
        dtype: np.dtype[Any] = np.dtype(self.values.dtype)
        return dtype

    @property
    def n_bytes(self) -> int:
        """Bytes of the values."""
        return prod(self.shape) * self.dtype.itemsize

    def raw(self) -> RawSignal:
        """Return what is known of the signal beside its samples."""
        channels = tuple(c if isinstance(c, Channel) else Channel(name=c, unit=self.unit) for c in self.channels)
        return RawSignal(self.name, self.all_dims[1:], self.dtype, self.unit, channels, self.description)

    def clock(self) -> Clock:
        """Return when the samples were taken.

        Raises
        ------
        BadArgument
            The clock is missing, given twice, does not fit the values, or goes back.
        """
        if (self.rate_hz is None) == (self.times_s is None):
            what = "has no clock" if self.times_s is None else "has a rate and times"
            raise BadArgument(f"{what}: give rate_hz (with start_s or runs), or times_s", code="clock-missing")
        if as_ns(self.start_s) != 0 and (self.runs is not None or self.times_s is not None):
            what = f"has start_s={shown(self.start_s)} beside {'times_s' if self.runs is None else 'runs'}, which say it all"
            raise BadArgument(what, code="clock-twice")
        if self.times_s is not None:
            return self._times()
        rate = as_rate(self.rate_hz)  # type: ignore[arg-type]  # one of the two is there
        runs = [(as_ns(self.start_s), self.shape[0])] if self.runs is None else _runs(self.runs)
        for start, n in runs:
            as_ns((start + n * NANOSECOND / rate) / NANOSECOND)  # far enough from 0 for all that is done with times
        return self._in_runs(rate, runs)

    def _times(self) -> TimesClock:
        if self.runs is not None:
            raise BadArgument("has times_s and runs; runs need rate_hz", code="clock-twice")
        times_ns = whole_nanoseconds(self.times_s)  # type: ignore[arg-type]  # clock() has seen to that
        if times_ns.shape != self.shape[:1]:
            n = f"{len(times_ns):,} times" if times_ns.ndim == 1 else f"times of shape {times_ns.shape}"
            raise BadArgument(f"has {self.shape[0]:,} samples and {n}", code="clock-length")
        back = np.flatnonzero(np.diff(times_ns) <= 0)
        if len(back):
            i = int(back[0])
            after, before = (seconds_text(int(times_ns[k])) for k in (i + 1, i))
            what = f"goes back in time: sample {i + 1} is at {after} s, sample {i} at {before} s"
            raise BadArgument(f"{what} ({len(back)} such places)", code="times-go-back")
        return TimesClock(times_ns)

    def _in_runs(self, rate: Fraction, runs: list[tuple[int, int]]) -> Clock:
        total = sum(n for _, n in runs)
        if total != self.shape[0]:
            raise BadArgument(f"has {self.shape[0]:,} samples, its runs add up to {total:,}", code="clock-length")
        for i, ((start, n), (after, _)) in enumerate(pairwise(runs)):
            # Both starts were rounded to the nanosecond, by half of one at the most.
            if (end := start + n * NANOSECOND / rate) > after + 1:
                lasts = seconds_text(round(end))
                what = f"run {i} of {n:,} samples from {seconds_text(start)} s on lasts to {lasts} s"
                what = f"goes back in time: {what}, run {i + 1} starts at {seconds_text(after)} s"
                raise BadArgument(what, code="times-go-back")
        grid = Grid(rate, runs[0][0])
        ticks = [grid.tick_from_rounded(start) for start, _ in runs]
        if all(round(grid.ns(tick)) == start for tick, (start, _) in zip(ticks, runs, strict=True)):
            spans = [(tick, tick + n) for tick, (_, n) in zip(ticks, runs, strict=True)]
            return TickClock.from_runs(rate, spans, origin_ns=grid.origin_ns)
        # The pauses are no whole number of samples: every sample gets its own time.
        return TimesClock(np.concatenate([Grid(rate, start).whole_ns(np.arange(n)) for start, n in runs]))

    def examined(self) -> tuple[list[Problem], Clock | None]:
        """Return everything that keeps the signal from being written, and its clock where there is one."""
        where = f"signal `{self.name}`"
        problems = [Problem(code, where, what) for code, what in faults_of(self)]
        if not SHAPELESS & {problem.code for problem in problems}:
            try:
                return problems, self.clock()
            except BadArgument as error:
                problems.append(Problem(error.code, where, error.message))
        return problems, None

    def problems(self) -> list[Problem]:
        """Return everything that keeps the signal from being written."""
        return self.examined()[0]


def _runs(runs: Any) -> list[tuple[int, int]]:  # noqa: ANN401  # whatever was given
    if isinstance(runs, str) or not hasattr(runs, "__iter__"):
        raise BadArgument(f"has runs {shown(runs)}, expected a list of (start_s, n_samples)", code="bad-run")
    return [_run(run) for run in runs]


def _run(run: Any) -> tuple[int, int]:  # noqa: ANN401  # whatever was given
    """Return start in nanoseconds and number of samples of a run."""
    try:
        start, n = run
        if n != int(n) or n < 1:
            raise BadArgument(f"has a run of {shown(n)} samples, expected a whole number above zero", code="bad-run")
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, BadArgument):
            raise
        raise BadArgument(f"has a run {shown(run)}, expected (start_s, n_samples)", code="bad-run") from None
    return as_ns(start), int(n)
