"""Two small mice that the tests of training share, made once; and no tests of training without torch."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.testing import write_sensorium2022, write_sensorium2023

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Callable[..., tuple[int, str, str]]

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["*.py"]

SECOND = "dynamic29156-11-10-Video-8744edeac3b4d1ce16b680916b5267ce"


@pytest.fixture(scope="session")
def mice(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Stores of two mice with 8 and 5 neurons and 6 and 4 trials to train on; the eyes were closed at times."""
    folder = tmp_path_factory.mktemp("mice")
    one = write_sensorium2023(folder, n_neurons=8, frame_shape=(9, 12), behavior_nan=True)
    other = write_sensorium2023(folder, name=SECOND, n_neurons=5, n_train=4, frame_shape=(9, 12), seed=5)
    stores = [folder / "one.zarr", folder / "other.zarr"]
    for source, store in zip((one, other), stores, strict=True):
        sd.convert(source, store)
    return stores


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a mouse that was shown images of 36 × 40 pixels."""
    folder = tmp_path_factory.mktemp("pictures")
    sd.convert(write_sensorium2022(folder, n_neurons=6, frame_shape=(36, 40)), folder / "pictures.zarr")
    return folder / "pictures.zarr"


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that holds the small recipe."""
    from sensorium_data.zoo.runs.toml import recipe_toml
    from tests.training.small import small

    path = tmp_path_factory.mktemp("recipes") / "small.toml"
    path.write_bytes(b"# by hand\n" + (recipe_toml(small()) or b""))
    return path


@pytest.fixture
def whole(run: Cli, recipe: Path, mice: list[Path], tmp_path: Path) -> list[dict[str, Any]]:
    """The curve of a run that nobody interrupts."""
    from tests.training.small import numbers

    code, *_ = run("train", recipe, *mice, "--run", tmp_path / "whole", "--quiet")
    assert code == 0
    return numbers(tmp_path / "whole")
