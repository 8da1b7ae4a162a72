"""Intervals are sets of ticks: every operation is held to Python's own sets."""

from __future__ import annotations

import pickle
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument, NoSuchItem
from sensorium_data.grid import Grid
from sensorium_data.intervals import Intervals

GRID = Grid(Fraction(30), 13_000_000)
PAIRS = st.tuples(st.integers(-10, 30), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))
RUNS = st.lists(PAIRS, max_size=6)


def made(runs: list[tuple[int, int]], **attributes: Any) -> Intervals:
    starts, stops = np.array(runs, np.int64).reshape(-1, 2).T
    return Intervals(GRID, starts, stops, {name: np.array(column) for name, column in attributes.items()})


def ticks(intervals: Any) -> set[int]:
    return {tick for start, stop in intervals for tick in range(start, stop)}


def assert_merged(intervals: Intervals) -> None:
    runs = list(intervals)
    assert all(start < stop for start, stop in runs)
    assert all(one[1] < other[0] for one, other in pairwise(runs))
    assert not intervals.attributes


@given(RUNS, RUNS)
def test_union_intersection_and_difference_are_those_of_sets(one: list[Any], other: list[Any]) -> None:
    left, right = made(one), made(other)
    assert ticks(left | right) == ticks(one) | ticks(other)
    assert ticks(left & right) == ticks(one) & ticks(other)
    assert ticks(left - right) == ticks(one) - ticks(other)
    assert_merged(left | right)
    assert all(start < stop for start, stop in [*(left & right), *(left - right)])


@given(RUNS, RUNS)
def test_pieces_keep_the_attributes_of_the_left(one: list[Any], other: list[Any]) -> None:
    left, right = made(one, number=np.arange(len(one))), made(other, unused=np.zeros(len(other)))
    for pieces, rest in ((left & right, ticks(one) & ticks(other)), (left - right, ticks(one) - ticks(other))):
        assert set(pieces.attributes) == {"number"}
        for number, run in enumerate(one):
            assert ticks(pieces.where({"number": number})) == ticks([run]) & rest
        assert pieces.attributes["number"].tolist() == sorted(pieces.attributes["number"].tolist())


@given(RUNS)
def test_merged_covers_the_same_ticks(runs: list[Any]) -> None:
    intervals = made(runs)
    assert_merged(intervals.merged())
    assert ticks(intervals.merged()) == ticks(runs)
    assert intervals.total == len(ticks(runs))
    assert intervals.seconds == float(Fraction(len(ticks(runs)), 30))
    around = np.arange(-15, 45)
    assert set(around[intervals.covers(around)].tolist()) == ticks(runs)
    assert intervals.covers(around.reshape(6, 10)).shape == (6, 10)


@given(RUNS, RUNS, PAIRS)
def test_complement_is_the_rest(runs: list[Any], other: list[Any], within: tuple[int, int]) -> None:
    assert ticks(made(runs).complement(within)) == set(range(*within)) - ticks(runs)
    assert ticks(made(runs).complement(made(other))) == ticks(other) - ticks(runs)
    assert_merged(made(runs).complement(made(other, name=["x"] * len(other))))


@given(RUNS, st.integers(-50, 50))
def test_shifted_and_back(runs: list[Any], by: int) -> None:
    intervals = made(runs, number=np.arange(len(runs)))
    assert ticks(intervals.shifted(by)) == {tick + by for tick in ticks(runs)}
    assert intervals.shifted(by).shifted(-by) == intervals
    assert len(intervals) == len(runs)
    assert list(intervals) == runs


@given(RUNS, st.sampled_from([1, 2, 7]), st.integers(-3, 3))
def test_a_finer_grid_says_the_same(runs: list[Any], finer: int, later: int) -> None:
    grid = Grid(GRID.rate * finer, GRID.origin_ns + later * 100_000_000)  # whole ticks of either
    moved = made(runs, number=np.arange(len(runs))).on(grid)
    assert [grid.ns(tick) for tick in moved.starts.tolist()] == [GRID.ns(start) for start, _ in runs]
    assert [grid.ns(tick) for tick in moved.stops.tolist()] == [GRID.ns(stop) for _, stop in runs]
    assert moved.on(GRID) == made(runs, number=np.arange(len(runs)))
    assert made(runs) & moved == made(runs) & made(runs)
    assert (moved | made(runs)).grid == grid


def test_another_grid_must_have_the_same_ticks() -> None:
    trials = made([(0, 15), (1, 30), (2, 30)])
    coarse = Intervals.from_runs(Grid(Fraction(8), GRID.origin_ns), [(0, 4)])
    with pytest.raises(BadArgument, match="2 ends of intervals at no tick of a grid of 8 Hz, the first in interval 1"):
        trials.on(coarse.grid)
    with pytest.raises(BadArgument, match="at no tick of a grid of 8 Hz") as caught:
        coarse & trials
    assert caught.value.code == "other-grid"
    assert list(trials & coarse) == [(0, 15), (1, 15), (2, 15)]


def test_where_by_value_collection_range_and_all_of_them() -> None:
    trials = made([(0, 3), (3, 6), (6, 9)], tier=["train", "train", "oracle"], number=[1, 2, 3])
    assert list(trials.where({"tier": "train"})) == [(0, 3), (3, 6)]
    assert list(trials.where({"tier": ["oracle", "test"]})) == [(6, 9)]
    assert list(trials.where({"tier": {"train"}, "number": range(2, 9)})) == [(3, 6)]
    assert list(trials.where({"number": np.array([1, 3])})) == [(0, 3), (6, 9)]
    assert list(trials.where({})) == list(trials)
    assert list(trials.where({"number": "1"})) == []
    assert trials.where({"number": 2}).attributes["tier"].tolist() == ["train"]


def test_an_unknown_attribute_is_answered_with_near_misses() -> None:
    with pytest.raises(NoSuchItem, match="no attribute `teir`") as caught:
        made([(0, 3)], tier=["train"]).where({"teir": "train"})
    assert caught.value.hint == "did you mean `tier`?"
    with pytest.raises(NoSuchItem) as caught:
        made([(0, 3)]).where({"tier": "train"})
    assert caught.value.hint == "they have none"


def test_equal_means_same_intervals_attributes_and_grid() -> None:
    one = made([(0, 3)], weight=[np.nan])
    assert one == made([(0, 3)], weight=[np.nan])
    assert one == pickle.loads(pickle.dumps(one))
    for other in (made([(0, 3)]), made([(0, 4)], weight=[np.nan]), made([(0, 3)], weight=[1.0]), [(0, 3)]):
        assert one != other
    assert one != Intervals(Grid(Fraction(30)), one.starts, one.stops, one.attributes)
    assert repr(one) == "<Intervals: 1, 0.1 s in all with weight>"


def test_a_value_does_not_change() -> None:
    starts = np.array([0])
    intervals = Intervals(GRID, starts, np.array([3]), {"tier": np.array(["train"])})
    starts[0] = 1
    assert list(intervals) == [(0, 3)]
    with pytest.raises(ValueError, match="read-only"):
        intervals.starts[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        intervals.attributes["tier"][0] = "test"
    with pytest.raises(TypeError):
        intervals.attributes["more"] = np.zeros(1)  # type: ignore[index]  # that is what is refused


@pytest.mark.parametrize(
    ("starts", "stops", "attributes", "what"),
    [
        ([0, 5], [3, 4], {}, "interval 1 starts at tick 5 and stops at 4"),
        ([0], [3, 4], {}, "starts 1, stops 2"),
        ([0], [3], {"tier": ["a", "b"]}, "`tier` 2"),
        ([0], [3], {"tier": [["a"]]}, "`tier` of other shape"),
        ([0.5], [3], {}, "dtype float64, expected"),
    ],
)
def test_what_is_no_interval_is_refused(starts: Any, stops: Any, attributes: Any, what: str) -> None:
    with pytest.raises(BadArgument, match=what) as caught:
        Intervals(GRID, np.array(starts), np.array(stops), {name: np.array(one) for name, one in attributes.items()})
    assert caught.value.code == "bad-intervals"


def test_beyond_what_integers_hold() -> None:
    with pytest.raises(BadArgument, match="cannot be shifted"):
        made([(0, 3)]).shifted(2**63)
    longest = made([(-(2**63), 2**63 - 1)])
    assert longest.total == 2**64 - 1
    assert list(longest - made([(0, 1)])) == [(-(2**63), 0), (1, 2**63 - 1)]


def test_operators_take_intervals_alone() -> None:
    for name in ("__or__", "__and__", "__sub__"):
        assert getattr(made([(0, 3)]), name)(3) is NotImplemented
    with pytest.raises(TypeError, match="unhashable"):
        hash(made([(0, 3)]))
