"""Clocks: ticks and rows are one to one, runs stay whole, and every time is the float closest to the exact one."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.clock import TickClock, TimesClock, as_rate
from sensorium_data.clock_documents import clock_of
from sensorium_data.errors import BadArgument
from sensorium_data.schemas import ExplicitClock, RegularClock, SegmentedClock

RATES = st.builds(Fraction, st.integers(1, 100_000), st.integers(1, 1001))


@st.composite
def runs(draw: st.DrawFn, *, touching: bool = True, least: int = 0) -> list[tuple[int, int]]:
    """Ascending half-open runs; with `touching` some are empty or begin where the last one ended."""
    tick, found = draw(st.integers(0, 1000)), []
    smallest = 0 if touching else 1
    for gap, length in draw(st.lists(st.tuples(st.integers(smallest, 50), st.integers(smallest, 40)), min_size=least)):
        found.append((tick + gap, tick + gap + length))
        tick += gap + length
    return found


@given(runs(), RATES)
def test_rows_and_ticks_are_inverse(laid: list[tuple[int, int]], rate: Fraction) -> None:
    clock = TickClock.from_runs(rate, laid)
    ticks = [tick for start, stop in laid for tick in range(start, stop)]
    assert clock.n_samples == len(ticks)
    assert clock.ticks().tolist() == ticks
    assert clock.rows_from(np.array(ticks, np.int64)).tolist() == list(range(len(ticks)))


@given(runs(), st.integers(-5, 3000))
def test_where_nothing_was_sampled_the_next_row_is_found(laid: list[tuple[int, int]], tick: int) -> None:
    clock = TickClock.from_runs(Fraction(30), laid)
    later = [row for row, sampled in enumerate(clock.ticks().tolist()) if sampled >= tick]
    assert clock.rows_from(np.array([tick])).tolist() == [later[0] if later else clock.n_samples]


@given(runs(), RATES, st.data())
def test_times_of_some_rows_are_those_of_all(laid: list[tuple[int, int]], rate: Fraction, data: st.DataObject) -> None:
    clock = TickClock.from_runs(rate, laid, origin_ns=7)
    rows = data.draw(st.slices(clock.n_samples))
    assert clock.ticks(rows).tolist() == clock.ticks()[rows].tolist()
    assert clock.times_s(rows).tolist() == clock.times_s()[rows].tolist()


@given(runs())
def test_touching_runs_are_merged_and_empty_ones_vanish(laid: list[tuple[int, int]]) -> None:
    segments = TickClock.from_runs(Fraction(30), laid).segments.tolist()
    assert all(start < stop for start, stop in segments)
    assert all(before[1] < after[0] for before, after in pairwise(segments))


@given(runs(), RATES)
def test_times_are_the_closest_floats(laid: list[tuple[int, int]], rate: Fraction) -> None:
    clock = TickClock.from_runs(rate, laid)
    assert clock.times_s().dtype == np.float64
    assert clock.times_s().tolist() == [float(Fraction(tick) / rate) for tick in clock.ticks().tolist()]


@given(st.integers(-(10**15), 10**15), RATES)
def test_an_origin_moves_times_by_itself(origin_ns: int, rate: Fraction) -> None:
    clock = TickClock(rate, np.array([[0, 7], [11, 30]]), origin_ns=origin_ns)
    exact = [float(Fraction(tick) / rate + Fraction(origin_ns, 10**9)) for tick in clock.ticks().tolist()]
    assert clock.times_s().tolist() == exact


@given(runs(touching=False), RATES, st.booleans(), st.integers(-(10**12), 10**12))
def test_a_document_brings_the_clock_back(
    laid: list[tuple[int, int]], rate: Fraction, nominal: bool, origin_ns: int
) -> None:
    segments = np.array(laid, np.int64).reshape(-1, 2)
    clock = TickClock(rate, segments, origin_ns, nominal)
    document = clock.document()
    kind = RegularClock if len(laid) == 1 and laid[0][0] == 0 else SegmentedClock
    assert isinstance(document, kind)
    again = clock_of(kind.model_validate_json(document.model_dump_json()))
    assert isinstance(again, TickClock)
    assert (again.rate, again.origin_ns, again.nominal) == (rate, origin_ns, nominal)
    np.testing.assert_array_equal(again.segments, segments)


def test_a_regular_clock_comes_back_regular() -> None:
    document = TickClock.from_runs(Fraction(2997, 100), [(0, 5), (5, 12)], nominal=True).document()
    assert isinstance(document, RegularClock)
    assert (document.n_samples, document.nominal) == (12, True)


def test_a_clock_without_samples_comes_back_empty() -> None:
    again = clock_of(TickClock.from_runs(Fraction(30), []).document())
    assert again.n_samples == 0
    assert again.times_s().shape == (0,)


@given(st.lists(st.integers(-(10**17), 10**17), unique=True, max_size=20).map(sorted))
def test_explicit_times_come_back_with_their_array(times: list[int]) -> None:
    clock = TimesClock(np.array(times, np.int64))
    document = clock.document()
    assert document == ExplicitClock(kind="explicit", n_samples=len(times))
    again = clock_of(document, clock.times_ns)
    assert again.times_s().tolist() == [float(Fraction(time, 10**9)) for time in times]


def test_explicit_clock_without_its_times_is_refused() -> None:
    with pytest.raises(BadArgument, match="times") as caught:
        clock_of(ExplicitClock(kind="explicit", n_samples=3))
    assert caught.value.code == "clock-times"


@given(st.integers(1, 10**6), st.integers(0, 6))
def test_a_rate_means_its_decimal_spelling(digits: int, places: int) -> None:
    exact = Fraction(digits, 10**places)
    assert as_rate(f"{digits}e-{places}") == exact
    assert as_rate(digits / 10**places) == exact
    assert as_rate(exact) is exact


@pytest.mark.parametrize(
    "rate", ["thirty", "", "1/0", float("nan"), float("inf"), float("-inf"), 0.0, -30.0, "0", "-1/3"]
)
def test_what_is_no_rate_is_refused(rate: Any) -> None:
    with pytest.raises(BadArgument, match="hertz") as caught:
        as_rate(rate)
    assert caught.value.code == "bad-rate"
