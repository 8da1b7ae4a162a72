"""Results in order, and errors in their turn."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.loaders.ring import THREAD_NAME, run_in_order
from tests.loaders.works import PATIENCE_S, Squares, reader_threads, wait_for_threads

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    assert reader_threads() == []
    gc.freeze()  # what was there before is not looked through again, seconds in a process that has run other tests
    yield
    gc.collect()
    gc.unfreeze()
    wait_for_threads()


@given(
    st.lists(st.integers(0, 5), max_size=12), st.integers(0, 4), st.integers(0, 5), st.randoms(use_true_random=False)
)
@settings(max_examples=60, deadline=None)
def test_results_come_in_order(sizes: list[int], n_threads: int, n_ahead: int, luck: random.Random) -> None:
    """Whatever the threads, and however long each part takes."""
    waits = {(number, part): luck.random() < 0.3 for number, n in enumerate(sizes) for part in range(n)}
    pause = threading.Event()

    def before(number: int, part: int) -> None:
        if waits[number, part]:
            pause.wait(0.0005)

    works = (Squares(number, n, before) for number, n in enumerate(sizes))
    with run_in_order(works, n_threads, n_ahead) as results:
        assert list(results) == [(number, list(range(n))) for number, n in enumerate(sizes)]


@pytest.mark.parametrize(("n_threads", "n_ahead", "n_begun"), [(2, 3, 4), (2, 0, 1), (0, 3, 1)])
def test_no_more_is_begun_than_asked(n_threads: int, n_ahead: int, n_begun: int) -> None:
    begun: list[int] = []

    def works() -> Iterator[Squares]:
        for number in range(20):
            begun.append(number)
            yield Squares(number)

    with run_in_order(works(), n_threads, n_ahead) as results:
        assert begun == []
        for k, _ in enumerate(results):
            assert len(begun) == min(20, k + n_begun)


def test_parts_run_in_named_threads_at_the_same_time() -> None:
    names: list[str] = []
    meeting = threading.Barrier(3, timeout=PATIENCE_S)

    def before(number: int, part: int) -> None:
        names.append(threading.current_thread().name)
        meeting.wait()  # passes only if three parts run at once

    with run_in_order(iter([Squares(0, 3, before)]), 3, 0) as results:
        assert next(results) == (0, [0, 1, 2])
    assert sorted(names) == [f"{THREAD_NAME}-{k}" for k in range(3)]


def test_in_line_runs_where_it_is_asked() -> None:
    names: list[str] = []
    works = (Squares(k, 2, lambda *_: names.append(threading.current_thread().name)) for k in range(3))
    assert len(list(run_in_order(works, 0, 5))) == 3
    assert set(names) == {threading.current_thread().name}


def fail_at(number: int, part: int, error: BaseException) -> Callable[[int, int], None]:
    def before(at: int, k: int) -> None:
        if (at, k) == (number, part):
            raise error

    return before


@pytest.mark.parametrize("n_threads", [0, 1, 3])
@pytest.mark.parametrize("error", [OSError("gone"), KeyboardInterrupt(), SystemExit(3)], ids=lambda e: type(e).__name__)
def test_an_error_is_raised_in_its_turn(n_threads: int, error: BaseException) -> None:
    results = run_in_order((Squares(k, 4, fail_at(3, 1, error)) for k in range(9)), n_threads, 5)
    assert [next(results)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(type(error)) as failure:
        next(results)
    assert failure.value is error
    assert list(results) == []
    wait_for_threads()


@pytest.mark.parametrize("n_threads", [0, 2])
def test_an_error_comes_once_no_part_of_its_work_runs(n_threads: int) -> None:
    """A batch whose parts still run must not be torn down under them."""
    running = set[int]()
    failed = threading.Event()

    def before(number: int, part: int) -> None:
        if part == 0:
            running.add(part)
            if n_threads:
                failed.wait(PATIENCE_S)
            running.remove(part)
        if part == 1:
            failed.set()
            raise ValueError("part 1")

    with pytest.raises(ValueError, match="part 1"):
        next(run_in_order(iter([Squares(0, 6, before)]), n_threads, 0))
    assert running == set()


@pytest.mark.parametrize("n_threads", [0, 2])
def test_an_error_of_the_works_comes_after_the_results_before_it(n_threads: int) -> None:
    def works() -> Iterator[Squares]:
        yield from (Squares(k) for k in range(3))
        raise LookupError("no fourth")

    results = run_in_order(works(), n_threads, 8)
    assert [next(results)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LookupError, match="no fourth"):
        next(results)
    assert list(results) == []


class Unfinished(Squares):
    def finish(self) -> tuple[int, list[int]]:
        raise ArithmeticError("finish")


@pytest.mark.parametrize("n_threads", [0, 2])
def test_an_error_of_finishing(n_threads: int) -> None:
    results = run_in_order(iter([Squares(0), Unfinished(1), Squares(2)]), n_threads, 3)
    assert next(results)[0] == 0
    with pytest.raises(ArithmeticError):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("n_threads", [0, 2])
def test_stop_iteration_is_no_end(n_threads: int) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(run_in_order(iter([Squares(0, 1, fail_at(0, 0, StopIteration()))]), n_threads, 1))


@pytest.mark.parametrize(("n_threads", "n_ahead"), [(-1, 0), (0, -1)])
def test_negative_numbers_are_refused(n_threads: int, n_ahead: int) -> None:
    with pytest.raises(BadArgument, match="expected 0 or more"):
        run_in_order(iter([Squares(0)]), n_threads, n_ahead)
