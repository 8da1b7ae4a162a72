"""What scores refuse, all of it at once; and NaN, which goes through, is left out, or is refused."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.evaluation.correlations import correlation, correlation_per_trial, correlation_to_average
from sensorium_data.evaluation.likelihood import poisson_loss
from sensorium_data.evaluation.normalized import normalized_correlation
from sensorium_data.evaluation.oracles import oracle_conservative, oracle_jackknife
from sensorium_data.evaluation.variances import explainable_variance, feve, signal_to_noise
from tests.evaluation.metricsbyhand import Recorded, recordings

if TYPE_CHECKING:
    from collections.abc import Callable

X = np.arange(12.0).reshape(6, 2) % 5
Y = np.arange(12.0).reshape(6, 2) % 7
IDS = [0, 1, 2, 0, 1, 2]

OF_PREDICTIONS: list[Callable[..., Any]] = [
    correlation,
    correlation_to_average,
    feve,
    normalized_correlation,
    poisson_loss,
]
OF_RESPONSES: list[Callable[..., Any]] = [explainable_variance, signal_to_noise, oracle_jackknife, oracle_conservative]


def both(score: Callable[..., Any]) -> Callable[..., Any]:
    """Return a score that takes predictions, whether it needs them or not."""
    if score in OF_PREDICTIONS:
        return score
    return lambda x, _, **options: score(x, **options)


ALL = [pytest.param(both(score), id=score.__name__) for score in [*OF_PREDICTIONS, *OF_RESPONSES]]


def codes(error: BadArgument) -> set[tuple[str, str]]:
    return {(problem.where, problem.code) for problem in error.problems}


@pytest.mark.parametrize("score", ALL)
@pytest.mark.parametrize(
    ("responses", "code"),
    [
        (np.zeros(6), "bad-shape"),
        (np.zeros((2, 3, 4)), "bad-shape"),
        (np.zeros((0, 3)), "bad-shape"),
        (np.zeros((3, 0)), "bad-shape"),
        (5.0, "bad-shape"),
        ([[1.0, 2.0], [3.0]], "bad-shape"),
        ([["a"], ["b"]], "bad-dtype"),
        (np.ones((2, 1), complex), "bad-dtype"),
        ([[None], [1.0]], "bad-dtype"),
        ([[1.0], [-np.inf]], "infinite"),
    ],
    ids=["flat", "cubic", "no-sample", "no-neuron", "number", "ragged", "text", "complex", "none", "infinite"],
)
def test_what_is_no_response_is_refused(score: Callable[..., Any], responses: Any, code: str) -> None:
    with pytest.raises(BadArgument, match="cannot be computed") as raised:
        score(responses, responses, stimulus=[0, 0])
    assert ("responses", code) in codes(raised.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    y = np.full((5, 2), np.inf)
    with pytest.raises(BadArgument) as raised:
        feve(X, y, stimulus=[0, 1])
    wanted = {("predictions", "infinite"), ("predictions", "bad-shape"), ("stimulus", "bad-stimulus")}
    assert codes(raised.value) == wanted
    assert "10 infinite values, the first is sample 0 of neuron 0" in str(raised.value)
    assert "(sample, neuron)" in raised.value.hint


@pytest.mark.parametrize(
    "score", [both(s) for s in [*OF_PREDICTIONS, *OF_RESPONSES] if s not in (correlation, poisson_loss)]
)
def test_scores_of_repeats_need_ids(score: Callable[..., Any]) -> None:
    with pytest.raises(BadArgument) as raised:
        score(X, Y)
    assert codes(raised.value) == {("stimulus", "no-stimulus")}


@pytest.mark.parametrize("score", ALL)
@pytest.mark.parametrize(
    "ids",
    [
        [0, 1, 2],
        7,
        [[0, 1], [2]],
        np.zeros((2, 6)),
        np.zeros((6, 2, 2)),
        np.array([0, 1, np.nan, 0, 1, 2]),
        np.zeros(6, complex),
        np.zeros((6, 0)),
        (range(6), range(5)),
    ],
    ids=["short", "one", "ragged", "turned", "cubic", "nan", "complex", "empty", "uneven"],
)
def test_what_is_no_id_of_each_sample_is_refused(score: Callable[..., Any], ids: Any) -> None:
    with pytest.raises(BadArgument) as raised:
        score(X, Y, stimulus=ids)
    assert codes(raised.value) == {("stimulus", "bad-stimulus")}


@pytest.mark.parametrize("score", ALL)
def test_policies_by_name(score: Callable[..., Any]) -> None:
    with pytest.raises(BadArgument, match="nan is 'omitt'") as raised:
        score(X, Y, stimulus=IDS, nan="omitt")
    assert "`omit`" in raised.value.hint


@pytest.mark.parametrize("eps", [-1e-8, np.nan, np.inf])
@pytest.mark.parametrize(
    "score", [correlation, correlation_to_average, poisson_loss, normalized_correlation, both(explainable_variance)]
)
def test_eps_is_0_or_more(score: Callable[..., Any], eps: float) -> None:
    with pytest.raises(BadArgument, match="eps is"):
        score(X, Y, stimulus=IDS, eps=eps)


def test_other_options_that_are_none() -> None:
    with pytest.raises(BadArgument, match="reduction is 'median'"):
        poisson_loss(X, Y, reduction="median")  # type: ignore[arg-type]
    for score in (correlation_to_average, normalized_correlation):
        with pytest.raises(BadArgument, match="film, frame"):
            score(X, Y, stimulus=IDS, per_film=True)


@pytest.mark.parametrize("score", ALL)
@pytest.mark.parametrize("place", ["responses", "predictions"])
def test_nan_goes_through_to_its_neuron_alone(score: Callable[..., Any], place: str) -> None:
    x, y = X.copy(), Y.copy()
    (x if place == "responses" else y)[3, 1] = np.nan
    whole, made = score(X, Y, stimulus=IDS), score(x, y, stimulus=IDS)
    assert made[0] == whole[0] or np.isnan([made[0], whole[0]]).all()
    if place == "responses" or score in OF_PREDICTIONS:
        assert np.isnan(made[1])


@pytest.mark.parametrize("score", ALL)
def test_nan_is_refused_where_that_is_asked_for(score: Callable[..., Any]) -> None:
    x = X.copy()
    x[3:5, 1] = np.nan
    with pytest.raises(BadArgument) as raised:
        score(x, Y, stimulus=IDS, nan="raise")
    assert ("responses", "nan") in codes(raised.value)
    assert "2 NaN values, the first is sample 3 of neuron 1" in str(raised.value)
    np.testing.assert_array_equal(score(X, Y, stimulus=IDS, nan="raise"), score(X, Y, stimulus=IDS))


@settings(deadline=None)
@given(recordings(least=1, most=5), st.data())
def test_what_is_left_out_is_as_if_it_had_never_been_there(recorded: Recorded, data: st.DataObject) -> None:
    # Of each neuron, drop its samples with NaN, then the stimuli that are left with one: that is what "omit" does.
    x, y, ids = recorded.responses.copy(), recorded.predictions.copy(), recorded.stimulus
    holes = data.draw(st.lists(st.integers(0, x.size - 1), max_size=6))
    for place, array in zip(holes, [x, y] * 3, strict=False):
        array.flat[place] = np.nan
    # No ratio of quarters is at this threshold, so rounding decides nothing.
    explained: Callable[..., Any] = partial(feve, threshold=0.15071)
    for score in (correlation, correlation_to_average, explained, normalized_correlation, poisson_loss):
        made = score(x, y, stimulus=ids, nan="omit")
        for neuron, value in enumerate(made):
            left = ~(np.isnan(x[:, neuron]) | np.isnan(y[:, neuron]))
            if not left.any():
                assert np.isnan(value)
                continue
            column = [values[left][:, [neuron]] for values in (x, y)]
            alone = score(*column, stimulus=ids[left], nan="omit")
            if score is normalized_correlation and not left.all():
                continue  # presentations can no longer be told apart: below
            np.testing.assert_allclose(value, alone[0], rtol=1e-7, atol=1e-7)


@settings(deadline=None)
@given(recordings(least=1, most=5))
def test_stimuli_shown_once_say_nothing_of_noise_and_are_left_out(recorded: Recorded) -> None:
    x, ids = recorded.responses, recorded.stimulus
    known, counts = np.unique(ids, return_counts=True)
    total = x.var(axis=0, ddof=1) if len(x) > 1 else np.full(x.shape[1], np.nan)
    within = [x[ids == one].var(axis=0, ddof=1) for one in known[counts > 1]]
    made = explainable_variance(x, stimulus=ids, nan="omit")
    if not within:
        assert np.isnan(made).all()
        return
    wanted = (total - np.mean(within, axis=0)) / (total + 1e-9)
    np.testing.assert_allclose(made, wanted, rtol=1e-9, atol=1e-9)


def test_normalised_correlation_without_some_samples() -> None:
    rng = np.random.default_rng(0)
    ids = np.tile(np.arange(30), 4)
    x = 3 * np.sin(ids)[:, None] + rng.normal(size=(120, 3))
    y = np.repeat(np.sin(ids)[:, None], 3, axis=1)
    holed = x.copy()
    holed[7, 1] = np.nan
    whole, made = normalized_correlation(x, y, stimulus=ids), normalized_correlation(holed, y, stimulus=ids, nan="omit")
    np.testing.assert_array_equal(made[[0, 2]], whole[[0, 2]])
    left = np.arange(120) != 7
    alone = normalized_correlation(x[left], y[left], stimulus=ids[left])
    assert made[1] == pytest.approx(alone[1], rel=1e-12)
    assert made[1] == pytest.approx(whole[1], abs=0.01)


def test_trials_without_a_sample_are_left_out() -> None:
    x, y, trial = X.copy(), Y, [0, 0, 0, 1, 1, 1]
    x[:3, 0] = np.nan
    made = correlation_per_trial(x, y, trial=trial, nan="omit")
    assert made[0] == correlation(X[3:], Y[3:])[0]
    assert np.isnan(correlation_per_trial(x, y, trial=trial)).tolist() == [True, False]


def test_a_constant_neuron_stays_one_without_its_first_stimulus() -> None:
    x, y = np.full((6, 1), 0.1), np.arange(6.0)[:, None]
    x[[0, 3]] = np.nan
    assert np.isnan(feve(x, y, stimulus=IDS, nan="omit")[0])
    assert np.isnan(oracle_conservative(x, stimulus=IDS, nan="omit")[0])
    assert explainable_variance(x, stimulus=IDS, nan="omit")[0] == 0
    assert oracle_jackknife(x, stimulus=IDS, nan="omit")[0] == 0


def test_nothing_that_was_passed_in_is_changed() -> None:
    x, y, ids = X.copy(), Y.copy(), np.array(IDS)
    for array in (x, y, ids):
        array.setflags(write=False)
    for score in OF_PREDICTIONS:
        score(x, y, stimulus=ids)
    for score in OF_RESPONSES:
        score(x, stimulus=ids)
    assert (x == X).all()
