"""Damage, and stores that change under a reader: named, never served."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.errors import SlowReadWarning, StorageFailed, StoreInvalid
from sensorium_data.reading import ArrayReader, Counters, open_reader
from sensorium_data.reading.transport import LocalShards
from sensorium_data.store.layout import CHUNK, SHARD
from tests.reading.made import PATH, collected, folder_of, make_store, read, reader_of, same, values_of
from tests.store.damage import Damaged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.schemas import Session

N = SHARD + 95
CODECS: list[Any] = ["raw", "pcodec", "zstd", "blosc"]
FIRST, SECOND = f"{PATH}/c/0/0", f"{PATH}/c/1/0"
SIDECAR = "sidecar/index/c/0"


@pytest.fixture(scope="module")
def values() -> NDArray[Any]:
    return values_of((N, 4), "float32")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, document: Session, values: NDArray[Any]) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("damaged")
    return {c: folder_of(make_store(folder / f"{c}.zarr", document, {PATH: (values, c)})) for c in CODECS}


@pytest.fixture
def damaged(stores: dict[str, Path], tmp_path: Path) -> Callable[[str], Damaged]:
    """`damaged("raw")` is a copy of that store, to be spoiled."""
    return lambda codec: Damaged(shutil.copytree(stores[codec], tmp_path / f"{codec} store.zarr"))


def place_in(damaged: Damaged, chunk: int) -> tuple[int, int]:
    """Return offset and length of a chunk in the first shard."""
    reader = reader_of(damaged.path)
    assert isinstance(reader, ArrayReader)
    offset, length = reader.store.sidecar.shards[PATH][0].index[chunk].tolist()
    return offset, length


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("verify", ["first", "always"])
def test_a_flipped_bit_is_named_and_never_served(
    damaged: Callable[[str], Damaged], values: NDArray[Any], codec: str, verify: Any
) -> None:
    store = damaged(codec)
    offset, length = place_in(store, 7)
    store.flip(FIRST, offset + length // 2)
    reader = reader_of(store.path, verify=verify)
    assert same(read(reader, 0, 140), values[:140])
    assert same(read(reader, 160, 100), values[160:260])
    for ask in (read, collected, read):  # again and again: what is damaged stays unseen
        with pytest.raises(StoreInvalid) as caught:
            ask(reader, 100, 80)
        assert caught.value.code == "chunk-damaged"
        assert f"`{PATH}` is damaged in {FIRST}, chunk 7 (rows 140 to 160)" in caught.value.message
        assert "has CRC-32C" in caught.value.message
        assert str(store.path) in caught.value.message
        assert f"sensorium-data check '{store.path}'" in caught.value.hint


@pytest.mark.parametrize("codec", CODECS)
def test_only_the_damaged_chunk_of_the_last_shard_is_refused(
    damaged: Callable[[str], Damaged], values: NDArray[Any], codec: str
) -> None:
    store = damaged(codec)
    store.flip(SECOND, 5)
    reader = reader_of(store.path)
    with pytest.raises(StoreInvalid, match=rf"1/0, chunk 0 \(rows {SHARD} to {SHARD + CHUNK}\)"):
        read(reader, SHARD + CHUNK - 1, 30)
    assert same(read(reader, SHARD + CHUNK, 75), values[SHARD + CHUNK :])


@pytest.mark.parametrize("codec", ["pcodec", "zstd", "blosc"])
def test_what_does_not_decode_is_named_even_without_checksums(damaged: Callable[[str], Damaged], codec: str) -> None:
    store = damaged(codec)
    offset, length = place_in(store, 2)
    data = bytearray((store.path / FIRST).read_bytes())
    data[offset : offset + length] = bytes(length)
    (store.path / FIRST).write_bytes(data)
    for ask in (read, collected):
        with pytest.raises(StoreInvalid, match=r"c/0/0, chunk 2 \(rows 40 to 60\): it does not decode") as caught:
            ask(reader_of(store.path, verify="never"), 30, 40)
        assert caught.value.code == "chunk-damaged"


@pytest.mark.parametrize("codec", CODECS)
def test_the_index_in_the_file_is_not_needed(
    damaged: Callable[[str], Damaged], values: NDArray[Any], codec: str
) -> None:
    store = damaged(codec)
    store.flip(FIRST, (store.path / FIRST).stat().st_size - 30)
    assert same(read(reader_of(store.path), 0, N), values)


@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_sidecar_costs_speed_and_nothing_else(
    damaged: Callable[[str], Damaged], values: NDArray[Any], codec: str
) -> None:
    store = damaged(codec)
    store.flip(SIDECAR, 40)
    with pytest.warns(SlowReadWarning, match=r"sidecar/index/c/0: the sidecar cannot be used: its checksum is wrong"):
        reader = reader_of(store.path)
    assert same(read(reader, 2990, 90), values[2990:3080])


@pytest.mark.parametrize("codec", ["raw", "pcodec"])
def test_a_missing_file_is_named_when_it_is_needed(
    damaged: Callable[[str], Damaged], values: NDArray[Any], codec: str
) -> None:
    store = damaged(codec)
    (store.path / SECOND).unlink()
    reader = reader_of(store.path)
    assert same(read(reader, 2900, 100), values[2900:3000])
    with pytest.raises(StoreInvalid, match=f"`{PATH}` has lost its file {SECOND}") as caught:
        read(reader, 2950, 100)
    assert caught.value.code == "array-unreadable"


@pytest.mark.parametrize("codec", ["raw", "pcodec"])
@pytest.mark.parametrize("change", [-100, 7])
def test_a_file_of_another_size_is_named_when_it_is_needed(
    damaged: Callable[[str], Damaged], values: NDArray[Any], codec: str, change: int
) -> None:
    store = damaged(codec)
    size = (store.path / SECOND).stat().st_size
    os.truncate(store.path / SECOND, size + change)
    for verify in ("first", "never"):
        reader: Any = reader_of(store.path, verify=verify)  # without a warning: it is not read in another way
        assert isinstance(reader, ArrayReader)
        assert same(read(reader, 2900, 100), values[2900:3000])
        for ask in (read, collected):
            with pytest.raises(StoreInvalid) as caught:
                ask(reader, 2950, 100)
            said = f"`{PATH}` is damaged: {SECOND} has {size + change:,} bytes, the sidecar says {size:,}"
            assert (caught.value.code, caught.value.message) == ("sidecar-stale", f"{store.path}: {said}")
            assert f"sensorium-data check '{store.path}'" in caught.value.hint


CHANGES: dict[str, tuple[Callable[[Damaged], object], str]] = {
    "removed": (lambda store: shutil.rmtree(store.path), "c/0/0 was removed or replaced since"),
    "replaced": (lambda store: replaced(store.path / FIRST), "c/0/0 was removed or replaced since"),
    "written to": (lambda store: written(store.path / FIRST), "c/0/0 was written to since"),
    "truncated": (lambda store: os.truncate(store.path / FIRST, 100), "c/0/0 was written to since"),
}


def replaced(path: Path) -> None:
    path.with_name("new").write_bytes(path.read_bytes())
    seen = path.stat()
    os.utime(path.with_name("new"), ns=(seen.st_atime_ns, seen.st_mtime_ns))  # as copies do that keep the time
    path.with_name("new").replace(path)


def written(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"xyz")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # clocks of file systems are coarse; this is a later write


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("codec", ["raw", "pcodec"])
@pytest.mark.parametrize("again", [True, False], ids=["open file", "file not opened yet"])
def test_a_change_under_the_reader_is_found(
    damaged: Callable[[str], Damaged], codec: str, change: str, *, again: bool
) -> None:
    spoil, said = CHANGES[change]
    store = damaged(codec)
    reader = reader_of(store.path)
    read(reader, 20, 40) if again else read(reader, SHARD, 20)
    spoil(store)
    for ask in (read, collected, read):
        with pytest.raises(StoreInvalid) as caught:
            ask(reader, 25, 30)
        assert caught.value.code == "store-changed"
        assert "open the session again" in caught.value.hint
        assert not again or said in caught.value.message


def test_a_new_root_is_found_when_the_next_file_is_opened(
    damaged: Callable[[str], Damaged], values: NDArray[Any]
) -> None:
    store = damaged("raw")
    reader = reader_of(store.path)
    read(reader, 0, 50)
    replaced(store.path / "zarr.json")
    assert same(read(reader, 40, 50), values[40:90])
    with pytest.raises(StoreInvalid, match=r"zarr\.json was replaced or removed since") as caught:
        read(reader, SHARD, 50)
    assert caught.value.code == "store-changed"


def test_a_store_put_in_the_place_of_another_is_read_anew(
    damaged: Callable[[str], Damaged], values: NDArray[Any], document: Session
) -> None:
    store = damaged("raw")
    old = reader_of(store.path)
    read(old, 0, N)
    store.path.rename(store.path.with_name("away"))
    other = values_of((N, 4), "float32", seed=9)
    make_store(store.path, document, {PATH: (other, "raw")})
    assert same(read(old, 100, 50), values[100:150])  # its files are still there, and as they were
    new = reader_of(store.path)
    assert same(read(new, 0, N), other)
    assert new.counters.n_checks == -(-N // CHUNK)
    shutil.rmtree(store.path.with_name("away"))
    with pytest.raises(StoreInvalid, match="was removed or replaced"):
        read(old, 100, 50)
    assert same(read(new, 100, 50), other[100:150])


def test_verify_first_checks_each_chunk_once_in_a_process(damaged: Callable[[str], Damaged]) -> None:
    store = damaged("raw")
    reader = reader_of(store.path)
    for first, n, checks in ((0, 30, 2), (0, 30, 2), (25, 20, 3), (0, N, 155), (0, N, 155)):
        read(reader, first, n)
        assert reader.counters.n_checks == checks
    another = reader_of(store.path, columns=[1])
    read(another, 0, N)
    assert another.counters.n_checks == 0


@pytest.mark.parametrize(("verify", "checks"), [("always", 15), ("never", 0)])
@pytest.mark.parametrize("codec", ["raw", "zstd"])
def test_verify_always_and_never(damaged: Callable[[str], Damaged], codec: str, verify: Any, checks: int) -> None:
    reader = reader_of(damaged(codec).path, verify=verify)
    for _ in range(3):
        read(reader, 10, 80)
    assert reader.counters.n_checks == checks


def test_storage_that_fails_is_named(stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    reader = reader_of(stores["raw"])

    def failing(fd: int, buffers: object, offset: int) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", failing)
    with pytest.raises(StorageFailed, match=r"raw\.zarr: .*c/0/0 cannot be read: Input/output error"):
        read(reader, 0, 10)


@pytest.mark.parametrize("codec", ["raw", "pcodec"])
def test_reads_cut_short_are_completed(
    stores: dict[str, Path], values: NDArray[Any], codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = os.preadv, []

    def short(fd: int, buffers: tuple[memoryview, ...], offset: int) -> int:
        calls.append(offset)
        return whole(fd, (buffers[0][:97],), offset)

    monkeypatch.setattr(os, "preadv", short)
    for verify in ("first", "never"):
        assert same(read(reader_of(stores[codec], verify=verify), 90, 200), values[90:290])
    assert len(calls) > 10


def test_a_file_that_ends_early_is_reported(stores: dict[str, Path]) -> None:
    size = (stores["raw"] / FIRST).stat().st_size
    shards = LocalShards(stores["raw"], PATH, [FIRST], Counters(), [size])
    with pytest.raises(StoreInvalid, match="has become shorter than") as caught:
        shards.read(0, size - 5, np.empty(10, np.uint8))
    assert caught.value.code == "store-changed"


def test_an_array_that_is_not_there(stores: dict[str, Path]) -> None:
    from sensorium_data.store.opened import OpenStore

    with pytest.raises(StoreInvalid) as caught:
        open_reader(OpenStore(stores["raw"]), "signals/nothing/values")
    assert caught.value.code == "array-missing"
