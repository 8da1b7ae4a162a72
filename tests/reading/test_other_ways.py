"""What is not read by plan: stores of another make through zarr-python, with one warning, and small arrays from memory."""

from __future__ import annotations

import shutil
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BytesCodec

from sensorium_data.errors import BadArgument, SlowReadWarning, StoreInvalid
from sensorium_data.reading import ArrayReader, ResidentReader, ZarrReader, open_reader
from sensorium_data.store.layout import CHUNK, SHARD, quiet_zarr
from sensorium_data.store.opened import OpenStore
from tests.reading.made import PATH, collected, folder_of, make_store, read, same, values_of
from tests.store.damage import Damaged

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.schemas import Session

N = 700
SMALL = "signals/small/values"


@pytest.fixture
def values() -> NDArray[Any]:
    return values_of((N, 9), "float32")


@pytest.fixture
def made(tmp_path: Path, document: Session, values: NDArray[Any]) -> OpenStore:
    arrays: Any = {PATH: (values, "raw"), "signals/other/values": (values, "zstd")}
    small = {SMALL: values[:60], "signals/empty/values": values[:0], "signals/line/values": values[:, 0].copy()}
    return make_store(tmp_path / "made.zarr", document, arrays, small)


def rewritten(store: OpenStore, values: NDArray[Any], **options: Any) -> OpenStore:
    """Let zarr-python write the arrays anew, as it does when it is not told how, and open the store again."""
    for path in (PATH, "signals/other/values"):
        shutil.rmtree(folder_of(store) / path)
        with quiet_zarr():
            array = zarr.create_array(
                store.path, name=path, shape=values.shape, dtype=values.dtype, zarr_format=3, **options
            )
            array[...] = values
    with quiet_zarr():
        zarr.consolidate_metadata(store.path, zarr_format=3)
    return OpenStore(store.path)


FOREIGN: dict[str, dict[str, Any]] = {
    "as zarr does it": {},
    "cut along neurons": {"chunks": (50, 4), "shards": (100, 8)},
    "big-endian": {"chunks": (20, 9), "shards": (3000, 9), "serializer": BytesCodec(endian="big")},
    "shards without a sidecar": {"chunks": (20, 9), "shards": (300, 9)},
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("columns", [None, [2, 3, 4], [8, 0, 0, 3], []])
def test_stores_of_another_make_are_read_with_one_warning(
    made: OpenStore, values: NDArray[Any], name: str, columns: list[int] | None
) -> None:
    store = rewritten(made, values + 1, **FOREIGN[name])
    wanted = values + 1 if columns is None else np.ascontiguousarray((values + 1)[:, columns])
    with pytest.warns(SlowReadWarning, match="through zarr-python") as told:
        readers = [open_reader(store, path, columns=columns) for path in (PATH, "signals/other/values", PATH)]
    assert len(told) == 1
    assert str(store.path) in str(told[0].message)
    assert told[0].filename == __file__
    for reader in readers:
        assert isinstance(reader, ZarrReader)
        assert (reader.shape, reader.dtype) == (wanted.shape, wanted.dtype)
        for first, n in ((0, N), (33, 80), (N - 1, 1), (5, 0)):
            assert same(read(reader, first, n), wanted[first : first + n])
            assert same(collected(reader, first, n), wanted[first : first + n])
    assert columns == [] or readers[0].counters.n_bytes_read > 0


def test_the_same_store_written_by_conversion_does_not_warn(made: OpenStore, values: NDArray[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reader = open_reader(made, PATH)
    assert isinstance(reader, ArrayReader)
    assert same(read(reader, 0, N), values)


def test_a_reader_by_plan_refuses_what_it_cannot_read(made: OpenStore, values: NDArray[Any]) -> None:
    store = rewritten(made, values)
    with pytest.raises(StoreInvalid, match="cannot be read by plan: it is not cut into shards") as caught:
        ArrayReader(store, PATH)
    assert caught.value.code == "outside-grammar"


def test_zarr_readers_refuse_the_same_arguments(made: OpenStore) -> None:
    reader = ZarrReader(made, PATH)
    for out, first in ((np.zeros((3, 9), "float64"), 0), (np.zeros((3, 8), "float32"), 0), (np.zeros((3, 9), "f4"), N)):
        with pytest.raises(BadArgument):
            reader.read_into(out, first)
    with pytest.raises(BadArgument):
        list(reader.pieces(N - 3, 4))
    with pytest.raises(BadArgument):
        ZarrReader(made, PATH, columns=[9])


def test_a_zarr_reader_names_a_lost_file(made: OpenStore) -> None:
    reader = ZarrReader(made, PATH)
    (folder_of(made) / PATH / "c" / "0" / "0").unlink()
    with pytest.raises(StoreInvalid, match="has lost its file"):
        read(reader, 0, 10)


@pytest.mark.parametrize("columns", [None, [4, 4, 1]])
def test_small_arrays_are_read_once(made: OpenStore, values: NDArray[Any], columns: list[int] | None) -> None:
    reader = open_reader(made, SMALL, columns=columns)
    wanted = values[:60] if columns is None else np.ascontiguousarray(values[:60][:, columns])
    assert isinstance(reader, ResidentReader)
    assert reader.counters.n_requests == 0
    for first, n in ((0, 60), (7, 20), (59, 1), (3, 0)):
        assert same(read(reader, first, n), wanted[first : first + n])
        assert same(collected(reader, first, n), wanted[first : first + n])
    assert (reader.counters.n_requests, reader.counters.n_checks) == (1, 1)
    assert not reader.values.flags.writeable


def test_arrays_of_one_dim_and_of_no_rows(made: OpenStore, values: NDArray[Any]) -> None:
    line, empty = open_reader(made, "signals/line/values"), open_reader(made, "signals/empty/values")
    assert same(read(line, 10, 30), values[10:40, 0].copy())
    assert (empty.shape, empty.dtype) == ((0, 9), np.dtype("float32"))
    assert read(empty, 0, 0).shape == (0, 9)
    assert list(empty.pieces(0, 0)) == []
    with pytest.raises(BadArgument):
        read(empty, 0, 1)


def test_large_arrays_of_one_chunk_lie_beside_the_sidecar(tmp_path: Path, document: Session) -> None:
    noise = np.random.default_rng(0).random((200_000, 1))
    store = make_store(tmp_path / "made.zarr", document, {}, {SMALL: noise})
    assert store.sidecar.chunks[SMALL].data is None
    assert same(read(open_reader(store, SMALL), 1000, 100), noise[1000:1100])


@pytest.mark.parametrize("verify", ["first", "always"])
def test_a_flipped_bit_in_a_small_array_is_named(made: OpenStore, verify: Any) -> None:
    Damaged(folder_of(made)).flip(f"{SMALL}/c/0/0", 30)
    reader = open_reader(made, SMALL, verify=verify)
    for _ in range(2):
        with pytest.raises(StoreInvalid, match=rf"damaged in {SMALL}/c/0/0, chunk 0 \(rows 0 to 60\)") as caught:
            read(reader, 0, 10)
        assert caught.value.code == "chunk-damaged"


def test_small_arrays_that_do_not_decode(tmp_path: Path, document: Session, values: NDArray[Any]) -> None:
    noise = np.random.default_rng(0).random((200_000, 1))
    store = make_store(tmp_path / "made.zarr", document, {}, {SMALL: values[:60], "signals/large/values": noise})
    for path in (SMALL, "signals/large/values"):
        Damaged(folder_of(store)).flip(f"{path}/c/0/0", 0)
    # The sidecar has a copy of the one; of the other there is nothing but the file.
    assert same(read(open_reader(store, SMALL, verify="never"), 0, 60), values[:60])
    with pytest.raises(StoreInvalid) as caught:
        read(open_reader(store, "signals/large/values", verify="never"), 0, 10)
    assert caught.value.code == "array-unreadable"


def test_a_small_array_that_is_lost_or_replaced(made: OpenStore) -> None:
    file = folder_of(made) / SMALL / "c" / "0" / "0"
    early = open_reader(made, SMALL)
    data = file.read_bytes()
    file.unlink()
    with pytest.raises(StoreInvalid, match="has lost its file"):
        read(open_reader(made, SMALL), 0, 1)
    file.write_bytes(data)
    with pytest.raises(StoreInvalid) as caught:
        read(early, 0, 1)
    assert caught.value.code == "store-changed"
    file.write_bytes(data + b"more")
    longer = open_reader(OpenStore(made.path), SMALL)
    said = f"`{SMALL}` is damaged: {SMALL}/c/0/0 has {len(data) + 4:,} bytes, the sidecar says {len(data):,}"
    with pytest.raises(StoreInvalid, match=said) as caught:
        read(longer, 0, 1)
    assert caught.value.code == "sidecar-stale"
    assert "sensorium-data check" in caught.value.hint


def test_what_has_no_rows_of_numbers_is_refused(sound: Path) -> None:
    with pytest.raises(BadArgument, match="`trials/tier` has no rows of numbers") as caught:
        open_reader(OpenStore(sound), "trials/tier")
    assert caught.value.code == "not-numbers"


@pytest.mark.parametrize("n", [CHUNK, SHARD, 0])
def test_a_shard_that_is_the_whole_array(tmp_path: Path, document: Session, n: int) -> None:
    whole = values_of((n, 2), "float32")
    reader = open_reader(make_store(tmp_path / "made.zarr", document, {PATH: (whole, "pcodec")}), PATH)
    assert isinstance(reader, ArrayReader if n else ResidentReader)
    assert same(read(reader, 0, n), whole)
