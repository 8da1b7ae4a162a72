"""Recordings to predict, and what a model says of each of their trials alone, put together here."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import sensorium_data as sd
from sensorium_data.loaders import WindowDataset
from sensorium_data.testing import write_sensorium2022, write_sensorium2023
from sensorium_data.zoo.facts import normalisation_of, session_facts
from sensorium_data.zoo.predicting import FilledInputWarning, predictions
from tests.zoo import tiny

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.evaluation import TrialPrediction
    from sensorium_data.streams import Streams
    from sensorium_data.zoo import Model


@dataclass(frozen=True)
class Mice:
    """Two mice that were shown films of one size; the first lost an eye for a while in a trial of train and one of oracle."""

    first: Path
    second: Path

    @property
    def both(self) -> list[Path]:
        return [self.first, self.second]


def two_mice(folder: Path) -> Mice:
    """Write them, with so many training trials that in each frame the animal runs in one: what never varies has no scale."""
    one = write_sensorium2023(folder, n_neurons=7, n_train=12, frame_shape=(6, 8), behavior_nan=True)
    name = "dynamic29156-11-10-Video-8744edeac3b4d1ce16b680916b5267ce"
    other = write_sensorium2023(folder, name=name, n_neurons=4, n_train=12, frame_shape=(6, 8), holes=True, seed=5)
    sd.convert(one, folder / "first.zarr")
    sd.convert(other, folder / "second.zarr")
    return Mice(folder / "first.zarr", folder / "second.zarr")


def some_images(folder: Path) -> Path:
    """Write a recording of images, one eye lost for a while."""
    source = write_sensorium2022(folder, kind="splus", n_neurons=6, n_train=8, frame_shape=(16, 32), behavior_nan=True)
    sd.convert(source, folder / "images.zarr")
    return folder / "images.zarr"


def streams_of(*stores: Path) -> tuple[Streams, ...]:
    return WindowDataset(stores, tier=None, window="trial").streams


def model_of(*stores: Path, how: Any = "official", step: int = 1, **config: Any) -> tiny.Tiny:
    streams = streams_of(*stores)
    units = normalisation_of(streams, how, step=step)
    name = "tiny" if streams[0].handle.document.identity.modality == "dynamic" else "tiny-images"
    torch.manual_seed(3)
    return tiny.build(name, session_facts(streams, units), config, normalisation=units)


def predicted(model: Model, sessions: Any, **options: Any) -> list[TrialPrediction]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FilledInputWarning)
        return list(predictions(model, sessions, **options))


@cache
def stored(where: Path, trial_id: int) -> dict[str, NDArray[Any]]:
    """The arrays of one trial."""
    trial = sd.open_session(where).trial(trial_id)
    return {name: trial[name].values for name in ("video", "image", "pupil", "running", "gaze") if name in trial}


@cache
def train_mean(where: Path, name: str) -> NDArray[np.float64]:
    """The mean of each channel over the samples of the training trials that have one."""
    table = sd.open_session(where).trials
    trials = [stored(where, int(k)) for k in table.trial_id.values[table.tier.values == "train"]]
    samples = [trial[name] if "video" in trial else trial[name][None] for trial in trials]
    found: NDArray[np.float64] = np.nanmean(np.concatenate(samples), axis=0, dtype=np.float64)
    return found


def by_hand(model: Model, where: Path, session: str, trial_id: int) -> NDArray[np.float32]:
    """What the model says of one trial, whose arrays are put together here."""
    trial = stored(where, trial_id)
    film = trial.get("video", trial.get("image"))
    assert film is not None
    lead = film.shape[:1] if "video" in trial else ()
    parts = {name: trial[name].astype(np.float64) for name in ("pupil", "running", "gaze")}
    parts = {name: np.where(np.isnan(one), train_mean(where, name), one) for name, one in parts.items()}
    behavior = np.concatenate([parts[name].reshape(*lead, -1) for name in ("pupil", "running")], axis=-1)
    beside = [torch.from_numpy(each.astype(np.float32))[None] for each in (behavior, parts["gaze"])]
    made = model.predict(torch.from_numpy(film)[None], *beside, session=session)
    return made.numpy() if "image" in trial else made[0].numpy()


def assert_by_hand(model: Model, stores: Iterable[Path], tiers: list[str], made: list[TrialPrediction]) -> None:
    wanted, ids = [], {}
    for store in stores:
        session = sd.open_session(store)
        table, key = session.trials, session.document.identity.key
        chosen = np.isin(table.tier.values, tiers) & ~table.missing.values
        wanted += [(key, int(k), store) for k in table.trial_id.values[chosen]]
        ids[key] = session.neurons.unit_id.values
    assert [(one.session, one.trial_id) for one in made] == [each[:2] for each in wanted]
    for one, (key, trial_id, store) in zip(made, wanted, strict=True):
        assert one.values.dtype == np.float32
        np.testing.assert_allclose(one.values, by_hand(model, store, key, trial_id), atol=1e-5, rtol=1e-5)
        np.testing.assert_array_equal(one.unit_ids, ids[key])
