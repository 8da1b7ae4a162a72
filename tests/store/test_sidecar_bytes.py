"""The sidecar: packed and read back it is the same, and no damage to it goes unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import StoreInvalid
from sensorium_data.store.layout import ArraySpec
from sensorium_data.store.shards import ShardRecord
from sensorium_data.store.sidecar import pack_sidecar, read_sidecar

if TYPE_CHECKING:
    from collections.abc import Mapping

U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
NAMES = st.text("abcxyz_", min_size=1, max_size=8)


@st.composite
def records(draw: st.DrawFn, path: str) -> list[ShardRecord]:
    found = []
    for shard in range(draw(st.integers(0, 3))):
        n = draw(st.integers(0, 5))
        index = np.array(draw(st.lists(st.tuples(U64, U64), min_size=n, max_size=n)), np.uint64).reshape(-1, 2)
        crc = np.array(draw(st.lists(U32, min_size=n, max_size=n)), np.uint32)
        found.append(ShardRecord(f"{path}/c/{shard}", draw(st.integers(0, 2**50)), index, crc))
    return found


def packed(shards: Mapping[str, list[ShardRecord]], singles: Mapping[str, bytes]) -> bytes:
    files = {path: (f"{path}/c/0", data) for path, data in singles.items()}
    specs = [(ArraySpec(path, (1,), np.dtype("u1"), ("time",), "raw", True), r) for path, r in shards.items()]
    return pack_sidecar(specs, files)


@settings(deadline=None)
@given(
    data=st.data(), names=st.sets(NAMES, max_size=5), singles=st.dictionaries(NAMES, st.binary(max_size=40), max_size=4)
)
def test_read_back_it_is_the_same(data: st.DataObject, names: set[str], singles: dict[str, bytes]) -> None:
    shards = {f"shards/{name}": data.draw(records(name)) for name in sorted(names)}
    index = read_sidecar(packed(shards, singles), "here")
    assert index.shards.keys() == shards.keys()
    for path, wanted in shards.items():
        for seen, record in zip(index.shards[path], wanted, strict=True):
            assert (seen.key, seen.size) == (record.key, record.size)
            np.testing.assert_array_equal(seen.index, record.index)
            np.testing.assert_array_equal(seen.crc, record.crc)
    held = {path: bytes(chunk.data) for path, chunk in index.chunks.items() if chunk.data is not None}
    assert held == singles
    assert all(chunk.crc == google_crc32c.value(singles[path]) for path, chunk in index.chunks.items())


def _example() -> bytes:
    record = ShardRecord("a/c/0", 99, np.array([[0, 40], [40, 59]], np.uint64), np.array([7, 8], np.uint32))
    return packed({"a": [record]}, {"b": b"payload", "c": b""})


def test_every_bit_that_flips_is_seen() -> None:
    whole = _example()
    unseen = []
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        try:
            read_sidecar(bytes(data), "here")
        except StoreInvalid as error:
            assert error.code == "sidecar-damaged"  # noqa: PT017  # most of these thousands of flips must raise
        else:
            unseen.append(bit)
    assert unseen == []


def test_every_length_it_is_cut_to_is_seen() -> None:
    whole = _example()
    for n in range(len(whole)):
        with pytest.raises(StoreInvalid, match="here: the sidecar cannot be used"):
            read_sidecar(whole[:n], "here")


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda data: b"SDX1" + data))
def test_other_bytes_are_no_sidecar(data: bytes) -> None:
    with pytest.raises(StoreInvalid) as caught:
        read_sidecar(data, "here")
    assert caught.value.code == "sidecar-damaged"
