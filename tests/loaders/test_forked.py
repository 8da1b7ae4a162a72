"""What would wait for ever in a forked process says so instead."""

from __future__ import annotations

import multiprocessing
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

import sensorium_data as sd
from sensorium_data.errors import BadArgument, SlowReadWarning
from sensorium_data.loaders import WindowDataset
from sensorium_data.reading import ZarrReader
from sensorium_data.store.opened import OpenStore
from sensorium_data.testing import make_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_session(tmp_path_factory.mktemp("forked"), n_neurons=4, n_train=2)


def in_fork(work: Callable[[], Any]) -> str:
    """Return what a forked process says of some work."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def run() -> None:
        try:
            work()
        except BadArgument as error:
            answers.put(f"{error.code}: {error}")
        else:
            answers.put("done")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, of forking beside threads
        process = context.Process(target=run)
        process.start()
    process.join(60)
    assert process.exitcode == 0
    return str(answers.get())


def test_dask_behind_a_view(store: Path) -> None:
    view = sd.open_session(store).resample(30).chunk({"time": 50})
    with pytest.warns(SlowReadWarning):
        dataset = WindowDataset.from_views([view], window=10)
    assert dataset[0]["responses"].shape == (10, 4)
    assert in_fork(lambda: dataset[0]).startswith("forked: dask hangs")


def test_a_view_without_dask_is_read_in_a_fork(store: Path) -> None:
    with pytest.warns(SlowReadWarning):
        dataset = WindowDataset.from_views([sd.open_session(store).resample(30)], window=10)
    assert in_fork(lambda: dataset[0]) == "done"


def test_a_codec_pipeline_of_another_language(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ZarrReader(OpenStore(store), "signals/responses/values")
    out = np.empty((5, 4), np.float32)
    reader.read_into(out, 0)
    assert in_fork(lambda: reader.read_into(out, 0)) == "done"
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        monkeypatch.setattr(reader, "_pipeline", str(zarr.config.get("codec_pipeline.path")))
    assert in_fork(lambda: reader.read_into(out, 0)).startswith("forked: the codec pipeline zarrs.")
