"""Readers against zarr-python: the same bits for every codec, dtype, run of rows and choice of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.reading import ArrayReader, open_reader
from sensorium_data.store.layout import CHUNK, SHARD, Codec, quiet_zarr
from sensorium_data.store.opened import OpenStore
from sensorium_data.testing import make_session
from tests.reading.made import collected, make_store, read, same, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.schemas import Session

N = 2 * SHARD + 53  # two whole shards, and one whose last chunk is filled up
KINDS: list[tuple[Codec, str, tuple[int, ...]]] = [
    ("raw", "float32", (5,)),
    ("raw", "uint8", (3, 2)),
    ("raw", "bool", (4,)),
    ("raw", "float64", ()),
    ("pcodec", "float32", (5,)),
    ("pcodec", "float16", (3,)),
    ("pcodec", "float64", (2, 2)),
    ("pcodec", "int64", ()),
    ("zstd", "uint8", (3, 2)),
    ("zstd", "bool", (4,)),
    ("zstd", "float32", (5,)),
    ("blosc", "float32", (5,)),
    ("blosc", "uint8", (3, 2)),
]
NAMES = [f"{codec}_{dtype}_{len(rest)}" for codec, dtype, rest in KINDS]


def path_of(name: str) -> str:
    return f"signals/{name}/values"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, document: Session) -> OpenStore:
    kinds = zip(NAMES, KINDS, strict=True)
    arrays: dict[str, tuple[NDArray[Any], Codec]] = {
        path_of(name): (values_of((N, *rest), dtype, seed), codec)
        for seed, (name, (codec, dtype, rest)) in enumerate(kinds)
    }
    return make_store(tmp_path_factory.mktemp("equal") / "made.zarr", document, arrays)


@pytest.fixture(scope="module")
def expected(store: OpenStore) -> dict[str, NDArray[Any]]:
    with quiet_zarr():
        return {
            name: np.asarray(zarr.open_array(store.path, path=path_of(name), mode="r", zarr_format=3)[...])
            for name in NAMES
        }


RUNS = st.tuples(
    st.integers(0, N - 1) | st.sampled_from([0, CHUNK - 1, SHARD - 1, SHARD, 2 * SHARD - 7, N - 1, N - 14]),
    st.integers(0, 130) | st.sampled_from([1, CHUNK, SHARD, SHARD + 1, N]),
).map(lambda run: (run[0], min(run[1], N - run[0])))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verify", ["first", "never"])
@hypothesis_settings(deadline=None, max_examples=25)
@given(run=RUNS)
def test_any_run_of_rows(
    store: OpenStore, expected: dict[str, NDArray[Any]], name: str, verify: Any, run: tuple[int, int]
) -> None:
    reader = open_reader(store, path_of(name), verify=verify)
    assert isinstance(reader, ArrayReader)
    assert (reader.shape, reader.dtype) == (expected[name].shape, expected[name].dtype)
    first, n = run
    wanted = expected[name][first : first + n]
    assert same(read(reader, first, n), wanted)
    assert same(collected(reader, first, n), wanted)
    assert same(read(reader, first, n), wanted)  # now that every chunk was seen before


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("_0")])
@hypothesis_settings(deadline=None, max_examples=25)
@given(run=RUNS, data=st.data())
def test_any_columns(
    store: OpenStore, expected: dict[str, NDArray[Any]], name: str, run: tuple[int, int], data: st.DataObject
) -> None:
    width = expected[name].shape[1]
    columns = data.draw(
        st.lists(st.integers(0, width - 1), max_size=width + 2)
        | st.tuples(st.integers(0, width), st.integers(0, width)).map(lambda ends: list(range(*ends)))
    )
    first, n = run
    wanted = np.ascontiguousarray(expected[name][first : first + n][:, columns])
    for verify in ("first", "never", "always"):
        reader = open_reader(store, path_of(name), columns=columns, verify=verify)
        assert reader.shape == (N, len(columns), *expected[name].shape[2:])
        assert same(read(reader, first, n), wanted)
        assert same(collected(reader, first, n), wanted)


@pytest.mark.parametrize("name", ["raw_float32_1", "pcodec_float32_1", "zstd_float32_1"])
@pytest.mark.parametrize("verify", ["first", "never"])
def test_rows_go_into_any_place(store: OpenStore, expected: dict[str, NDArray[Any]], name: str, verify: Any) -> None:
    reader = open_reader(store, path_of(name), verify=verify)
    for first in (0, 2950, 2950):
        wanted = expected[name][first : first + 90]
        batch = np.zeros((3, 90, 5), "float32")
        reader.read_into(batch[1], first)
        assert same(batch[1], wanted)
        assert not batch[[0, 2]].any()
        wide = np.zeros((90, 7), "float32")
        reader.read_into(wide[:, 1:6], first)
        assert same(wide[:, 1:6].copy(), wanted)
        assert not wide[:, [0, 6]].any()
        backwards = np.zeros((90, 5), "float32")[::-1]
        reader.read_into(backwards, first)
        assert same(backwards.copy(), wanted)


def test_pieces_of_two_readers_do_not_disturb_each_other(store: OpenStore, expected: dict[str, NDArray[Any]]) -> None:
    names = ["raw_float32_1", "pcodec_float32_1", "blosc_float32_1"]
    readers = [open_reader(store, path_of(name), columns=[4, 0]) for name in names]
    seen = [np.zeros((100, 2), "float32") for _ in names]
    alive = [reader.pieces(2940, 100) for reader in readers]
    while alive:
        for which, piece in [(k, next(blocks, None)) for k, blocks in enumerate(alive)]:
            if piece is None:
                alive = []
                break
            seen[which][piece[0] : piece[0] + len(piece[1])] = piece[1]
        for reader in readers:
            read(reader, 0, 30)
    for name, values in zip(names, seen, strict=True):
        assert same(values, np.ascontiguousarray(expected[name][2940:3040][:, [4, 0]]))


@pytest.mark.parametrize("preset", ["compact", "fast", "portable"])
def test_sessions_of_every_preset(tmp_path: Any, preset: Any) -> None:
    store = OpenStore(make_session(tmp_path, n_neurons=7, n_train=3, preset=preset))
    for path in [*store.array_paths("signals"), "stimuli/frames"]:
        reader = open_reader(store, path)
        n = len(reader)
        wanted = store.values(path)
        assert same(read(reader, 0, n), wanted)
        assert same(read(reader, 33, n - 50), wanted[33 : n - 17])


WRONG: dict[str, tuple[Any, int, str, str]] = {
    "rows beyond the end": (np.zeros((10, 5), "float32"), N - 9, "rows-outside", "has rows 0 to 6053"),
    "rows before the start": (np.zeros((10, 5), "float32"), -1, "rows-outside", "asked for -1 to 9"),
    "another dtype": (np.zeros((10, 5), "float64"), 0, "bad-out", "are float32 of shape (5,)"),
    "big-endian": (np.zeros((10, 5), ">f4"), 0, "bad-out", "is >f4"),
    "another width": (np.zeros((10, 4), "float32"), 0, "bad-out", "of shape (10, 4)"),
    "no rows at all": (np.zeros((), "float32"), 0, "bad-out", "of shape ()"),
    "read-only": (np.broadcast_to(np.float32(0), (10, 5)), 0, "bad-out", "cannot be written to"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("name", ["raw_float32_1", "pcodec_float32_1"])
def test_what_cannot_be_filled_is_refused(store: OpenStore, name: str, case: str) -> None:
    out, first, code, said = WRONG[case]
    with pytest.raises(BadArgument) as caught:
        open_reader(store, path_of(name)).read_into(out, first)
    assert caught.value.code == code
    assert said in caught.value.message


@pytest.mark.parametrize("columns", [[5], [-1], [0.0, 1.0], [[0]], [True, False], "ab"])
def test_columns_that_are_none_are_refused(store: OpenStore, columns: Any) -> None:
    with pytest.raises(BadArgument) as caught:
        open_reader(store, path_of("raw_float32_1"), columns=columns)
    assert caught.value.code == "bad-columns"


def test_columns_of_one_dim_are_refused(store: OpenStore) -> None:
    with pytest.raises(BadArgument, match="has no columns"):
        open_reader(store, path_of("raw_float64_0"), columns=[0])


def test_an_unknown_way_of_checking_is_refused(store: OpenStore) -> None:
    with pytest.raises(BadArgument) as caught:
        open_reader(store, path_of("raw_float64_0"), verify="allways")  # type: ignore[arg-type]  # that is the test
    assert (caught.value.code, caught.value.hint) == ("bad-verify", "did you mean `always`?")


def test_one_window_is_one_request(store: OpenStore) -> None:
    for name in NAMES:
        reader = open_reader(store, path_of(name))
        for verified in range(2):
            read(reader, 110, 80)
            assert reader.counters.n_requests == verified + 1
        read(reader, SHARD - 40, 80)
        assert reader.counters.n_requests == 4  # a range in each of two shards


def test_raw_rows_are_read_exactly_once_their_chunks_were_seen(store: OpenStore) -> None:
    reader = open_reader(store, path_of("raw_float32_1"))
    read(reader, 110, 85)
    assert reader.counters.n_bytes_read == 5 * CHUNK * 20
    read(reader, 110, 85)
    assert reader.counters.n_bytes_read == 5 * CHUNK * 20 + 85 * 20
