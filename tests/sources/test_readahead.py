"""What is read ahead is what lies there, in few requests where it is taken in order, whoever else takes it."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sensorium_data.sources import readahead
from sensorium_data.sources.readahead import ReadAhead


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_is_read_ahead_is_what_lies_there(data: Any) -> None:
    whole: bytes = data.draw(st.binary(min_size=1, max_size=300))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=2, max_size=30)))
    spans = [pair for pair in pairwise(cuts) if data.draw(st.booleans())] or [(0, len(whole))]
    asked: list[tuple[int, int]] = []
    failing = data.draw(st.sets(st.integers(0, 40), max_size=3))

    def fetch(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        if len(asked) in failing:
            raise OSError("once")
        return whole[start:stop]

    kept = data.draw(st.integers(0, 400))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readahead, "FIRST", data.draw(st.integers(1, 50)))
        patch.setattr(readahead, "MOST", data.draw(st.integers(50, 200)))
        ahead = ReadAhead(spans, fetch, largest=data.draw(st.integers(0, 60)), kept=kept)
        for number in data.draw(st.lists(st.integers(0, len(spans) - 1), max_size=40)):
            n_before = len(asked)
            try:
                assert bytes(ahead.take(number)) == whole[slice(*spans[number])]
            except OSError:
                assert len(asked) in failing
            assert len(asked) - n_before <= 1
            held = sum(run.stop - run.start for run in ahead._runs.values())
            assert held == ahead._n_bytes
            assert held <= kept or len(ahead._runs) == 1
            if data.draw(st.booleans()):
                ahead.forget(data.draw(st.integers(0, len(spans) - 1)))


def test_taken_in_order_it_takes_few_requests_and_here_and_there_few_bytes() -> None:
    spans = [(n * 1000, (n + 1) * 1000) for n in range(24_000)]
    asked: list[int] = []

    def fetch(start: int, stop: int) -> bytes:
        asked.append(stop - start)
        return bytes(stop - start)

    ahead = ReadAhead(spans, fetch)
    for number in range(24_000):
        ahead.take(number)
    assert sum(asked) == 24_000_000
    assert len(asked) <= 8
    asked.clear()
    ahead = ReadAhead(spans, fetch)
    for number in range(0, 24_000, 2400):
        ahead.take(number)
    assert sum(asked) <= 10 * readahead.FIRST


def test_threads_that_want_the_same_wait_for_one_request() -> None:
    spans = [(n * 10, (n + 1) * 10) for n in range(1000)]
    whole = random.Random(0).randbytes(10_000)
    asked: list[tuple[int, int]] = []
    all_here = threading.Barrier(8)

    def fetch(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        return whole[start:stop]

    ahead = ReadAhead(spans, fetch)

    def take(seed: int) -> None:
        numbers = list(range(1000))
        random.Random(seed).shuffle(numbers)
        all_here.wait()
        for number in numbers:
            assert bytes(ahead.take(number)) == whole[slice(*spans[number])]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, range(8)))
    assert sum(stop - start for start, stop in asked) == 10_000
