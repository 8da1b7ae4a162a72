"""Threads end however the iterator ends, and hold nothing of what they have done."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from sensorium_data.errors import BadArgument, SensoriumError
from sensorium_data.loaders.ring import InOrder, run_in_order
from tests.loaders.works import PATIENCE_S, Squares, reader_threads, wait_for_threads

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    assert reader_threads() == []
    gc.freeze()  # what was there before is not looked through again, seconds in a process that has run other tests
    yield
    gc.collect()
    gc.unfreeze()
    wait_for_threads()


@pytest.mark.parametrize("how", ["used up", "closed", "left", "dropped", "collected", "never begun"])
def test_threads_end_however_the_iterator_ends(how: str) -> None:
    results: InOrder[tuple[int, list[int]]] | None = run_in_order((Squares(k) for k in range(50)), 2, 4)
    assert results is not None
    if how != "never begun":
        next(results)
        assert len(reader_threads()) == 2
    if how == "used up":
        assert len(list(results)) == 49
        assert reader_threads() == []
    elif how == "closed":
        results.close()
        results.close()
        assert reader_threads() == []
        assert list(results) == []
    elif how == "left":
        with results:
            next(results)
        assert reader_threads() == []
    elif how == "collected":
        cycle: list[object] = [results]
        cycle.append(cycle)
        results = None
        assert len(reader_threads()) == 2
        del cycle
        gc.collect()
    results = None
    wait_for_threads()


def test_an_iterator_dropped_under_load_dies_at_once() -> None:
    """Also while its threads are in the middle of parts: they do not hold it."""
    go, inside = threading.Event(), threading.Semaphore(0)

    def before(number: int, part: int) -> None:
        if number:
            inside.release()
            go.wait(PATIENCE_S)

    begun: list[weakref.ref[Squares]] = []

    def works() -> Iterator[Squares]:
        for number in range(50):
            work = Squares(number, 2, before)
            begun.append(weakref.ref(work))
            yield work
            del work

    results = run_in_order(works(), 2, 4)
    next(results)
    assert inside.acquire(timeout=PATIENCE_S)
    gone = weakref.ref(results)
    del results
    assert gone() is None
    go.set()
    wait_for_threads()
    assert [work() for work in begun] == [None] * 5


def test_a_result_is_not_held_after_it_was_handed_over() -> None:
    """Its memory is the consumer's: neither the idle threads nor the iterator may keep it out of the pool."""
    begun: list[weakref.ref[Squares]] = []

    def works() -> Iterator[Squares]:
        for number in range(6):
            work = Squares(number)
            begun.append(weakref.ref(work))
            yield work
            del work

    with run_in_order(works(), 3, 2) as results:
        for _ in range(6):
            next(results)
        assert len(reader_threads()) == 3  # idle now
        # The last part of a work is counted before its thread lets go of it: until both have waited, look again.
        deadline = monotonic() + PATIENCE_S
        while any(work() for work in begun) and monotonic() < deadline:
            sleep(0.001)
        assert [work() for work in begun] == [None] * 6


@pytest.mark.parametrize("n_threads", [0, 2])
def test_a_failed_work_dies_with_its_error(n_threads: int) -> None:
    """No cycle through the traceback holds its memory until the next collection."""

    def before(number: int, part: int) -> None:
        raise OSError("gone")

    work = Squares(0, 3, before)
    gone = weakref.ref(work)
    results = run_in_order(iter([work]), n_threads, 0)
    del work
    gc.disable()
    try:
        failed = False
        try:
            next(results)
        except OSError:
            failed = True
        wait_for_threads()
        assert failed
        assert gone() is None
    finally:
        gc.enable()


def test_closing_while_another_thread_waits() -> None:
    go, inside, seen = threading.Event(), threading.Event(), list[BaseException]()

    def before(number: int, part: int) -> None:
        inside.set()
        go.wait(PATIENCE_S)

    results = run_in_order(iter([Squares(0, 2, before)]), 1, 0)

    def consume() -> None:
        try:
            next(results)
        except BaseException as error:  # noqa: BLE001  # looked at below
            seen.append(error)

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert inside.wait(PATIENCE_S)
    results._crew.stop()
    go.set()
    consumer.join(PATIENCE_S)
    assert not consumer.is_alive()
    assert isinstance(seen[0], SensoriumError)
    assert "closed" in str(seen[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_copy_says_so() -> None:
    """Its threads stayed behind: waiting for them would hang."""
    results = run_in_order((Squares(k) for k in range(9)), 2, 3)
    next(results)
    reading, writing = os.pipe()
    if not (child := os.fork()):
        said = "nothing"
        try:
            next(results)
        except BadArgument as error:
            results.close()
            said = error.code
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert answer.read() == "iterator-forked"
    os.waitpid(child, 0)
    assert len(list(results)) == 8


EXIT = """
import sys, threading
from sensorium_data.loaders.ring import run_in_order

class Work:
    def __init__(self, k):
        self.parts = [lambda: None] * 3
    def finish(self):
        return 1

held = run_in_order(iter(map(Work, range(1000))), 3, 20)
next(held)
print("done")
"""


def test_the_interpreter_ends_with_an_iterator_in_use() -> None:
    ended = subprocess.run(  # killed, and so failed, if it hangs
        [sys.executable, "-X", "dev", "-c", EXIT], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
