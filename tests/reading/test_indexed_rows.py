"""Indexing through a reader is numpy's, along every axis, and reads no more than is near what was asked for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import StoreInvalid
from sensorium_data.reading import ArrayReader, ResidentReader, ZarrReader, open_reader, planned_reader, read_indexed
from sensorium_data.store.layout import CHUNK, SHARD
from sensorium_data.store.opened import OpenStore
from tests.reading.made import PATH, folder_of, make_store, reader_of, same, values_of
from tests.store.damage import Damaged

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.reading import Reader
    from sensorium_data.schemas import Session

N = SHARD + 95
SHAPE = (N, 3, 4)
FILM, SMALL, LINE = "signals/film/values", "signals/small/values", "signals/line/values"


class Subject:
    """A reader and the values that it reads; no dataclass, whose values Hypothesis would all print."""

    def __init__(self, reader: Reader, values: NDArray[Any]) -> None:
        self.reader, self.values = reader, values


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, document: Session) -> Path:
    film, line = values_of(SHAPE, "float32"), values_of((N,), "float64")
    arrays: Any = {PATH: (film, "raw"), FILM: (film, "zstd"), LINE: (line, "pcodec")}
    return folder_of(make_store(tmp_path_factory.mktemp("indexed") / "made.zarr", document, arrays, {SMALL: film[:90]}))


@pytest.fixture(scope="module")
def subjects(made: Path) -> list[Subject]:
    film, line = values_of(SHAPE, "float32"), values_of((N,), "float64")
    store = reader_of(made).store
    readers = [open_reader(store, path) for path in (PATH, FILM, LINE, SMALL)]
    assert [type(reader) for reader in readers] == [ArrayReader, ArrayReader, ArrayReader, ResidentReader]
    values = [film, film, line, film[:90], film]
    return [Subject(*each) for each in zip([*readers, ZarrReader(store, FILM)], values, strict=True)]


EDGES = st.none() | st.integers(-4000, 4000)
STEPS = st.none() | st.integers(1, 700) | st.integers(-700, -1)
KEYS = (
    st.integers(0, 9999)
    | st.builds(slice, EDGES, EDGES, STEPS)
    | st.lists(st.integers(0, 9999), max_size=9).map(tuple)
    | st.tuples(st.integers(0, 9999), st.integers(0, 60)).map(lambda run: tuple(range(run[0], run[0] + run[1])))
)


def fitted(key: Any, n: int) -> Any:
    """Return a key for an axis of length n: int, slice, or places, some of them counted from the end."""
    if isinstance(key, slice):
        return key
    if isinstance(key, int):
        return key % (2 * n) - n
    return np.array([place % (2 * n) - n for place in key], np.int64)


@settings(deadline=None, max_examples=200)
@given(which=st.integers(0, 4), drawn=st.tuples(KEYS, KEYS, KEYS))
def test_it_is_numpys(subjects: list[Subject], which: int, drawn: tuple[Any, ...]) -> None:
    reader, values = subjects[which].reader, subjects[which].values
    key = [fitted(part, n) for part, n in zip(drawn, values.shape, strict=False)]
    wanted = values
    for axis, part in reversed(list(enumerate(key))):
        wanted = wanted[(slice(None),) * axis + (part,)]
    assert same(np.asarray(read_indexed(reader, key)), np.ascontiguousarray(wanted).reshape(wanted.shape))


@pytest.mark.parametrize("place", [N, -N - 1, [0, N], [-N - 1, 3]])
@pytest.mark.parametrize("axis", [0, 1])
def test_places_that_are_not_there(subjects: list[Subject], place: Any, axis: int) -> None:
    key: list[Any] = [slice(3), slice(None), slice(None)]
    key[axis] = place
    with pytest.raises(IndexError, match=rf"out of bounds for axis {axis} with size {SHAPE[axis]}"):
        read_indexed(subjects[0].reader, key)


FULL = (slice(None), slice(None))


@pytest.mark.parametrize("rows", [slice(0, N, 500), np.arange(3000, -1, -500), np.array([1500, 0, 0, 3000])])
@pytest.mark.parametrize("path", [PATH, FILM])
def test_rows_far_apart_are_read_apart(made: Path, path: str, rows: Any) -> None:
    reader = open_reader(reader_of(made).store, path)
    n = len(np.unique(np.arange(N)[rows]))
    reader.reach = 100  # as of rows of 8,000 neurons
    read_indexed(reader, (rows, *FULL))
    assert reader.counters.n_requests == n


def test_no_chunk_is_decoded_twice(made: Path) -> None:
    reader = open_reader(reader_of(made).store, FILM, verify="always")
    rows = np.array([0, 2, CHUNK - 1, CHUNK, 40, 59, 200, 219])
    read_indexed(reader, (rows, *FULL))
    assert reader.counters.n_checks == 4
    read_indexed(reader, (rows[::-1], 1, [2, 0]))
    assert reader.counters.n_checks == 8


def test_nothing_asked_for_is_nothing_read(made: Path) -> None:
    reader = open_reader(reader_of(made).store, FILM)
    for rows in (slice(5, 5), np.array([], np.int64)):
        assert read_indexed(reader, (rows, *FULL)).shape == (0, 3, 4)
    assert reader.counters.n_requests == 0


@pytest.mark.parametrize("rows", [slice(0, 100), slice(0, 100, 3), 70, np.array([99, 65, 3])])
def test_a_flipped_bit_is_named_however_it_is_asked_for(tmp_path: Path, document: Session, rows: Any) -> None:
    values = values_of((200, 6), "float32")
    damaged = Damaged(folder_of(make_store(tmp_path / "made.zarr", document, {PATH: (values, "raw")})))
    damaged.flip(f"{PATH}/c/0/0", 65 * 24 + 3)
    reader = reader_of(damaged.path)
    for _ in range(2):
        with pytest.raises(StoreInvalid, match=r"chunk 3 \(rows 60 to 80\)") as caught:
            read_indexed(reader, (rows, 2))
        assert caught.value.code == "chunk-damaged"
    assert same(read_indexed(reader, (slice(0, 59), 2)), values[:59, 2].copy())


def test_without_checksums_there_is_no_planned_reader_and_no_warning(made: Path, sound: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(planned_reader(reader_of(made).store, FILM), ArrayReader)
        assert planned_reader(reader_of(made).store, "signals/nothing/values") is None
        assert planned_reader(OpenStore(sound), "trials/tier") is None
