"""Decoded chunks that are kept: the same rows as without, within the budget, decoded once."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sensorium_data.reading import ArrayReader, memory, open_reader
from sensorium_data.reading.budget import Budget
from sensorium_data.reading.kept import KeptReader, kept
from sensorium_data.store.layout import CHUNK, SHARD
from sensorium_data.store.opened import OpenStore
from sensorium_data.testing import make_session
from tests.reading.keeping import ALL, CHUNK_BYTES, CODECS, PACKED, VALUES, N, keeping, make_stores
from tests.reading.made import collected, read, reader_of, same

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.schemas import Session


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, document: Session) -> dict[str, Path]:
    return make_stores(tmp_path_factory.mktemp("kept"), document)


RUN = st.tuples(
    st.integers(0, N - 1) | st.sampled_from([0, CHUNK - 1, SHARD - 1, SHARD, N - 1, N - 14]),
    st.integers(0, 130) | st.sampled_from([1, CHUNK, SHARD, SHARD + 1, N]),
).map(lambda run: (run[0], min(run[1], N - run[0])))
MOST = st.sampled_from([0, CHUNK_BYTES - 1, CHUNK_BYTES, ALL - 1, ALL, 10 * ALL]) | st.integers(0, ALL)
COLUMNS = st.none() | st.lists(st.integers(0, 3), max_size=5)


@pytest.mark.parametrize("codec", CODECS)
@hypothesis_settings(deadline=None, max_examples=40)
@given(runs=st.lists(RUN, min_size=1, max_size=8), most=MOST, columns=COLUMNS, data=st.data())
def test_any_runs_under_any_budget(
    stores: dict[str, Path],
    codec: str,
    runs: list[tuple[int, int]],
    most: int,
    columns: list[int] | None,
    data: st.DataObject,
) -> None:
    reader = keeping(stores[codec], most, columns=columns)
    expected = VALUES if columns is None else np.ascontiguousarray(VALUES[:, columns])
    assert (reader.shape, reader.dtype, len(reader)) == (expected.shape, expected.dtype, N)
    for first, n in runs * 2:
        wanted, way = expected[first : first + n], data.draw(st.sampled_from(["read", "pieces", "strided"]))
        if way == "strided":
            wide = np.zeros((n, expected.shape[1] + 2), "float32")
            reader.read_into(wide[::-1, 1:-1], first)
            assert same(wide[::-1, 1:-1].copy(), wanted)
            assert not wide[:, [0, -1]].any()
        else:
            assert same((read if way == "read" else collected)(reader, first, n), wanted)
    outs = [np.ones((n, *reader.shape[1:]), reader.dtype) for _, n in runs]
    reader.read_each(outs, [first for first, _ in runs])
    assert all(same(out, expected[first : first + n]) for out, (first, n) in zip(outs, runs, strict=True))
    assert reader._budget.used <= most


@pytest.mark.parametrize("preset", ["compact", "portable"])
def test_films_and_signals_of_a_session(tmp_path: Path, preset: Any) -> None:
    store = OpenStore(make_session(tmp_path, n_neurons=7, n_train=3, preset=preset))
    found = [path for path in [*store.array_paths("signals"), "stimuli/frames"] if is_kept(store, path)]
    assert "stimuli/frames" in found
    for path in found:
        wanted, reader = store.values(path), KeptReader(ArrayReader(store, path), Budget(1 << 20))
        for first in (33, 0, 33):
            assert same(read(reader, first, len(wanted) - 50), wanted[first : first + len(wanted) - 50])


def is_kept(store: OpenStore, path: str) -> bool:
    return isinstance(kept(open_reader(store, path)), KeptReader)


@pytest.mark.parametrize("codec", PACKED)
def test_what_fits_is_decoded_once(stores: dict[str, Path], codec: str) -> None:
    reader = keeping(stores[codec])
    for first in range(0, N, 77):
        read(reader, first, min(77, N - first))
    n = reader.counters.n_requests
    for first in range(0, N - 90, 41):
        assert same(read(reader, first, 90), VALUES[first : first + 90])
    assert same(read(reader, 0, N), VALUES)
    assert [at for at, _ in reader.pieces(5, N - 5)] == [0]
    assert reader.counters.n_requests == n
    assert reader._budget.used == ALL


def test_what_does_not_fit_is_read_each_time(stores: dict[str, Path]) -> None:
    reader = keeping(stores["pcodec"], 10 * CHUNK_BYTES + 5)
    plain = reader_of(stores["pcodec"])
    read(reader, 0, N)
    assert reader._budget.used == 10 * CHUNK_BYTES
    for first, n, left in ((0, 200, 0), (0, 201, 1), (190, 40, 30), (200, 40, 40), (300, 60, 60)):
        before, before_plain = reader.counters.n_bytes_read, plain.counters.n_bytes_read
        assert same(read(reader, first, n), VALUES[first : first + n])
        read(plain, first + n - left, left)
        assert reader.counters.n_bytes_read - before == plain.counters.n_bytes_read - before_plain


def test_without_a_budget_all_is_passed_on(stores: dict[str, Path]) -> None:
    reader = keeping(stores["zstd"], CHUNK_BYTES - 1)
    for asked in (1, 2, 3):
        assert same(read(reader, 0, 60), VALUES[:60])
        assert reader.counters.n_requests == asked
    assert reader._budget.used == 0


def test_only_missing_chunks_are_decoded_each_run_at_once(
    stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = keeping(stores["pcodec"])
    decode, asked = reader._reader.read_into, []

    def noted(out: NDArray[Any], first: int) -> None:
        asked.append((first, len(out)))
        decode(out, first)

    monkeypatch.setattr(reader._reader, "read_into", noted)
    for first, n in ((45, 10), (125, 1), (10, 150), (N - 30, 30)):
        assert same(read(reader, first, n), VALUES[first : first + n])
    assert asked == [(40, 20), (120, 20), (0, 40), (60, 60), (140, 20), (3060, 35)]


def test_several_runs_copy_what_is_there_and_read_the_rest(stores: dict[str, Path]) -> None:
    reader = keeping(stores["blosc"], 10 * CHUNK_BYTES)
    read(reader, 400, 200)  # what is decoded first is kept
    n = reader.counters.n_requests
    runs = [(430, 50), (370, 40), (10, 0), (700, 7), (500, 50)]
    outs = [np.ones((n, 4), "float32") for _, n in runs]
    reader.read_each(outs, [first for first, _ in runs])
    assert all(same(out, VALUES[first : first + n]) for out, (first, n) in zip(outs, runs, strict=True))
    assert reader.counters.n_requests == n + 2  # 370 to 400, and 700 to 707
    reader.read_each(outs[:1] + outs[4:], [460, 550])
    assert reader.counters.n_requests == n + 2
    assert same(outs[4], VALUES[550:600])


def test_slabs_are_granted_whole(stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SLAB", 4 * CHUNK_BYTES)
    reader = keeping(stores["pcodec"], 9 * CHUNK_BYTES)
    for first, used in ((90, 4), (170, 8), (230, 8), (10, 8), (95, 8)):
        assert same(read(reader, first, 20), VALUES[first : first + 20])
        assert reader._budget.used == used * CHUNK_BYTES
    n = reader.counters.n_requests
    for first in (90, 170):
        assert same(read(reader, first, 20), VALUES[first : first + 20])
    assert reader.counters.n_requests == n


def test_what_comes_back_to_a_budget_is_given_to_who_has_too_little(stores: dict[str, Path]) -> None:
    budget = Budget(10 * CHUNK_BYTES)
    first, second = keeping(stores["pcodec"], budget), keeping(stores["zstd"], budget)
    read(first, 0, 200)
    read(second, 0, 100)
    assert budget.used == 10 * CHUNK_BYTES
    del first
    gc.collect()
    assert budget.used == 0
    read(second, 0, 100)
    n = second.counters.n_requests
    assert same(read(second, 0, 100), VALUES[:100])
    assert second.counters.n_requests == n
