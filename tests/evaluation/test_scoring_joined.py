"""Predictions are joined by name: their order, the order of their neurons and where they begin change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import BadArgument, DataInvalid
from sensorium_data.evaluation.presets import preset as named
from sensorium_data.evaluation.scoring import evaluate
from sensorium_data.schemas.score import ScoreReport
from tests.evaluation import scored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sensorium_data.evaluation.outcome import Evaluation
    from sensorium_data.evaluation.predictions import TrialPrediction
    from tests.evaluation.scored import Made

TIERS = ("oracle", "final_test_bonus")


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Made]:
    folder = tmp_path_factory.mktemp("mice")
    return scored.films(folder, 0, 5), scored.films(folder, 1, 8)


@pytest.fixture(scope="module")
def in_order(mice: tuple[Made, Made]) -> Evaluation:
    return evaluate(_all(mice), [made.store for made in mice], tier=TIERS, n_bootstrap=20)


def _all(mice: Iterable[Made]) -> list[TrialPrediction]:
    return [each for made in mice for each in made.predictions(*TIERS)]


def _score(made: Made, predictions: Iterable[TrialPrediction], **given: Any) -> Evaluation:
    asked: dict[str, Any] = {"tier": "oracle", "n_bootstrap": 0} | given
    return evaluate(predictions, made.store, **asked)


@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_any_order_and_any_order_of_neurons(mice: tuple[Made, Made], in_order: Evaluation, data: st.DataObject) -> None:
    given = []
    for one in data.draw(st.permutations(_all(mice))):
        order = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(len(one.unit_ids))
        first = data.draw(st.integers(0, 50))
        given.append(replace(one, values=one.values[first:, order], unit_ids=one.unit_ids[order], first_frame=first))
    stores = data.draw(st.permutations([made.store for made in mice]))
    done = evaluate(iter(given), stores, tier=TIERS, n_bootstrap=20)
    for each in in_order.neurons:
        got = done.of(each.session, each.tier, each.kind)
        for name, values in each.values.items():
            np.testing.assert_allclose(got.values[name], values, rtol=1e-10, atol=1e-10, equal_nan=True, err_msg=name)
        before, after = (one.report.of(each.session, each.tier, each.kind) for one in (in_order, done))
        for mine, its in zip(before.measures, after.measures, strict=True):
            assert [mine.low, mine.high] == pytest.approx([its.low, its.high])


def test_neurons_that_were_selected_are_scored_alone(mice: tuple[Made, Made], in_order: Evaluation) -> None:
    made = mice[1]
    handle = sd.open_session(made.store).handle.select(np.array([6, 1, 3]))
    with pytest.raises(DataInvalid, match="names 5 neurons that the session has not") as refused:
        evaluate(made.predictions("oracle"), handle, tier="oracle")
    assert refused.value.code == "neurons-unknown"
    done = evaluate(made.predictions("oracle"), handle, tier="oracle", neurons="common", n_bootstrap=0)
    got, whole = done.of(made.key), in_order.of(made.key, "oracle")
    np.testing.assert_array_equal(got.unit_ids, made.unit_ids[[6, 1, 3]])
    for name, values in whole.values.items():
        np.testing.assert_allclose(got.values[name], values[[6, 1, 3]], rtol=1e-12, equal_nan=True)


def test_some_neurons_only_where_that_is_asked_for(mice: tuple[Made, Made], in_order: Evaluation) -> None:
    made = mice[0]
    some = [
        replace(one, values=one.values[:, [4, 0]], unit_ids=one.unit_ids[[4, 0]]) for one in made.predictions("oracle")
    ]
    with pytest.raises(DataInvalid, match="lacks 3 neurons"):
        _score(made, some)
    done = _score(made, some, neurons="common")
    np.testing.assert_array_equal(done.of(made.key).unit_ids, made.unit_ids[[0, 4]])
    wanted = in_order.of(made.key, "oracle").values["single_trial_correlation"][[0, 4]]
    np.testing.assert_allclose(done.of(made.key).values["single_trial_correlation"], wanted)
    assert [note.code for note in done.report.notes if note.code == "common-neurons"] == ["common-neurons"]
    (session,) = done.report.sessions
    assert (session.n_neurons, session.n_scored) == (5, 2)


def test_other_tiers_are_passed_over_and_counted(mice: tuple[Made, Made]) -> None:
    made = mice[0]
    done = _score(made, made.predictions(*TIERS))
    assert {each.tier for each in done.neurons} == {"oracle"}
    (note,) = [note for note in done.report.notes if note.code == "other-tiers"]
    assert note.text.startswith(f"{len(made.of('final_test_bonus'))} predictions")


def _one(
    change: Callable[[TrialPrediction], TrialPrediction],
) -> Callable[[list[TrialPrediction]], list[TrialPrediction]]:
    return lambda all_: [change(all_[0]), *all_[1:]]


SPOILT: dict[str, tuple[Callable[[list[TrialPrediction]], list[TrialPrediction]], str]] = {
    "trials-lacking": (lambda all_: all_[:-2], "2 of 5 trials have no prediction"),
    "trial-twice": (lambda all_: [*all_, all_[1]], "was predicted before"),
    "no-such-trial": (lambda all_: [*all_, replace(all_[0], trial_id=999)], "trial 999: the session has no such trial"),
    "no-such-session": (lambda all_: [*all_, replace(all_[0], session="29515-10-21")], "did you mean `29515-10-12`"),
    "frames-lacking": (_one(lambda one: replace(one, first_frame=60, values=one.values[60:-20])), "50 to 59 and 280 to 298 lack"),
    "frames-beyond": (_one(lambda one: replace(one, first_frame=10)), "ends with frame 309, the trial with 299"),
    "neurons-twice": (_one(lambda one: replace(one, unit_ids=one.unit_ids[[0, 1, 2, 3, 3]])), "names 1 neuron twice"),
    "neurons-lacking": (
        _one(lambda one: replace(one, values=one.values[:, 1:], unit_ids=one.unit_ids[1:])), "lacks 1 neuron ("),
    "neurons-unknown": (
        _one(lambda one: replace(one, values=one.values[:, [0, 1, 2, 3, 4, 4]], unit_ids=np.append(one.unit_ids, 9000))),
        "names 1 neuron that the session has not (9000)"),
    "infinite": (_one(lambda one: replace(one, values=np.where(one.values > 9, np.inf, one.values))), "infinite values"),
}  # fmt: skip


@pytest.mark.parametrize("code", SPOILT)
def test_what_does_not_fit_is_named(mice: tuple[Made, Made], code: str) -> None:
    spoil, said = SPOILT[code]
    with pytest.raises(DataInvalid) as refused:
        _score(mice[0], spoil(list(mice[0].predictions("oracle"))))
    assert refused.value.code == code
    assert said in str(refused.value)
    assert refused.value.hint


def test_everything_that_is_wrong_is_named_at_once(mice: tuple[Made, Made]) -> None:
    one, *others = mice[0].predictions("oracle")
    wrong = [replace(one, values=one.values[:30]), others[0], others[0], replace(others[1], session="x"), *others[2:]]
    with pytest.raises(DataInvalid) as refused:
        _score(mice[0], wrong)
    codes = {problem.code for problem in refused.value.problems}
    assert codes == {"frames-lacking", "trial-twice", "no-such-session", "trials-lacking"}
    assert refused.value.code == "predictions-unfit"


def test_predictions_of_other_neurons_in_each_trial(mice: tuple[Made, Made]) -> None:
    one, *others = mice[0].predictions("oracle")
    fewer = [replace(one, values=one.values[:, 1:], unit_ids=one.unit_ids[1:]), *others]
    with pytest.raises(DataInvalid, match="other neurons were predicted"):
        _score(mice[0], fewer, neurons="common")


@pytest.mark.parametrize(
    ("given", "said"),
    [({"neurons": "some"}, "neurons is"), ({"n_bootstrap": -1}, "n_bootstrap"), ({"level": 1.0}, "level 1.0"),
     ({"silent": "no"}, "silent is"), ({"preset": "s23-sever"}, "s23-sever"), ({"tier": "orakle"}, "did you mean `oracle`")],
)  # fmt: skip
def test_calls_that_no_data_could_make_right(mice: tuple[Made, Made], given: dict[str, Any], said: str) -> None:
    with pytest.raises((BadArgument, sd.errors.NoSuchItem)) as refused:
        _score(mice[0], mice[0].predictions("oracle"), **given)
    assert said in str(refused.value) + refused.value.hint


def test_what_is_no_prediction(mice: tuple[Made, Made]) -> None:
    wrong: Any = [np.zeros((300, 5))]
    with pytest.raises(BadArgument, match="is a TrialPrediction, not ndarray"):
        _score(mice[0], wrong)


# -- neurons without a prediction


@pytest.mark.parametrize(("nan", "lowers"), [("zero", True), ("keep", False), ("omit", False)])
def test_nan_counts_as_the_preset_says_and_is_noted(
    mice: tuple[Made, Made], in_order: Evaluation, nan: Any, lowers: bool
) -> None:
    made = mice[0]
    spoilt = [
        replace(one, values=np.where(np.arange(5) == 2, np.nan, one.values)) for one in made.predictions("oracle")
    ]
    done = _score(made, spoilt, preset=replace(named("s23-server"), nan=nan))
    whole = in_order.of(made.key, "oracle").values["single_trial_correlation"]
    wanted = {"zero": np.where(np.arange(5) == 2, 0, whole).mean(), "keep": None, "omit": np.delete(whole, 2).mean()}[
        nan
    ]
    for name in ("single_trial_correlation", "correlation_to_average"):
        got = done.report.of().measure(name)
        assert got is not None
        if name == "single_trial_correlation":
            assert got.value == (None if wanted is None else pytest.approx(wanted))
        assert got.n_neurons == (5 if lowers else 4)
    assert any(note.code == "nan-scores" and "1 of 5 neurons" in note.text for note in done.report.notes)
    feve = done.report.of().measure("feve")
    assert feve is not None
    assert (feve.value is None) == (nan == "keep")  # a neuron that was not predicted is not one without signal
    assert ScoreReport.model_validate_json(done.report.model_dump_json()) == done.report


def test_nan_is_refused_where_the_preset_says_so(mice: tuple[Made, Made]) -> None:
    spoilt = [
        replace(one, values=np.where(np.arange(5) == 2, np.nan, one.values)) for one in mice[0].predictions("oracle")
    ]
    with pytest.raises(DataInvalid, match="1 of 5 neurons"):
        _score(mice[0], spoilt, preset=replace(named("s23-server"), nan="raise"))


def test_a_model_that_says_nan_alone_has_no_score_at_all(mice: tuple[Made, Made]) -> None:
    nothing = [replace(one, values=np.full_like(one.values, np.nan)) for one in mice[0].predictions("oracle")]
    with pytest.raises(DataInvalid, match="5 of 5 neurons") as refused:
        _score(mice[0], nothing)
    assert refused.value.code == "nan-scores"


def test_a_rate_below_zero_has_no_poisson_loss(mice: tuple[Made, Made]) -> None:
    below = [replace(one, values=one.values - 5) for one in mice[0].predictions("oracle")]
    done = _score(mice[0], below)
    loss, single = (done.report.of().measure(name) for name in ("poisson_loss", "single_trial_correlation"))
    assert loss is not None
    assert single is not None
    assert loss.value is None
    assert single.value is not None
    assert any(note.code == "negative-predictions" for note in done.report.notes)
