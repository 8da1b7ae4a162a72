"""Recordings that the tests of streams share."""

from __future__ import annotations

import pytest

import sensorium_data as sd
from sensorium_data.testing import make_session, write_sensorium2022
from tests.streams.made import write_own


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return sd.open_session(make_session(tmp_path_factory.mktemp("published"), n_neurons=7))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    folder = tmp_path_factory.mktemp("images")
    source = write_sensorium2022(folder, n_neurons=6)
    sd.convert(source, folder / "images.zarr")
    return sd.open_session(folder / "images.zarr")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return write_own(tmp_path_factory.mktemp("own") / "own.zarr")
