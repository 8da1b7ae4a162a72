"""Resampling is what the oracle says, for every method, clock, rate, dtype, offset and lag, whatever is asked with it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.clock import TickClock, TimesClock
from sensorium_data.resample import Method, Resampler
from tests.time.oracle import METHODS, ORIGINS, RATES, Case, assert_is_the_oracles, cases

pytestmark = pytest.mark.once

FLOATS = ["float16", "float32", "float64"]


@settings(max_examples=600, deadline=None)
@given(cases())
def test_values_and_mask_are_the_oracles(case: Case) -> None:
    assert_is_the_oracles(case, *case.result())


@settings(max_examples=400, deadline=None)
@given(cases(kinds=("ticks",), widths=(70,), methods=["linear", "nearest", "previous"]))
def test_long_rows_with_phases_are_the_oracles(case: Case) -> None:
    assert_is_the_oracles(case, *case.result())


@settings(max_examples=200, deadline=None)
@given(cases(dtypes=FLOATS, widths=(3, 70)), st.data())
def test_a_channel_has_the_same_bits_without_the_others(case: Case, data: st.DataObject) -> None:
    together, _ = case.result()
    kept = data.draw(st.lists(st.integers(0, case.values.shape[1] - 1), min_size=1, max_size=4, unique=True))
    offsets = None if case.offsets_ns is None else case.offsets_ns[kept]
    alone, _ = replace(case, values=case.values[:, kept], offsets_ns=offsets).result()
    np.testing.assert_array_equal(alone, together[:, kept])


@settings(max_examples=200, deadline=None)
@given(cases(dtypes=FLOATS), st.data())
def test_an_output_has_the_same_bits_in_any_window(case: Case, data: st.DataObject) -> None:
    out, mask = case.result()
    start, stop = sorted(data.draw(st.tuples(st.integers(0, case.n), st.integers(0, case.n))))
    part, part_mask = case.result(start, stop)
    np.testing.assert_array_equal(part, out[start:stop])
    np.testing.assert_array_equal(part_mask, mask[start:stop])


@settings(max_examples=200, deadline=None)
@given(cases(dtypes=FLOATS))
def test_values_said_to_be_finite_are_not_searched(case: Case) -> None:
    case = replace(case, values=np.nan_to_num(case.values))
    out, mask = case.result()
    rows = case.resampler().rows(case.start_ns, case.n)
    again, again_mask = np.empty_like(out), np.empty_like(mask)
    case.resampler().into(again, again_mask, case.values[rows], rows.start, case.start_ns, finite=True)
    np.testing.assert_array_equal(again, out)
    np.testing.assert_array_equal(again_mask, mask)


@settings(deadline=None)
@given(
    st.sampled_from(RATES),
    st.sampled_from(ORIGINS),
    st.integers(0, 10**9),
    st.integers(1, 90),
    st.sampled_from(METHODS),
    st.booleans(),
)
def test_on_the_grid_every_output_is_its_sample(
    rate: Fraction, origin: int, first: int, n: int, method: Method, long: bool
) -> None:
    clock = TickClock.from_runs(rate, [(first, first + 100)], origin_ns=origin)
    values = np.random.default_rng(n).normal(size=(100, 80 if long else 2)).astype(np.float32)
    values[::7], values[3], values[4] = np.nan, -0.0, np.inf
    resampler = Resampler(clock, rate, method=method)
    for row in (0, 5, 100 - n):
        n_here, start = min(n, 100 - row), clock.grid.ns(first + row)
        assert resampler.copied(start, n_here) == slice(row, row + n_here)
        out, mask = np.empty((n_here, *values.shape[1:]), np.float32), np.empty(n_here, np.bool_)
        resampler.into(out, mask, values, 0, start)
        assert out.tobytes() == values[row : row + n_here].tobytes()
        np.testing.assert_array_equal(mask, ~np.isnan(values[row : row + n_here, 0]))


@settings(deadline=None)
@given(
    st.sampled_from(RATES),
    st.sampled_from(ORIGINS),
    st.integers(2, 7),
    st.integers(0, 10**9),
    st.sampled_from(["linear", "nearest", "previous"]),
    st.sampled_from([1, 70]),
)
def test_finer_grids_meet_the_samples_whatever_their_neighbours_hold(
    rate: Fraction, origin: int, finer: int, first: int, method: Method, width: int
) -> None:
    clock = TickClock.from_runs(rate, [(first, first + 20)], origin_ns=origin)
    values = np.repeat(np.arange(20.0)[:, None], width, axis=1)
    values[1::2], values[4], values[6] = np.nan, -0.0, np.inf
    out, mask = np.empty((19 * finer + 1, width)), np.empty(19 * finer + 1, np.bool_)
    Resampler(clock, rate * finer, method=method).into(out, mask, values, 0, clock.grid.ns(first))
    assert out[::finer].tobytes() == values.tobytes()
    np.testing.assert_array_equal(mask, ~np.isnan(out[:, 0]))


@settings(deadline=None)
@given(st.sampled_from(ORIGINS), st.sampled_from(METHODS), st.integers(-(10**30), 10**30))
def test_times_beyond_all_integers_have_no_value(origin: int, method: Method, far: int) -> None:
    start = far + Fraction(10**60 * (1 if far > 0 else -1), 7)
    for clock in (TickClock.from_runs(Fraction(30), [(0, 9)], origin_ns=origin), TimesClock(origin + np.arange(9))):
        for offsets in (None, np.arange(9) * 10**17):
            resampler = Resampler(clock, Fraction(1, 10**9), method=method, offsets_ns=offsets)
            out, mask = np.zeros((20, 9)), np.ones(20, np.bool_)
            resampler.into(out, mask, np.ones((9, 9)), 0, start)
            assert np.isnan(out).all()
            assert not mask.any()
            assert resampler.rows(start, 20) == slice(0, 0)


@pytest.mark.parametrize("shape", [(9,), (9, 2, 3), (9, 8, 16), (9, 0)])
@pytest.mark.parametrize("method", METHODS)
def test_samples_of_any_shape_are_those_of_flat_ones(shape: tuple[int, ...], method: Method) -> None:
    values = np.random.default_rng(3).normal(size=shape)
    resampler = Resampler(TickClock.from_runs(Fraction(10), [(0, 5), (7, 11)]), Fraction(7), method=method)
    results = []
    for held in (values, values.reshape(9, -1), np.asfortranarray(values)):
        out, mask = np.empty((9, *held.shape[1:])), np.empty(9, np.bool_)
        resampler.into(out, mask, held, 0, Fraction(-(10**8)))
        results.append(out.reshape(9, -1))
        assert mask[1:3].all()
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("size", [1, 70])
@pytest.mark.parametrize("method", ["previous", "nearest"])
@pytest.mark.parametrize("phases", [False, True])
def test_methods_that_only_copy_keep_integers_if_asked(size: int, method: Method, phases: bool) -> None:
    values = np.random.default_rng(5).integers(0, 256, (40, size)).astype(np.uint8)
    offsets = np.arange(size) * 10**6 if phases else None
    resampler = Resampler(TickClock.from_runs(Fraction(8), [(0, 40)]), Fraction(30), method=method, offsets_ns=offsets)
    full, out = np.empty((160, size), np.float32), np.empty((160, size), np.uint8)
    mask, again = np.empty(160, np.bool_), np.empty(160, np.bool_)
    resampler.into(full, mask, values, 0, Fraction(0))
    resampler.into(out, again, values, 0, Fraction(0))
    np.testing.assert_array_equal(mask, again)
    assert 140 <= mask.sum() < 160
    np.testing.assert_array_equal(out, np.nan_to_num(full))


def test_more_outputs_than_are_looked_at_together() -> None:
    clock = TickClock.from_runs(Fraction(8), [(0, 10_000)])
    values = np.arange(10_000.0)
    out, mask = np.empty(40_000), np.empty(40_000, np.bool_)
    Resampler(clock, Fraction(32)).into(out, mask, values, 0, Fraction(0))
    np.testing.assert_array_equal(out[:39_997], np.arange(39_997) / 4)
    assert mask.sum() == 39_997


@pytest.mark.parametrize(("away", "known"), [(-1, (True, False)), (1, (False, True)), (0, (True, True))])
def test_an_output_closer_to_a_sample_than_floats_can_say(away: int, known: tuple[bool, bool]) -> None:
    """A billionth of a billionth of a nanosecond before or after the sample of the odd channels."""
    clock = TickClock.from_runs(Fraction(8), [(0, 4)])
    values = np.arange(4.0)[:, None] * np.ones(80)
    values[2, 1:40:2], values[0, 41::2] = np.nan, np.nan
    offsets = np.where(np.arange(80) % 2, 62_500_000, 0)
    start = clock.grid.ns(1) + 62_500_000 + Fraction(away, 10**18)
    out, mask = np.empty((1, 80)), np.empty(1, np.bool_)
    Resampler(clock, Fraction(30), offsets_ns=offsets).into(out, mask, values, 0, start)
    np.testing.assert_array_equal(out[0, 1:40:2], 1.0 if known[0] else np.nan)
    np.testing.assert_array_equal(out[0, 41::2], 1.0 if known[1] else np.nan)
    np.testing.assert_array_equal(out[0, ::2], 1.5)


def test_more_fractions_than_are_remembered() -> None:
    values = np.random.default_rng(8).normal(size=(40, 70)).astype(np.float32)
    clock, offsets = TickClock.from_runs(Fraction(8), [(0, 40)]), np.arange(70) * 1_700_000
    case = Case(clock, values, Fraction(29967, 1000), "linear", Fraction(10**9), 80, offsets, 0)
    out, mask = case.result()
    few, _ = replace(case, values=values[:, :3], offsets_ns=offsets[:3]).result()
    np.testing.assert_array_equal(out[:, :3], few)
    assert mask.all()
