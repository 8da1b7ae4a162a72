"""Recordings that a model cannot answer for are named, all at once and before any of them is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.errors import BadArgument
from sensorium_data.loaders import WindowDataset
from sensorium_data.testing import make_session, write_sensorium2022, write_sensorium2023
from sensorium_data.zoo import Normalisation, SessionFacts
from sensorium_data.zoo.facts import normalisation_of, session_facts
from sensorium_data.zoo.predicting import predictions
from tests.zoo import tiny

if TYPE_CHECKING:
    from pathlib import Path

KEY = "29515-10-12"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_session(tmp_path_factory.mktemp("films"), n_neurons=5, n_train=2)


@pytest.fixture(scope="module")
def facts(store: Path) -> SessionFacts:
    streams = WindowDataset(store, window=10).streams
    (one,) = session_facts(streams, normalisation_of(streams))
    return one


@pytest.fixture(scope="module")
def units(store: Path) -> Normalisation:
    return normalisation_of(WindowDataset(store, window=10).streams)


def refused(store: Any, facts: SessionFacts, units: Normalisation, tier: Any = "oracle", **given: Any) -> BadArgument:
    options = {name: given.pop(name) for name in ("signals", "rate_hz") if name in given}
    model = tiny.build("tiny", [facts], given, normalisation=units)
    with pytest.raises(BadArgument) as raised:
        predictions(model, store, tier=tier, **options)  # it is not even begun
    return raised.value


def test_the_model_of_the_recording_is_taken(store: Path, facts: SessionFacts, units: Normalisation) -> None:
    assert list(predictions(tiny.build("tiny", [facts], normalisation=units), store, tier="oracle"))


def test_a_session_that_it_does_not_know(store: Path, facts: SessionFacts, units: Normalisation) -> None:
    said = refused(store, replace(facts, key="29515-10-13"), units)
    assert said.code == "no-such-session"
    assert "`29515-10-13`" in said.hint
    assert f"tiny cannot answer: {KEY} is none of the 1 session" in said.message


def test_another_recording_under_the_key(store: Path, facts: SessionFacts, units: Normalisation) -> None:
    assert refused(store, replace(facts, source_digest="00" * 32), units).code == "other-recording"
    model = tiny.build("tiny", [replace(facts, source_digest="")], normalisation=units)
    assert list(predictions(model, store, tier="oracle"))  # not known: neurons and films must do


def test_other_neurons(store: Path, facts: SessionFacts, units: Normalisation) -> None:
    said = refused(store, replace(facts, unit_ids=facts.unit_ids + 10_000, source_digest=""), units)
    assert said.code == "other-neurons"
    assert "lacks 5 of the model's 5 neurons" in said.message


def test_other_films(store: Path, facts: SessionFacts, units: Normalisation) -> None:
    said = refused(store, replace(facts, image_shape=(1, 18, 32)), units)
    assert said.code == "film-shape"
    assert f"{KEY} shows 36 × 64 pixels, the model sees 18 × 32" in said.message
    said = refused(store, replace(facts, image_shape=(1, 18, 30)), Normalisation())
    assert "36 × 64 pixels, the model sees 36 × 60" in said.message


def test_images_for_a_model_of_films(tmp_path: Path, facts: SessionFacts, units: Normalisation) -> None:
    source = write_sensorium2022(tmp_path, n_neurons=5, n_train=2, frame_shape=(16, 20))
    sd.convert(source, tmp_path / "images.zarr")
    key = sd.open_session(tmp_path / "images.zarr").document.identity.key
    said = refused(tmp_path / "images.zarr", replace(facts, key=key), units, tier="test")
    assert said.code == "other-modality"
    assert "is a recording of images, the model takes films" in said.message


def test_trials_shorter_than_the_receptive_field(store: Path, facts: SessionFacts, units: Normalisation) -> None:
    said = refused(store, facts, units, tier=["oracle", "live_test_bonus"], n_lost=30)
    assert said.code == "trial-too-short"
    assert "has 30 frames, 1 fewer than the 31 that one answer rests on" in said.message
    ids = [each.where for each in said.problems]
    table = sd.open_session(store).trials
    short = np.isin(table.tier.values, ["oracle", "live_test_bonus"]) & (table.n_valid.values < 31)
    assert len({said.message.split(",")[1].split()[1], *(each.rsplit(" ", 1)[1] for each in ids)}) == short.sum()


def test_of_many_short_trials_some_are_named(store: Path, facts: SessionFacts, units: Normalisation) -> None:
    table = sd.open_session(store).trials
    said = refused(store, facts, units, tier=None, n_lost=40)
    assert said.problems[-1].what == f"has {int((~table.missing.values).sum()) - 8} trials more that are too short"
    assert len(said.problems) == 8


def test_other_inputs(store: Path, facts: SessionFacts, units: Normalisation) -> None:
    said = refused(store, replace(facts, n_behavior=3), units)
    assert said.code == "other-inputs"
    assert "has 2 channels of behaviour (pupil and running), the model takes 3" in said.message
    one = replace(facts, n_behavior=1)
    assert "the model takes 1" in refused(store, one, units).message
    said = refused(store, one, units, signals=["running"])
    assert "has 0 channels of position of the pupil (no gaze), the model takes 2" in said.message


def test_inputs_that_it_was_trained_on_are_named(store: Path) -> None:
    streams = WindowDataset(store, window=10, signals=["video", "responses", "running"]).streams
    units = normalisation_of(streams)
    model = tiny.build("tiny", session_facts(streams, units), normalisation=units)
    one, *_ = predictions(model, store, tier="oracle", signals="running")
    trial = sd.open_session(store).trial(one.trial_id)
    import torch

    wanted = model.predict(
        torch.from_numpy(trial.video.values)[None], torch.from_numpy(trial.running.values)[None, :, None], session=KEY
    )
    np.testing.assert_allclose(one.values, wanted[0].numpy(), atol=1e-5)


def test_a_session_without_numbers(store: Path, facts: SessionFacts) -> None:
    units = Normalisation(normalisation_tables("another"), scaling="raw")
    assert refused(store, facts, units).code == "no-normalisation"


def normalisation_tables(key: str) -> Any:
    from sensorium_data.scales import Scale

    return {key: {"stimulus": Scale.by_std(np.ones((1, 1, 1, 1)))}}


def test_a_session_that_was_published_without_statistics_needs_a_model_that_has_them(
    tmp_path: Path,
) -> None:
    sd.write_session(
        tmp_path / "own.zarr",
        identity="own",
        signals=[sd.SignalData("responses", np.ones((30, 2), np.float32), unit="1", rate_hz=30)],
        trials={"start_s": [0], "stop_s": [1], "tier": ["train"], "stimulus": ["a"]},
        stimuli={"a": np.full((30, 4, 6), 7, np.uint8)},
        frame_rate_hz=30,
    )
    one = tiny.facts(
        "own", 2, unit_ids=np.arange(2), image_shape=(1, 4, 6), n_behavior=0, n_pupil_center=0, source_digest=""
    )
    assert refused(tmp_path / "own.zarr", one, Normalisation(), tier="train").code == "statistics-missing"


def test_all_that_is_wrong_is_named_at_once(
    store: Path, tmp_path: Path, facts: SessionFacts, units: Normalisation
) -> None:
    name = "dynamic29156-11-10-Video-8744edeac3b4d1ce16b680916b5267ce"
    sd.convert(write_sensorium2023(tmp_path, name=name, n_neurons=3, n_train=2), tmp_path / "other.zarr")
    strange = replace(facts, source_digest="00" * 32, image_shape=(1, 18, 32), n_pupil_center=1)
    said = refused([tmp_path / "other.zarr", store], strange, units, n_lost=29, tier=["oracle", "live_test_bonus"])
    codes = [said.code, *(each.code for each in said.problems)]
    assert codes[:4] == ["no-such-session", "other-recording", "film-shape", "other-inputs"]
    assert set(codes[4:]) == {"trial-too-short"}
    said = refused(store, strange, units, tier="oracles")
    assert [each.code for each in said.problems] == ["film-shape", "other-inputs", "no-such-tier"]
    assert said.code == "other-recording"
