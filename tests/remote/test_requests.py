"""Requests side by side: in order, with their errors, and never in the way of the end of the process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st

from sensorium_data.remote.requests import Hands, in_order, submitted
from tests.remote.raw import Said, raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

ENDS_S = 60  # long beside what it takes, short beside a hang


@checked(deadline=None)
@given(st.lists(st.integers(), max_size=30), st.integers(0, 40))
def test_results_come_in_order(values: list[int], n_ahead: int) -> None:
    assert list(in_order((partial(abs, value) for value in values), n_ahead)) == [abs(value) for value in values]


def test_only_a_few_are_ahead() -> None:
    begun: list[int] = []

    def works() -> Iterator[Callable[[], int]]:
        for n in range(100):
            begun.append(n)
            yield partial(abs, n)

    results = in_order(works(), 3)
    assert next(results) == 0
    assert len(begun) == 4


class Wrong(BaseException):
    pass


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt, Wrong])
def test_errors_come_where_the_result_is_asked_for(kind: type[BaseException]) -> None:
    def fails() -> int:
        raise kind("here")

    results = in_order([lambda: 1, fails, lambda: 3])
    assert next(results) == 1
    with pytest.raises(kind, match="here"):
        next(results)
    assert submitted(lambda: 4).result(ENDS_S) == 4  # the thread lives on


def test_side_by_side() -> None:
    both = threading.Barrier(4)
    assert sorted(in_order([lambda: both.wait(ENDS_S)] * 4, 4)) == [0, 1, 2, 3]


def test_a_stalled_server_does_not_hold_up_the_end() -> None:
    code = """
import sys
from sensorium_data.remote import Location, open_objects
from sensorium_data.remote.requests import submitted
objects = open_objects(Location(sys.argv[1]))
for n in range(4):
    submitted(lambda: objects.read("x", 0, 5))
sys.stdin.readline()
"""
    asked = threading.Event()

    def answer(_: object) -> Said:
        asked.set()
        return Said([], "stall")

    hidden = os.environ | {"SENSORIUM_DATA_TIMEOUT_S": "3000", "SENSORIUM_DATA_DEADLINE_S": "3000"}
    with (
        raw(answer) as server,
        subprocess.Popen([sys.executable, "-c", code, server.url], stdin=subprocess.PIPE, env=hidden) as process,
    ):
        try:
            assert asked.wait(ENDS_S)
            process.communicate(b"\n", timeout=ENDS_S)
            assert process.returncode == 0
        finally:
            process.kill()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    assert submitted(os.getpid).result(ENDS_S) == os.getpid()
    code = """
import os, sys
from sensorium_data.remote.requests import Hands, in_order, submitted
assert submitted(lambda: 1).result(60) == 1
if (pid := os.fork()) == 0:
    os._exit(0 if list(in_order([lambda: os.getpid()] * 3)) == [os.getpid()] * 3 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=ENDS_S, check=True)


def test_hands_work_side_by_side_and_in_order() -> None:
    both = threading.Barrier(3)
    with Hands(3) as hands:
        assert list(hands.map(lambda value: (both.wait(ENDS_S), -value)[1], [1, 2, 3])) == [-1, -2, -3]


@checked(deadline=None)
@given(st.lists(st.integers(), max_size=30), st.integers(-1, 40))
def test_any_number_of_hands_does_all_of_the_work(values: list[int], n_threads: int) -> None:
    with Hands(n_threads) as hands:
        assert list(hands.map(abs, values)) == [abs(value) for value in values]


def test_hands_do_not_begin_what_is_left_when_the_block_is_left() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def waits() -> bool:
        begun.set()
        return goes_on.wait(ENDS_S)

    def leave() -> None:
        with Hands(1) as hands:
            under_way.append(hands.submit(waits))
            assert begun.wait(ENDS_S)
            left.extend(hands.submit(lambda: True) for _ in range(3))
            raise KeyboardInterrupt

    under_way: list[Future[bool]] = []
    left: list[Future[bool]] = []
    with pytest.raises(KeyboardInterrupt):
        leave()
    assert all(future.cancelled() for future in left)
    assert not under_way[0].done()
    goes_on.set()
    assert under_way[0].result(ENDS_S)
