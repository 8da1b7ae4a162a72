"""Properties that are computed once: kept in the object, and by no lock."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sensorium_data.cached import cached_property


class Slow:
    """Counts how often it computes, and waits where it is told to."""

    def __init__(self) -> None:
        self.n_computed = 0
        self.began, self.go = threading.Event(), threading.Event()
        self.go.set()

    @cached_property
    def value(self) -> list[int]:
        """A list."""
        self.n_computed += 1
        self.began.set()
        assert self.go.wait(60)
        return []


def test_it_is_computed_once_and_kept_in_the_object() -> None:
    one, other = Slow(), Slow()
    assert one.value is one.value
    assert one.value is not other.value
    assert (one.n_computed, "value" in one.__dict__) == (1, True)
    del one.__dict__["value"]
    assert one.value is one.value
    assert one.n_computed == 2
    assert isinstance(Slow.value, cached_property)
    assert Slow.value.__doc__ == "A list."


def test_who_computes_keeps_nobody_waiting() -> None:
    slow, other = Slow(), Slow()
    slow.go.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: slow.value)
        assert slow.began.wait(60)
        assert other.value == []  # another object's, while the first is under way
        slow.go.set()
        assert first.result(60) is slow.value


def test_of_two_that_compute_at_once_one_stays() -> None:
    slow = Slow()
    slow.go.clear()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(lambda: slow.value) for _ in range(2)]
        while slow.n_computed < 2:
            assert slow.began.wait(60)
        slow.go.set()
        assert both[0].result(60) is both[1].result(60)


def test_an_error_is_not_kept() -> None:
    class Failing:
        tries = 0

        @cached_property
        def value(self) -> int:
            Failing.tries += 1
            if Failing.tries == 1:
                raise OSError("not yet")
            return Failing.tries

    failing = Failing()
    with pytest.raises(OSError, match="not yet"):
        _ = failing.value
    assert failing.value == failing.value == 2
