"""Patience: so many tries, pauses that grow, a deadline, and nothing in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st

from sensorium_data.errors import StorageFailed
from sensorium_data.remote import Location, open_objects, patience
from sensorium_data.remote.faults import Passing
from sensorium_data.remote.patience import LONGEST_S, Deadline, patiently
from tests.remote.raw import raw, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLACE = Location("https://example.org/x")


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    with mock.patch.multiple(patience, monotonic=lambda: made.now_s, sleep=made.sleep, FIRST_S=0.2):
        yield made


@checked(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    n_retries=st.integers(0, 2000),
    deadline_s=st.integers(1, 500),
    takes_s=st.floats(0, 60),
    after=st.lists(st.none() | st.floats(0, 1000), max_size=8),
    n_faults=st.integers(0, 12) | st.just(10**9),
)
def test_tries_and_pauses_are_bounded(
    clock: Clock, setting: Callable[..., None], n_retries: int, deadline_s: int, takes_s: float,
    after: list[float | None], n_faults: int,
) -> None:  # fmt: skip
    setting(n_retries=n_retries, deadline_s=deadline_s)
    clock.__init__()  # type: ignore[misc]  # one fixture for all examples
    asked: list[float] = []

    def ask(deadline: Deadline) -> str:
        asked.append(clock.now_s)
        clock.now_s += min(takes_s, deadline.left_s)
        if len(asked) <= n_faults:
            raise Passing("is tired", after_s=after[len(asked) - 1] if len(asked) <= len(after) else None)
        return "there"

    try:
        answer = patiently(PLACE, ask)
    except StorageFailed as error:
        answer = f"{error.code}: {error}"
    assert len(asked) <= n_faults + 1
    if len(asked) == n_faults + 1:
        assert answer == "there"
    else:
        assert answer.startswith("unreachable: https://example.org/x: is tired")
    assert 1 <= len(asked) <= n_retries + 1
    assert clock.now_s <= deadline_s + 1e-6
    assert len(clock.pauses) == len(asked) - 1
    for n, pause_s in enumerate(clock.pauses):
        wanted = after[n] if n < len(after) else None
        assert pause_s <= (LONGEST_S if wanted is None else wanted + 0.2)
        assert pause_s >= (0.1 if wanted is None else wanted)


def test_a_server_that_wants_to_be_left_alone_for_too_long(clock: Clock, setting: Callable[..., None]) -> None:
    setting(n_retries=5, deadline_s=60)
    asked = mock.Mock(side_effect=Passing("is tired", after_s=61))
    with pytest.raises(StorageFailed):
        patiently(PLACE, asked)
    assert asked.call_count == 1
    assert not clock.pauses


def test_the_code_is_that_of_the_last_fault(clock: Clock) -> None:
    faults = [Passing("a"), Passing("b"), Passing("c", code="ranges-ignored")]
    with pytest.raises(StorageFailed, match=r"c \(3 times\)") as caught:
        patiently(PLACE, mock.Mock(side_effect=faults))
    assert caught.value.code == "ranges-ignored"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError, MemoryError])
def test_what_is_no_fault_passes_through(error: type[BaseException]) -> None:
    asked = mock.Mock(side_effect=error)
    with pytest.raises(error):
        patiently(PLACE, asked)
    assert asked.call_count == 1


def test_offline_nothing_is_asked(setting: Callable[..., None]) -> None:
    with raw(said(200)) as server:
        setting(offline=1)
        for place in (Location(server.url), Location("s3://bucket/x"), Location("memory://x")):
            objects = open_objects(place)
            acts: list[Callable[[str], object]] = [objects.read, objects.head, objects.delete]
            acts.append(lambda _, objects=objects: list(objects.listing()))  # type: ignore[misc]  # bound now
            for act in acts:
                with pytest.raises(StorageFailed) as caught:
                    act("x")
                assert caught.value.code == "offline"
        assert not server.n_connections
