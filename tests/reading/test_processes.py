"""Readers in threads and processes: pickled, forked, spawned, and gone."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.reading import ArrayReader, Reader, open_reader
from sensorium_data.reading import transport as transport_module
from sensorium_data.reading.descriptors import Descriptors, descriptors
from sensorium_data.store.layout import SHARD
from tests.reading.made import PATH, collected, folder_of, make_store, read, read_elsewhere, reader_of, same, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.schemas import Session

N = 3 * SHARD + 17
CODECS: list[Any] = ["raw", "pcodec", "zstd", "blosc"]
FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


@pytest.fixture(scope="module")
def values() -> NDArray[Any]:
    return values_of((N, 4), "float32")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, document: Session, values: NDArray[Any]) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("processes")
    small = {"signals/small/values": values[:50]}
    return {c: folder_of(make_store(folder / f"{c}.zarr", document, {PATH: (values, c)}, small)) for c in CODECS}


@pytest.mark.parametrize("codec", CODECS)
def test_a_pickled_reader_is_a_recipe(stores: dict[str, Path], values: NDArray[Any], codec: str) -> None:
    reader = reader_of(stores[codec], columns=[3, 1], verify="always")
    read(reader, 0, 100)
    packed = pickle.dumps(reader)
    assert len(packed) < 1000
    for again in (pickle.loads(packed), copy.deepcopy(reader)):
        assert isinstance(again, ArrayReader)
        assert (again.shape, again.dtype, again.verify) == (reader.shape, reader.dtype, "always")
        assert again.counters.n_requests == 0
        assert same(read(again, 2990, 40), np.ascontiguousarray(values[2990:3030, [3, 1]]))


@FORKS
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_readers_work_in_processes_of_every_kind(stores: dict[str, Path], values: NDArray[Any], method: str) -> None:
    readers = [reader_of(stores[codec]) for codec in CODECS]
    for reader in readers:
        read(reader, 0, N)
    small = open_reader(readers[0].store, "signals/small/values")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        for reader in readers:
            seen, n_checks = pool.submit(read_elsewhere, reader, 2995, 60).result(timeout=60)
            assert seen == values[2995:3055].tobytes()
            assert n_checks == 4
        assert pool.submit(read_elsewhere, small, 5, 20).result(timeout=60)[0] == values[5:25].tobytes()


@FORKS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("codec", CODECS)
def test_an_inherited_reader_begins_anew_in_the_child(
    stores: dict[str, Path], values: NDArray[Any], codec: str
) -> None:
    reader = reader_of(stores[codec])
    read(reader, 0, N)
    with ThreadPoolExecutor(2) as pool:  # threads that hold locks and files when the child is made
        busy = [pool.submit(lambda: [read(reader, k, 80) for k in range(0, 8000, 20)]) for _ in range(2)]
        child = os.fork()
        if not child:
            before = reader.counters.n_checks
            good = same(read(reader, 2990, 60), values[2990:3050])
            os._exit(0 if good and reader.counters.n_checks == before + 4 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert all(len(job.result()) == 400 for job in busy)
    assert same(read(reader, 40, 60), values[40:100])


@pytest.mark.parametrize("codec", CODECS)
def test_threads_read_through_few_files_at_once(
    stores: dict[str, Path], values: NDArray[Any], codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Descriptors(most=1)  # four shards and eight threads: files are closed and opened all the time
    monkeypatch.setattr(transport_module, "descriptors", lambda: few)
    readers = [reader_of(stores[codec]), reader_of(stores[codec], columns=[2, 0])]
    expected = [values, np.ascontiguousarray(values[:, [2, 0]])]

    def work(seed: int) -> list[int]:
        rng, wrong = np.random.default_rng(seed), []
        for _ in range(60):
            which, first = int(rng.integers(2)), int(rng.integers(N - 90))
            ask = read if rng.random() < 0.6 else collected
            if not same(ask(readers[which], first, 90), expected[which][first : first + 90]):
                wrong.append(first)
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [[]] * 8
    assert len(few) <= 1
    assert sum(reader.counters.n_requests for reader in readers) >= 8 * 60
    few.close()


def test_what_threads_count_adds_up(stores: dict[str, Path]) -> None:
    reader = reader_of(stores["raw"], verify="never")

    def work(_: int) -> None:
        out = np.empty((10, 4), "float32")
        for first in range(300):
            reader.read_into(out, first)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert (reader.counters.n_requests, reader.counters.n_bytes_read) == (1800, 1800 * 160)
    assert repr(reader.counters) == "Counters(n_bytes_read=288000, n_requests=1800, n_checks=0)"


def test_chunks_are_asked_for_once_and_ahead(
    stores: dict[str, Path], values: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _fd, *asks: asked.append(asks[:2]))
    reader = reader_of(stores["raw"])
    reader.prefetch(45, 40)
    assert asked == [(2 * 320, 3 * 320)]
    assert reader.counters.n_requests == 0
    assert same(read(reader, 50, 60), values[50:110])
    assert asked[1:] == [(5 * 320, 320)]
    for first, n in ((45, 60), (N, 10), (N + 500, 10), (60, 0)):
        reader.prefetch(first, n)
    assert len(asked) == 2
    reader.prefetch(-20, N + 500)
    assert asked[2:] == [(0, 150 * 320), (0, 150 * 320), (0, 150 * 320), (0, 320)]
    open_reader(reader.store, "signals/small/values").prefetch(0, 10)
    assert len(asked) == 6


def test_asking_ahead_never_fails(tmp_path: Path, document: Session, values: NDArray[Any]) -> None:
    store = make_store(tmp_path / "made.zarr", document, {PATH: (values, "raw")})
    (folder_of(store) / PATH / "c" / "1" / "0").unlink()
    reader = open_reader(store, PATH)
    (folder_of(store) / PATH / "c" / "2" / "0").unlink()
    reader.prefetch(0, N)
    assert same(read(reader, 2900, 100), values[2900:3000])


def test_a_reader_stays_where_it_was_opened(
    stores: dict[str, Path], values: NDArray[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stores["raw"].parent)
    reader = reader_of(Path("raw.zarr"))
    monkeypatch.chdir(tmp_path)
    assert same(read(reader, 2990, 40), values[2990:3030])


def open_files(store: Path) -> int:
    return sum(key[0].startswith(f"{store}/") for key in list(descriptors()._files))  # nothing else counts them


def test_the_files_of_a_reader_are_closed_with_it(tmp_path: Path, document: Session, values: NDArray[Any]) -> None:
    store = make_store(tmp_path / "made.zarr", document, {PATH: (values, "raw")})
    reader: Reader | None = open_reader(store, PATH)
    assert reader is not None
    read(reader, 0, N)
    assert open_files(folder_of(store)) == 4
    reader = None
    gc.collect()
    assert open_files(folder_of(store)) == 0


def test_a_reader_says_what_it_reads(stores: dict[str, Path]) -> None:
    reader = reader_of(stores["raw"], columns=[1])
    assert repr(reader) == f"ArrayReader('{stores['raw']}', '{PATH}', shape=({N}, 1), dtype=float32)"
    assert len(reader) == N
