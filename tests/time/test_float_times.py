"""Floats are the ticks that they were meant to be; fractions, spellings and integers are just what they say."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.clock import TickClock, TimesClock, as_rate
from sensorium_data.errors import BadArgument
from sensorium_data.grid import Grid
from sensorium_data.resample import Method, resample
from sensorium_data.resampling.instants import Instant, instant, n_before, settled

RATES = st.sampled_from([as_rate(rate) for rate in (30, 29.967, 60, 24, 7.7, "1000/33", 8, 10, 1024, 100)])
ORIGINS = st.sampled_from([0, 123_456_789, -(10**9), 10**18, 1_700_000_000_123_456_789])
COPYING: st.SearchStrategy[Method] = st.sampled_from(["previous", "nearest", "linear"])


@settings(deadline=None, max_examples=300)
@given(RATES, ORIGINS, st.integers(0, 390), st.integers(1, 9), COPYING)
def test_a_clocks_own_times_are_its_samples(rate: Fraction, origin: int, k: int, n: int, method: Method) -> None:
    clock, values = TickClock.from_runs(rate, [(0, 400)], origin_ns=origin), np.arange(400.0)
    times = clock.times_s()
    for start in (times[k], float(times[k])):
        out, mask = resample(values, clock, rate, start_s=start, n_samples=n, method=method)
        np.testing.assert_array_equal(out, values[k : k + n])
        assert mask.all()
    for stop in (times[k + n], times[k] + n / float(rate)):
        out, _ = resample(values, clock, rate, start_s=times[k], stop_s=stop, method=method)
        np.testing.assert_array_equal(out, values[k : k + n])


@settings(deadline=None, max_examples=200)
@given(RATES, RATES, ORIGINS, st.integers(0, 50), COPYING)
def test_outputs_counted_from_the_origin_meet_every_sample_they_should(
    rate: Fraction, other: Fraction, origin: int, k: int, method: Method
) -> None:
    clock, values = TickClock.from_runs(rate, [(0, 3000)], origin_ns=origin), np.arange(3000.0)
    exact = Grid(other, origin).ns(k)
    start = float(exact / 10**9)
    out, _ = resample(values, clock, other, start_s=start, n_samples=40, method=method)
    if Grid(rate, origin).ns(round((exact - origin) * rate / 10**9)) != exact and abs(exact) > 2**22 * 10**9:
        return  # floats are so far apart that a sample may be meant as well
    wanted, _ = resample(values, clock, other, start_s=exact / 10**9, n_samples=40, method=method)
    np.testing.assert_array_equal(out, wanted)


@settings(deadline=None, max_examples=200)
@given(RATES, st.sampled_from([0, 7, 1_700_000_000_123_456_789]), st.integers(0, 80), st.integers(0, 2**31), COPYING)
def test_times_that_were_rounded_are_met(rate: Fraction, origin: int, k: int, seed: int, method: Method) -> None:
    kept = np.flatnonzero(np.random.default_rng(seed).random(100) < 0.8)
    clock = TimesClock(Grid(rate, origin).whole_ns(kept))
    wanted = np.full(100, np.nan)
    wanted[kept] = kept
    out, _ = resample(kept.astype(float), clock, rate, start_s=Fraction(origin, 10**9), n_samples=100, method=method)
    np.testing.assert_array_equal(out[kept], wanted[kept])
    row = k % len(kept)
    out, mask = resample(kept.astype(float), clock, 5, start_s=clock.times_s()[row], n_samples=1, method=method)
    assert (out.tolist(), mask.tolist()) == ([kept[row]], [True])
    whole, _ = resample(kept.astype(float), clock, rate, method=method)
    if kept[0] == 0 or origin == 0:  # else nothing says what the first was rounded from
        np.testing.assert_array_equal(whole[kept - kept[0]], kept)
        assert len(whole) == kept[-1] - kept[0] + 1


@pytest.mark.parametrize(("start", "row"), [(0.3 - 0.1, 2), (0.1 + 0.2, 3), (1.1 - 0.2, 9), (0.7 - 0.1, 6)])
def test_times_computed_in_floats(start: float, row: int) -> None:
    clock = TickClock.from_runs(10, [(0, 40)])
    methods: list[Method] = ["previous", "linear", "nearest"]
    for method in methods:
        out, _ = resample(np.arange(40.0), clock, 10, start_s=start, n_samples=3, method=method)
        assert out.tolist() == [row, row + 1, row + 2]


def test_what_is_exact_stays_so() -> None:
    clock, values = TickClock.from_runs(30, [(0, 40)]), np.arange(40.0)
    rows = {
        float(Fraction(1, 30)): 1, 0.033333333: 1, 0.03333333: 0,
        Fraction(1, 30): 1, "1/30": 1, "0.033333333": 0, Fraction(33_333_333, 10**9): 0, 1: 30,
    }  # fmt: skip
    for start, row in rows.items():
        given: Any = start
        out, _ = resample(values, clock, 30, start_s=given, n_samples=1, method="previous")
        assert out.tolist() == [row], start
    stops: dict[Any, int] = {"0.0666666667": 3, "2/30": 2, Fraction(2, 30): 2, 0.0666666667: 2, 0.066666668: 3, 1: 30}
    for stop, n in stops.items():
        assert len(resample(values, clock, 30, stop_s=stop)[0]) == n, stop


def test_narrow_floats_stand_for_what_they_can_say() -> None:
    clock = TickClock.from_runs(30, [(0, 4000)])
    for k in (1, 1000, 3001):
        start: Any = np.float32(k / 30)
        out, _ = resample(np.arange(4000.0), clock, 30, start_s=start, n_samples=1, method="previous")
        assert out.tolist() == [k]


@given(st.fractions(-(10**6), 10**6).filter(lambda time: abs(time.numerator) < 10**15), RATES, st.integers(1, 500))
def test_a_stop_is_the_output_that_it_was_computed_as(start: Fraction, rate: Fraction, n: int) -> None:
    stop = start + n / rate
    spread = instant(float(start)).spread_ns
    assert n_before(start * 10**9, rate, instant(stop)) == n
    assert n_before(start * 10**9, rate, instant(float(stop))) == n
    assert n_before(start * 10**9, rate, instant(float(start) + n / float(rate)), spread) == n
    assert n_before(start * 10**9, rate, instant(stop + Fraction(1, 10**15))) == n + 1
    assert n_before(start * 10**9, rate, instant(stop - Fraction(1, 10**15))) == n
    assert n_before(start * 10**9, rate, Instant(stop * 10**9 + 2, loose=True)) == n + 1


def test_the_closest_float_decides_between_ticks_of_one_nanosecond() -> None:
    one, other = Fraction(10**9, 3), Fraction(333_333_333)
    assert settled(instant(1 / 3), [other, one]) == one
    assert settled(instant(0.333333333), [one, other]) == other
    assert settled(instant(0.3333333331), [one, other]) == one
    assert settled(instant(0.3333333331), [], [other]) == other
    assert settled(instant(0.12345678949), [one]) == 123_456_789
    assert settled(instant("0.1234567894"), [Fraction(123_456_789)]) == Fraction("123456789.4")


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        ([[5, 3]], r"segment 0 is \[5, 3\), backwards"),
        ([[0, 4], [7, 7]], r"segment 1 is \[7, 7\), empty"),
        ([[0, 4], [3, 9]], "segment 1 starts at tick 3, segment 0 stops at 4"),
        ([[0, 4], [4, 9]], "segment 1 starts at tick 4, segment 0 stops at 4"),
        ([[10, 14], [0, 5]], "segment 1 starts at tick 0, segment 0 stops at 14"),
        ([[0.0, 4.0]], "dtype float64, expected"),
        ([0, 4], r"segments of shape \(2,\)"),
        ([[0, 4, 5]], r"segments of shape \(1, 3\)"),
    ],
)
def test_segments_that_are_none_are_refused(segments: Any, said: str) -> None:
    with pytest.raises(BadArgument, match=said) as caught:
        TickClock(Fraction(30), segments)
    assert caught.value.code == "bad-clock"
    assert caught.value.hint


def test_runs_that_go_back_are_refused_and_those_that_touch_are_one() -> None:
    assert TickClock.from_runs(30, [(0, 4), (4, 4), (4, 9), (11, 12)]).segments.tolist() == [[0, 9], [11, 12]]
    for runs in ([(4, 0)], [(0, 4), (2, 9)], [(5, 9), (0, 4)]):
        with pytest.raises(BadArgument, match="segment") as caught:
            TickClock.from_runs(30, runs)
        assert caught.value.code == "bad-clock"


@pytest.mark.parametrize("rate", [0, -30, "fast", float("nan"), 1e12, None])
def test_a_clock_without_a_rate_is_refused(rate: Any) -> None:
    with pytest.raises(BadArgument, match="hertz"):
        TickClock(rate, np.array([[0, 4]]))


@pytest.mark.parametrize("rate", [30, 30.0, "30", Fraction(30), np.float32(30)])
def test_rates_of_clocks_are_spelled_in_any_way(rate: Any) -> None:
    for clock in (TickClock(rate, [[0, 4]]), TickClock.from_runs(rate, [(0, 4)])):  # type: ignore[arg-type]
        assert (clock.rate, clock.n_samples, str(clock.segments.dtype)) == (Fraction(30), 4, "int64")
        assert isinstance(clock.rate, Fraction)
    assert TickClock(rate, np.zeros((0, 2), np.int64)).n_samples == TickClock.from_runs(rate, []).n_samples == 0


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([0, 5, 5], "row 1 is at 5 ns, row 2 at 5 ns"),
        ([9, 5], "row 0 is at 9 ns, row 1 at 5 ns"),
        ([0.0, 1.0], "dtype float64"),
        ([[0, 1]], r"shape \(1, 2\)"),
    ],
)
def test_times_that_do_not_increase_are_refused(times: Any, said: str) -> None:
    with pytest.raises(BadArgument, match=said) as caught:
        TimesClock(np.array(times))
    assert caught.value.code == "bad-clock"
