"""Two stores of one mouse, made once; a cache of each test's own; servers; and faults that are over soon."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sensorium_data.conversion import convert
from sensorium_data.remote import patience
from sensorium_data.settings import settings
from sensorium_data.testing import write_sensorium2023
from tests.servers.fixtures import azurite, gcs, nginx, seaweed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["azurite", "gcs", "nginx", "seaweed"]

KEPT = ("SENSORIUM_DATA_TEST_SERVERS", "SENSORIUM_DATA_TEST_AZURITE", "AWS_EC2_METADATA_DISABLED")


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    return write_sensorium2023(folder, n_neurons=4, n_train=3, n_repeats=2, frame_shape=(6, 9))


@pytest.fixture(scope="session")
def store(recording: Path) -> Path:
    target = recording.with_name("mouse.zarr")
    convert(recording, target)
    return target


@pytest.fixture(scope="session")
def other(recording: Path) -> Path:
    """The same recording in more files than `store` has bytes alike: raw."""
    target = recording.with_name("other.zarr")
    convert(recording, target, preset="fast")
    return target


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`setting(offline=1)` sets what the environment would say."""

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"SENSORIUM_DATA_{name.upper()}", str(value))
        settings.cache_clear()

    yield change
    settings.cache_clear()


@pytest.fixture(autouse=True)
def _own(setting: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "SENSORIUM_DATA_"))]:
        if name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(patience, "FIRST_S", 0.005)
    setting(cache=tmp_path / "cache", timeout_s=2, deadline_s=20, n_retries=4)
