"""Predictions of whole trials are what `Model.predict` says of each trial alone, however they are batched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.loaders import WindowDataset, collate
from sensorium_data.testing import write_sensorium2023
from sensorium_data.zoo.facts import normalisation_of, session_facts
from sensorium_data.zoo.predicting import predictions
from sensorium_data.zoo.registry import build
from sensorium_data.zoo.tensors import inputs_of
from tests.zoo.byhand import Mice, assert_by_hand, model_of, predicted, some_images, streams_of, two_mice

if TYPE_CHECKING:
    from pathlib import Path


ALL = ["train", "oracle", "live_test_main", "live_test_bonus", "final_test_main", "final_test_bonus"]
LENGTHS = {24, 29, 30, 31, 32}  # of the trials in these tiers


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Mice:
    return two_mice(tmp_path_factory.mktemp("mice"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return some_images(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("how", ["official", "fitted"])
@pytest.mark.parametrize("sees_all", [False, True])
def test_films_of_all_lengths_are_each_seen_alone(mice: Mice, how: str, sees_all: bool) -> None:
    model = model_of(*mice.both, how=how, sees_all=sees_all)
    made = predicted(model, mice.both, tier=ALL, batch_size=5)
    assert_by_hand(model, mice.both, ALL, made)
    assert {one.stop_frame for one in made} == LENGTHS
    assert {one.first_frame for one in made} == {3}
    assert {one.scaling for one in made} == {"official" if how == "official" else "per_neuron"}
    assert np.isfinite(np.concatenate([one.values.ravel() for one in made])).all()


@pytest.mark.parametrize("step", [1, 4])
def test_images_are_each_seen_alone(images: Path, step: int) -> None:
    model = model_of(images, step=step)
    made = predicted(model, images, tier=["test", "final_test", "train"], batch_size=5)
    assert_by_hand(model, [images], ["test", "final_test", "train"], made)
    assert {(one.first_frame, len(one.values)) for one in made} == {(0, 1)}


@pytest.mark.parametrize("name", ["ln3d", "factorised3d"])
def test_models_of_the_zoo_say_the_same_in_any_batch(name: str, tmp_path: Path) -> None:
    source = write_sensorium2023(tmp_path, n_neurons=5, n_train=2, frame_shape=(36, 64))
    sd.convert(source, tmp_path / "one.zarr")
    streams = streams_of(tmp_path / "one.zarr")
    units = normalisation_of(streams)
    small: dict[str, Any] = {"ln3d": {"hidden_channels": 4}, "factorised3d": {"hidden_channels": (3, 4, 4)}}
    model = build(name, session_facts(streams, units), small[name], normalisation=units)
    alone = predicted(model, tmp_path / "one.zarr", tier="live_test_bonus", batch_size=1)
    assert_by_hand(model, [tmp_path / "one.zarr"], ["live_test_bonus"], alone)
    for one, other in zip(alone, predicted(model, tmp_path / "one.zarr", tier="live_test_bonus"), strict=True):
        assert one.trial_id == other.trial_id
        np.testing.assert_allclose(one.values, other.values, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("batch_size", "n_threads"), [(1, 2), (2, 0), (7, 2), (100, 0)])
def test_batches_and_threads_change_nothing(mice: Mice, batch_size: int, n_threads: int) -> None:
    model = model_of(*mice.both, sees_all=True)
    one = predicted(model, mice.both, tier=ALL, batch_size=3)
    other = predicted(model, mice.both[::-1], tier=ALL[::-1], batch_size=batch_size, n_threads=n_threads)
    assert [each.session for each in other] != [each.session for each in one]
    found = {(each.session, each.trial_id): each for each in other}
    assert len(found) == len(one) == len(other)
    for each in one:
        np.testing.assert_allclose(found[each.session, each.trial_id].values, each.values, atol=1e-5, rtol=1e-5)


def test_all_ranks_predict_all(mice: Mice, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(mice.first)
    n = len(predicted(model, mice.first, tier="oracle"))
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert len(predicted(model, mice.first, tier="oracle")) == n


def test_tiers_are_those_of_the_loaders(mice: Mice) -> None:
    model = model_of(*mice.both)
    table = sd.open_session(mice.first).trials
    number = int(table.trial_id.values[table.tier.values == "oracle"][1])
    one = predicted(model, mice.first, tier={"trial_id": [number], "tier": "oracle"})
    assert [each.trial_id for each in one] == [number]
    numbers = [set(sd.open_session(store).trials.trial_id.values.tolist()) for store in mice.both]
    alone = min(numbers[1] - numbers[0])  # the first mouse has no such trial
    only = predicted(model, mice.both, tier={"trial_id": [alone]})
    assert [(each.session, each.trial_id) for each in only] == [("29156-11-10", alone)]
    with pytest.raises(sd.errors.NotFound, match="oracles"):
        predictions(model, mice.both, tier="oracles")


def test_selected_neurons_change_nothing(mice: Mice) -> None:
    """The answers are of the model's neurons: those of the session that it is asked for are for its responses."""
    model, session = model_of(mice.first), sd.open_session(mice.first)
    whole = predicted(model, session, tier="oracle")
    some = predicted(model, session.select(neurons=[5, 2]), tier="oracle")
    for one, other in zip(whole, some, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.unit_ids, other.unit_ids)


def test_a_model_of_some_neurons_answers_for_them(mice: Mice) -> None:
    session = sd.open_session(mice.first)
    model = model_of(session.select(neurons=[5, 2]))  # type: ignore[arg-type]  # whatever a data set takes
    made = predicted(model, mice.first, tier="oracle")
    assert {one.values.shape[1] for one in made} == {2}
    np.testing.assert_array_equal(made[0].unit_ids, session.neurons.unit_id.values[[5, 2]])


def test_another_rate_is_that_of_the_loaders(mice: Mice) -> None:
    model = model_of(mice.second, how="fitted")
    made = predicted(model, mice.second, tier="oracle", rate_hz=15)
    dataset = WindowDataset(mice.second, tier="oracle", window="trial", rate_hz=15)
    assert len(made) == len(dataset) > 0
    for one, item in zip(made, dataset, strict=True):
        wanted = model.predict(*inputs_of(collate([item])), session=one.session)
        np.testing.assert_allclose(one.values, wanted[0].numpy(), atol=1e-5)
