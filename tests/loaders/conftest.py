"""Small recordings that the tests of loaders share, made once; and no tests of loaders without torch."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.cached import cached_property
from sensorium_data.testing import write_sensorium2022, write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loaders.byhand import ByHand

# The second Python of CI has no torch, which is gigabytes; without it there is nothing here that could run.
collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["*.py"]

FIRST, SECOND = "29515-10-12", "29156-11-10"


@dataclass
class Mice:
    """Two mice that were shown films of one size, with different neurons; the second lacks some file numbers.

    Attributes
    ----------
    first, second : Path
        Stores, with 7 and 4 neurons.
    sources : tuple of Path
        As published.
    """

    first: Path
    second: Path
    sources: tuple[Path, Path]

    @property
    def both(self) -> list[Path]:
        return [self.first, self.second]

    @cached_property
    def by_hand(self) -> ByHand:
        """What the trials hold."""
        from tests.loaders.byhand import ByHand  # which needs torch

        return ByHand(self.both)


@pytest.fixture(scope="session")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Mice:
    folder = tmp_path_factory.mktemp("mice")
    one = write_sensorium2023(folder, n_neurons=7, frame_shape=(6, 9), behavior_nan=True)
    name = f"dynamic{SECOND}-Video-8744edeac3b4d1ce16b680916b5267ce"
    other = write_sensorium2023(folder, name=name, n_neurons=4, n_train=4, frame_shape=(6, 9), holes=True, seed=5)
    for source, key in ((one, FIRST), (other, SECOND)):
        sd.convert(source, folder / f"{key}.zarr")
    return Mice(folder / f"{FIRST}.zarr", folder / f"{SECOND}.zarr", (one, other))


@dataclass(frozen=True)
class Pictures:
    """A recording of single images: the store, and as published."""

    store: Path
    source: Path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    folder = tmp_path_factory.mktemp("pictures")
    source = write_sensorium2022(folder, kind="splus", n_neurons=6, frame_shape=(16, 20), behavior_nan=True)
    sd.convert(source, folder / "pictures.zarr")
    return Pictures(folder / "pictures.zarr", source)


@dataclass(frozen=True)
class Own:
    """A recording of one's own: responses at 8 Hz with a gap and phases, irregular running, films at 30 Hz.

    Attributes
    ----------
    store : Path
        Trials 0, 1 and 3 are for training, 2 for testing; each begins where the one before stops.
    other : Path
        The same but for trial 2, in which every sample and pixel is another.
    training : Path
        The same as the first, but all trials are for training.
    """

    store: Path
    other: Path
    training: Path


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    folder = tmp_path_factory.mktemp("own")
    stores = Own(*(folder / f"{name}.zarr" for name in ("one", "other", "training")))
    write_own(stores.store)
    write_own(stores.other, more=100)
    write_own(stores.training, test_tier="train")
    return stores


def write_own(target: Path, *, more: int = 0, test_tier: str = "live_test_main") -> None:
    rng = np.random.default_rng(0)
    ends = [1, 1 + 80 / 30, 6, 8.5, 11]
    times = {
        "responses": np.concatenate([np.arange(70), np.arange(73, 104)]) / 8,  # the gap is in the last trial
        "pupil": 0.013 + np.arange(260) / 20,
        "running": np.sort(rng.uniform(0, 12.5, 250)),
    }
    values = {"responses": rng.normal(size=(101, 3)), "pupil": rng.normal(size=260), "running": rng.normal(size=250)}
    for name, at in times.items():
        values[name][(at >= ends[2]) & (at < ends[3])] += more
    films = {name: np.full((n, 4, 6), i + 1, np.uint8) for i, (name, n) in enumerate((("a", 81), ("b", 70), ("d", 70)))}
    sd.write_session(
        target,
        identity="own",
        signals=[
            sd.SignalData(
                "responses", values["responses"].astype(np.float32), unit="1", rate_hz=8, runs=[(0, 70), (73 / 8, 31)]
            ),
            sd.SignalData("pupil", values["pupil"], unit="px", rate_hz=20, start_s=0.013),
            sd.SignalData("running", values["running"], unit="cm/s", times_s=times["running"]),
        ],
        neurons={"offset_s": [0, 0.03, 0.08]},
        trials={
            "start_s": ends[:-1],
            "stop_s": ends[1:],
            "tier": ["train", "train", test_tier, "train"],
            "stimulus": ["a", "b", "c", "d"],
        },
        stimuli=films | {"c": np.full((75, 4, 6), 9 + more, np.uint8)},
        frame_rate_hz=30,
    )
