"""Sources that are damaged, or that a stranger made up, are refused by name, and nobody can open what was copied of them."""

from __future__ import annotations

import json
import shutil
import struct
from typing import TYPE_CHECKING, Any

import google_crc32c
import pytest

from sensorium_data.copying import copy_store
from sensorium_data.errors import StoreInvalid
from tests.copying.places import files, memory, objects
from tests.store.damage import Damaged, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESPONSES = "signals/responses/values"


@pytest.fixture
def damaged(store: Path, tmp_path: Path) -> Damaged:
    shutil.copytree(store, tmp_path / "damaged.zarr")
    return Damaged(tmp_path / "damaged.zarr")


def flipped(damaged: Damaged) -> None:
    damaged.flip(f"{RESPONSES}/c/0/0")


def cut(damaged: Damaged) -> None:
    damaged.cut(f"{RESPONSES}/c/0/0", 40)


def without_index(damaged: Damaged) -> None:
    data = (damaged.path / f"{RESPONSES}/c/0/0").read_bytes()
    damaged.flip(f"{RESPONSES}/c/0/0", at=len(data) - 2000)


def gone(damaged: Damaged) -> None:
    (damaged.path / f"{RESPONSES}/c/0/0").unlink()


@pytest.mark.parametrize("harm", [flipped, cut, without_index, gone])
@pytest.mark.parametrize("where", ["bucket", "folder"])
def test_named(damaged: Damaged, tmp_path: Path, harm: Callable[[Damaged], None], where: str) -> None:
    harm(damaged)
    damaged.flip("trials/start/c/0")
    target = memory() if where == "bucket" else str(tmp_path / "copy.zarr")
    with pytest.raises(StoreInvalid) as caught:
        copy_store(damaged.path, target)
    assert caught.value.code == "source-damaged"
    assert [problem.where for problem in caught.value.problems] == [f"{RESPONSES}/c/0/0", "trials/start/c/0"]
    if where == "bucket":
        assert "zarr.json" not in objects(target)
    else:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.zarr"]


def test_documents(damaged: Damaged) -> None:
    damaged.json("trials/start/zarr.json", lambda document: document.update(fill_value=7))
    (damaged.path / "trials/stop/zarr.json").unlink()
    target = memory()
    with pytest.raises(StoreInvalid) as caught:
        copy_store(damaged.path, target)
    assert {problem.where for problem in caught.value.problems} == {"trials/start/zarr.json", "trials/stop/zarr.json"}
    assert objects(target) == {}


def test_another_spelling_is_kept(damaged: Damaged) -> None:
    document = json.loads((damaged.path / "trials/start/zarr.json").read_text())
    damaged.text("trials/start/zarr.json", json.dumps(document))
    target = memory()
    copy_store(damaged.path, target)
    assert objects(target) == files(damaged.path)


def test_the_old_store_stays(damaged: Damaged, other: Path) -> None:
    """A source that is damaged does not cost the store that would be replaced."""
    damaged.flip(f"{RESPONSES}/c/0/0")
    target = memory()
    copy_store(other, target)
    with pytest.raises(StoreInvalid):
        copy_store(damaged.path, target, existing="replace")
    assert objects(target) == files(other)


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what the sidecar says, with all checksums made anew, as a stranger may."""
    key = path / "sidecar/index/c/0"
    data = key.read_bytes()
    start = 12 + struct.unpack("<Q", data[4:12])[0]
    header = json.loads(data[12:start])
    change(header["arrays"])
    text = json.dumps(header).encode()
    whole = data[:4] + struct.pack("<Q", len(text)) + text + data[start:-4]
    whole += struct.pack("<I", google_crc32c.value(whole))
    key.write_bytes(whole)
    for name, at in (
        ("zarr.json", ("consolidated_metadata", "metadata", "sidecar/index")),
        ("sidecar/index/zarr.json", ()),
    ):
        document = json.loads((path / name).read_text())
        node = document
        for step in at:
            node = node[step]
        node["attributes"]["crc32c"] = google_crc32c.value(whole)
        node["shape"] = [len(whole)]
        node["attributes"].pop("root_crc32c", None)  # as of stores that were written before there was one
        (path / name).write_text(json.dumps(document))


def outside(arrays: dict[str, Any]) -> None:
    arrays["trials/start"]["key"] = "trials/start/c/../../../../stolen"


def absolute(arrays: dict[str, Any]) -> None:
    arrays["trials/start"]["key"] = "/etc/passwd"


def of_another(arrays: dict[str, Any]) -> None:
    arrays["trials/start"]["key"] = "trials/stop/c/0"


def unknown(arrays: dict[str, Any]) -> None:
    arrays["../outside"] = arrays["trials/start"]


def forgotten(arrays: dict[str, Any]) -> None:
    del arrays["trials/start"]


def endless(arrays: dict[str, Any]) -> None:
    arrays[RESPONSES]["shards"][0]["size"] = 1 << 60


@pytest.mark.parametrize("lie", [outside, absolute, of_another, unknown, forgotten, endless])
def test_lies(damaged: Damaged, tmp_path: Path, lie: Callable[[dict[str, Any]], None]) -> None:
    rewrite(damaged.path, lie)
    target = tmp_path / "deep" / "copy.zarr"
    with pytest.raises(StoreInvalid) as caught:
        copy_store(damaged.path, target)
    assert caught.value.code == "source-damaged"
    assert {problem.code for problem in caught.value.problems} == {"sidecar"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.zarr"]


def test_a_root_that_was_changed(damaged: Damaged) -> None:
    damaged.json("zarr.json", put("another", "attributes", "sensorium_data", "session", "identity", "name"))
    target = memory()
    with pytest.raises(StoreInvalid) as caught:
        copy_store(damaged.path, target)
    assert [problem.where for problem in caught.value.problems] == ["zarr.json"]
    assert objects(target) == {}


def test_a_chunk_said_to_be_huge(damaged: Damaged) -> None:
    """Nothing is asked for, and no memory taken, before the size is known to be true."""

    def huge(arrays: dict[str, Any]) -> None:
        entry = arrays["trials/start"]
        entry.pop("data")
        entry["size"] = 1 << 62

    rewrite(damaged.path, huge)
    with pytest.raises(StoreInvalid) as caught:
        copy_store(damaged.path, memory())
    assert [problem.where for problem in caught.value.problems] == ["trials/start/c/0"]
