"""Every score is what its definition says, on random recordings, ragged and degenerate ones too."""

from __future__ import annotations

import math
from functools import partial
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.evaluation import correlations, likelihood, normalized, oracles, variances
from tests.evaluation import metricsbyhand as byhand
from tests.evaluation.metricsbyhand import Recorded, each_neuron, recordings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

pytestmark = pytest.mark.once

WITH_PREDICTIONS: list[tuple[Callable[..., Any], Callable[..., float]]] = [
    (correlations.correlation, byhand.correlation),
    (correlations.single_trial_correlation, byhand.correlation),
    (correlations.correlation_to_average, byhand.correlation_to_average),
    (likelihood.poisson_loss, byhand.poisson_loss),
]
ALONE: list[tuple[Callable[..., Any], Callable[..., float]]] = [
    (variances.explainable_variance, byhand.explainable_variance),
    (variances.signal_to_noise, byhand.signal_to_noise),
    (oracles.oracle_jackknife, byhand.oracle_jackknife),
    (oracles.oracle_conservative, byhand.oracle_conservative),
]
NAMES = [made.__name__ for made, _ in WITH_PREDICTIONS + ALONE]


def same(made: NDArray[Any], wanted: NDArray[Any], scale: float = 1.0) -> None:
    assert made.dtype == np.float64
    assert made.shape == wanted.shape
    np.testing.assert_allclose(made, wanted, rtol=1e-9, atol=1e-9 * scale)


def capped(values: NDArray[Any]) -> NDArray[Any]:
    """Return ratios of which the denominator is rounding alone as infinite: tenths, seen through square roots."""
    return np.where(values > 1e12, np.inf, values)


@pytest.mark.parametrize(("made", "wanted"), WITH_PREDICTIONS, ids=[m.__name__ for m, _ in WITH_PREDICTIONS])
@settings(deadline=None)
@given(recorded=recordings())
def test_scores_of_predictions_are_their_definitions(
    made: Callable[..., Any], wanted: Callable[..., float], recorded: Recorded
) -> None:
    score = made(recorded.responses, recorded.predictions, stimulus=recorded.stimulus)
    same(score, each_neuron(wanted, recorded), scale=1e3 if made is likelihood.poisson_loss else 1)


@pytest.mark.parametrize(("made", "wanted"), ALONE, ids=[m.__name__ for m, _ in ALONE])
@settings(deadline=None)
@given(recorded=recordings())
def test_scores_of_responses_are_their_definitions(
    made: Callable[..., Any], wanted: Callable[..., float], recorded: Recorded
) -> None:
    score = made(recorded.responses, stimulus=recorded.stimulus)
    same(capped(score), capped(each_neuron(wanted, recorded, alone=True)))


@settings(deadline=None)
@given(recordings(least=2))
def test_feve_is_its_definition(recorded: Recorded) -> None:
    made = variances.feve(recorded.responses, recorded.predictions, stimulus=recorded.stimulus)
    clear = each_neuron(byhand.near_threshold, recorded, alone=True) > 1e-9
    same(made[clear], each_neuron(byhand.feve, recorded)[clear], scale=1e6)


@settings(deadline=None)
@given(recordings(least=1))
def test_a_stimulus_shown_once_leaves_no_feve_as_published(recorded: Recorded) -> None:
    made = variances.feve(recorded.responses, recorded.predictions, stimulus=recorded.stimulus)
    if np.unique(recorded.stimulus, return_counts=True)[1].min() == 1:
        assert np.isnan(made).all()
    clear = each_neuron(byhand.near_threshold, recorded, alone=True) > 1e-9
    same(made[clear], each_neuron(byhand.feve, recorded)[clear], scale=1e6)


@st.composite
def equal_repeats(draw: st.DrawFn) -> Recorded:
    n_stimuli, n_repeats = draw(st.integers(2, 6)), draw(st.integers(2, 4))
    count = n_stimuli * n_repeats
    stimulus = np.array(draw(st.permutations(np.repeat(np.arange(n_stimuli), n_repeats).tolist())))
    values = st.lists(byhand.NUMBERS, min_size=2 * count, max_size=2 * count)
    responses, predictions = (np.array(draw(values)).reshape(count, 2) for _ in range(2))
    return Recorded(responses, predictions, stimulus)


@settings(deadline=None)
@given(equal_repeats())
def test_normalised_correlation_is_that_of_the_paper(recorded: Recorded) -> None:
    made = normalized.normalized_correlation(recorded.responses, recorded.predictions, stimulus=recorded.stimulus)
    wanted = each_neuron(byhand.normalized_correlation, recorded)
    same(made, wanted, scale=1e3)


def test_where_presentations_cannot_be_told_apart_the_signal_power_is_the_mean_over_all_ways_to_number_them() -> None:
    from sensorium_data.evaluation.normalized import normalized_of
    from sensorium_data.evaluation.samples import Samples
    from sensorium_data.evaluation.stimulussums import StimulusSums

    x = np.array([0.0, 4.0, 1.0, 9.0, 7.0, 5.0, 20.0, 11.0, 14.0])
    y, ids = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 5.0, 5.0, 5.0]), np.repeat([0, 1, 2], 3)
    powers = []
    for numbered in product(*(permutations(row) for row in x.reshape(3, 3).tolist())):
        rows = np.array(numbered)  # (stimulus, presentation)
        powers.append((rows.sum(axis=1).var(ddof=1) - rows.var(axis=0, ddof=1).sum()) / 6)
    means, predicted = x.reshape(3, 3).mean(axis=1), y[::3]
    wanted = np.cov(means, predicted)[0, 1] / math.sqrt(predicted.var(ddof=1) * np.mean(powers))
    sums = StimulusSums.of(Samples(x[:, None], y[:, None], (ids,)))
    assert len(powers) == 6**3
    np.testing.assert_allclose(normalized_of(sums, 0.0, 0.0), [wanted], rtol=1e-12)
    assert normalized.normalized_correlation(x[:, None], y[:, None], stimulus=ids) != pytest.approx(wanted, rel=1e-3)
    # One repeat fewer of one stimulus, and the score is the one without numbers, though not all of it was equal before.
    ragged = StimulusSums.of(Samples(x[:-1, None], y[:-1, None], (ids[:-1],)))
    made = normalized.normalized_correlation(x[:-1, None], y[:-1, None], stimulus=ids[:-1], eps=0.0)
    np.testing.assert_array_equal(made, normalized_of(ragged, 0.0, 1e-4))


@settings(deadline=None)
@given(recordings(least=2), st.sampled_from([1e6, 1e9, -1e11]))
def test_a_large_offset_changes_no_score(recorded: Recorded, offset: float) -> None:
    # Quarters on top of 1e11 are still exact, so what changes would be lost in the arithmetic.
    x, y = (np.round(values * 4) / 4 for values in (recorded.responses, recorded.predictions))
    explained = partial(variances.feve, threshold=0.15071)  # no ratio of quarters, so rounding decides nothing
    for made in (correlations.correlation, correlations.correlation_to_average, explained):
        moved = made(x + offset, y + offset, stimulus=recorded.stimulus)
        np.testing.assert_allclose(moved, made(x, y, stimulus=recorded.stimulus), rtol=1e-5, atol=1e-5)
    for made_alone in (variances.explainable_variance, oracles.oracle_jackknife, oracles.oracle_conservative):
        moved = made_alone(x + offset, stimulus=recorded.stimulus)
        np.testing.assert_allclose(moved, made_alone(x, stimulus=recorded.stimulus), rtol=1e-5, atol=1e-5)


@settings(deadline=None)
@given(recordings(), st.sampled_from([np.float32, np.float16, np.int64]))
def test_arithmetic_is_float64_whatever_comes_in(recorded: Recorded, dtype: Any) -> None:
    x, y = recorded.responses.astype(dtype), recorded.predictions.astype(dtype)
    for made in (correlations.correlation, correlations.correlation_to_average, variances.feve):
        wide = made(x.astype(np.float64), y.astype(np.float64), stimulus=recorded.stimulus)
        np.testing.assert_array_equal(made(x, y, stimulus=recorded.stimulus), wide)
    for made_alone, _ in ALONE:
        wide = made_alone(x.astype(np.float64), stimulus=recorded.stimulus)
        np.testing.assert_array_equal(made_alone(x, stimulus=recorded.stimulus), wide)


def test_more_neurons_and_samples_than_are_worked_on_at_once() -> None:
    from sensorium_data.evaluation.samples import blocks_of

    rng = np.random.default_rng(0)
    x, y = rng.gamma(1.0, size=(20_000, 70)), rng.gamma(1.0, size=(20_000, 70))
    stimulus = np.arange(20_000) % 400
    assert len(blocks_of(*x.shape)) > 1
    whole = correlations.correlation(x, y)
    np.testing.assert_allclose(whole, [np.corrcoef(a, b)[0, 1] for a, b in zip(x.T, y.T, strict=True)], atol=1e-7)
    together = variances.feve(x, y, stimulus=stimulus, threshold=-np.inf)
    apart = np.concatenate(
        [variances.feve(x[:, [k]], y[:, [k]], stimulus=stimulus, threshold=-np.inf) for k in (0, 69)]
    )
    np.testing.assert_allclose(together[[0, 69]], apart, rtol=1e-9)


@settings(deadline=None)
@given(recordings())
def test_the_order_of_samples_and_the_kind_of_ids_do_not_matter(recorded: Recorded) -> None:
    x, y, ids = recorded.responses, recorded.predictions, recorded.stimulus
    words = np.array([f"film {one}" for one in ids])
    spellings = [words, words.tolist(), words.astype(object), (ids % 2, ids // 2), np.stack([ids % 2, ids // 2], 1)]
    wanted = correlations.correlation_to_average(x, y, stimulus=ids)
    for spelt in spellings:
        np.testing.assert_allclose(correlations.correlation_to_average(x, y, stimulus=spelt), wanted, atol=1e-9)
    backwards = correlations.correlation_to_average(x[::-1], y[::-1], stimulus=ids[::-1])
    np.testing.assert_allclose(backwards, wanted, atol=1e-9)
