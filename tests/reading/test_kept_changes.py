"""Kept chunks of stores that are damaged, or change, or cannot be decoded: named, never served."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.errors import StoreInvalid
from sensorium_data.store.layout import SHARD
from sensorium_data.store.opened import OpenStore
from tests.reading.keeping import ALL, CHUNK_BYTES, PACKED, VALUES, N, keeping, make_stores
from tests.reading.made import PATH, collected, folder_of, read, same
from tests.store.damage import Damaged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.schemas import Session

FIRST = f"{PATH}/c/0/0"


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, document: Session) -> dict[str, Path]:
    return make_stores(tmp_path_factory.mktemp("kept"), document)


@pytest.fixture
def damaged(stores: dict[str, Path], tmp_path: Path) -> Callable[[str], Damaged]:
    """`damaged("zstd")` is a copy of that store, to be spoiled."""
    return lambda codec: Damaged(shutil.copytree(stores[codec], tmp_path / f"{codec}.zarr"))


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, StoreInvalid])
def test_an_error_in_decoding_leaves_nothing_behind(
    stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    reader = keeping(stores["pcodec"])
    read(reader, 60, 20)
    decode, seen = reader._reader.read_into, []

    def failing(out: NDArray[Any], first: int) -> None:
        seen.append(first)
        if first == 80:
            out[...] = -1
            raise error("once")
        decode(out, first)

    with monkeypatch.context() as patched:
        patched.setattr(reader._reader, "read_into", failing)
        for _ in range(2):
            with pytest.raises(error, match="once"):
                read(reader, 45, 90)
    assert seen == [40, 80, 80]  # what was decoded before stays
    n = reader.counters.n_requests
    for _ in range(2):
        assert same(read(reader, 45, 90), VALUES[45:135])
        assert reader.counters.n_requests == n + 1


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("verify", ["first", "never"])
def test_damage_is_named_each_time_and_the_rest_is_served(
    damaged: Callable[[str], Damaged], codec: str, verify: Any
) -> None:
    store = damaged(codec)
    offset, length = OpenStore(store.path).sidecar.shards[PATH][0].index[7].tolist()
    if verify == "first":
        store.flip(FIRST, offset + length // 2)
    else:
        data = bytearray((store.path / FIRST).read_bytes())
        data[offset : offset + length] = bytes(length)
        (store.path / FIRST).write_bytes(data)
    reader = keeping(store.path, verify=verify)
    for _ in range(2):
        for ask in (read, collected):
            with pytest.raises(StoreInvalid, match=r"c/0/0, chunk 7 \(rows 140 to 160\)") as caught:
                ask(reader, 100, 80)
            assert caught.value.code == "chunk-damaged"
        assert same(read(reader, 0, 140), VALUES[:140])
        assert same(read(reader, 160, 100), VALUES[160:260])


def replaced(path: Path) -> None:
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").replace(path)


def written(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"xyz")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "removed": (shutil.rmtree, "was removed or replaced since"),
    "replaced": (lambda root: replaced(root / FIRST), "was removed or replaced since"),
    "written to": (lambda root: written(root / FIRST), "was written to since"),
    "truncated": (lambda root: os.truncate(root / FIRST, 100), "was written to since"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("most", [ALL, 10 * CHUNK_BYTES])
def test_a_change_is_found_though_the_rows_are_in_memory(
    damaged: Callable[[str], Damaged], change: str, most: int
) -> None:
    spoil, said = CHANGES[change]
    reader = keeping(damaged("pcodec").path, most)
    read(reader, 0, N)
    out = np.ones((60, 4), "float32")
    reader.read_each([out], [100])
    assert same(out, VALUES[100:160])
    spoil(folder_of(reader.store))
    n = reader.counters.n_requests
    asks: list[Callable[[], object]] = [
        lambda: read(reader, 100, 60),
        lambda: collected(reader, 100, 60),
        lambda: reader.read_each([out], [100]),
    ]
    for ask in asks:
        with pytest.raises(StoreInvalid, match=said) as caught:
            ask()
        assert caught.value.code == "store-changed"
    assert reader.counters.n_requests == n
    if change != "removed" and most == ALL:
        assert same(read(reader, SHARD, 95), VALUES[SHARD:])  # of the other shard, which is as it was
