"""A sound store, made once a module, for tests to copy and damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sensorium_data.conversion import convert
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    source = write_sensorium2023(folder, n_neurons=6, n_train=3, n_repeats=2, frame_shape=(8, 12))
    convert(source, folder / "sound.zarr")
    return folder / "sound.zarr"
