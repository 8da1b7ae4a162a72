"""Intervals over neurons: the same seed gives the same ends, and they hold the mean as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sensorium_data.evaluation import bootstrap
from sensorium_data.evaluation.bootstrap import bootstrap_means, percentile_interval


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-1, 1)), st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_draws_are_means_of_what_is_there(values: np.ndarray, seed: int) -> None:
    means = bootstrap_means(values, 50, seed=seed, name="a")
    np.testing.assert_array_equal(means, bootstrap_means(values, 50, seed=seed, name="a"))
    tiny = 1e-12
    assert (means >= values.min() - tiny).all()
    assert (means <= values.max() + tiny).all()
    low, high = percentile_interval(means, 0.9)
    assert means.min() <= low <= high <= means.max()


def test_another_seed_or_name_is_another_draw() -> None:
    values = np.random.default_rng(0).random(40)
    draws = [bootstrap_means(values, 30, seed=s, name=n) for s, n in ((0, "a"), (1, "a"), (0, "b"))]
    assert len({tuple(each) for each in draws}) == 3


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(40)
    whole = bootstrap_means(values, 100)
    monkeypatch.setattr(bootstrap, "AT_ONCE", 41)
    np.testing.assert_array_equal(bootstrap_means(values, 100), whole)


def test_neurons_without_a_score_are_not_drawn() -> None:
    values = np.array([0.2, np.nan, 0.4, np.nan])
    np.testing.assert_array_equal(bootstrap_means(values, 20), bootstrap_means(values[[0, 2]], 20))
    assert np.isnan(bootstrap_means(values[1:2], 20)).all()
    assert np.isnan(percentile_interval(np.zeros(0))).all()


def test_intervals_are_as_wide_as_the_error_of_a_mean() -> None:
    values = np.random.default_rng(3).normal(0.3, 0.1, 400)
    low, high = percentile_interval(bootstrap_means(values, 4000), 0.95)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.05)
    assert (high + low) / 2 == pytest.approx(values.mean(), abs=0.001)
