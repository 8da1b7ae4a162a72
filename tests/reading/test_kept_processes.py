"""Kept chunks among threads and processes: nobody waits for another, nobody sees what is half decoded."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.forks import lock_of
from sensorium_data.reading import kept as kept_module
from sensorium_data.reading.budget import Budget
from sensorium_data.reading.kept import KeptReader, kept
from sensorium_data.reading.memory import NOTHING, THERE
from tests.reading.keeping import ALL, CHUNK_BYTES, PACKED, VALUES, N, keeping, make_stores
from tests.reading.made import collected, read, reader_of, same

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.schemas import Session

FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, document: Session) -> dict[str, Path]:
    return make_stores(tmp_path_factory.mktemp("kept"), document)


def decoding_waits(reader: KeptReader, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Let what decodes into kept memory wait; return what says that it does, and what lets it go on."""
    decode, waiting, go = reader._reader.read_into, threading.Event(), threading.Event()

    def slow(out: NDArray[Any], first: int) -> None:
        if np.may_share_memory(out, reader._memory.values) and not waiting.is_set():  # type: ignore[union-attr]  # taken
            out[...] = -1
            waiting.set()
            assert go.wait(60)
        decode(out, first)

    monkeypatch.setattr(reader._reader, "read_into", slow)
    return waiting, go


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("most", [ALL, ALL // 3])
def test_threads_that_hammer_the_same_chunks(stores: dict[str, Path], codec: str, most: int) -> None:
    for _ in range(3):
        reader, start = keeping(stores[codec], most), threading.Barrier(8)

        def work(seed: int, reader: KeptReader = reader, start: threading.Barrier = start) -> list[int]:
            rng, wrong = np.random.default_rng(seed // 2), []  # two and two read the same at once
            start.wait(60)
            for first in rng.integers(0, N - 90, 60).tolist():
                ask = read if rng.random() < 0.8 else collected
                if not same(ask(reader, first, 90), VALUES[first : first + 90]):
                    wrong.append(first)
            return wrong

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == [[]] * 8
        assert same(read(reader, 0, N), VALUES)
        assert reader._memory is not None
        n_there = reader._memory.state.count(THERE)
        assert set(reader._memory.state) == ({THERE} if most == ALL else {THERE, NOTHING})
        assert most - CHUNK_BYTES < reader._budget.used <= most  # each chunk was paid for once, whoever came first
        assert n_there == -(-reader._budget.used // CHUNK_BYTES)


def test_a_chunk_that_another_thread_decodes_is_not_waited_for(
    stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = keeping(stores["pcodec"])
    read(reader, 200, 20)
    waiting, go = decoding_waits(reader, monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(read, reader, 45, 30)  # chunks 2 and 3
        assert waiting.wait(60)
        n = reader.counters.n_requests
        for _ in range(2):
            assert same(read(reader, 30, 80), VALUES[30:110])
            assert same(collected(reader, 45, 30), VALUES[45:75])
        assert reader.counters.n_requests == n + 6  # chunks 1, 4 and 5 once, those that are not waited for each time
        go.set()
        assert same(other.result(timeout=60), VALUES[45:75])
    n = reader.counters.n_requests
    assert same(read(reader, 20, 100), VALUES[20:120])
    assert reader.counters.n_requests == n


@FORKS
@needs_fork
def test_a_child_goes_on_from_what_its_parent_kept(stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    reader = keeping(stores["pcodec"])
    read(reader, 200, 100)
    memory = reader._memory
    assert memory is not None
    waiting, go = decoding_waits(reader, monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(read, reader, 45, 30)
        assert waiting.wait(60)
        with lock_of(memory._locks), lock_of(reader._budget._locks):  # as another thread might
            child = os.fork()
            if not child:
                os._exit(0 if right_in_child(reader) else 1)
        _, status = os.waitpid(child, 0)
        go.set()
        assert same(other.result(timeout=60), VALUES[45:75])
    assert status == 0
    assert same(read(reader, 0, N), VALUES)


def right_in_child(reader: KeptReader) -> bool:
    """True where a forked reader serves what is right, from memory where it can, and keeps what its parent was at."""
    signal.alarm(60)  # one that waits for a lock of its parent is ended
    n = reader.counters.n_requests
    good = same(read(reader, 205, 80), VALUES[205:285]) and reader.counters.n_requests == n
    good = good and same(read(reader, 30, 80), VALUES[30:110])
    n = reader.counters.n_requests
    good = good and same(read(reader, 20, 100), VALUES[20:120]) and reader.counters.n_requests == n
    return good and reader._budget.used == 10 * CHUNK_BYTES  # of rows 20 to 120 and 200 to 300


@FORKS
@needs_fork
def test_children_share_nothing_that_they_decode(stores: dict[str, Path]) -> None:
    reader = keeping(stores["zstd"])
    read(reader, 0, 100)
    child = os.fork()
    if not child:
        signal.alarm(60)
        os._exit(0 if same(read(reader, 0, N), VALUES) else 1)
    assert os.waitpid(child, 0)[1] == 0
    n = reader.counters.n_requests
    assert same(read(reader, 100, 100), VALUES[100:200])
    assert reader.counters.n_requests == n + 1


def test_pickled_as_a_recipe(stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "BUDGET", budget := Budget(ALL))
    reader = kept(reader_of(stores["pcodec"], columns=[3, 1], verify="never"))
    read(reader, 0, 500)
    packed = pickle.dumps(reader)
    assert len(packed) < 1000
    for again in (pickle.loads(packed), copy.deepcopy(reader)):
        assert isinstance(again, KeptReader)
        assert (again.shape, again.dtype, again.verify) == (reader.shape, reader.dtype, "never")
        assert (again._memory, again._budget) == (None, budget)  # what was kept stays where it is
        assert same(read(again, 2990, 40), np.ascontiguousarray(VALUES[2990:3030, [3, 1]]))
