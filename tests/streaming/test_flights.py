"""Ranges that were asked for and not read yet: each once, bounded, and let go with their reader."""

from __future__ import annotations

import gc
from functools import partial
from itertools import count
from threading import Event
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import StorageFailed
from sensorium_data.loaders import WindowDataset
from sensorium_data.reading import flights
from sensorium_data.reading.flights import Flights
from sensorium_data.remote.requests import in_order, submitted
from tests.streaming.everything import in_time
from tests.streaming.served import served

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from tests.streaming.conftest import Stores


def waiting() -> int:
    return flights._registry().n_bytes


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of the test's own."""
    monkeypatch.setattr(flights, "_REGISTRIES", {})


def landed(*data: Future[bytes]) -> None:
    for one in data:
        one.result(60)


def test_never_read_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "MOST", 1000)
    mine = Flights()
    for k in range(100):
        mine.start(0, k * 100, k * 100 + 100, 1, partial(bytes, 100))
        assert waiting() <= 1000
        landed(*(one.data for one in flights._registry().flights.values()))
    assert waiting()
    assert mine.taken(0, 9900, 10_000) == (9900, bytes(100))
    mine.start(1, 0, 2000, 1, partial(bytes, 2000))  # more than there ever is room for
    assert mine.taken(1, 0, 2000) is None


def test_what_is_under_way_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "MOST", 1000)
    mine, go = Flights(), Event()

    def slow() -> bytes:
        go.wait(60)
        return bytes(600)

    mine.start(0, 0, 600, 1, slow)
    mine.start(0, 600, 1200, 1, partial(bytes, 600))
    assert waiting() == 600
    go.set()
    assert mine.taken(0, 600, 1200) is None
    assert mine.taken(0, 0, 600) == (0, bytes(600))
    assert waiting() == 0


def test_a_reader_that_is_gone_lets_go() -> None:
    mine, other = Flights(), Flights()
    for one in (mine, other):
        one.start(0, 0, 100, 1, partial(bytes, 100))
    assert waiting() == 200
    del mine, one
    gc.collect()
    assert waiting() == 100
    assert other.taken(0, 0, 100) is not None


def test_no_reader_takes_those_of_another() -> None:
    """Not even where the other one could not let go, and this one is at the same place in memory."""
    registry = flights._registry()
    for k in range(50):
        one = Flights()
        one.start(0, 0, 10, 1, partial(bytes, 10))
        with registry.lock:  # as when it is collected while another thread reads
            del one
        assert Flights().taken(0, 0, 10) is None, k


def test_asked_for_once() -> None:
    mine, asked = Flights(), count()

    def fetch() -> bytes:
        next(asked)
        return bytes(100)

    mine.start(0, 0, 100, 1, fetch)
    mine.start(0, 20, 50, 1, fetch)  # which the first one brings along
    assert mine.coming(0, 20, 50)
    assert not mine.coming(1, 20, 50)
    assert mine.taken(0, 20, 50) == (0, bytes(100))
    assert mine.taken(0, 0, 100) == (0, bytes(100))
    assert mine.taken(0, 0, 100) is None
    assert next(asked) == 1
    assert waiting() == 0


def test_a_failure_is_not_for_ever() -> None:
    mine = Flights()

    def fails() -> bytes:
        raise StorageFailed("no", code="unreachable")

    mine.start(0, 0, 100, 3, fails)
    with pytest.raises(StorageFailed):
        mine.taken(0, 0, 100)
    mine.start(0, 0, 100, 3, partial(bytes, 100))
    assert mine.taken(0, 0, 100) == (0, bytes(100))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 20), st.integers(1, 10)), max_size=60))
def test_bytes_are_those_of_the_range(steps: list[tuple[bool, int, int, int]]) -> None:
    mine = Flights()
    for starts, number, begin, n in steps:
        if starts:
            mine.start(number, begin, begin + n, 1, partial(bytes, range(begin, begin + n)))
        elif (found := mine.taken(number, begin, begin + n)) is not None:
            first, data = found
            assert first <= begin
            assert data[begin - first : begin - first + n] == bytes(range(begin, begin + n))
    total = sum(key[3] - key[2] for key in flights._registry().flights if key[0] == mine._owner)
    assert total == sum(
        key[3] - key[2]
        for (owner, _), keys in flights._registry().of_object.items()
        for key in keys
        if owner == mine._owner
    )


def test_nothing_is_left_of_an_epoch(stores: Stores, setting: Callable[..., None]) -> None:
    """What is read from disk, or was announced twice, leaves nothing behind."""
    for kept in (0, 1 << 30):
        setting(stream_cache_bytes=kept)
        for store in (stores.compact, stores.fast):
            with served(store, f"{kept}.zarr") as far:
                dataset = WindowDataset(sd.open_session(far.url), window=9, stride=9)
                for _ in range(2):
                    dataset.__getitems__(range(len(dataset)))
                    assert waiting() == 0


def test_work_of_work_does_not_wait_for_itself(setting: Callable[..., None]) -> None:
    """Whoever finds damage opens the store again, from a thread that fetches."""
    setting(n_requests=2)

    def nested(depth: int) -> int:
        return 1 if not depth else sum(in_order([partial(nested, depth - 1)] * 3))

    assert in_time(lambda: [one.result() for one in [submitted(partial(nested, 2)) for _ in range(40)]]) == [9] * 40
