"""Headers and arrays of `.npy` members: every form numpy writes, and nothing that cannot be trusted."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib import format as npy_format

from sensorium_data.errors import SensoriumError
from sensorium_data.sources import open_source
from sensorium_data.sources.members import Content, FolderMembers, MemberError, Memory
from sensorium_data.sources.npy import header_of, load
from sensorium_data.testing import write_sensorium2023


class OneMember:
    """A single member in memory."""

    path, root = Path("memory"), "memory"
    litter: tuple[str, ...] = ()

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sizes = {"x.npy": len(data)}

    def head(self, name: str, n_bytes: int) -> bytes:
        del name
        return self.data[:n_bytes]

    def read(self, name: str, memory: Memory | None = None) -> Content:
        del name, memory
        return Content(memoryview(self.data), "")

    def fingerprint(self) -> str:
        return ""


def saved(array: Any, version: tuple[int, int] = (1, 0), *, pickles: bool = False) -> bytes:
    stream = io.BytesIO()
    npy_format.write_array(stream, np.asanyarray(array), version, allow_pickle=pickles)
    return stream.getvalue()


def raw(header: str, values: bytes = b"") -> bytes:
    text = header.encode("latin1")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + values


def read(data: bytes) -> np.ndarray[Any, Any]:
    return load(OneMember(data), "x.npy").array


def code(data: bytes) -> str:
    with pytest.raises(MemberError) as caught:
        read(data)
    return caught.value.problem_code


DTYPES = ["<f4", ">f4", "<f8", ">f8", "<f2", "|u1", ">i2", "<i8", "|b1", "<U5", ">U5", "|S3"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_reads_what_numpy_writes(dtype: str, order: Any, version: tuple[int, int]) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4).astype(dtype), order=order)
    seen = read(saved(array, version))
    assert seen.dtype.isnative
    assert seen.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(seen, array)


@given(hnp.arrays(st.sampled_from([np.dtype(d) for d in DTYPES]), hnp.array_shapes(min_dims=0, min_side=0, max_side=4)))
def test_any_plain_array_comes_back(array: np.ndarray[Any, Any]) -> None:
    seen = read(saved(array))
    assert seen.shape == array.shape
    assert seen.tobytes() == array.astype(seen.dtype).tobytes()


@given(st.integers(0, 200))
def test_cut_anywhere_is_an_error(at: int) -> None:
    data = saved(np.arange(9.0))
    assert code(data[: min(at, len(data) - 1)]) in {"npy-header", "npy-truncated"}


def test_more_bytes_than_promised_are_an_error() -> None:
    assert code(saved(np.arange(9.0)) + b"\0") == "npy-size"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "npy-header"),
        (b"not numpy at all", "npy-header"),
        (b"\x93NUMPY\x03\x00" + saved(np.arange(3))[8:], "npy-version"),
        (raw("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"), "npy-size"),
        (raw("{'descr': '<f8', 'fortran_order': False}"), "npy-header"),
        (raw("__import__('os')"), "npy-header"),
        (raw("{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }", bytes(16)), "npy-dtype"),
        (raw("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", bytes(8)), "npy-dtype"),
        (raw("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999, 9999999999), }"), "npy-truncated"),
        (raw("(" * 3000), "npy-header"),
        (raw("{'descr': '<f8', 'fortran_order': False, 'shape': (1, }"), "npy-header"),
    ],
)
def test_what_is_not_a_plain_array_is_refused(data: bytes, expected: str) -> None:
    assert code(data) == expected


@given(st.binary(max_size=60), st.sampled_from([1, 2]))
def test_no_header_gets_past_as_another_error(text: bytes, version: int) -> None:
    width = "<H" if version == 1 else "<I"
    data = b"\x93NUMPY" + bytes([version, 0]) + struct.pack(width, len(text)) + text
    assert code(data) in {"npy-header", "npy-truncated", "npy-size", "npy-dtype", "npy-object"}


@given(
    st.sampled_from(["<f8", "|S0", "<U0", "|b1", "|V0", "<M8[s]", "f9", ""]),
    st.lists(st.integers(-2, 2**70), max_size=3),
)
def test_no_promise_of_a_header_escapes(dtype: str, shape: list[int]) -> None:
    data = raw(repr({"descr": dtype, "fortran_order": False, "shape": tuple(shape)}))
    try:
        seen = read(data)
    except MemberError:
        return
    assert seen.shape == tuple(shape)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def trap(path: Path) -> bytes:
    return saved(np.array([Trap(path)], object), pickles=True)


def test_the_trap_would_spring(tmp_path: Path) -> None:
    np.load(io.BytesIO(trap(tmp_path / "sprung")), allow_pickle=True)[0].close()
    assert (tmp_path / "sprung").exists()


def test_pickles_are_refused_unread(tmp_path: Path) -> None:
    assert code(trap(tmp_path / "sprung")) == "npy-object"
    bare = pickle.dumps(Trap(tmp_path / "sprung"))
    assert code(bare) == "npy-header"
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "member",
    ["data/videos/0.npy", "data/responses/0.npy", "meta/trials/tiers.npy", "meta/neurons/unit_ids.npy",
     "meta/trials/trial_idx.npy", "meta/statistics/videos/all/mean.npy"],
)  # fmt: skip
def test_a_recording_with_a_pickle_is_refused_unread(tmp_path: Path, member: str) -> None:
    folder = write_sensorium2023(tmp_path / "s", n_neurons=6, n_train=2, n_repeats=1, frame_shape=(8, 12))
    (folder / member).write_bytes(trap(tmp_path / "sprung"))
    with pytest.raises(SensoriumError, match="never loaded") as caught:
        open_source(folder)
    assert [(problem.code, problem.where) for problem in caught.value.problems if problem.code == "npy-object"] == [
        ("npy-object", member)
    ]
    assert not (tmp_path / "sprung").exists()


def test_a_header_is_read_from_the_first_bytes_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "x.npy", np.zeros((3, 5), np.float32))
    members = FolderMembers(tmp_path)

    class HeadOnly(OneMember):
        def head(self, name: str, n_bytes: int) -> bytes:
            del name
            return members.head("data/x.npy", min(n_bytes, 128))

        def read(self, name: str, memory: Memory | None = None) -> Content:
            raise AssertionError(name, memory)

    only = HeadOnly(bytes(members.sizes["data/x.npy"]))
    header = header_of(only, "x.npy")
    assert (header.shape, header.dtype, header.offset, header.nbytes) == ((3, 5), np.dtype("f4"), 128, 60)
