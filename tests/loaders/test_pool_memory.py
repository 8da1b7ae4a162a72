"""How much memory is kept: little more than is in use, shared by sessions of different sizes; pinned, none at all."""

from __future__ import annotations

import weakref
from typing import Any

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.loaders.pool import RECENT, SMALLEST, SPARE, BufferPool, _size_class

ONE = {"x": ((4, 300, 5), torch.float32)}
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def lent(pool: BufferPool, value: float) -> torch.Tensor:
    buffer = pool.take(ONE)
    buffer.arrays["x"][...] = value
    return buffer.lend()["x"]


@given(st.integers(0, 2**40))
def test_blocks_are_little_larger_than_asked(n_bytes: int) -> None:
    size = _size_class(n_bytes)
    assert max(n_bytes, SMALLEST) <= size
    assert size <= max(n_bytes * 9 / 8 + 1, SMALLEST)
    assert _size_class(size) == size


def test_sessions_of_about_as_many_neurons_share_memory() -> None:
    pool = BufferPool()
    for k in range(1000):
        batch = pool.take({"x": ((2, 10, 7000 + 13 * (k % 100)), torch.float32)}).lend()
    assert pool.n_allocated <= 8
    del batch


def test_memory_that_was_held_is_given_back() -> None:
    pool = BufferPool()
    held = [lent(pool, k) for k in range(100)]
    most = pool.n_bytes
    del held
    for _ in range(2 * RECENT):
        lent(pool, 0)
    assert pool.n_bytes <= most * 2 * SPARE / 100
    n_before = pool.n_allocated
    for _ in range(2 * RECENT):
        lent(pool, 0)
    assert pool.n_allocated == n_before


def test_resident_memory_is_flat() -> None:
    """Ten thousand batches of sessions of different sizes, some held for a while, take no more memory than the first."""
    pool, process = BufferPool(), psutil.Process()

    def run(n: int) -> int:
        held: list[dict[str, torch.Tensor]] = []
        for k in range(n):
            buffer = pool.take({"x": ((8, 40, 500 + 100 * (k % 10)), torch.float32), "mask": ((8, 40), torch.bool)})
            buffer.arrays["x"][:, 0] = k
            held = [*held[-(k % 4) :], buffer.lend()] if k % 4 else [buffer.lend()]
        return process.memory_info().rss

    before = run(1000)
    assert run(9000) - before < 20_000_000
    assert pool.n_bytes < 20_000_000


def test_pinning_without_gpu_is_plain_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    pool = BufferPool(pin=True)
    assert not lent(pool, 1).is_pinned()
    assert pool.n_allocated == 1


def test_pinned_memory_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool keeps nothing of a pinned batch: torch alone knows the streams that still copy from it."""
    asked, empty = list[bool](), torch.empty

    def stand_in(*shape: Any, pin_memory: bool = False, **options: Any) -> torch.Tensor:
        asked.append(pin_memory)
        return empty(*shape, **options)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", stand_in)
    pool = BufferPool(pin=True)
    buffer = pool.take({"x": ((2, 3), torch.float32), "half": ((2, 3), torch.bfloat16)})
    buffer.arrays["x"][:] = 4
    buffer.arrays["half"][:] = 0x4000
    batch = buffer.lend(1)
    assert asked == [True, True]
    assert batch["x"].tolist() == [[4, 4, 4]]
    assert batch["half"].tolist() == [[2, 2, 2]]
    assert pool.n_bytes == 0
    gone = weakref.ref(batch["x"].untyped_storage())
    del batch
    assert gone() is None


@needs_gpu
def test_pinned_memory_waits_for_copies_on_any_stream() -> None:
    pool, spec = BufferPool(pin=True), {"x": ((64, 1 << 18), torch.float32)}
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    copies = []
    for value in range(20):
        buffer = pool.take(spec)
        buffer.tensors["x"].fill_(value)
        batch = buffer.lend()
        assert batch["x"].is_pinned()
        with torch.cuda.stream(side):
            copies.append(batch["x"][1:].to("cuda", non_blocking=True)[:, 0])
        del batch, buffer  # dies outside the stream that still copies
    torch.cuda.synchronize()
    assert [set(one.tolist()) for one in copies] == [{value} for value in range(20)]


@needs_gpu
def test_pinned_memory_is_used_again() -> None:
    pool, spec = BufferPool(pin=True), {"x": ((64, 1 << 18), torch.float32)}
    places = set()
    for _ in range(50):
        batch = pool.take(spec).lend()
        places.add(batch["x"].data_ptr())
        batch["x"].to("cuda", non_blocking=True)
        torch.cuda.synchronize()
    assert len(places) <= 3
