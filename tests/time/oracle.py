"""What resampling means, said once more: slowly, one output and channel at a time, in fractions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from sensorium_data.clock import Clock, TickClock, TimesClock
from sensorium_data.grid import Grid
from sensorium_data.resample import Method, Resampler, output_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATES = [Fraction(text) for text in ("30", "29.967", "60", "24", "7.7", "1000/33", "8", "100")]
ORIGINS = [0, 13_000_000, -7, 1_700_000_000_000_000_000, 1_700_000_000_123_456_789]
METHODS: list[Method] = ["previous", "nearest", "linear", "mean"]
USUAL_LAGS: st.SearchStrategy[int | Fraction] = st.sampled_from([0, 0, 0, 0, 50_000_000, -125_000_000, 7])
DTYPES = ["float32", "float64", "float16", "int16", "uint8", "int64", "bool"]


@dataclass(frozen=True)
class Run:
    """Samples without a gap: rows and their times, and until when the last one stands (itself included or not)."""

    first_row: int
    times: list[Fraction]
    end: Fraction
    closed: bool

    def holds(self, time: Fraction) -> bool:
        return self.times[0] <= time and (time < self.end or (self.closed and time == self.end))


def runs_of(clock: Clock) -> list[Run]:
    if isinstance(clock, TimesClock):
        times = [Fraction(int(time)) for time in clock.times_ns]
        return [Run(0, times, times[-1], closed=True)] if times else []
    grid, row, found = Grid(clock.rate, clock.origin_ns), 0, []
    for start, stop in clock.segments.tolist():
        found.append(Run(row, [grid.ns(tick) for tick in range(start, stop)], grid.ns(stop), closed=False))
        row += stop - start
    return found


def parts(run: Run, method: Method, time: Fraction, following: Fraction) -> list[tuple[int, Fraction]]:
    """Return the rows of a run that the value at a time rests on, each with its share; none if there is no value."""
    times = run.times
    if method == "mean":
        inside = [row for row, at in enumerate(times) if time <= at < following]
        whole = times[0] <= time and following <= run.end
        return [(run.first_row + row, Fraction(1, len(inside))) for row in inside] if whole else []
    if method == "linear":
        if time in times:
            return [(run.first_row + times.index(time), Fraction(1))]
        for row, (one, other) in enumerate(pairwise(times)):
            if one < time < other:
                share = (time - one) / (other - one)
                return [(run.first_row + row, 1 - share), (run.first_row + row + 1, share)]
        return []
    if not run.holds(time):
        return []
    if method == "previous":
        return [(run.first_row + max(row for row, at in enumerate(times) if at <= time), Fraction(1))]
    nearest = min(range(len(times)), key=lambda row: (abs(times[row] - time), times[row]))
    return [(run.first_row + nearest, Fraction(1))]


@dataclass(frozen=True)
class Case:
    """A signal, and outputs of it."""

    clock: Clock
    values: NDArray[Any]
    rate: Fraction
    method: Method
    start_ns: Fraction
    n: int
    offsets_ns: NDArray[np.int64] | None
    lag_ns: int | Fraction

    def resampler(self) -> Resampler:
        return Resampler(self.clock, self.rate, method=self.method, offsets_ns=self.offsets_ns, lag_ns=self.lag_ns)

    def result(self, start: int = 0, stop: int | None = None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return outputs [start, stop) and their mask, from no more than the rows they need."""
        stop = self.n if stop is None else stop
        resampler, start_ns = self.resampler(), self.start_ns + start * 10**9 / self.rate
        rows = resampler.rows(start_ns, stop - start)
        out = np.full((stop - start, *self.values.shape[1:]), 77, output_dtype(self.values.dtype))
        mask = np.zeros(stop - start, np.bool_)
        resampler.into(out, mask, self.values[rows], rows.start, start_ns)
        return out, mask

    def parts(self) -> list[list[list[tuple[int, Fraction]]]]:
        """Return what each output rests on, channel by channel; one channel where there are no offsets."""
        runs = runs_of(self.clock)
        outputs = [self.start_ns + i * 10**9 / self.rate + self.lag_ns for i in range(self.n + 1)]
        if isinstance(self.clock, TimesClock):  # whole nanoseconds are held against whole ones
            outputs = [Fraction(round(time)) for time in outputs]
        offsets = [0] if self.offsets_ns is None else self.offsets_ns.tolist()
        known: dict[int, list[list[tuple[int, Fraction]]]] = {}
        for offset in offsets:
            if offset not in known:
                times = [time - offset for time in outputs]
                known[offset] = [
                    [p for run in runs for p in parts(run, self.method, *pair)] for pair in pairwise(times)
                ]
        return [[known[offset][i] for offset in offsets] for i in range(self.n)]


def expected(values: NDArray[Any], rests_on: list[tuple[int, Fraction]]) -> tuple[Fraction | None, Fraction]:
    """Return the exact value of one output of one channel, None if it has none, and how large its samples are."""
    samples = [float(values[row]) for row, _ in rests_on]
    if not samples or not np.isfinite(samples).all():
        return None, Fraction(0)
    exact = sum((Fraction(sample) * share for sample, (_, share) in zip(samples, rests_on, strict=True)), Fraction(0))
    return exact, sum((abs(Fraction(sample)) for sample in samples), Fraction(0))


def assert_is_the_oracles(case: Case, out: NDArray[Any], mask: NDArray[np.bool_]) -> None:
    n_channels = case.values[0].size if len(case.values) else 1
    values = case.values.reshape(len(case.values), n_channels)
    close = 3 * Fraction(float(np.finfo(out.dtype).eps))
    for i, channels in enumerate(case.parts()):
        known = True
        for j in range(n_channels):
            exact, size = expected(values[:, j], channels[j if len(channels) > 1 else 0])
            got = float(out[i].reshape(-1)[j])
            known &= exact is not None
            if exact is None:
                assert np.isnan(got), (i, j, got)
            else:
                assert abs(Fraction(got) - exact) <= close * size, (i, j, got, float(exact))
        assert mask[i] == known, i


@st.composite
def clocks(draw: st.DrawFn, *, kinds: tuple[str, ...] = ("ticks", "times")) -> Clock:
    origin, rate = draw(st.sampled_from(ORIGINS)), draw(st.sampled_from(RATES))
    if draw(st.sampled_from(kinds)) == "times":
        longest = draw(st.sampled_from([60_000_000, 60_000_000, 200_000_000, 5]))
        rng = np.random.default_rng(draw(st.integers(0, 2**31)))
        steps = rng.integers(1, longest, draw(st.sampled_from([0, 1, 4, 20, 40])))
        return TimesClock(origin + np.cumsum([0, *steps], dtype=np.int64))
    tick, runs = draw(st.integers(-5, 10**6)), []
    for gap, length in draw(
        st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9) | st.integers(20, 40)), min_size=1, max_size=4)
    ):
        runs.append((tick + gap, tick + gap + length))
        tick += gap + length
    return TickClock.from_runs(rate, runs, origin_ns=origin)


@st.composite
def output_rates(draw: st.DrawFn, clock: Clock) -> Fraction:
    """Rates of any kind, or those that meet the clock's samples and the middles between them."""
    known = clock.rate if isinstance(clock, TickClock) else Fraction(10)
    multiples = [known * Fraction(ratio) for ratio in ("1", "2", "4", "1/2", "3/2", "5/3")]
    rate: Fraction = draw(st.sampled_from(RATES) | st.sampled_from(multiples))
    return rate


@st.composite
def starts(draw: st.DrawFn, clock: Clock, rate: Fraction) -> Fraction:
    """Times around a clock: on a sample, between two, some outputs before one, or a little off."""
    times = [time for run in runs_of(clock) for time in (*run.times, run.end)]
    row = draw(st.integers(0, len(times) - 1))
    way = draw(st.sampled_from([Fraction(text) for text in ("0", "0", "1/2", "1/3", "7/8")]))
    time = times[row] + way * (times[min(row + 1, len(times) - 1)] - times[row])
    time -= draw(st.sampled_from([0, 0, 0, 1, 5, 12])) * 10**9 / rate
    return time + draw(st.sampled_from([Fraction(text) for text in ("0", "0", "1/4", "-1/3", "10000001/7")]))


@st.composite
def offsets(draw: st.DrawFn, n_channels: int) -> NDArray[np.int64] | None:
    if (spread := draw(st.sampled_from([None, None, 0, 5, 20_000_000, 60_000_000, 300_000_000]))) is None:
        return None
    base = draw(st.sampled_from([0, 0, 13_000_000, -60_000_000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    found = base + rng.integers(-spread // 2, spread // 2 + 1, n_channels)
    # Some are one, or parts or a number of samples of 8 Hz, so that outputs hit samples of some channels.
    usual = base + draw(st.sampled_from([0, 62_500_000, 125_000_000])) * rng.integers(-1, 2, n_channels)
    return np.where(rng.random(n_channels) < draw(st.sampled_from([0.0, 0.3, 1.0])), usual, found)


@st.composite
def lags(draw: st.DrawFn) -> Fraction:
    """Numbers of samples of usual rates, other fractions of a second, and such a little off, in nanoseconds."""
    samples = draw(st.integers(-20, 20)) / draw(st.sampled_from(RATES))
    below = draw(st.integers(1, 1001))
    lag_s = draw(st.sampled_from([samples, Fraction(draw(st.integers(-below, below)), below)]))
    return lag_s * 10**9 + draw(st.sampled_from([Fraction(text) for text in ("0", "0", "1/3", "-1/10000")]))


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    methods: list[Method] = METHODS,
    kinds: tuple[str, ...] = ("ticks", "times"),
    dtypes: list[str] = DTYPES,
    widths: tuple[int, ...] = (1, 3, 70),
    lag_ns: st.SearchStrategy[int | Fraction] = USUAL_LAGS,
) -> Case:
    clock = draw(clocks(kinds=kinds))
    rate = draw(output_rates(clock))
    width, dtype = draw(st.sampled_from(widths)), np.dtype(draw(st.sampled_from(dtypes)))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    values = (rng.normal(size=(clock.n_samples, width)) * 50).astype(dtype)
    if dtype.kind == "f":
        values[rng.random(values.shape) < draw(st.sampled_from([0.0, 0.0, 0.02, 0.5]))] = np.nan
    shift = draw(lag_ns)
    start, n = draw(starts(clock, rate)), draw(st.integers(1, 6) | st.integers(0, 30))
    return Case(clock, values, rate, draw(st.sampled_from(methods)), start, n, draw(offsets(width)), shift)
