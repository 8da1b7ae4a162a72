"""The cache lists and removes whatever this package keeps there, and nothing that is being worked on."""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING

import pytest

from sensorium_data.catalogs.cachefolder import cached, chosen, clear
from sensorium_data.errors import TargetBusy
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def kept() -> Path:
    """A streamed store with the note of its URL, a conversion that is not done, and the note of a copy."""
    folder = settings().cache_folder
    files = {
        "streams/0123/root": b"{}",
        "streams/0123/shard.data": bytes(5000),
        "streams/urls/4567.json": b"{}",
        "streams/used": b"5000\n",
        "conversions/89ab/.mouse.zarr.partial/lock": b"",
        "conversions/89ab/.mouse.zarr.partial/store/zarr.json": b"{}",
        "copies/cdef.jsonl": b"{}\n",
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_every_kind_is_listed_and_removed(kept: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("cache", "ls", "--json")
    assert code == 0
    found = {(item["kind"], item["name"]) for item in json.loads(out)["items"]}
    assert found == {("stream", "0123"), ("conversion", "89ab"), ("copy", "cdef.jsonl")}
    assert run("cache", "clear", "streams")[0] == 0
    assert [each.kind for each in cached()] == ["conversion", "copy"]
    assert not (kept / "streams/used").exists()  # so that what is held is counted anew
    assert run("cache", "clear", "conversions", "copies")[0] == 0
    assert cached() == []


def test_what_is_under_way_stays(kept: Path) -> None:
    lock = kept / "conversions/89ab/.mouse.zarr.partial/lock"
    with lock.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (busy,) = chosen(["conversions"], cached())
        assert busy.busy
        with pytest.raises(TargetBusy):
            clear([busy])
    assert lock.exists()
