"""What a model is given: what was published, where it brings nothing of its own; means, where something is missing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import sensorium_data as sd
from sensorium_data.errors import BadArgument
from sensorium_data.loaders import WindowDataset, collate, official2022, official2023
from sensorium_data.zoo import Normalisation
from sensorium_data.zoo.facts import normalisation_of, session_facts
from sensorium_data.zoo.predicting import FilledInputWarning, predictions
from tests.zoo import tiny
from tests.zoo.byhand import Mice, model_of, predicted, some_images, streams_of, two_mice

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.progress import Progress


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Mice:
    return two_mice(tmp_path_factory.mktemp("mice"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return some_images(tmp_path_factory.mktemp("images"))


# -- models that bring no normalisation


def test_films_for_a_model_without_normalisation_are_as_published(mice: Mice) -> None:
    streams = streams_of(mice.second)
    model = tiny.build("tiny", session_facts(streams, normalisation_of(streams)), normalisation=Normalisation())
    made = predicted(model, mice.second, tier="oracle", batch_size=3)
    dataset = WindowDataset(mice.second, tier="oracle", window="trial", transform=official2023())
    assert len(made) == len(dataset) > 0
    for one, item in zip(made, dataset, strict=True):
        batch = collate([item])
        wanted = model.predict(batch.videos[:, 0], batch.behavior.mT, batch.pupil_center.mT, session=one.session)
        np.testing.assert_allclose(one.values, wanted[0].numpy(), atol=1e-5, rtol=1e-5)
        assert one.scaling == "official"


def test_images_for_a_model_without_normalisation_are_as_published(images: Path) -> None:
    """Shrunk to the size that the model sees, and its neurons known by their places alone, as in the weights of 2022."""
    streams = streams_of(images)
    (facts,) = session_facts(streams, normalisation_of(streams, step=4))
    assert facts.coordinates is not None
    centred = facts.coordinates - facts.coordinates.mean(0)
    centred /= np.abs(centred[:, :2]).max()
    centred[:, 2] = np.nan
    unknown = tiny.facts(facts.key, 6, unit_ids=np.full(6, -1), coordinates=centred, source_digest="", n_behavior=3,
                         image_shape=(1, 4, 8))  # fmt: skip
    model = tiny.build("tiny-images", [unknown], normalisation=Normalisation())
    made = predicted(model, images, tier="final_test", batch_size=3)
    dataset = WindowDataset(images, tier="final_test", transform=official2022(scale=0.25))
    assert len(made) == len(dataset) > 0
    for one, item in zip(made, dataset, strict=True):
        batch = collate([item])
        wanted = model.predict(batch.images, batch.behavior, batch.pupil_center, session=one.session)
        np.testing.assert_allclose(one.values, wanted.numpy(), atol=1e-5, rtol=1e-5)
        np.testing.assert_array_equal(one.unit_ids, facts.unit_ids)
    swapped = tiny.facts(facts.key, 6, **{name: getattr(unknown, name) for name in ("unit_ids", "source_digest", "n_behavior", "image_shape")},
                         coordinates=centred[[1, 0, 2, 3, 4, 5]])  # fmt: skip
    with pytest.raises(BadArgument, match="2 neurons that lie elsewhere"):
        predictions(tiny.build("tiny-images", [swapped], normalisation=Normalisation()), images, tier="test")


# -- what is missing


def test_what_is_missing_is_filled_and_counted(mice: Mice) -> None:
    model, session = model_of(mice.first), sd.open_session(mice.first)
    n = dict.fromkeys(("pupil", "running", "gaze"), 0)
    for k in session.trials.trial_id.values[session.trials.tier.values == "oracle"]:
        for name in n:
            values = session.trial(int(k))[name].values
            n[name] += int(np.isnan(values.reshape(len(values), -1)).any(1).sum())
    assert n["pupil"] > 1
    with pytest.warns(FilledInputWarning) as caught:
        made = list(predictions(model, mice.first, tier=["oracle", "live_test_bonus"], batch_size=4))
    assert len(caught) == 1
    said = str(caught[0].message)
    assert said.startswith("29515-10-12: ")
    assert f"{n['pupil']} samples of pupil" in said
    assert ("running" in said) == bool(n["running"])
    assert " in 1 trial are missing" in said
    assert all(np.isfinite(one.values).all() for one in made)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(predictions(model, mice.first, tier="live_test_bonus"))


def test_without_a_mean_what_is_missing_is_named(tmp_path: Path) -> None:
    pupil = np.ones(40)
    pupil[25] = np.nan
    sd.write_session(
        tmp_path / "own.zarr",
        identity="own",
        signals=[
            sd.SignalData("responses", np.ones((40, 2), np.float32), unit="1", rate_hz=30),
            sd.SignalData("pupil", pupil, unit="px", rate_hz=30),
        ],
        trials={
            "start_s": [0, 20 / 30],
            "stop_s": [20 / 30, 40 / 30],
            "tier": ["test", "test"],
            "stimulus": ["a", "b"],
        },
        stimuli={name: np.full((20, 4, 6), 7, np.uint8) for name in "ab"},
        frame_rate_hz=30,
    )
    facts = tiny.facts(
        "own", 2, unit_ids=np.arange(2), image_shape=(1, 4, 6), n_behavior=1, n_pupil_center=0, source_digest=""
    )
    model = tiny.build("tiny", [facts], normalisation=Normalisation())
    model.normalisation = normalisation_without_behavior()
    with pytest.raises(BadArgument, match="own, trial 1: `pupil` is missing, and there is no mean") as raised:
        list(predictions(model, tmp_path / "own.zarr", tier="test"))
    assert raised.value.code == "input-nan"


def normalisation_without_behavior() -> Normalisation:
    from sensorium_data.scales import Scale

    return Normalisation({"own": {"stimulus": Scale.by_std(np.ones((1, 1, 1, 1)))}}, scaling="raw")


def test_a_film_that_ends_before_its_trial_is_seen_to_its_end(tmp_path: Path) -> None:
    sd.write_session(
        tmp_path / "own.zarr",
        identity="own",
        signals=[sd.SignalData("responses", np.ones((60, 2), np.float32), unit="1", rate_hz=30)],
        trials={"start_s": [0, 1], "stop_s": [1, 2], "tier": ["train", "train"], "stimulus": ["a", "b"]},
        stimuli={"a": np.full((30, 4, 6), 7, np.uint8), "b": np.full((21, 4, 6), 90, np.uint8)},
        frame_rate_hz=30,
    )
    facts = tiny.facts(
        "own", 2, unit_ids=np.arange(2), image_shape=(1, 4, 6), n_behavior=0, n_pupil_center=0, source_digest=""
    )
    model = tiny.build("tiny", [facts], {"sees_all": True}, normalisation=normalisation_without_behavior())
    made = predicted(model, tmp_path / "own.zarr", tier="train")
    assert [one.stop_frame for one in made] == [30, 21]
    model = tiny.build("tiny", [facts], {"n_lost": 25}, normalisation=normalisation_without_behavior())
    with pytest.raises(BadArgument, match="own, trial 1 has 21 frames, 5 fewer than the 26 that one answer rests on"):
        predictions(model, tmp_path / "own.zarr", tier="train")


# -- precision, device, progress


def test_half_precision_is_of_the_network_alone(mice: Mice) -> None:
    model = model_of(mice.second)
    seen = []
    model.core.register_forward_hook(lambda _module, _given, made: seen.append(made.dtype))
    whole = predicted(model, mice.second, tier="oracle")
    generator = predictions(model, mice.second, tier="oracle", precision="bfloat16")
    one = next(generator)
    assert not torch.is_autocast_enabled("cpu")  # of whoever asks, nothing is changed between two answers
    half = [one, *generator]
    assert set(seen) == {torch.float32, torch.bfloat16}
    for one, other in zip(whole, half, strict=True):
        assert other.values.dtype == np.float32
        np.testing.assert_allclose(one.values, other.values, atol=0.05)
    with pytest.raises(BadArgument, match="precision is 'float64'"):
        predictions(model, mice.second, tier="oracle", precision="float64")  # type: ignore[arg-type]


def test_a_model_in_training_goes_on_in_it(mice: Mice) -> None:
    model = model_of(mice.second)
    model.train()
    for _ in predictions(model, mice.second, tier="oracle", device="cpu"):
        assert model.training


def test_progress_counts_trials(mice: Mice) -> None:
    told: list[Progress] = []
    made = predicted(model_of(*mice.both), mice.both, tier="oracle", batch_size=2, report=told.append)
    assert (told[-1].done, told[-1].total, told[-1].unit) == (len(made), len(made), "trials")
    assert [each.done for each in told] == sorted(each.done for each in told)


def test_nothing_is_read_before_the_first_is_asked_for_and_no_more_than_asked(mice: Mice) -> None:
    model, calls = model_of(*mice.both), []
    model.core.register_forward_hook(lambda *_: calls.append(1))
    generator = predictions(model, mice.both, tier="live_test_main", batch_size=2)
    assert not calls
    next(generator)
    assert len(calls) == 1
    generator.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(calls) == 1
