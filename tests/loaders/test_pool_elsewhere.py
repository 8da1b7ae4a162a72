"""Batches that go to other threads and processes, and pools that do."""

from __future__ import annotations

import gc
import os
import pickle
import queue
import signal
import threading
import weakref

import numpy as np
import pytest
import torch

from sensorium_data.forks import lock_of
from sensorium_data.loaders.pool import BufferPool

ONE = {"x": ((4, 300, 5), torch.float32)}


def lent(pool: BufferPool, value: float) -> torch.Tensor:
    buffer = pool.take(ONE)
    buffer.arrays["x"][...] = value
    return buffer.lend()["x"]


class Slot:
    """Something that keeps a tensor by other means than a name."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        self.me = self  # only the collector of cycles frees this


def test_a_tensor_sent_to_another_process() -> None:
    """A queue pickles later, in a thread of its own, and moves what it sends to shared memory."""
    pool = BufferPool()
    channel = torch.multiprocessing.get_context("spawn").Queue()
    for value in range(6):
        channel.put(lent(pool, value))
    pool.take(ONE)
    assert [float(channel.get(timeout=60).mean()) for _ in range(6)] == list(range(6))
    channel.close()
    channel.join_thread()


def test_pickled_tensors_are_copies() -> None:
    pool = BufferPool()
    data = pickle.dumps(lent(pool, 5))
    lent(pool, 6)
    assert (pickle.loads(data) == 5).all()


def test_a_pool_travels_without_memory() -> None:
    pool = BufferPool()
    held = lent(pool, 1)
    other = pickle.loads(pickle.dumps(pool))
    assert (other.n_bytes, other.n_allocated) == (0, 0)
    assert lent(other, 2).data_ptr() != held.data_ptr()


def test_tensors_die_in_other_threads() -> None:
    pool, done = BufferPool(), list[bool]()
    channel: queue.SimpleQueue[tuple[int, torch.Tensor] | None] = queue.SimpleQueue()

    def consume() -> None:
        while (item := channel.get()) is not None:
            value, tensor = item
            part = tensor[1:, ::2]
            del item, tensor
            done.append(bool((part == value).all()))
            del part

    threads = [threading.Thread(target=consume) for _ in range(3)]
    for thread in threads:
        thread.start()
    for value in range(400):
        channel.put((value, lent(pool, value)))
    for _ in threads:
        channel.put(None)
    for thread in threads:
        thread.join()
    assert done == [True] * 400
    n_before = pool.n_allocated
    lent(pool, 0)
    assert pool.n_allocated == n_before


def test_several_threads_take_from_one_pool() -> None:
    pool, wrong = BufferPool(), list[float]()

    def work(k: int) -> None:
        held: list[tuple[float, torch.Tensor]] = []
        for step in range(100):
            value = float(1000 * k + step)
            held = [*held[-2:], (value, lent(pool, value))]
            wrong.extend(value for value, tensor in held if not (tensor == value).all())

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_tensor_outlives_the_pool() -> None:
    pool = BufferPool()
    gone, tensor = weakref.ref(pool), lent(pool, 3)
    del pool
    assert gone() is None
    other = [np.full(6000, 9.0, np.float32) for _ in range(20)]
    assert (tensor == 3).all()
    del tensor, other


def test_death_in_the_middle_of_taking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection of cycles may strike while the pool's lock is held."""
    pool = BufferPool()
    count = pool._count

    def strike(n_bytes: int) -> None:
        gc.collect()
        count(n_bytes)

    gc.disable()
    try:
        held = [Slot(lent(pool, k)) for k in range(10)]
        del held  # each waits in its cycle
        monkeypatch.setattr(pool, "_count", strike)
        assert (lent(pool, 1) == 1).all()
        assert pool.n_allocated == 11
        lent(pool, 1)
        assert pool.n_allocated == 11
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_pool_waits_for_no_lock_of_its_parent() -> None:
    pool = BufferPool(pin=True)
    held = lent(pool, 1)
    with lock_of(pool._locks):
        if not (child := os.fork()):
            signal.alarm(60)
            other = lent(pool, 2)  # hangs on the parent's lock, and is killed by the alarm, if it waits for it
            os._exit(0 if other.mean() == 2 and held.mean() == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
