"""Numbers worked out by hand from the published formulas, what is degenerate, and other people's implementations."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest

from sensorium_data.evaluation.correlations import (
    correlation,
    correlation_per_trial,
    correlation_to_average,
    single_trial_correlation,
)
from sensorium_data.evaluation.likelihood import poisson_loss
from sensorium_data.evaluation.normalized import normalized_correlation
from sensorium_data.evaluation.oracles import oracle_conservative, oracle_jackknife
from sensorium_data.evaluation.variances import explainable_variance, feve, signal_to_noise

needs_torch = pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="compares with torch")

# Two images shown twice, answered by 0, 2 and 10, 12: mean 6, so squares 36 + 16 + 16 + 36 = 104.
TWICE = np.array([[0.0], [2.0], [10.0], [12.0]])
IMAGES = [7, 7, 9, 9]


def test_eps_is_added_to_each_standard_deviation() -> None:
    # Both series have variance 1/4 and their product 1/4: (1/4) / ((1/2 + eps) (1/2 + eps)).
    x = np.array([[0.0], [1.0]])
    assert correlation(x, x, eps=0.5)[0] == 0.25
    assert correlation(x, x)[0] == pytest.approx(0.25 / (0.5 + 1e-8) ** 2, rel=1e-15)
    assert correlation(x, x)[0] < 1
    assert correlation(1e-8 * x, 1e-8 * x)[0] == pytest.approx((0.5 / 1.5) ** 2, rel=1e-12)


def test_population_moments_not_those_of_a_sample() -> None:
    # With one of the two standard deviations divided by n - 1 a series would correlate with itself to 49/50.
    x = np.arange(50.0)[:, None]
    assert correlation(x, x)[0] == pytest.approx(1, abs=1e-8)


def test_averages_over_repeats_weigh_every_stimulus_the_same() -> None:
    # Means 2, 4, 6 and 1, 2, 1, however often each was shown: no correlation. Over samples there is one.
    x, y = np.array([[1.0], [2.0], [3.0], [4.0], [6.0]]), np.array([[1.0], [1.0], [1.0], [2.0], [1.0]])
    assert correlation_to_average(x, y, stimulus=[0, 0, 0, 1, 2])[0] == pytest.approx(0, abs=1e-12)
    assert single_trial_correlation(x, y, stimulus=[0, 0, 0, 1, 2])[0] == pytest.approx(
        0.8 / math.sqrt(14.8 * 0.8), 1e-7
    )


def test_films_are_one_series_of_frames_or_one_each() -> None:
    # Film 0 goes up where its prediction does, film 1 down; the step between the films is predicted.
    x, y = np.array([0.0, 1.0, 10.0, 11.0] * 2)[:, None], np.array([0.0, 1.0, 11.0, 10.0] * 2)[:, None]
    ids = (np.array([0, 0, 1, 1] * 2), np.array([0, 1, 0, 1] * 2))
    assert correlation_to_average(x, y, stimulus=ids)[0] == pytest.approx(100 / 101, rel=1e-8)
    assert correlation_to_average(x, y, stimulus=ids, per_film=True)[0] == pytest.approx(0, abs=1e-12)
    # A film shown once is not scored on its own.
    once = tuple(np.append(part, new) for part, new in zip(ids, (2, 0), strict=True))
    x, y = np.append(x, [[5.0]], axis=0), np.append(y, [[-5.0]], axis=0)
    assert correlation_to_average(x, y, stimulus=once, per_film=True)[0] == pytest.approx(0, abs=1e-12)
    assert np.isnan(correlation_to_average(x[:2], y[:2], stimulus=([0, 0], [0, 1]), per_film=True)[0])


def test_trials_are_correlated_one_by_one_or_end_to_end() -> None:
    # Within both trials exactly wrong, between them exactly right.
    x, y = np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([[1.0], [0.0], [11.0], [10.0]])
    assert correlation_per_trial(x, y, trial=[3, 3, 4, 4])[0] == pytest.approx(-1, abs=1e-7)
    assert single_trial_correlation(x, y)[0] == pytest.approx(100 / 101 - 1 / 101, rel=1e-7)


def test_explained_variances_by_hand() -> None:
    total, noise = 104 / 3, 2.0
    assert explainable_variance(TWICE, stimulus=IMAGES)[0] == pytest.approx((total - noise) / (total + 1e-9), rel=1e-14)
    predictions = np.array([[1.0], [1.0], [9.0], [9.0]])
    mse = (1 + 1 + 1 + 9) / 4
    assert feve(TWICE, predictions, stimulus=IMAGES)[0] == pytest.approx(1 - (mse - noise) / (total - noise), rel=1e-14)
    assert feve(TWICE, predictions - 100, stimulus=IMAGES)[0] < -100


def test_neurons_at_the_threshold_are_scored_and_below_it_not() -> None:
    share = (104 / 3 - 2) / (104 / 3)
    assert np.isfinite(feve(TWICE, TWICE, stimulus=IMAGES, threshold=share)).all()
    assert np.isnan(feve(TWICE, TWICE, stimulus=IMAGES, threshold=np.nextafter(share, 1))).all()
    assert np.isnan(feve(TWICE, TWICE, stimulus=[0, 1, 0, 1])).all()  # repeats vary more than all samples do
    # The default is 0.15. Two stimuli shown many times, half of the responses d higher: d²/4 above a noise of 1.
    for distance, scored in ((0.82, False), (0.86, True)):
        x = np.tile([-1.0, 1.0], 20_000)[:, None]
        ids = np.repeat([0, 1], 20_000)
        x[20_000:] += distance
        assert np.isfinite(feve(x, x, stimulus=ids)).all() == scored


def test_oracles_by_hand() -> None:
    # Others: 2, 0, 12, 10. Products of deviations -24 - 24 + 24 + 24 … by columns (-6)(-4) + (-4)(-6) + 4·6 + 6·4 = 96.
    assert oracle_jackknife(TWICE, stimulus=IMAGES)[0] == pytest.approx(96 / 104, rel=1e-8)
    # Means 1 and 11: variance 25; within 1 (ddof 0): 25 / √(25 · 26).
    assert oracle_conservative(TWICE, stimulus=IMAGES)[0] == pytest.approx(25 / math.sqrt(25 * 26), rel=1e-14)


def test_a_stimulus_shown_once_has_the_oracle_zero() -> None:
    # Rows (0, 2), (2, 0), (10, 12), (12, 10), and (6, 0): mean of the first 6, of the second 24/5.
    x, y = [0.0, 2.0, 10.0, 12.0, 6.0], [2.0, 0.0, 12.0, 10.0, 0.0]
    wanted = np.corrcoef(x, y)[0, 1]
    once = np.append(TWICE, [[6.0]], axis=0)
    assert oracle_jackknife(once, stimulus=[*IMAGES, 1])[0] == pytest.approx(wanted, rel=1e-7)
    nothing = oracle_jackknife(TWICE, stimulus=[0, 1, 2, 3])
    assert nothing[0] == 0  # the oracle is constant


def test_signal_to_noise_is_of_transformed_counts() -> None:
    # 2 √(x + 3/8) of these is 2, 4, 6, 8: means 3 and 7, variance 4; within (ddof 1) 2.
    counts = np.array([[0.625], [3.625], [8.625], [15.625]])
    assert signal_to_noise(counts, stimulus=IMAGES)[0] == pytest.approx(2, rel=1e-14)
    assert np.isinf(signal_to_noise([[1.0], [1.0], [2.0], [2.0]], stimulus=IMAGES)[0])
    assert np.isnan(signal_to_noise([[-0.5], [1.0], [2.0], [2.0]], stimulus=IMAGES)[0])


def test_normalised_correlation_by_hand() -> None:
    # Repeats (0, 4, 8) and (1, 3, 8): covariance 14 is the signal power. The mean (0.5, 3.5, 8) has variance 14.25.
    x, y = np.array([[0.0], [4.0], [8.0], [1.0], [3.0], [8.0]]), np.array([[1.0], [2.0], [3.0]] * 2)
    covariance, power = 7.5 / 2, 14.0
    wanted = covariance / (math.sqrt(1 * power) + 1e-8)
    assert normalized_correlation(x, y, stimulus=[0, 1, 2] * 2)[0] == pytest.approx(wanted, rel=1e-12)
    # The order of the stimuli is any, that of the presentations of one is kept.
    assert normalized_correlation(x[[1, 0, 2, 5, 4, 3]], y[[1, 0, 2, 5, 4, 3]], stimulus=[1, 0, 2, 2, 1, 0])[
        0
    ] == pytest.approx(wanted, rel=1e-12)


def test_little_signal_is_not_normalised() -> None:
    x, y = np.array([[0.0], [4.0], [8.0], [1.0], [3.0], [8.0]]), np.array([[1.0], [2.0], [3.0]] * 2)
    for power, scored in ((2e-4, True), (1e-4, False), (0.5e-4, False)):
        weak = x * math.sqrt(power / 14 * (1 - 1e-9 * (not scored)))
        assert np.isfinite(normalized_correlation(weak, y, stimulus=[0, 1, 2] * 2)[0]) == scored
    weak = x * 1e-6
    assert np.isfinite(normalized_correlation(weak, y, stimulus=[0, 1, 2] * 2, least_power=0)[0])
    # Repeats that go against each other have less than no signal; stimuli shown once have none that can be known.
    assert np.isnan(normalized_correlation([[0.0], [1.0], [1.0], [0.0]], [[0.0], [1.0]] * 2, stimulus=[0, 1] * 2)[0])
    assert np.isnan(normalized_correlation(x, y, stimulus=range(6))[0])


def test_films_are_normalised_on_their_own_as_vivit_does() -> None:
    rng = np.random.default_rng(1)
    films, frames = (
        np.repeat([0, 1, 2], [40, 40, 20]),
        np.concatenate([np.tile(np.arange(20), 2)] * 2 + [np.arange(20)]),
    )
    x, y = rng.gamma(1.0, size=(100, 4)), rng.gamma(1.0, size=(100, 4))
    x += 3 * np.sin(frames + films)[:, None]
    apart = [normalized_correlation(x[films == k], y[films == k], stimulus=frames[films == k]) for k in (0, 1)]
    made = normalized_correlation(x, y, stimulus=(films, frames), per_film=True)
    np.testing.assert_allclose(made, np.mean(apart, axis=0), rtol=1e-12)


def test_poisson_loss_by_hand() -> None:
    x, y = [[0.0], [2.0], [-1.0]], [[0.0], [math.e], [1.0]]
    # 0 - 0 log(1e-8); e - 2 log(e + 1e-8); 1 + log(1 + 1e-8)
    parts = [0.0, math.e - 2 * math.log(math.e + 1e-8), 1 + math.log(1 + 1e-8)]
    assert poisson_loss(x, y)[0] == pytest.approx(sum(parts) / 3, rel=1e-14)
    assert poisson_loss(x, y, reduction="sum")[0] == pytest.approx(sum(parts), rel=1e-14)
    assert poisson_loss([[1.0]], [[0.0]], eps=1e-12)[0] == pytest.approx(12 * math.log(10), rel=1e-14)
    assert np.isnan(poisson_loss([[1.0]], [[-1.0]])[0])


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e9 / 3])
def test_neurons_that_never_vary(value: float) -> None:
    still, moving = np.full((6, 1), value), np.arange(6.0)[:, None]
    ids = [0, 1, 2] * 2
    for x, y in ((still, moving), (moving, still), (still, still)):
        assert correlation(x, y)[0] == 0
        assert correlation_to_average(x, y, stimulus=ids)[0] == 0
    assert explainable_variance(still, stimulus=ids)[0] == 0
    assert oracle_jackknife(still, stimulus=ids)[0] == 0
    for undefined in (
        feve(still, moving, stimulus=ids),
        oracle_conservative(still, stimulus=ids),
        normalized_correlation(still, moving, stimulus=ids),
    ):
        assert np.isnan(undefined[0])


def test_one_sample() -> None:
    x, y = [[3.0, 1.0]], [[2.0, 1.0]]
    assert correlation(x, y).tolist() == [0, 0]
    assert correlation_to_average(x, y, stimulus=["a"]).tolist() == [0, 0]
    assert oracle_jackknife(x, stimulus=["a"]).tolist() == [0, 0]
    assert np.isnan([explainable_variance(x, stimulus=["a"]), feve(x, y, stimulus=["a"])]).all()
    assert np.isnan([signal_to_noise(x, stimulus=["a"]), oracle_conservative(x, stimulus=["a"])]).all()


def test_correlation_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, y = rng.gamma(0.5, 4, (500, 6)), rng.gamma(0.5, 4, (500, 6))
    wanted = [stats.pearsonr(a, b).statistic for a, b in zip(x.T, y.T, strict=True)]
    np.testing.assert_allclose(correlation(x, y), wanted, atol=1e-7)
    np.testing.assert_allclose(correlation(x, y, eps=0.0), wanted, rtol=1e-10)


@needs_torch
def test_poisson_loss_is_that_of_torch() -> None:
    import torch

    rng = np.random.default_rng(0)
    x, y = rng.gamma(0.5, 4, (500, 6)), rng.gamma(0.5, 4, (500, 6))
    for reduction in ("mean", "sum"):
        loss = torch.nn.PoissonNLLLoss(log_input=False, eps=1e-8, reduction="none")(*map(torch.as_tensor, (y, x)))
        wanted = getattr(loss, reduction)(0).numpy()
        np.testing.assert_allclose(poisson_loss(x, y, reduction=reduction), wanted, rtol=1e-12)


@needs_torch
def test_tensors_are_taken_as_they_are() -> None:
    import torch

    x, y = torch.rand(20, 3), torch.rand(20, 3)
    ids = torch.arange(20) % 4
    wanted = feve(x.numpy(), y.numpy(), stimulus=ids.numpy())
    np.testing.assert_array_equal(feve(x, y, stimulus=ids), wanted)
