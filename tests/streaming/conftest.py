"""Small stores that the tests of streaming share, made once, and settings with which a fault is soon over."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import sensorium_data as sd
from sensorium_data.reading.budget import Budget
from sensorium_data.settings import settings
from sensorium_data.testing import write_sensorium2022, write_sensorium2023
from tests.servers.fixtures import azurite, gcs, nginx, seaweed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.nginx import Nginx

__all__ = ["azurite", "gcs", "nginx", "seaweed"]

# Without torch there are no loaders, for which all of this is.
collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["*.py"]

OTHER = "dynamic29156-11-10-Video-8744edeac3b4d1ce16b680916b5267ce"


@dataclass(frozen=True)
class Stores:
    """Stores on this disk.

    Attributes
    ----------
    compact, fast, portable : Path
        One recording of 5 neurons in three presets.
    other : Path
        Another mouse that was shown films of the same size.
    replaced : Path
        The recording of the first three with other values.
    static : Path
        Single images.
    long : Path
        More frames than a shard has rows; raw.
    """

    compact: Path
    fast: Path
    portable: Path
    other: Path
    replaced: Path
    static: Path
    long: Path


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    folder = tmp_path_factory.mktemp("stores")
    shown = {"frame_shape": (6, 9), "n_neurons": 5, "n_train": 4, "behavior_nan": True}
    one = write_sensorium2023(folder / "one", **shown)  # type: ignore[arg-type]
    again = write_sensorium2023(folder / "again", seed=9, **shown)  # type: ignore[arg-type]
    two = write_sensorium2023(folder, name=OTHER, n_neurons=3, n_train=3, frame_shape=(6, 9), seed=5)
    length = {"NaturalVideo": 61}
    long = write_sensorium2023(
        folder / "long", n_neurons=2, n_train=60, n_repeats=1, frame_shape=(4, 6), lengths=length
    )
    images = write_sensorium2022(folder, kind="splus", n_neurons=6, frame_shape=(16, 20))
    made = Stores(*(folder / f"{name}.zarr" for name in Stores.__annotations__))
    for preset in ("compact", "fast", "portable"):
        sd.convert(one, getattr(made, preset), preset=preset)
    for source, target in ((two, made.other), (again, made.replaced), (images, made.static)):
        sd.convert(source, target)
    sd.convert(long, made.long, preset="fast")
    return made


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
def patient(setting: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of the test's own, faults that are over soon, and no unpacked chunks in memory, so that all is streamed."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "SENSORIUM_DATA_"))]:
        if name not in ("AWS_EC2_METADATA_DISABLED", "SENSORIUM_DATA_TEST_SERVERS", "SENSORIUM_DATA_TEST_AZURITE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    setting(cache=tmp_path / "cache", timeout_s=2, deadline_s=20, n_retries=4, keep_bytes=0)
    monkeypatch.setattr("sensorium_data.reading.kept.BUDGET", Budget(0))
    monkeypatch.setattr("sensorium_data.remote.patience.FIRST_S", 0.01)  # pauses are waited for, and tell nothing
    yield
    settings.cache_clear()


@pytest.fixture
def web(nginx: Nginx) -> Callable[[Path], str]:
    """`web(store)` serves a copy of a store and returns its URL."""

    def serve(store: Path) -> str:
        url, folder = nginx.new_folder()
        shutil.copytree(store, folder / store.name)
        return f"{url}/{store.name}"

    return serve
