"""Clocks and signals: the rules that join fields, which JSON Schema cannot say."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sensorium_data.schemas import (
    Channel,
    Clock,
    ExplicitClock,
    Rate,
    RegularClock,
    Rounding,
    SegmentedClock,
    Signal,
)

RATE = Rate(numerator=30, denominator=1)
EXACT = Rounding(source_dtype="float32", stored_dtype="float32", exact=True)
READ: TypeAdapter[Clock] = TypeAdapter(Clock)


def _segmented(segments: Any) -> SegmentedClock:
    return SegmentedClock(kind="segmented", origin_ns=0, rate=RATE, segments=segments)


def _signal(**changes: Any) -> Signal:
    clock = RegularClock(kind="regular", origin_ns=0, rate=RATE, n_samples=3)
    fields: dict[str, Any] = {"name": "gaze", "dims": ("time",), "clock": clock, "rounding": EXACT}
    return Signal(**(fields | changes))


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_rate_is_accepted_exactly_in_lowest_terms(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    lowest = Rate(numerator=exact.numerator, denominator=exact.denominator)
    assert Fraction(lowest.numerator, lowest.denominator) == exact
    if (exact.numerator, exact.denominator) != (numerator, denominator):
        with pytest.raises(ValidationError, match=f"{numerator}/{denominator} is not in lowest terms"):
            Rate(numerator=numerator, denominator=denominator)


@pytest.mark.parametrize(
    ("numerator", "denominator"), [(0, 1), (30, 0), (-30, 1), (30, -1), (30.0, 1), ("30", 1), (True, 1)]
)
def test_rate_refuses_what_is_no_positive_whole_number(numerator: Any, denominator: Any) -> None:
    with pytest.raises(ValidationError):
        Rate(numerator=numerator, denominator=denominator)


@pytest.mark.parametrize("text", ["30.0", "3e1"])
def test_json_has_one_kind_of_number(text: str) -> None:
    """Python's 30.0 is no integer; JSON's is, and comes out as one."""
    rate = Rate.model_validate_json(f'{{"numerator": {text}, "denominator": 1}}')
    assert rate == RATE
    assert type(rate.numerator) is int


@given(
    st.lists(st.integers(1, 1000), min_size=2, max_size=12).filter(lambda steps: len(steps) % 2 == 0),
    st.integers(-50, 50),
)
def test_ascending_runs_with_gaps_are_accepted(steps: list[int], origin: int) -> None:
    ticks = [origin + tick for tick in accumulate(steps)]
    runs = tuple(zip(ticks[::2], ticks[1::2], strict=True))
    clock = _segmented(runs)
    assert clock.segments == runs
    assert SegmentedClock.model_validate_json(clock.model_dump_json()) == clock
    for index, ((start, stop), after) in enumerate(pairwise(runs)):
        touching = (*runs[:index], (start, stop), (stop, after[1]), *runs[index + 2 :])
        with pytest.raises(ValidationError, match="touch"):
            _segmented(touching)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        pytest.param(((0, 0),), "empty", id="empty"),
        pytest.param(((3, 1),), "backwards", id="backwards"),
        pytest.param(((0, 5), (5, 9)), "touch", id="touching"),
        pytest.param(((0, 5), (4, 9)), "overlap", id="overlapping"),
        pytest.param(((6, 9), (0, 5)), "ascending", id="descending"),
    ],
)
def test_bad_segments_are_named(segments: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _segmented(segments)


@pytest.mark.parametrize(
    "clock",
    [
        RegularClock(kind="regular", origin_ns=-7, rate=RATE, n_samples=0, nominal=True),
        _segmented(((0, 300), (600, 900))),
        _segmented(()),
        ExplicitClock(kind="explicit", n_samples=12),
    ],
    ids=lambda clock: clock.kind,
)
def test_clock_is_told_by_its_kind(clock: Clock) -> None:
    again = READ.validate_json(READ.dump_json(clock))
    assert type(again) is type(clock)
    assert again == clock


@pytest.mark.parametrize("dims", [("neuron",), ("neuron", "time"), ()])
def test_signal_begins_with_time(dims: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="dims"):
        _signal(dims=dims)


def test_channel_names_are_unique() -> None:
    x, y = Channel(name="x"), Channel(name="y")
    assert _signal(dims=("time", "channel"), channels=(x, y)).channels == (x, y)
    with pytest.raises(ValidationError, match="not unique"):
        _signal(dims=("time", "channel"), channels=(x, y, x))


@pytest.mark.parametrize("error", [float("nan"), float("inf"), -1e-9])
def test_rounding_error_is_a_finite_distance(error: float) -> None:
    with pytest.raises(ValidationError, match="max_abs_error"):
        Rounding(source_dtype="float64", stored_dtype="float32", exact=False, max_abs_error=error)


def test_documents_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RATE.numerator = 31  # type: ignore[misc]  # the refusal is what is tested
