"""Scores by hand, from the published .npy files alone: no line of the package is used but the writers and the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import sensorium_data as sd
from sensorium_data.evaluation.predictions import TrialPrediction
from sensorium_data.testing import (
    describe_sensorium2022,
    describe_sensorium2023,
    write_sensorium2022,
    write_sensorium2023,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Final bonus of the first shows dots, of 315 frames, and random dots, of 240; of the second pink noise and gratings.
MICE = (
    "dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20",
    "dynamic29755-2-8-Video-9b4f6a1a067fe51e15306b9628efea20",
)
LENGTHS = {
    "NaturalVideo": 300,
    "Gabor": 300,
    "GaussianDot": 315,
    "RandomDots": 240,
    "PinkNoise": 324,
    "NaturalImages": 305,
}
EPS = 1e-8
WINDOWS = {"s22": (0, None, 0), "s23-server": (50, 300, 1), "s23-head": (50, 300, 0)}
WINDOWS |= {"mouse-mean": WINDOWS["s23-server"], "per-trial": WINDOWS["s23-server"]}


@dataclass(frozen=True)
class Trial:
    trial_id: int
    tier: str
    film: str
    label: str
    n_valid: int
    raw: Any  # (time, neuron), as published
    precision: Any  # (time, neuron), NaN where nothing was published


@dataclass(frozen=True)
class Made:
    """A recording as it was published, its store, and predictions of every trial in stored units."""

    key: str
    source: Path
    store: Path
    unit_ids: Any
    trials: tuple[Trial, ...]
    predicted: dict[int, Any]

    def of(self, tier: str, label: str = "") -> list[Trial]:
        return [each for each in self.trials if each.tier == tier and label in ("", each.label)]

    def predictions(self, *tiers: str) -> Iterator[TrialPrediction]:
        for each in self.trials:
            if each.tier in tiers:
                yield TrialPrediction(self.key, each.trial_id, self.predicted[each.trial_id], self.unit_ids)

    def joined(self, preset: str, tier: str, label: str = "") -> list[tuple[Trial, Any, Any, Any]]:
        """Trial, frames, responses and predictions of what is scored, in published units."""
        skip, limit, last = WINDOWS[preset]
        found = []
        for each in self.of(tier, label):
            frames = np.arange(skip, min(each.n_valid, limit or each.n_valid) - last)
            by = each.precision[frames]
            found.append((each, frames, each.raw[frames] * by, self.predicted[each.trial_id][frames] * by))
        return found


def films(folder: Path, number: int = 0, n_neurons: int = 5, *, n_repeats: int = 3, withhold: bool = False) -> Made:
    given: dict[str, Any] = {"name": MICE[number], "n_train": 3, "seed": number, "lengths": LENGTHS}
    given["n_repeats"] = n_repeats
    source = write_sensorium2023(
        folder, n_neurons=n_neurons, frame_shape=(6, 9), dtype="float32", withhold=withhold, **given
    )
    std = np.load(source / "meta/statistics/responses/all/std.npy").T.astype(np.float64)  # (time, neuron)
    gain = precision(std)
    trials = []
    for truth in describe_sensorium2023(withhold=withhold, **given):
        raw = np.load(source / f"data/responses/{truth.trial_id}.npy").T[: truth.n_valid].astype(np.float64)
        trials.append(
            Trial(truth.trial_id, truth.tier, truth.film, truth.label, truth.n_valid, raw, gain[: truth.n_valid])
        )
    return _made(folder, source, "-".join(MICE[number].removeprefix("dynamic").split("-")[:3]), trials)


def images(folder: Path, n_neurons: int = 6, **given: Any) -> Made:
    given = {"n_train": 8, "n_validation": 3, "n_test": 5, "n_repeats": 4} | given
    source = write_sensorium2022(folder, n_neurons=n_neurons, frame_shape=(4, 6), **given)
    std = np.load(source / "meta/statistics/responses/all/std.npy").astype(np.float64)[None]
    trials = []
    for truth in describe_sensorium2022(**given):
        raw = np.load(source / f"data/responses/{truth.trial_id}.npy").astype(np.float64)[None]
        trials.append(Trial(truth.trial_id, truth.tier, truth.image, "", 1, raw, precision(std)))
    return _made(folder, source, "-".join(source.name.removeprefix("static").split("-")[:3]), trials)


def precision(std: Any) -> Any:
    """1 / std of each neuron (and frame), of those that hardly vary 1 / (a hundredth of the mean std)."""
    floor = 0.01 * np.nanmean(std)
    return np.where(np.isnan(std).all(axis=1, keepdims=True), np.nan, 1 / np.where(std > floor, std, floor))


def _made(folder: Path, source: Path, key: str, trials: list[Trial]) -> Made:
    store = folder / f"{key}.zarr"
    sd.convert(source, store)
    rng = np.random.default_rng(len(key))
    ids = np.load(source / "meta/neurons/unit_ids.npy")
    predicted = {each.trial_id: np.abs(each.raw + rng.normal(2, 6, each.raw.shape)) + 0.01 for each in trials}
    return Made(key, source, store, ids, tuple(trials), predicted)


# -- definitions, one neuron after another


def correlation(x: Any, y: Any) -> float:
    x, y = x - x.mean(), y - y.mean()
    return float(np.mean(x / (np.sqrt(np.mean(x * x)) + EPS) * y / (np.sqrt(np.mean(y * y)) + EPS)))


def single_trial(made: Made, preset: str, tier: str, label: str = "") -> Any:
    pieces = made.joined(preset, tier, label)
    if preset == "per-trial":
        return np.mean([columns(r, p, correlation) for _, _, r, p in pieces], axis=0)
    responses, predictions = (np.concatenate([piece[k] for piece in pieces]) for k in (2, 3))
    return columns(responses, predictions, correlation)


def columns(x: Any, y: Any, score: Any) -> Any:
    return np.array([score(x[:, k], y[:, k]) for k in range(x.shape[1])])


def by_stimulus(made: Made, preset: str, tier: str, label: str = "") -> dict[tuple[str, int], list[tuple[Any, Any]]]:
    """Responses and predictions, (neuron,) both, of each presentation of each frame."""
    found: dict[tuple[str, int], list[tuple[Any, Any]]] = {}
    for trial, frames, responses, predictions in made.joined(preset, tier, label):
        for frame, response, prediction in zip(frames.tolist(), responses, predictions, strict=True):
            found.setdefault((trial.film, frame), []).append((response, prediction))
    return found


def to_average(made: Made, preset: str, tier: str, label: str = "") -> Any:
    groups = by_stimulus(made, preset, tier, label).values()
    responses, predictions = (np.array([np.mean([pair[k] for pair in one], axis=0) for one in groups]) for k in (0, 1))
    return columns(responses, predictions, correlation)


def feve(made: Made, preset: str, tier: str) -> Any:
    """NaN where less than 15 % of the variance can be explained; stimuli shown once have no noise to speak of."""
    groups = list(by_stimulus(made, preset, tier).values())
    pairs = [pair for one in groups for pair in one]
    responses = np.array([pair[0] for pair in pairs])
    total = responses.var(axis=0, ddof=1)
    noise = np.mean([np.var([pair[0] for pair in one], axis=0, ddof=1) for one in groups if len(one) > 1], axis=0)
    error = np.mean([(pair[0] - pair[1]) ** 2 for pair in pairs], axis=0)
    return np.where((total - noise) / total >= 0.15, 1 - (error - noise) / (total - noise), np.nan)


def loss(made: Made, preset: str, tier: str) -> Any:
    responses, predictions = (np.concatenate([piece[k] for piece in made.joined(preset, tier)]) for k in (2, 3))
    return np.mean(predictions - responses * np.log(predictions + EPS), axis=0)


def jackknife(made: Made, preset: str, tier: str) -> Any:
    rows = []
    for one in by_stimulus(made, preset, tier).values():
        responses = np.array([pair[0] for pair in one])
        for k in range(len(responses)):
            others = np.delete(responses, k, axis=0)
            rows.append((responses[k], others.mean(axis=0) if len(others) else np.zeros(len(responses[k]))))
    return columns(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), correlation)
