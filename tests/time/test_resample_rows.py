"""What a resampler says that it reads is what it reads: no row more, none less."""

from __future__ import annotations

import pickle
from dataclasses import replace
from fractions import Fraction
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings

from sensorium_data.clock import TickClock, TimesClock
from sensorium_data.errors import BadArgument
from sensorium_data.resample import Resampler
from tests.time.oracle import METHODS, Case, cases

pytestmark = pytest.mark.once


@settings(max_examples=400, deadline=None)
@given(cases() | cases(methods=["mean"], widths=(3, 70)))
def test_support_is_every_row_that_counts(case: Case) -> None:
    first, last = case.resampler().support(case.start_ns, case.n)
    assert first.shape == last.shape == (case.n,)
    assert first.dtype == last.dtype == np.dtype(np.int64)
    for i, channels in enumerate(case.parts()):
        rows = [row for row, _ in chain.from_iterable(channels)]
        if all(channels):
            assert (first[i], last[i]) == (min(rows), max(rows) + 1), i
        else:
            assert first[i] == last[i], i


@settings(max_examples=400, deadline=None)
@given(cases() | cases(methods=["mean"], widths=(3,)))
def test_rows_are_those_from_the_first_to_the_last_needed(case: Case) -> None:
    needed = [row for channels in case.parts() for row, _ in chain.from_iterable(channels)]
    wanted = slice(min(needed), max(needed) + 1) if needed else slice(0, 0)
    assert case.resampler().rows(case.start_ns, case.n) == wanted


@settings(max_examples=200, deadline=None)
@given(cases(dtypes=["float32"]))
def test_nothing_but_those_rows_is_read(case: Case) -> None:
    out, mask = case.result()
    rows = case.resampler().rows(case.start_ns, case.n)
    spoilt = np.full_like(case.values, np.inf)
    spoilt[rows] = case.values[rows]
    again, again_mask = np.empty_like(out), np.empty_like(mask)
    case.resampler().into(again, again_mask, spoilt, 0, case.start_ns)
    np.testing.assert_array_equal(again, out)
    np.testing.assert_array_equal(again_mask, mask)


@settings(max_examples=200, deadline=None)
@given(cases(kinds=("ticks",)))
def test_copied_rows_are_the_outputs(case: Case) -> None:
    """Also at other rates and phases, where there are none."""
    assert isinstance(case.clock, TickClock)
    case = replace(case, rate=case.clock.rate)
    if (rows := case.resampler().copied(case.start_ns, case.n)) is None:
        return
    out, mask = case.result()
    assert rows.stop - rows.start == case.n
    np.testing.assert_array_equal(out, case.values[rows].astype(out.dtype))
    np.testing.assert_array_equal(mask, ~np.isnan(out).any(axis=1))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_copied(method: str) -> None:
    clock = TickClock.from_runs(Fraction(8), [(0, 10), (12, 20)])
    tick = clock.grid.ns
    equal = Resampler(clock, Fraction(8), method=method)  # type: ignore[arg-type]  # one of the methods
    assert equal.copied(tick(2), 8) == slice(2, 10)
    assert equal.copied(tick(13), 3) == slice(11, 14)
    assert equal.copied(tick(2), 9) is None  # over the gap
    assert equal.copied(tick(10), 1) is None  # in it
    assert equal.copied(tick(-1), 1) is None
    assert equal.copied(tick(19), 2) is None
    assert equal.copied(tick(2) + Fraction(1, 10**9), 3) is None
    assert Resampler(clock, Fraction(16), method=method).copied(tick(2), 3) is None  # type: ignore[arg-type]
    phased = np.array([0, 125_000_000])
    assert Resampler(clock, Fraction(8), offsets_ns=phased, method=method).copied(tick(2), 3) is None  # type: ignore[arg-type]
    one = np.array([125_000_000] * 3)
    assert Resampler(clock, Fraction(8), offsets_ns=one, lag_ns=375_000_000).copied(tick(2), 3) == slice(4, 7)
    assert Resampler(TimesClock(np.arange(9)), Fraction(10**8)).copied(Fraction(0), 1) is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_channels", [1, 100])
def test_a_clock_without_samples_and_no_outputs(method: str, n_channels: int) -> None:
    offsets = np.arange(n_channels)
    for clock in (TickClock.from_runs(Fraction(30), []), TimesClock(np.zeros(0, np.int64))):
        resampler = Resampler(clock, Fraction(8), method=method, offsets_ns=offsets)  # type: ignore[arg-type]
        out, mask = np.zeros((3, n_channels)), np.ones(3, np.bool_)
        resampler.into(out, mask, np.zeros((0, n_channels)), 0, Fraction(0))
        assert np.isnan(out).all()
        assert not mask.any()
        assert resampler.rows(Fraction(0), 3) == slice(0, 0)
        assert [side.tolist() for side in resampler.support(Fraction(0), 3)] == [[0, 0, 0]] * 2
    some = Resampler(TickClock.from_runs(Fraction(30), [(0, 5)]), Fraction(8))
    assert some.rows(Fraction(0), 0) == slice(0, 0)
    assert [len(side) for side in some.support(Fraction(0), 0)] == [0, 0]
    some.into(np.zeros((0, 4)), np.zeros(0, np.bool_), np.zeros((5, 4)), 0, Fraction(0))


def test_rows_that_are_needed_must_be_there() -> None:
    resampler = Resampler(TickClock.from_runs(Fraction(8), [(0, 80)]), Fraction(30))
    out, mask = np.zeros((30, 2)), np.zeros(30, np.bool_)
    for rows in (slice(9, 20), slice(8, 16)):
        with pytest.raises(BadArgument, match="rows 8 to 16 are needed") as caught:
            resampler.into(out, mask, np.zeros((80, 2))[rows], rows.start, Fraction(10**9))
        assert caught.value.code == "missing-rows"


@settings(max_examples=50, deadline=None)
@given(cases(dtypes=["float32"]))
def test_a_resampler_travels_between_processes(case: Case) -> None:
    resampler = case.resampler()
    again = pickle.loads(pickle.dumps(resampler))
    assert again.rows(case.start_ns, case.n) == resampler.rows(case.start_ns, case.n)
    for one, other in zip(again.support(case.start_ns, case.n), resampler.support(case.start_ns, case.n), strict=True):
        np.testing.assert_array_equal(one, other)
