"""Moments: any split of the samples, merged in any order, gives what numpy gives on the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sensorium_data.moments import Moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The error of a mean and of a standard deviation against numpy's two passes in float64, in units of the largest value:
# a few hundred additions of relative error 1.1e-16 each.
TOLERANCE = 1e-12

FINITE = st.floats(-1e6, 1e6, width=32)
GAPPY = FINITE | st.sampled_from([np.nan, np.inf, -np.inf])


def blocks(values: st.SearchStrategy[float], dtype: Any) -> st.SearchStrategy[NDArray[Any]]:
    shapes = st.tuples(st.integers(1, 60), st.integers(1, 4))
    return shapes.flatmap(lambda shape: arrays(dtype, shape, elements=values))


def cut(values: NDArray[Any], at: list[int]) -> list[NDArray[Any]]:
    """Cut rows at some places; parts may be empty only where they are left out."""
    return [part for part in np.split(values, sorted(n % len(values) for n in at)) if len(part)]


def merged(parts: list[NDArray[Any]], n_channels: int) -> Moments:
    whole = Moments.empty(n_channels)
    for part in parts:
        whole = whole.merge(Moments.of(part))
    return whole


def same(moments: Moments, values: NDArray[Any]) -> None:
    measured = moments.measures()
    good = np.isfinite(values)
    for channel in range(values.shape[1]):
        column = values[good[:, channel], channel].astype(np.float64)
        assert measured["n"][channel] == len(column)
        if not len(column):
            assert all(np.isnan(float(measured[name][channel])) for name in ("mean", "std", "min", "max"))
            continue
        scale = TOLERANCE * max(1e-30, np.abs(column).max())
        assert measured["mean"][channel] == pytest.approx(column.mean(), rel=0, abs=scale)
        # A standard deviation is a root: where all values are equal, an error e of the squares shows as its root.
        assert np.square(measured["std"][channel]) == pytest.approx(
            column.var(), rel=1e-9, abs=scale**2 + scale * column.std()
        )
        assert (measured["min"][channel], measured["max"][channel]) == (column.min(), column.max())


@given(blocks(FINITE, np.float64) | blocks(FINITE, np.float32), st.lists(st.integers(0, 59), max_size=6), st.randoms())
def test_any_split_in_any_order_is_the_whole(values: NDArray[Any], at: list[int], random: Any) -> None:
    parts = cut(values, at)
    random.shuffle(parts)
    same(merged(parts, values.shape[1]), values)


@given(blocks(GAPPY, np.float64) | blocks(GAPPY, np.float32), st.lists(st.integers(0, 59), max_size=6))
def test_nan_and_infinity_are_left_out(values: NDArray[Any], at: list[int]) -> None:
    same(merged(cut(values, at), values.shape[1]), values)


@given(blocks(FINITE, np.float64))
def test_nothing_added_changes_nothing(values: NDArray[Any]) -> None:
    moments, nothing = Moments.of(values), Moments.empty(values.shape[1])
    for both in (moments.merge(nothing), nothing.merge(moments)):
        for name in ("n", "mean", "m2", "low", "high"):
            np.testing.assert_array_equal(getattr(both, name), getattr(moments, name))


def test_no_sample_at_all_measures_nan() -> None:
    measured = Moments.empty(2).merge(Moments.empty(2)).measures()
    assert measured["n"].tolist() == [0, 0]
    assert all(np.isnan(np.asarray(measured[name], np.float64)).all() for name in ("mean", "std", "min", "max"))


def test_a_large_offset_does_not_cancel() -> None:
    # The mean itself is known to 1e9 × 1.1e-16; mean of squares minus square of mean would be off by hundreds.
    values = 1e9 + np.random.default_rng(0).standard_normal((3000, 3))
    measured = merged(np.array_split(values, 37), 3).measures()
    np.testing.assert_allclose(np.asarray(measured["std"], np.float64), values.std(axis=0), rtol=1e-7)
