"""The memory that kept chunks may take: shared by the readers of a process, and given back."""

from __future__ import annotations

import gc
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.reading import ArrayReader
from sensorium_data.reading import budget as budget_module
from sensorium_data.reading import memory as memory_module
from sensorium_data.reading.budget import Budget
from sensorium_data.reading.kept import KeptReader
from sensorium_data.store.opened import OpenStore
from tests.reading.keeping import ALL, CHUNK_BYTES, PACKED, VALUES, keeping, make_stores
from tests.reading.made import PATH, read, same

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.schemas import Session


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, document: Session) -> dict[str, Path]:
    return make_stores(tmp_path_factory.mktemp("kept"), document)


def test_readers_share_a_budget_and_give_it_back(stores: dict[str, Path]) -> None:
    budget = Budget(12 * CHUNK_BYTES)
    readers = [KeptReader(ArrayReader(OpenStore(stores[codec]), PATH), budget) for codec in PACKED]
    assert budget.used == 0  # nothing before the first read
    for used, reader in zip((5, 10, 12), readers, strict=True):
        for _ in range(2):
            assert same(read(reader, 150, 90), VALUES[150:240])  # five chunks
            assert budget.used == used * CHUNK_BYTES
    ((_, block),) = readers[0].pieces(150, 90)
    del readers[:2], reader
    gc.collect()
    assert budget.used == 7 * CHUNK_BYTES  # of the first the memory is still held
    assert same(block.copy(), VALUES[150:240])
    del block
    gc.collect()
    assert budget.used == 2 * CHUNK_BYTES
    assert same(read(readers[0], 150, 90), VALUES[150:240])


def test_memory_that_the_system_refuses(stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        if shape[0]:
            raise MemoryError
        return np.empty(shape, dtype)

    reader = keeping(stores["pcodec"])
    with monkeypatch.context() as patched:
        patched.setattr(memory_module, "np", SimpleNamespace(empty=empty))
        assert same(read(reader, 0, 50), VALUES[:50])
    assert same(read(reader, 0, 50), VALUES[:50])
    assert reader.counters.n_requests == 2
    assert reader._budget.used == 0


@given(asks=st.lists(st.tuples(st.integers(0, 500), st.integers(1, 90)), max_size=12), most=st.integers(0, 1000))
def test_a_budget_grants_what_is_left_in_whole(asks: list[tuple[int, int]], most: int) -> None:
    budget, granted = Budget(most), []
    for n_bytes, whole in asks:
        got = budget.take(n_bytes, whole)
        granted.append(got)
        assert got % whole == 0
        assert got <= n_bytes
        assert got + whole > min(n_bytes, most - sum(granted[:-1]))  # no less than can be
        assert budget.used == sum(granted) <= most
    for got in granted:
        budget.give(got)
    assert budget.used == 0


def test_threads_take_no_more_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    budget, swept = Budget(500), Budget._swept

    def slow(budget: Budget) -> int:
        used = swept(budget)
        time.sleep(0.0005)  # so that another thread comes in between, where it can
        return used

    def work(_: int) -> int:
        held = 0
        for k in range(30):
            got = budget.take(7)
            if k % 2:
                budget.give(got)
            else:
                held += got
        return held

    monkeypatch.setattr(Budget, "_swept", slow)
    with ThreadPoolExecutor(8) as pool:
        held = sum(pool.map(work, range(8)))
    assert 400 < budget.used == held <= 500


@pytest.mark.parametrize(
    ("meminfo", "asked", "most"),
    [
        ("MemTotal: 900 kB\nMemFree: 10 kB\nMemAvailable:     400 kB\n", 1 << 30, 100 << 10),
        ("MemAvailable: 400 kB\n", 5000, 5000),
        ("MemAvailable: 400 kB\n", 0, 0),
        ("MemFree: 10 kB\n", 1 << 40, 25 << 12),
        (None, 1 << 40, 25 << 12),
    ],
)
def test_the_limit_of_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meminfo: str | None, asked: int, most: int
) -> None:
    system(monkeypatch, tmp_path, meminfo, asked)
    monkeypatch.setattr(os, "sysconf", {"SC_AVPHYS_PAGES": 100, "SC_PAGE_SIZE": 4096}.__getitem__, raising=False)
    budget = Budget()
    assert budget.take(1 << 50) == most
    system(monkeypatch, tmp_path, "MemAvailable: 1 kB\n", 1)
    budget.give(most)
    assert budget.take(1 << 50) == most  # it stays what it was at first


@pytest.mark.parametrize("pages", [-1, None])
def test_a_system_that_does_not_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: int | None) -> None:
    def sysconf(name: str) -> int:
        if pages is None:
            raise ValueError("unrecognized configuration name")
        return pages if name == "SC_AVPHYS_PAGES" else 4096

    system(monkeypatch, tmp_path, None, 5000)
    monkeypatch.setattr(os, "sysconf", sysconf, raising=False)
    assert Budget().take(1 << 50) == 5000
    monkeypatch.delattr(os, "sysconf")
    assert Budget().take(1 << 50) == 5000


def system(monkeypatch: pytest.MonkeyPatch, folder: Path, meminfo: str | None, asked: int) -> None:
    """Let the system say this of its memory, and the settings ask for that much."""
    path = folder / "meminfo"
    if meminfo is not None:
        path.write_text(meminfo, "ascii")
    monkeypatch.setattr(budget_module, "MEMINFO", path)
    monkeypatch.setattr(budget_module, "CGROUPS", folder / "cgroup")
    monkeypatch.setattr(budget_module, "OWN_CGROUP", folder / "own")
    monkeypatch.setattr(budget_module, "settings", lambda: SimpleNamespace(keep_bytes=asked))


@pytest.mark.parametrize("own", [None, "0::/", "0::/job/step\n", "1:cpu:/other\n0::/job/step\n"])
@pytest.mark.parametrize(("limit", "most"), [("max\n", 1 << 20), ("8192\n", 1024), ("2000\n", 0)])
def test_a_container_may_have_less_than_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None, limit: str, most: int
) -> None:
    system(monkeypatch, tmp_path, "MemAvailable: 4096 kB\n", 1 << 50)
    folder = tmp_path / "cgroup" / ("job/step" if own and "job" in own else "")
    folder.mkdir(parents=True)
    if own is not None:
        (tmp_path / "own").write_text(own)
    (folder / "memory.max").write_text(limit)
    (folder / "memory.current").write_text("5096\n")
    (folder / "memory.stat").write_text("anon 3000\ninactive_file 1000\nactive_file 96\n")
    assert Budget().take(1 << 50) == most


def test_the_workers_of_a_loader_share_what_it_may_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, tmp_path, "MemAvailable: 4096 kB\n", 5000)
    for info, most in ((None, 5000), (SimpleNamespace(num_workers=5), 1000)):
        torch_data = SimpleNamespace(get_worker_info=lambda info=info: info)
        monkeypatch.setitem(sys.modules, "torch.utils.data", torch_data)
        assert Budget().take(1 << 50) == most
        assert Budget(300).take(1 << 50) == 300


def test_readers_of_the_same_files_share_what_they_keep(stores: dict[str, Path]) -> None:
    budget = Budget(3 * ALL)
    first, second = (keeping(stores["pcodec"], budget) for _ in range(2))
    some = keeping(stores["pcodec"], budget, columns=[2, 0])
    assert same(read(first, 30, 100), VALUES[30:130])
    assert same(read(second, 50, 60), VALUES[50:110])
    assert second.counters.n_requests == 0
    assert same(read(some, 50, 60), VALUES[50:110, [2, 0]])
    assert some.counters.n_requests == 1
    assert budget.used == 6 * CHUNK_BYTES + 4 * CHUNK_BYTES // 2  # rows 20 to 140 of all columns, 40 to 120 of two
    del first
    gc.collect()
    assert same(read(second, 50, 60), VALUES[50:110])
    assert second.counters.n_requests == 0
    del second
    gc.collect()
    assert budget.used == 2 * CHUNK_BYTES


def test_what_was_not_checked_is_not_shared_with_who_checks(stores: dict[str, Path]) -> None:
    budget = Budget(3 * ALL)
    careless, careful = (keeping(stores["zstd"], budget, verify=verify) for verify in ("never", "first"))
    read(careless, 0, 40)
    assert careless.counters.n_checks == 0
    read(careful, 0, 40)
    assert careful.counters.n_checks == 2
