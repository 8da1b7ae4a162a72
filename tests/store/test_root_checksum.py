"""What the root says is held against the checksum that it was written with: by `check`, and wherever it comes over a network."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from sensorium_data import open_session
from sensorium_data.conversion import check_store
from sensorium_data.errors import StoreInvalid
from sensorium_data.settings import settings
from sensorium_data.testing import make_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def slower(root: dict[str, Any]) -> None:
    root["attributes"]["sensorium_data"]["session"]["signals"][0]["clock"]["rate"]["numerator"] = 31


def longer(root: dict[str, Any]) -> None:
    root["consolidated_metadata"]["metadata"]["signals/running/values"]["shape"][0] -= 1


def later(root: dict[str, Any]) -> None:
    root["attributes"]["sensorium_data"]["session"]["provenance"]["converted_at"] = "2026-01-01T00:00:00Z"


DAMAGE = {"a rate": slower, "a shape": longer}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_session(tmp_path_factory.mktemp("root"), n_neurons=3, n_train=2)


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SENSORIUM_DATA_STREAM_CACHE_BYTES", "0")
    settings.cache_clear()
    yield
    settings.cache_clear()


def changed(store: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    copy = folder / "copy.zarr"
    shutil.copytree(store, copy)
    root = json.loads((copy / "zarr.json").read_text("utf-8"))
    change(root)
    (copy / "zarr.json").write_text(json.dumps(root), "utf-8")
    return copy


def at_a_url(store: Path) -> str:
    memory = fsspec.filesystem("memory")
    for path in store.rglob("*"):
        if path.is_file():
            memory.pipe_file(f"/{store.name}/{path.relative_to(store).as_posix()}", path.read_bytes())
    return f"memory://{store.name}"


@pytest.mark.parametrize("what", DAMAGE)
def test_a_root_that_was_changed(store: Path, tmp_path: Path, what: str) -> None:
    copy = changed(store, tmp_path, DAMAGE[what])
    assert "root" in {finding.code for finding in check_store(copy, codes=["root"]).findings}
    with pytest.raises(StoreInvalid, match="its root is damaged") as caught:
        open_session(at_a_url(copy))
    assert caught.value.code == "store-changed"


def test_spelling_and_the_time_of_conversion_are_left_out(store: Path, tmp_path: Path) -> None:
    copy = changed(store, tmp_path, later)
    assert check_store(copy, codes=["root"]).findings == ()
    assert open_session(at_a_url(copy)).document.neurons.n == 3


def test_stores_without_a_checksum_open(store: Path, tmp_path: Path) -> None:
    def bare(root: dict[str, Any]) -> None:
        root["consolidated_metadata"]["metadata"]["sidecar/index"]["attributes"] = {}

    copy = changed(store, tmp_path, bare)
    assert check_store(copy, codes=["root"]).findings == ()
    assert open_session(at_a_url(copy)).document.neurons.n == 3
