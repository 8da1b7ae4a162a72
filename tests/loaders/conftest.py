"""Small recordings that the tests of loaders share, made once; and no tests of loaders without torch."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import sensorium_data as sd
from sensorium_data.testing import write_sensorium2022, write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

# The second Python of CI has no torch, which is gigabytes; without it there is nothing here that could run.
collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["*.py"]

FIRST, SECOND = "29515-10-12", "29156-11-10"


@dataclass(frozen=True)
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

    @property
    def sessions(self) -> dict[str, sd.Session]:
        return {FIRST: sd.open_session(self.first), SECOND: sd.open_session(self.second)}


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
