"""Ticks and nanoseconds: every time is the closest that its type can hold, and what was rounded is found again."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sensorium_data.clock import TickClock, TimesClock, rows_within
from sensorium_data.clock_documents import trial_grid
from sensorium_data.errors import BadArgument
from sensorium_data.grid import NANOSECOND, Grid, as_ns, as_rate, whole_nanoseconds
from sensorium_data.schemas import Rate
from sensorium_data.spelling import seconds_text

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas import Session

NS = Grid(Fraction(NANOSECOND))
RATES = st.builds(Fraction, st.integers(1, 100_000), st.integers(1, 1001)) | st.sampled_from(
    [as_rate(rate) for rate in (29.97, 7.7, "1000/33", 1024, 30.303030303030305, 1 / 0.033, 16.000000000000004)]
)
ORIGINS = st.integers(-(10**10), 10**10) | st.sampled_from([0, -(10**9), 10**18, 10**18 + 1, 17 * 10**17])
TICKS = st.integers(-(10**6), 10**9)
GRIDS = st.builds(Grid, RATES, ORIGINS)


@given(GRIDS, st.lists(TICKS, max_size=20))
@example(Grid(as_rate(30.303030303030305)), [50_000])  # beyond 64 bits on the way
@example(Grid(Fraction(30), 250_000_000), [0, 1, 10**6])
def test_times_are_the_closest_floats_whatever_the_origin(grid: Grid, ticks: list[int]) -> None:
    times = grid.times_s(np.array(ticks, np.int64))
    assert times.dtype == np.float64
    assert times.tolist() == [float(grid.ns(tick) / NANOSECOND) for tick in ticks]


@given(GRIDS, st.lists(st.integers(-(10**6), 10**6), max_size=20))
@example(Grid(Fraction(1024)), [1, 2, 3, 4, 5])  # halves of a nanosecond
def test_whole_nanoseconds_of_ticks_are_the_closest(grid: Grid, ticks: list[int]) -> None:
    found = grid.whole_ns(np.array(ticks, np.int64))
    assert found.dtype == np.int64
    assert found.tolist() == [round(grid.ns(tick)) for tick in ticks]


@given(GRIDS, TICKS, st.integers(-3, 3))
@example(Grid(Fraction(1024)), 1, 0)
@example(Grid(Fraction(1024)), 3, 0)
def test_the_first_tick_from_a_rounded_time(grid: Grid, tick: int, beside: int) -> None:
    time_ns = round(grid.ns(tick)) + beside
    first = grid.tick_from_rounded(time_ns)
    assert round(grid.ns(first)) >= time_ns > round(grid.ns(first - 1))
    if beside == 0:
        assert first == tick


@given(GRIDS, st.fractions(-(10**12), 10**12))
def test_the_first_tick_from_an_exact_time(grid: Grid, time_ns: Fraction) -> None:
    first = grid.tick_from(time_ns)
    assert grid.ns(first) >= time_ns > grid.ns(first - 1)


FLOATS = (
    st.floats(-4e9, 4e9)
    | st.integers(-(2**40), 2**40).map(lambda k: k / 1024)
    | st.integers(-(10**9), 10**9).map(float)
)


@given(st.lists(FLOATS, max_size=20))
@example([0.0029296875, 0.0009765625, 1700000000.1, 4194304.1234567891, 0.1234567895])
def test_arrays_of_times_are_rounded_as_one_time_is(times: list[float]) -> None:
    found = whole_nanoseconds(np.array(times))
    assert found.dtype == np.int64
    assert found.tolist() == [as_ns(time) for time in times]
    assert found.tolist() == [round(Fraction(str(time)) * NANOSECOND) for time in times]


@st.composite
def recorded_times(draw: st.DrawFn) -> float:
    """A time as recordings have them: of any size, at any rate, with any number of decimals, or of every last bit."""
    whole = draw(st.integers(0, 2**32) | st.integers(1_500_000_000, 2_000_000_000) | st.integers(0, 2**24))
    rate = draw(st.sampled_from([1, 3, 7, 10, 30, 100, 128, 256, 512, 1000, 1024, 1001, 10**6, 10**9, 10**12]))
    time = whole + draw(st.integers(0, rate - 1)) / rate
    for _ in range(draw(st.integers(0, 2))):
        time = float(np.nextafter(time, draw(st.sampled_from([-np.inf, np.inf]))))
    decimals = draw(st.none() | st.integers(0, 12))
    time = time if decimals is None else round(time, decimals)
    return draw(st.sampled_from([time, -time]))


@settings(max_examples=500)
@given(st.lists(recorded_times(), min_size=1, max_size=40))
@example([536870912.00390625, 536870912.01171875, 1700000000.00390625, 1700000000.0117188])  # halves of a last decimal
@example([2.0**31, np.nextafter(2.0**31, 0), np.nextafter(2.0**30, 2**31), np.nextafter(2.0**19, 0)])
@example([0.1, 1e-9, 5e-10, 1.5e-9, 5e-324, 2.0**23 - 2.0**-30, 4.6e9])
def test_arrays_of_recorded_times_mean_what_their_spelling_says(times: list[float]) -> None:
    exact = [round(Fraction(str(time)) * NANOSECOND) for time in times]
    assert whole_nanoseconds(np.array(times)).tolist() == exact
    assert whole_nanoseconds(np.array([times, times])).tolist() == [exact, exact]


def test_times_since_1970_are_not_taken_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    times = 1_700_000_000 + np.arange(20_000) / 100
    exact = [as_ns(time) for time in times.tolist()]
    monkeypatch.setattr("sensorium_data.grid.as_ns", None)
    assert whole_nanoseconds(times).tolist() == exact
    eighths = np.arange(20_000)
    assert whole_nanoseconds((eighths / 8).astype(np.float32)).tolist() == (eighths * 125_000_000).tolist()


@given(st.lists(st.floats(-4e9, 4e9, width=32), max_size=20))
def test_narrow_floats_mean_their_own_spelling(times: list[float]) -> None:
    narrow = np.array(times, np.float32)
    assert whole_nanoseconds(narrow).tolist() == [as_ns(time) for time in narrow]
    assert whole_nanoseconds(narrow.astype(np.longdouble)).tolist() == [as_ns(float(time)) for time in narrow]


def test_times_of_every_kind_of_number() -> None:
    assert whole_nanoseconds(np.array([0.1, 2.7], np.float32)).tolist() == [100_000_000, 2_700_000_000]
    assert whole_nanoseconds([3, -2]).tolist() == [3 * NANOSECOND, -2 * NANOSECOND]
    assert whole_nanoseconds(np.array([200], np.uint8)).tolist() == [200 * NANOSECOND]
    assert whole_nanoseconds(np.array([1.5], ">f8")).tolist() == [1_500_000_000]
    assert whole_nanoseconds([]).shape == (0,)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([0.0, np.nan], "1 times are no numbers, the first in row 1"),
        ([np.inf], "1 times are no numbers, the first in row 0"),
        ([0, 10**12], "row 1 is 1e\\+12 s, more than 146 years from 0"),
        (["1"], "times are <U1"),
        ([True], "times are bool"),
        (np.array([0], "M8[s]"), "datetime64"),
        ([[0], [1, 2]], "rows of differing length"),
    ],
)
def test_what_are_no_times_is_refused(times: Any, said: str) -> None:
    with pytest.raises(BadArgument, match=said) as caught:
        whole_nanoseconds(times)
    assert caught.value.code == "bad-time"


def test_a_mask_is_not_lost() -> None:
    with pytest.raises(BadArgument, match="whose mask would be lost") as caught:
        whole_nanoseconds(np.ma.masked_less([0.0, 1.0], 0.5))
    assert caught.value.code == "masked-array"


NO_TIMES = ["soon", "", float("nan"), float("inf"), 1e11, -1e11, "1/0", "1e400", "1e99999999999", "9" * 999, 10**5000]


@pytest.mark.parametrize("time", [*NO_TIMES, Fraction(10**500), None, [0, 1], np.array([0.0, 1.0])], ids=lambda _: "")
def test_what_is_no_time_is_refused(time: Any) -> None:
    with pytest.raises(BadArgument, match="second") as caught:
        as_ns(time)
    assert caught.value.code == "bad-time"


@pytest.mark.parametrize("rate", [1.1e8, "1e-30", "1e400", Fraction(10**40, 10**39 + 1)])
def test_rates_that_cannot_be_kept_are_refused(rate: Any) -> None:
    with pytest.raises(BadArgument, match="hertz cannot be kept") as caught:
        as_rate(rate)
    assert caught.value.code == "bad-rate"


@given(st.integers(-(2**62), 2**62))
def test_text_of_a_time_is_the_time(time_ns: int) -> None:
    assert Fraction(seconds_text(time_ns)) * NANOSECOND == time_ns


@st.composite
def tick_clocks(draw: st.DrawFn) -> TickClock:
    rate, origin = draw(RATES), draw(ORIGINS)
    tick, runs = draw(st.integers(-50, 50)), []
    for pause, n in draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 15)), max_size=5)):
        runs.append((tick + pause, tick + pause + n))
        tick += pause + n
    return TickClock.from_runs(rate, runs, origin_ns=origin)


@given(tick_clocks(), st.data())
def test_rows_of_an_interval_in_nanoseconds_are_those_of_brute_force(clock: TickClock, data: st.DataObject) -> None:
    times = [round(clock.grid.ns(tick)) for tick in clock.ticks().tolist()]
    around = st.integers(clock.origin_ns - 10**9, clock.origin_ns + 10**10)
    ends = (st.sampled_from(times) if times else around) | around
    starts, stops = zip(*(sorted((data.draw(ends), data.draw(ends))) for _ in range(3)), strict=True)
    rows = clock.intervals(NS, np.array(starts), np.array(stops))
    inside = [
        [i for i, time in enumerate(times) if start <= time < stop] for start, stop in zip(starts, stops, strict=True)
    ]
    assert [list(range(first, last)) for first, last in rows.tolist()] == inside
    within = rows_within(clock, NS, np.array(starts), np.array(stops))
    assert set(np.flatnonzero(within).tolist()) == {i for found in inside for i in found}


@given(tick_clocks(), GRIDS, st.lists(st.integers(-100, 1000), min_size=2, max_size=2).map(sorted))
def test_rows_of_an_interval_on_another_grid_are_exact(clock: TickClock, grid: Grid, ends: list[int]) -> None:
    exact = [clock.grid.ns(tick) for tick in clock.ticks().tolist()]
    ((first, last),) = clock.intervals(grid, np.array(ends[:1]), np.array(ends[1:])).tolist()
    start, stop = (grid.ns(end) for end in ends)
    assert list(range(first, last)) == [i for i, time in enumerate(exact) if start <= time < stop]


@given(
    st.lists(st.integers(-(10**10), 10**10), unique=True, max_size=20).map(sorted),
    GRIDS,
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=2).map(sorted),
)
def test_rows_of_explicit_times_are_exact(times: list[int], grid: Grid, ends: list[int]) -> None:
    clock = TimesClock(np.array(times, np.int64))
    ((first, last),) = clock.intervals(grid, np.array(ends[:1]), np.array(ends[1:])).tolist()
    start, stop = (grid.ns(end) for end in ends)
    assert list(range(first, last)) == [i for i, time in enumerate(times) if start <= time < stop]
    assert clock.times_s().tolist() == [float(Fraction(time, NANOSECOND)) for time in times]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    import sensorium_data as sd

    signals = [
        sd.SignalData("lick", np.ones(3), unit="1", times_s=[1, 2, 5]),
        sd.SignalData("running", np.ones(9), unit="1", rate_hz=29.97, start_s=-2),
    ]
    sd.write_session(tmp_path / "s", identity="s", signals=signals)
    return sd.open_session(tmp_path / "s").document


def test_trials_are_counted_in_what_their_table_says(session: Session) -> None:
    assert trial_grid(session) == NS
    trials = session.trials.model_copy(update={"rate": Rate(numerator=1000, denominator=33), "origin_ns": 7})
    assert trial_grid(session.model_copy(update={"trials": trials})) == Grid(Fraction(1000, 33), 7)


def test_trials_of_an_older_store_are_counted_in_ticks_of_the_signals(session: Session) -> None:
    trials = session.trials.model_copy(update={"rate": None})
    older = session.model_copy(update={"trials": trials})
    assert trial_grid(older) == Grid(Fraction(2997, 100), -2 * NANOSECOND)  # those of times have no ticks
    assert trial_grid(older.model_copy(update={"signals": session.signals[:1]})) == NS


@pytest.mark.parametrize("rate", [30, 29.97, "1000/33", 1024, 7.7])
@pytest.mark.parametrize("start_s", ["0", "-1", "1000000000", "1/3"])
def test_a_clock_far_from_zero_or_before_it(rate: Any, start_s: str) -> None:
    clock = TickClock(as_rate(rate), np.array([[0, 500]]), as_ns(start_s))
    starts = clock.grid.whole_ns(np.arange(0, 490, 7))
    rows = clock.intervals(NS, starts, np.append(starts[1:], clock.grid.whole_ns(np.array([490]))))
    assert rows.tolist() == [[k, k + 7] for k in range(0, 490, 7)]
