"""What is read by plan and what is not: every departure from layout 1 has a reason, and no junk raises."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.reading.grammar import Grammar, recognise
from sensorium_data.store.layout import CHUNK, ArraySpec, Codec
from sensorium_data.store.metadata import array_document
from sensorium_data.store.shards import ShardRecord

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "signals/made/values"
N, SIZE = 3050, 4000


def document(codec: Any = "raw", dtype: str = "float32", shape: tuple[int, ...] = (N, 1)) -> dict[str, Any]:
    return array_document(
        ArraySpec(PATH, shape, np.dtype(dtype), ("time", "neuron")[: len(shape)], codec, sharded=True)
    )


def records(chunk_bytes: int = CHUNK * 4) -> list[ShardRecord]:
    made = []
    for shard, n in enumerate((150, 3)):
        index = np.array([[k * chunk_bytes, chunk_bytes] for k in range(n)], "<u8")
        made.append(ShardRecord(f"{PATH}/c/{shard}/0", n * chunk_bytes + 2404, index, np.zeros(n, "<u4")))
    return made


@pytest.mark.parametrize("codec", get_args(Codec))
def test_every_codec_of_the_layout_is_recognised(codec: Codec) -> None:
    found = recognise(PATH, document(codec), records())
    assert isinstance(found, Grammar)
    assert (found.codec, found.dtype, found.shape) == (codec, np.dtype("float32"), (N, 1))
    assert (found.plan.chunk, found.plan.per_shard, found.plan.row_bytes, len(found.crc)) == (20, 150, 4, 153)


def test_an_array_without_rows_is_recognised() -> None:
    found = recognise(PATH, document(shape=(0, 1)), [])
    assert isinstance(found, Grammar)
    assert (found.plan.n_rows, len(found.plan.index), found.keys) == (0, 0, ())


def inner(node: dict[str, Any]) -> Any:
    return node["codecs"][0]["configuration"]


def change(*at: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def apply(node: dict[str, Any]) -> None:
        target: Any = node
        for key in at[:-1]:
            target = target[key]
        target[at[-1]] = to

    return apply


INNER = ("codecs", 0, "configuration")
GRID = ("chunk_grid", "configuration", "chunk_shape")
FOREIGN: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "text": (change("data_type", to="string"), "its data type is string"),
    "not sharded": (change("codecs", to=[{"name": "bytes"}]), "not cut into shards"),
    "a codec around the shards": (lambda n: n["codecs"].append({"name": "zstd"}), "not cut into shards"),
    "big-endian": (change(*INNER, "codecs", 0, "configuration", "endian", to="big"), "it is coded by bytes"),
    "gzip": (lambda n: inner(n)["codecs"].append({"name": "gzip"}), "it is coded by bytes, gzip"),
    "transposed": (lambda n: inner(n)["codecs"].insert(0, {"name": "transpose"}), "it is coded by transpose, bytes"),
    "index at the start": (change(*INNER, "index_location", to="start"), "in another way"),
    "index without checksum": (lambda n: inner(n)["index_codecs"].pop(), "in another way"),
    "keys with dots": (change("chunk_key_encoding", "configuration", "separator", to="."), "in another way"),
    "keys of version 2": (change("chunk_key_encoding", "name", to="v2"), "in another way"),
    "grid of another kind": (change("chunk_grid", "name", to="rectilinear"), "in another way"),
    "cut along neurons": (lambda n: (n["shape"].__setitem__(1, 2)), "cut along other dims"),
    "chunks of no rows": (change(*INNER, "chunk_shape", to=[0, 1]), "cut along other dims"),
    "chunks that do not fill a shard": (change(*INNER, "chunk_shape", to=[7, 1]), "cut along other dims"),
    "no neurons": (lambda n: (n["shape"].__setitem__(1, 0)), "cut along other dims"),
    "no codecs": (change("codecs", to=[]), "not those of a session store"),
    "a number for a grid": (change("chunk_grid", to=3), "not those of a session store"),
    "more rows than the sidecar knows": (change("shape", to=[N + 6000, 1]), "other shards"),
    "more chunks than the sidecar knows": (change("shape", to=[N + 60, 1]), "other chunks"),
    "wider rows": (change("data_type", to="float64"), "where all its chunks are"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_layout_1_has_a_reason(name: str) -> None:
    spoil, reason = FOREIGN[name]
    node = document()
    spoil(node)
    found = recognise(PATH, node, records())
    assert isinstance(found, str)
    assert reason in found


def with_index(value: int, row: int = 5, column: int = 0) -> list[ShardRecord]:
    made = records()
    made[0].index[row, column] = value
    return made


SIDECARS: dict[str, tuple[list[ShardRecord] | None, str]] = {
    "no entry": (None, "does not speak of it"),
    "no shards": ([], "other shards"),
    "a shard too few": (records()[:1], "other shards"),
    "another file": ([replace(records()[0], key="../../elsewhere"), records()[1]], "other shards"),
    "a checksum too few": ([replace(records()[0], crc=np.zeros(149, "<u4")), records()[1]], "other chunks"),
    "a chunk beyond the file": (with_index(150 * 80 + 2404 - 79), "where all its chunks are"),
    "a chunk that is left out": (with_index(2**64 - 1), "where all its chunks are"),
    "a length that wraps around": (with_index(2**64 - 1, column=1), "where all its chunks are"),
    "an empty chunk": (with_index(0, column=1), "where all its chunks are"),
    "a chunk of another length": (with_index(79, column=1), "where all its chunks are"),
    "a size that is none": ([replace(records()[0], size=-1), records()[1]], "not those of a session store"),
}


@pytest.mark.parametrize("name", SIDECARS)
def test_a_sidecar_that_does_not_fit_has_a_reason(name: str) -> None:
    known, reason = SIDECARS[name]
    found = recognise(PATH, document(), known)
    assert isinstance(found, str)
    assert reason in found


@pytest.mark.parametrize("value", [0, 2**64 - 1, 150 * 80 + 2404 + 1])
def test_encoded_chunks_have_a_length(value: int) -> None:
    found = recognise(PATH, document("zstd"), with_index(value, column=1))
    assert found == "the sidecar does not say where all its chunks are"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["bytes", "zstd"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "configuration"]), inner),
    max_leaves=6,
)


def places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [at] * bool(at) + [place for key in keys for place in places(node[key], (*at, key))]


@given(st.sampled_from([place for place in places(document()) if place[0] != "shape"]), JUNK)
def test_junk_in_the_metadata_never_raises(place: tuple[Any, ...], junk: Any) -> None:
    node = copy.deepcopy(document())
    change(*place, to=junk)(node)
    assert isinstance(recognise(PATH, node, records()), Grammar | str)
