"""Only tiers that have responses are scored; the others are refused by name, before a prediction is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.errors import BadArgument, DataInvalid, NoSuchItem
from sensorium_data.evaluation.asked import ask
from sensorium_data.evaluation.ceilings import ceilings
from sensorium_data.evaluation.predictions import TrialPrediction
from sensorium_data.evaluation.presets import preset as named
from sensorium_data.evaluation.scoring import evaluate
from sensorium_data.evaluation.truth import Recording
from sensorium_data.handle import SessionHandle
from sensorium_data.testing import make_session
from tests.evaluation import scored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.evaluation.scored import Made

SHORT = replace(named("s23-server"), skip=3)


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return scored.films(tmp_path_factory.mktemp("hidden"), withhold=True)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return scored.images(tmp_path_factory.mktemp("hidden"), kind="splus")


def _never() -> Iterator[TrialPrediction]:
    pytest.fail("a prediction was asked for")
    yield


def own(folder: Path, *, silent: tuple[int, ...] = (), n_neurons: int = 3, **given: Any) -> Path:
    """A recording of one's own: ten trials of 40 samples, some of them without a single spike."""
    spikes = np.random.default_rng(0).poisson(2.0, (400, n_neurons)).astype(np.float32)
    for trial in silent:
        spikes[40 * trial : 40 * trial + 40] = 0
    sd.write_session(
        folder / "own.zarr", identity="own", signals=[sd.SignalData("responses", spikes, unit="spikes", rate_hz=20)],
        trials={"start_s": 2 * np.arange(10), "stop_s": 2 * np.arange(10) + 2,
                "tier": ["train"] * 4 + ["validation"] * 6} | given,
    )  # fmt: skip
    return folder / "own.zarr"


# -- withheld


@pytest.mark.parametrize("tier", ["live_test_main", "final_test_bonus"])
def test_withheld_responses_are_refused_by_name(hidden: Made, tier: str) -> None:
    with pytest.raises(DataInvalid) as refused:
        evaluate(_never(), hidden.store, tier=tier)
    assert refused.value.code == "withheld"
    assert str(refused.value) == f"{hidden.key}, tier {tier}: the responses of 5 trials are withheld"
    assert refused.value.hint == f"tiers that can be scored: {hidden.key}: oracle, train"


def test_every_withheld_tier_is_named(hidden: Made) -> None:
    with pytest.raises(DataInvalid) as refused:
        evaluate(_never(), hidden.store, tier=("oracle", "live_test_main", "live_test_bonus"))
    assert [problem.where for problem in refused.value.problems] == [
        f"{hidden.key}, tier live_test_main",
        f"{hidden.key}, tier live_test_bonus",
    ]
    assert refused.value.code == "withheld"


def test_withheld_images_are_refused(pictures: Made) -> None:
    with pytest.raises(DataInvalid, match=r"tier final_test: the responses of \d+ trials are withheld"):
        evaluate(_never(), pictures.store, tier="final_test")
    assert [each.tier for each in ask(pictures.store).tiers] == ["validation"]


def test_tiers_that_are_not_there(hidden: Made) -> None:
    with pytest.raises(NoSuchItem, match="no tier `orcale`") as refused:
        evaluate(_never(), hidden.store, tier="orcale")
    assert "did you mean `oracle`?" in str(refused.value)
    with pytest.raises(NoSuchItem):
        evaluate(_never(), hidden.store, tier="none")  # what missing trials are listed under


def test_the_default_is_every_validation_tier(hidden: Made, tmp_path: Path) -> None:
    assert [each.tier for each in ask(hidden.store).tiers] == ["oracle"]
    store = own(tmp_path, tier=["train"] * 10)
    with pytest.raises(DataInvalid, match="no session has a tier of role `validation`") as refused:
        ask(store, preset=replace(SHORT, scaling="raw"))
    assert refused.value.hint.startswith("tiers that can be scored: own: train")


# -- zeros that nobody flagged


def test_zeros_without_a_flag_are_refused(tmp_path: Path) -> None:
    store = own(tmp_path, silent=(5, 7))
    rules = replace(SHORT, scaling="raw")
    with pytest.raises(DataInvalid) as refused:
        evaluate(_never(), store, preset=rules)
    assert refused.value.code == "all-zero"
    assert str(refused.value) == "own, tier validation: every response of 2 of 6 trials is zero (5, 7)"
    recording = Recording(SessionHandle(store))
    given = [
        TrialPrediction("own", each.trial_id, np.ones((40, 3)), recording.unit_ids)
        for each in recording.tier("validation").trials.values()
    ]
    done = evaluate(given, store, preset=rules, silent="score", n_bootstrap=0)
    assert done.of("own").n_trials == 6


def test_a_few_neurons_that_are_silent_are_no_zeros(tmp_path: Path) -> None:
    store = make_session(tmp_path, n_neurons=6)
    handle = sd.open_session(store).handle
    trial = next(iter(Recording(handle).tier("oracle").trials.values()))
    quiet = int(np.argmin(np.abs(Recording(handle).responses(trial, 0, 30)[0]).max(axis=0)))
    recording = Recording(handle.select(np.array([quiet])))
    recording.responses = lambda *_: (np.zeros((20, 1)), np.ones(20, bool))  # type: ignore[method-assign]
    assert recording.silent(recording.tier("oracle")) == ()  # all neurons are looked at, whichever are selected


# -- windows, modalities, statistics


def test_trials_shorter_than_the_window(tmp_path: Path) -> None:
    store = make_session(tmp_path, n_neurons=3)
    with pytest.raises(DataInvalid) as refused:
        evaluate(_never(), store)
    assert refused.value.code == "window-empty"
    assert "5 trials have 30 frames, of which preset s23-server scores none" in str(refused.value)
    assert "skip=" in refused.value.hint


def test_films_and_images_are_not_scored_together(hidden: Made, pictures: Made) -> None:
    with pytest.raises(BadArgument, match="scored by different presets"):
        ask([hidden.store, pictures.store])


def test_a_preset_whose_statistics_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="no shipped statistics") as refused:
        ask(own(tmp_path), preset=SHORT)
    assert refused.value.code == "statistics-missing"
    (only,) = ask(tmp_path / "own.zarr", preset=replace(SHORT, scaling="per_neuron")).tiers
    assert len(only.trials) == 6


def test_a_recording_without_responses(tmp_path: Path) -> None:
    given = [sd.SignalData("running", np.ones(50), unit="cm/s", rate_hz=10)]
    sd.write_session(tmp_path / "s.zarr", identity="s", signals=given)
    with pytest.raises(BadArgument, match="has no `responses`"):
        ask(tmp_path / "s.zarr")


def test_trials_without_a_stimulus_are_no_repeats(tmp_path: Path) -> None:
    (only,) = ask(own(tmp_path), preset=replace(SHORT, scaling="raw")).tiers
    assert not only.repeated
    assert len({each.stimulus for each in only.trials.values()}) == 6


# -- values


@pytest.mark.parametrize("scaling", ["raw", "official"])
def test_responses_are_those_that_were_published(hidden: Made, scaling: Any) -> None:
    recording = Recording(SessionHandle(hidden.store))
    for each in hidden.of("oracle"):
        trial = recording.tier("oracle").trials[each.trial_id]
        assert (trial.n_frames, trial.kind) == (each.n_valid, each.label)
        values, valid = recording.responses(trial, 40, 300, scaling)
        wanted = each.raw[40:] * (each.precision[40:] if scaling == "official" else 1)
        np.testing.assert_allclose(values, wanted, rtol=1e-12)
        assert valid.all()


def test_frames_without_a_valid_response_are_left_out_and_counted(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((400, 2))
    values[85:90, 1] = np.nan
    sd.write_session(
        tmp_path / "s.zarr", identity="s", signals=[sd.SignalData("responses", values, unit="1", rate_hz=20)],
        trials={"start_s": 2 * np.arange(10), "stop_s": 2 * np.arange(10) + 2, "tier": ["train", "train"] + ["validation"] * 8},
        allow_nan=True,
    )  # fmt: skip
    rules = replace(SHORT, scaling="raw", drop_last=0)
    recording = Recording(SessionHandle(tmp_path / "s.zarr"))
    rng = np.random.default_rng(2)
    given = {trial: rng.random((40, 2)) for trial in recording.tier("validation").trials}
    done = evaluate(
        (TrialPrediction("s", trial, one, recording.unit_ids) for trial, one in given.items()),
        tmp_path / "s.zarr", preset=rules, n_bootstrap=0,
    )  # fmt: skip
    kept = [
        np.delete(np.arange(3, 40), [2, 3, 4, 5, 6]) if trial == 2 else np.arange(3, 40) for trial in given
    ]  # frames 5 to 9 of the third trial
    pairs = [(values[40 * trial + rows], given[trial][rows]) for trial, rows in zip(given, kept, strict=True)]
    x, y = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    wanted = scored.columns(x, y, scored.correlation)
    np.testing.assert_allclose(done.of("s").values["single_trial_correlation"], wanted, rtol=1e-5)
    assert [note.text for note in done.report.notes if note.code == "invalid-frames"] == [
        "5 frames without a valid response of every neuron left out"
    ]


def test_ceilings_are_the_oracles_of_the_scores(hidden: Made) -> None:
    (alone,) = ceilings(hidden.store)
    beside = evaluate(hidden.predictions("oracle"), hidden.store, n_bootstrap=0).of(hidden.key)
    for name in ("oracle_jackknife", "oracle_conservative", "explainable_variance"):
        np.testing.assert_allclose(alone.values[name], beside.values[name], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(alone.values["oracle_jackknife"], scored.jackknife(hidden, "s23-server", "oracle"))
    with pytest.raises(DataInvalid, match="tier train: most stimuli are shown once"):
        ceilings(hidden.store, tier=("oracle", "train"))
