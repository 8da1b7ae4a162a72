"""Accumulators: any split of the samples, in any order, merged by any tree, is the function on everything at once."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.evaluation import correlations, likelihood, normalized, oracles, variances
from sensorium_data.evaluation.accumulators import (
    CorrelationAccumulator,
    PoissonAccumulator,
    TrialCorrelationAccumulator,
)
from sensorium_data.evaluation.repeataccumulator import RepeatAccumulator, RepeatMetric
from sensorium_data.evaluation.stimulusgroups import grouped, occurrences
from tests.evaluation.metricsbyhand import Recorded, recordings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sensorium_data.evaluation.samples import NanPolicy

pytestmark = pytest.mark.once

POLICIES: list[NanPolicy] = ["propagate", "omit"]
OF_PREDICTIONS: dict[RepeatMetric, Callable[..., Any]] = {
    "correlation_to_average": correlations.correlation_to_average,
    # No ratio of quarters is at this threshold, so rounding decides nothing.
    "feve": partial(variances.feve, threshold=0.15071),
    "normalized_correlation": normalized.normalized_correlation,
}
OF_RESPONSES: dict[RepeatMetric, Callable[..., Any]] = {
    "explainable_variance": variances.explainable_variance,
    "oracle_jackknife": oracles.oracle_jackknife,
    "oracle_conservative": oracles.oracle_conservative,
}
ANY: Any = None


def same(made: NDArray[Any], wanted: NDArray[Any], scale: float = 1.0) -> None:
    np.testing.assert_allclose(made, wanted, rtol=1e-10, atol=1e-10 * scale)


@st.composite
def splits(draw: st.DrawFn, n_samples: int) -> list[NDArray[np.intp]]:
    """Return all samples, shuffled and cut into parts, none of them empty."""
    order = np.array(draw(st.permutations(range(n_samples))), np.intp)
    cuts = sorted(draw(st.sets(st.integers(1, n_samples - 1), max_size=5))) if n_samples > 1 else []
    return np.split(order, cuts)


def merged(parts: Sequence[Any], empty: Callable[[], Any], data: st.DataObject) -> Any:
    """Return one accumulator of all, merged two by two at random; some travel as arrays, and some saw nothing."""
    parts = [*parts, empty()]
    while len(parts) > 1:
        one, other = (parts.pop(data.draw(st.integers(0, len(parts) - 1))) for _ in range(2))
        if data.draw(st.booleans()):
            other = type(other).from_state(other.state())
        parts.append(one.merge(other))
    return parts[0]


def holed(recorded: Recorded, data: st.DataObject) -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = recorded.responses.copy(), recorded.predictions.copy()
    for place in data.draw(st.lists(st.integers(0, x.size - 1), max_size=3)):
        x.flat[place] = np.nan
    return x, y


@settings(deadline=None)
@given(recordings(), st.sampled_from(POLICIES), st.data())
def test_correlation_and_loss_from_any_parts(recorded: Recorded, nan: NanPolicy, data: st.DataObject) -> None:
    x, y = holed(recorded, data)
    pairs: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
        (CorrelationAccumulator, correlations.correlation),
        (PoissonAccumulator, likelihood.poisson_loss),
        (partial(PoissonAccumulator, reduction="sum"), partial(likelihood.poisson_loss, reduction="sum")),
    ]
    for kind, score in pairs:
        empty = partial(kind, nan=nan)
        parts = []
        for part in data.draw(splits(len(x))):
            parts.append(empty())
            parts[-1].update(x[part], y[part], stimulus=recorded.stimulus[part])
        same(
            merged(parts, empty, data).value(), score(x, y, nan=nan), scale=1 if kind is CorrelationAccumulator else 1e3
        )


@settings(deadline=None)
@given(recordings(), st.sampled_from(POLICIES), st.data())
def test_scores_of_repeats_from_any_parts(recorded: Recorded, nan: NanPolicy, data: st.DataObject) -> None:
    x, y = holed(recorded, data)
    ids = recorded.stimulus
    numbers = occurrences(grouped((ids,)))
    empty = partial(RepeatAccumulator, nan=nan)
    parts = []
    for part in data.draw(splits(len(x))):
        parts.append(empty())
        parts[-1].update(x[part], y[part], stimulus=ids[part], repeat=numbers[part])
    whole = merged(parts, empty, data)
    for name, score in OF_PREDICTIONS.items():
        made = whole.feve(threshold=0.15071) if name == "feve" else whole.value(name)
        same(made, score(x, y, stimulus=ids, nan=nan), scale=1 if name == "correlation_to_average" else 1e3)
    if nan == "propagate":  # with "omit" a sample without prediction would be left out of its responses' scores too
        for name, score in OF_RESPONSES.items():
            same(whole.value(name), score(x, stimulus=ids, nan=nan))


@settings(deadline=None)
@given(recordings(), st.sampled_from(POLICIES), st.data())
def test_scores_of_responses_alone_from_any_parts(recorded: Recorded, nan: NanPolicy, data: st.DataObject) -> None:
    x, _ = holed(recorded, data)
    films = (recorded.stimulus // 2, np.array(["a", "b"])[recorded.stimulus % 2])  # names and numbers
    x = np.abs(x)
    plain, counted = partial(RepeatAccumulator, nan=nan), partial(RepeatAccumulator, nan=nan, transform="anscombe")
    for empty, scores in ((plain, OF_RESPONSES), (counted, {"signal_to_noise": variances.signal_to_noise})):
        parts = []
        for part in data.draw(splits(len(x))):
            parts.append(empty())
            parts[-1].update(x[part], stimulus=tuple(column[part] for column in films))
        whole = merged(parts, empty, data)
        for name, score in scores.items():
            made, wanted = whole.value(name), score(x, stimulus=films, nan=nan)
            # Where repeats of 0.1 vary by rounding alone the ratio is as good as infinite.
            same(np.where(made > 1e12, np.inf, made), np.where(wanted > 1e12, np.inf, wanted), scale=1e3)


@settings(deadline=None)
@given(recordings(), st.sampled_from(POLICIES), st.data())
def test_trials_one_by_one(recorded: Recorded, nan: NanPolicy, data: st.DataObject) -> None:
    x, y = holed(recorded, data)
    trial = recorded.stimulus
    empty = partial(TrialCorrelationAccumulator, nan=nan)
    parts = []
    for one in np.unique(trial):
        parts.append(empty())
        parts[-1].update(x[trial == one], y[trial == one])
    same(merged(parts, empty, data).value(), correlations.correlation_per_trial(x, y, trial=trial, nan=nan))


def test_a_large_mean_costs_no_digits() -> None:
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(3000, 3)), rng.normal(size=(3000, 3))
    y, ids = x + noise, np.arange(3000) % 50
    seen, repeats = CorrelationAccumulator(), RepeatAccumulator()
    for part in np.array_split(np.arange(3000), 41):
        seen.update(x[part] + 1e9, y[part] + 1e9)
        repeats.update(x[part] + 1e9, y[part] + 1e9, stimulus=ids[part])
    # The numbers themselves were rounded to 1e9 × 1.1e-16; sums of squares would be off by hundreds.
    np.testing.assert_allclose(seen.value(), correlations.correlation(x, y), atol=1e-6)
    average = correlations.correlation_to_average(x, y, stimulus=ids)
    np.testing.assert_allclose(repeats.correlation_to_average(), average, atol=1e-6)
    explained = variances.explainable_variance(x, stimulus=ids)
    np.testing.assert_allclose(repeats.explainable_variance(), explained, atol=1e-6)


def test_states_are_plain_arrays_that_can_be_saved_without_pickle() -> None:
    rng = np.random.default_rng(0)
    x, y, ids = rng.gamma(1.0, size=(8, 2)), rng.gamma(1.0, size=(8, 2)), np.arange(8) % 3
    fixed = PoissonAccumulator(reduction="sum", eps=1e-6)
    fixed.update(x, y)
    repeats = RepeatAccumulator(nan="omit")
    repeats.update(x, y, stimulus=(["one", "two"] * 4, ids), repeat=np.arange(8))
    pairs: list[tuple[Any, Callable[[Any], Any]]] = [
        (fixed, lambda made: made.value()),
        (repeats, lambda made: made.value("oracle_jackknife")),
        (CorrelationAccumulator(), lambda made: made.n_neurons),
        (RepeatAccumulator(), lambda made: made.n_stimuli),
    ]
    for held, look in pairs:
        file = io.BytesIO()
        np.savez(file, **held.state())
        file.seek(0)
        with np.load(file, allow_pickle=False) as saved:
            made = type(held).from_state(saved)
        np.testing.assert_array_equal(look(made), look(held))
        assert set(made.state()) == set(held.state())


def test_merging_leaves_the_other_as_it_was() -> None:
    x, ids = np.arange(6.0).reshape(3, 2), [0, 1, 0]
    for one, other in (
        (CorrelationAccumulator(), CorrelationAccumulator()),
        (RepeatAccumulator(), RepeatAccumulator()),
    ):
        other.update(x, x + 1, stimulus=ids)
        before = other.state()
        one.merge(other)  # type: ignore[arg-type]
        one.merge(other)  # type: ignore[arg-type]
        one.update(x, x, stimulus=ids)
        for name, values in other.state().items():
            np.testing.assert_array_equal(values, before[name])


def test_every_score_of_repeats_has_a_method_and_a_function() -> None:
    functions = {**OF_PREDICTIONS, **OF_RESPONSES, "signal_to_noise": variances.signal_to_noise}
    assert set(functions) == set(get_args(RepeatMetric))
    assert all(callable(getattr(RepeatAccumulator, name)) for name in get_args(RepeatMetric))


def test_many_stimuli_one_at_a_time() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.gamma(1.0, size=(300, 2)), rng.gamma(1.0, size=(300, 2))
    ids = rng.permutation(np.repeat(np.arange(100), 3))
    seen = RepeatAccumulator()
    for sample in range(300):
        seen.update(x[[sample]], y[[sample]], stimulus=ids[[sample]])
    assert seen.n_stimuli == 100
    same(seen.feve(threshold=-np.inf), variances.feve(x, y, stimulus=ids, threshold=-np.inf))


def test_scores_that_cannot_be_made_say_what_they_lack() -> None:
    x = np.arange(8.0).reshape(4, 2)
    silent, plain = RepeatAccumulator(), RepeatAccumulator()
    for score in (CorrelationAccumulator().value, partial(silent.value, "feve")):
        with pytest.raises(BadArgument, match="no sample yet"):
            score()
    plain.update(x, stimulus=[0, 0, 1, 1])
    for metric, why in (
        ("feve", "there were none"),
        ("signal_to_noise", "transform"),
        ("normalised", "no score of repeats"),
        ("normalized_correlation", "there were none"),
    ):
        with pytest.raises(BadArgument, match=why):
            plain.value(metric)  # type: ignore[arg-type]
    silent.update(x, x, stimulus=[0, 0, 1, 1])
    with pytest.raises(BadArgument, match="number of each presentation"):
        silent.normalized_correlation()
    numbered = RepeatAccumulator()
    numbered.update(x, x, stimulus=[0, 0, 1, 1], repeat=[0, 1, 0, 1])
    assert np.isfinite(numbered.normalized_correlation()).all()
    with pytest.raises(BadArgument, match="number of each presentation"):
        numbered.merge(silent).normalized_correlation()


def test_what_does_not_fit_is_refused_and_nothing_is_taken_in() -> None:
    x, ids = np.arange(8.0).reshape(4, 2), [0, 0, 1, 1]
    fixed, repeats = CorrelationAccumulator(nan="raise"), RepeatAccumulator(nan="raise")
    fixed.update(x, x[::-1])
    repeats.update(x, x[::-1], stimulus=ids)
    before = fixed.state(), repeats.state()
    bad = np.full((4, 2), np.nan)
    for update in (
        lambda: fixed.update(x[:, :1], x[:, :1]),
        lambda: fixed.update(x, bad),
        lambda: fixed.update(x, x[:2]),
        lambda: repeats.update(x[:, :1], x[:, :1], stimulus=ids),
        lambda: repeats.update(x, stimulus=ids),
        lambda: repeats.update(x, bad, stimulus=ids),
        lambda: repeats.update(x, x, stimulus=(ids, ids)),
        lambda: repeats.update(x, x, stimulus=ids, repeat=[0, 1]),
        lambda: fixed.merge(CorrelationAccumulator()),
        lambda: fixed.merge(PoissonAccumulator(nan="raise")),  # type: ignore[arg-type]
        lambda: repeats.merge(RepeatAccumulator()),
        lambda: repeats.merge(RepeatAccumulator(nan="raise", transform="anscombe")),
    ):
        with pytest.raises(BadArgument):
            update()
    for now, was in zip((fixed.state(), repeats.state()), before, strict=True):
        for name, values in now.items():
            np.testing.assert_array_equal(values, was[name])


@pytest.mark.parametrize(
    "make",
    [
        lambda: CorrelationAccumulator(eps=-1),
        lambda: CorrelationAccumulator(nan=ANY),
        lambda: PoissonAccumulator(reduction=ANY),
        lambda: TrialCorrelationAccumulator(nan=ANY),
        lambda: RepeatAccumulator(nan=ANY),
        lambda: RepeatAccumulator(transform=ANY),
        lambda: CorrelationAccumulator.from_state({}),
        lambda: CorrelationAccumulator.from_state({"eps": 0.1, "nan": "omit", "n": [1]}),
        lambda: RepeatAccumulator.from_state({}),
        lambda: RepeatAccumulator.from_state({"nan": "omit", "transform": "none", "error": [0.0]}),
    ],
)
def test_options_and_states_that_are_none(make: Callable[[], object]) -> None:
    with pytest.raises(BadArgument):
        make()


def test_a_state_whose_arrays_do_not_fit_together() -> None:
    seen = CorrelationAccumulator()
    seen.update([[1.0, 2.0]], [[1.0, 2.0]])
    with pytest.raises(BadArgument, match="differ in shape"):
        CorrelationAccumulator.from_state(seen.state() | {"mean_x": np.zeros(3)})
