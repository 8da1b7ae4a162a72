"""Memory comes back when nothing lives on it, and not before; what is held costs memory, never correctness."""

from __future__ import annotations

import copy
import gc
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, IterableDataset

from sensorium_data.errors import BadArgument
from sensorium_data.loaders.pool import ALIGNMENT, NUMPY_DTYPES, Buffer, BufferPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPEC = {"x": ((4, 300, 5), torch.float32), "mask": ((4, 300), torch.bool)}
ONE = {"x": ((4, 300, 5), torch.float32)}


def place(buffer: Buffer) -> int:
    return buffer.tensors["x"].data_ptr()


def lent(pool: BufferPool, value: float) -> torch.Tensor:
    buffer = pool.take(ONE)
    buffer.arrays["x"][...] = value
    return buffer.lend()["x"]


def test_memory_comes_back_when_all_tensors_are_gone() -> None:
    pool = BufferPool()
    buffer = pool.take(SPEC)
    first = place(buffer)
    batch = buffer.lend()
    assert place(pool.take(SPEC)) != first
    del batch
    assert first in [place(held) for held in [pool.take(SPEC), pool.take(SPEC)]]


class Slot:
    """Something that keeps a tensor by other means than a name."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        self.me = self  # only the collector of cycles frees this


HOLDS: dict[str, Callable[[torch.Tensor], object]] = {
    "itself": lambda t: t,
    "slice": lambda t: t[1:2],
    "row of a slice": lambda t: t[1:][0],
    "reversed axes": lambda t: t.permute(2, 1, 0),
    "view": lambda t: t.view(-1),
    "other dtype": lambda t: t.view(torch.int32),
    "detach": lambda t: t.detach(),
    "expand": lambda t: t[:1].expand(7, -1, -1),
    "unbind": lambda t: t.unbind()[2],
    "strided": lambda t: t.as_strided((2,), (3,)),
    "numpy": lambda t: t.numpy(),
    "numpy slice": lambda t: t.numpy()[2:, ::2],
    "asarray": lambda t: np.asarray(t[0]),
    "dlpack": np.from_dlpack,
    "storage": lambda t: t.untyped_storage(),
    "shallow copy": copy.copy,
    "parameter": torch.nn.Parameter,
    "graph": lambda t: torch.nn.Parameter(torch.ones(5)) * t,  # the product keeps its factors for the backward pass
    "cycle": Slot,
    "closure": lambda t: lambda: t,
    "to the same": lambda t: t.to("cpu", torch.float32, non_blocking=True),
}


@pytest.mark.parametrize("how", HOLDS)
def test_whatever_rests_on_the_memory_keeps_it_out(how: str) -> None:
    pool = BufferPool()
    tensor = lent(pool, 7)
    first = tensor.data_ptr()
    held = HOLDS[how](tensor)
    del tensor
    others = [lent(pool, 8) for _ in range(3)]
    assert first not in [other.data_ptr() for other in others]
    if isinstance(held, torch.Tensor) and held.dtype == torch.float32:
        assert (held.detach() == 7).all()
    del held, others
    gc.collect()
    assert first in [other.data_ptr() for other in [lent(pool, 9) for _ in range(4)]]


def test_copies_do_not_keep_it_out() -> None:
    pool = BufferPool()
    tensor = lent(pool, 7)
    first, copies = tensor.data_ptr(), [tensor.clone(), tensor.double(), tensor[[0, 1]]]
    del tensor
    assert lent(pool, 8).data_ptr() == first
    assert all((one == 7).all() for one in copies)


def test_rows_being_filled_keep_it_out() -> None:
    """A thread that still writes a row of an abandoned batch does not write into the next."""
    pool = BufferPool()
    buffer = pool.take(ONE)
    first, row = place(buffer), buffer.arrays["x"][1][3:]
    del buffer
    assert place(pool.take(ONE)) != first
    del row
    assert first in [place(held) for held in [pool.take(ONE), pool.take(ONE)]]


def test_a_buffer_that_was_never_lent_comes_back() -> None:
    pool = BufferPool()
    for _ in range(5):
        pool.take(SPEC)
    assert pool.n_allocated == len(SPEC)


def test_a_buffer_is_lent_once() -> None:
    buffer = BufferPool().take(SPEC)
    buffer.lend()
    assert buffer.arrays == buffer.tensors == {}
    with pytest.raises(BadArgument, match="lent before"):
        buffer.lend()


def test_the_first_rows_of_a_last_batch() -> None:
    pool = BufferPool()
    buffer = pool.take(SPEC)
    first = place(buffer)
    buffer.arrays["x"][:] = np.arange(4)[:, None, None]
    batch = buffer.lend(3)
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == {"x": (3, 300, 5), "mask": (3, 300)}
    assert batch["x"][:, 0, 0].tolist() == [0, 1, 2]
    assert place(pool.take(SPEC)) != first
    del batch
    assert first in [place(held) for held in [pool.take(SPEC), pool.take(SPEC)]]


@pytest.mark.parametrize("dtype", NUMPY_DTYPES, ids=str)
def test_every_dtype(dtype: torch.dtype) -> None:
    buffer = BufferPool().take({"x": ((2, 3), dtype), "empty": ((0, 3), dtype)})
    buffer.tensors["x"].copy_(torch.tensor([[1, 0, 1], [0, 1, 1]]))
    bits = buffer.arrays["x"]
    assert bits.flags.c_contiguous
    assert bits.ctypes.data % ALIGNMENT == 0
    assert bits[0, 0] == (0x3F80 if dtype == torch.bfloat16 else 1)
    batch = buffer.lend()
    assert batch["x"].dtype == dtype
    assert batch["x"].tolist() == [[1, 0, 1], [0, 1, 1]]
    assert batch["empty"].shape == (0, 3)


def test_bfloat16_bits_are_the_tensors() -> None:
    pool = BufferPool()
    buffer = pool.take({"x": ((2,), torch.bfloat16)})
    buffer.arrays["x"][:] = [0x7FC0, 0x4000]
    tensor = buffer.lend()["x"]
    assert tensor[0].isnan()
    assert tensor[1] == 2
    first = tensor.data_ptr()
    half = tensor[1:]
    del tensor
    assert place(pool.take({"x": ((2,), torch.bfloat16)})) != first
    assert half == 2


def test_a_dtype_without_array_is_refused() -> None:
    with pytest.raises(BadArgument, match=r"film: torch\.quint8 cannot be filled"):
        BufferPool().take({"film": ((1,), torch.quint8)})


class Served(IterableDataset[dict[str, torch.Tensor]]):
    def __init__(self, n: int) -> None:
        self.pool, self.n = BufferPool(), n

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for value in range(self.n):
            buffer = self.pool.take(SPEC)
            buffer.arrays["x"][:] = value
            yield buffer.lend()


@pytest.mark.parametrize("batch_size", [None, 3], ids=["ready", "collated"])
def test_a_data_loader_that_is_listed(batch_size: int | None) -> None:
    """Every batch of a held epoch is what it was when it came."""
    batches = list(DataLoader(Served(30), batch_size=batch_size))
    values = torch.cat([batch["x"].reshape(-1, 6000)[:, 0] for batch in batches])
    assert sorted(set(values.tolist())) == list(range(30))


def test_a_data_loader_that_lets_go() -> None:
    served = Served(50)
    for value, batch in enumerate(DataLoader(served, batch_size=None)):
        assert (batch["x"] == value).all()
    assert served.pool.n_allocated <= 3 * len(SPEC)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 12)), max_size=80))
@settings(max_examples=50)
def test_batches_hold_their_values_whatever_is_held(steps: list[tuple[int, int]]) -> None:
    """Sizes change from batch to batch, and so does how many are held: every one stays as it was lent."""
    pool, held = BufferPool(), list[tuple[int, torch.Tensor]]()
    for value, (size, n_held) in enumerate(steps):
        buffer = pool.take({"x": ((size, 500), torch.int32)})
        buffer.arrays["x"][:] = value
        held.append((value, buffer.lend()["x"]))
        held = held[max(0, len(held) - n_held) :]
        assert all((tensor == number).all() for number, tensor in held)
    assert pool.n_bytes == pool._n_bytes_out + sum(size * len(blocks) for size, blocks in pool._free.items())
