"""Each preset gives what its definition gives by hand on the published files, per frame, per window, per neuron."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.evaluation.predictions import TrialPrediction
from sensorium_data.evaluation.presets import preset as named
from sensorium_data.evaluation.scoring import evaluate
from tests.evaluation import scored

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.evaluation.predictions import ResponseScale
    from tests.evaluation.scored import Made

FILMS = ("s23-server", "s23-head", "mouse-mean", "per-trial")
TIERS = ("oracle", "final_test_bonus")
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9, "equal_nan": True}


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Made]:
    folder = tmp_path_factory.mktemp("mice")
    return scored.films(folder, 0, 5), scored.films(folder, 1, 8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return scored.images(tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize("preset", FILMS)
def test_films(mice: tuple[Made, Made], preset: str) -> None:
    tiers = (*TIERS, "live_test_bonus")  # where one presentation is cut short
    predictions = [each for made in mice for each in made.predictions(*tiers)]
    done = evaluate(predictions, [made.store for made in mice], tier=tiers, preset=preset, n_bootstrap=0)
    single: dict[str, list[np.ndarray]] = {}
    for made in mice:
        for tier in tiers:
            got = done.of(made.key, tier)
            np.testing.assert_array_equal(got.unit_ids, made.unit_ids)
            wanted: dict[Any, Any] = {
                "single_trial_correlation": scored.single_trial(made, preset, tier),
                "correlation_to_average": scored.to_average(made, preset, tier),
                "feve": scored.feve(made, preset, tier),
                "poisson_loss": scored.loss(made, preset, tier),
                "oracle_jackknife": scored.jackknife(made, preset, tier),
            }
            for name, values in wanted.items():
                np.testing.assert_allclose(got.values[name], values, **CLOSE, err_msg=f"{made.key} {tier} {name}")
            assert got.n_frames == sum(len(frames) for _, frames, _, _ in made.joined(preset, tier))
            single.setdefault(tier, []).append(wanted["single_trial_correlation"])
    for tier, each in single.items():
        score = done.report.of(tier=tier).measure("single_trial_correlation")
        wanted_mean = np.mean([np.mean(one) for one in each]) if preset == "mouse-mean" else np.concatenate(each).mean()
        assert score is not None
        assert score.value == pytest.approx(wanted_mean, abs=1e-12)
        assert score.n_neurons == 13


@pytest.mark.parametrize(("preset", "lengths"), [("s23-server", (249, 189)), ("s23-head", (250, 190))])
def test_windows_of_240_300_and_315_frames(mice: tuple[Made, Made], preset: str, lengths: tuple[int, int]) -> None:
    made = mice[0]
    done = evaluate(made.predictions(*TIERS), made.store, tier=TIERS, preset=preset, n_bootstrap=0)
    long, short = lengths
    assert {each.n_valid for each in made.of("oracle")} == {300}
    assert done.of(made.key, "oracle").n_frames == len(made.of("oracle")) * long
    assert {each.n_valid for each in made.of("final_test_bonus", "GaussianDot")} == {315}
    assert done.of(made.key, "final_test_bonus", "GaussianDot").n_frames == 3 * long
    assert {each.n_valid for each in made.of("final_test_bonus", "RandomDots")} == {240}
    assert done.of(made.key, "final_test_bonus", "RandomDots").n_frames == 2 * short


def test_kinds_of_a_tier_are_scored_apart(mice: tuple[Made, Made]) -> None:
    made, tier = mice[0], "final_test_bonus"
    done = evaluate(made.predictions(tier), made.store, tier=tier, n_bootstrap=0)
    assert done.of(made.key).kinds == ("GaussianDot", "RandomDots")
    for kind in ("GaussianDot", "RandomDots"):
        got = done.of(made.key, tier, kind).values
        wanted = scored.single_trial(made, "s23-server", tier, kind)
        np.testing.assert_allclose(got["single_trial_correlation"], wanted, **CLOSE)
        wanted = scored.to_average(made, "s23-server", tier, kind)
        np.testing.assert_allclose(got["correlation_to_average"], wanted, **CLOSE)
    assert [score.kind for score in done.report.scores] == ["", "GaussianDot", "RandomDots"]
    assert {score.preset for score in done.report.scores} == {"s23-server"}


def test_a_tier_of_one_kind_has_one_row(mice: tuple[Made, Made]) -> None:
    done = evaluate(mice[0].predictions("oracle"), mice[0].store, n_bootstrap=0)
    (only,) = done.report.scores
    assert (only.tier, only.kind, only.kinds) == ("oracle", "", ("NaturalVideo",))


def test_images(pictures: Made) -> None:
    done = evaluate(pictures.predictions("test"), pictures.store, tier="test", n_bootstrap=0)
    got = done.of(pictures.key).values
    assert done.preset.name == "s22"
    by_hand: dict[Any, Any] = {
        "single_trial_correlation": scored.single_trial(pictures, "s22", "test"),
        "correlation_to_average": scored.to_average(pictures, "s22", "test"),
        "feve": scored.feve(pictures, "s22", "test"),
        "poisson_loss": scored.loss(pictures, "s22", "test"),
        "oracle_jackknife": scored.jackknife(pictures, "s22", "test"),
    }
    for name, values in by_hand.items():
        np.testing.assert_allclose(got[name], values, **CLOSE, err_msg=name)
    feve = done.report.of().measure("feve")
    wanted = scored.feve(pictures, "s22", "test")
    assert feve is not None
    assert feve.value == pytest.approx(np.nanmean(wanted), rel=1e-9)
    assert feve.n_neurons == int((~np.isnan(wanted)).sum())


def test_images_shown_once_have_no_scores_of_repeats(pictures: Made) -> None:
    done = evaluate(pictures.predictions("validation"), pictures.store, n_bootstrap=0)
    assert done.of(pictures.key).tier == "validation"
    assert list(done.of(pictures.key).values) == ["single_trial_correlation", "poisson_loss"]


def test_frames_shown_once_have_no_noise_and_are_scored_all_the_same(tmp_path: Path) -> None:
    made, tier = scored.films(tmp_path, n_repeats=2), "live_test_bonus"
    shown = {len(one) for one in scored.by_stimulus(made, "s23-server", tier).values()}
    assert shown == {1, 2}
    got = evaluate(made.predictions(tier), made.store, tier=tier, n_bootstrap=0).of(made.key).values
    np.testing.assert_allclose(got["feve"], scored.feve(made, "s23-server", tier), **CLOSE)
    np.testing.assert_allclose(got["correlation_to_average"], scored.to_average(made, "s23-server", tier), **CLOSE)
    np.testing.assert_allclose(got["oracle_jackknife"], scored.jackknife(made, "s23-server", tier), **CLOSE)


@pytest.mark.parametrize("given", ["raw", "per_neuron", "official"])
@pytest.mark.parametrize("wanted", ["raw", "per_neuron", "official"])
def test_predictions_in_any_scale_are_brought_to_that_of_the_preset(
    mice: tuple[Made, Made], given: ResponseScale, wanted: ResponseScale
) -> None:
    made = mice[0]
    rules = replace(named("s23-server"), scaling=wanted)
    plain = evaluate(made.predictions("oracle"), made.store, preset=rules, n_bootstrap=0).of(made.key)
    gain = {each.trial_id: _gain(made, each, given) for each in made.trials}
    scaled = (
        TrialPrediction(one.session, one.trial_id, one.values * gain[one.trial_id], one.unit_ids, scaling=given)
        for one in made.predictions("oracle")
    )
    got = evaluate(scaled, made.store, preset=rules, n_bootstrap=0).of(made.key)
    for name, values in plain.values.items():
        np.testing.assert_allclose(got.values[name], values, rtol=1e-7, atol=1e-9, equal_nan=True, err_msg=name)


def _gain(made: Made, trial: scored.Trial, scaling: ResponseScale) -> np.ndarray:
    if scaling == "official":
        return np.asarray(trial.precision)
    train = np.concatenate([each.raw for each in made.of("train")])
    return np.asarray(scored.precision(train.std(axis=0)[None]) if scaling == "per_neuron" else np.ones((1, 1)))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("preset", FILMS)
def test_perfect_predictions_score_one(mice: tuple[Made, Made], preset: str, tier: str) -> None:
    made = mice[0]
    perfect = (TrialPrediction(made.key, each.trial_id, each.raw, made.unit_ids) for each in made.of(tier))
    values = evaluate(perfect, made.store, tier=tier, preset=preset, n_bootstrap=0).of(made.key).values
    for name in ("single_trial_correlation", "correlation_to_average"):
        np.testing.assert_allclose(values[name], 1, atol=1e-5)
    known = values["feve"][~np.isnan(values["feve"])]
    assert (known >= 1).all()  # there is no error at all, and so less than the noise
