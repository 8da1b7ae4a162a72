"""Which windows make which batch: every order's rule, for any sessions, and nothing but seed and epoch behind it."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.loaders.schedule import MIXED, Batch, Order, Schedule
from sensorium_data.loaders.turns import ORDERS, permutation, turns

SIZES = st.lists(st.integers(0, 23), min_size=1, max_size=6).filter(any)
orders = st.sampled_from(get_args(Order))
per_session = st.sampled_from([order for order in get_args(Order) if order != "mixed"])


def pairs(batch: Batch) -> list[tuple[int, int]]:
    return list(zip(batch.sessions.tolist(), batch.windows.tolist(), strict=True))


def every_window(sizes: list[int]) -> Counter[tuple[int, int]]:
    return Counter((session, window) for session, n in enumerate(sizes) for window in range(n))


def test_the_orders_are_those_of_the_type() -> None:
    assert get_args(Order) == ORDERS


@given(
    SIZES,
    st.integers(1, 7),
    st.sampled_from(["round_robin", "proportional", "mixed"]),
    st.booleans(),
    st.integers(0, 3),
)
def test_every_window_once(sizes: list[int], batch_size: int, order: Order, shuffle: bool, epoch: int) -> None:
    batches = Schedule(sizes, batch_size, order=order, shuffle=shuffle).epoch(epoch)
    assert Counter(pair for batch in batches for pair in pairs(batch)) == every_window(sizes)
    assert len(list(batches)) == len(batches)


@given(SIZES, st.integers(1, 7), orders, st.booleans(), st.booleans())
def test_batches_are_as_said(sizes: list[int], batch_size: int, order: Order, shuffle: bool, drop_last: bool) -> None:
    try:
        schedule = Schedule(sizes, batch_size, order=order, shuffle=shuffle, drop_last=drop_last)
    except BadArgument:
        least = sum(sizes) if order == "mixed" else min(n for n in sizes if n)
        assert drop_last
        assert least < batch_size
        return
    for batch in schedule.epoch(1):
        assert batch.windows.dtype == batch.sessions.dtype == np.int64
        assert 1 <= len(batch.windows) <= batch_size
        assert len(batch.windows) == batch_size or not drop_last
        assert batch.session == MIXED if order == "mixed" else set(batch.sessions.tolist()) == {batch.session}
        assert all(0 <= window < sizes[session] for session, window in pairs(batch))


@given(SIZES, st.integers(1, 4), st.booleans())
def test_round_robin_gives_each_session_its_turn(sizes: list[int], batch_size: int, shuffle: bool) -> None:
    schedule = Schedule(sizes, batch_size, shuffle=shuffle)
    counts = schedule.n_batches.tolist()
    expected = [s for turn in range(max(counts)) for s, n in enumerate(counts) if turn < n]
    assert [batch.session for batch in schedule.epoch(0)] == expected


@given(SIZES, st.integers(1, 4), st.booleans(), st.sampled_from(["longest", "shortest"]))
def test_cycles_give_all_sessions_as_many_turns(sizes: list[int], batch_size: int, shuffle: bool, order: Order) -> None:
    schedule = Schedule(sizes, batch_size, order=order, shuffle=shuffle)
    counts = {s: int(n) for s, n in enumerate(schedule.n_batches) if n}
    n_turns = max(counts.values()) if order == "longest" else min(counts.values())
    assert [batch.session for batch in schedule.epoch(0)] == list(counts) * n_turns


@given(SIZES, st.integers(1, 4), st.booleans())
def test_a_session_that_starts_over_has_used_every_window(sizes: list[int], batch_size: int, shuffle: bool) -> None:
    schedule = Schedule(sizes, batch_size, order="longest", shuffle=shuffle)
    batches = list(schedule.epoch(0))
    for session in np.flatnonzero(sizes).tolist():
        own = [batch.windows.tolist() for batch in batches if batch.session == session]
        n = int(schedule.n_batches[session])
        for cycle in range(len(own) // n):
            windows = [window for batch in own[cycle * n : (cycle + 1) * n] for window in batch]
            assert sorted(windows) == list(range(sizes[session]))


def test_starting_over_shuffles_anew() -> None:
    batches = [batch for batch in Schedule([30, 300], 30, order="longest", shuffle=True).epoch(0) if batch.session == 0]
    assert len({tuple(batch.windows.tolist()) for batch in batches}) == 10


@given(SIZES, st.integers(1, 4))
def test_unshuffled_proportional_spreads_every_session_evenly(sizes: list[int], batch_size: int) -> None:
    schedule = Schedule(sizes, batch_size, order="proportional", shuffle=False)
    sessions = np.array([batch.session for batch in schedule.epoch(0)])
    n, n_sessions = len(sessions), int((schedule.n_batches > 0).sum())
    for session, count in enumerate(schedule.n_batches):
        so_far = np.cumsum(sessions == session)
        assert np.abs(so_far - np.arange(1, n + 1) * count / n).max() <= 1 + n_sessions / 2
        first_windows = [batch.windows[0] for batch in schedule.epoch(0) if batch.session == session]
        assert first_windows == sorted(first_windows)


def test_a_short_session_stands_in_the_middle() -> None:
    schedule = Schedule([1, 9], 1, order="proportional", shuffle=False)
    assert [batch.session for batch in schedule.epoch(0)] == [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]


def test_shuffled_proportional_mixes_the_sessions() -> None:
    sessions = [batch.session for batch in Schedule([500, 500], 1, order="proportional", shuffle=True).epoch(0)]
    assert 200 < sum(sessions[:500]) < 300  # 7 standard deviations either side of 250


@given(SIZES, st.integers(1, 7), orders, st.integers(0, 5), st.data())
def test_a_batch_is_found_by_its_place(
    sizes: list[int], size: int, order: Order, epoch: int, data: st.DataObject
) -> None:
    schedule = Schedule(sizes, size, order=order, shuffle=True, seed=3)
    straight = [pairs(batch) for batch in schedule.epoch(epoch)]
    fresh = pickle.loads(pickle.dumps(schedule.epoch(epoch)))
    for b in data.draw(st.lists(st.integers(-len(straight), len(straight) - 1), max_size=5)):
        assert pairs(fresh[b]) == straight[b]
    with pytest.raises(IndexError):
        fresh[len(straight)]


@given(per_session, st.integers(0, 5), st.lists(st.integers(1, 9), min_size=2, max_size=2))
def test_a_sessions_shuffle_is_its_own(order: Order, epoch: int, others: list[int]) -> None:
    """The other sessions decide when a session's batches come, not what is in them."""

    def own(sizes: list[int]) -> list[list[int]]:
        batches = Schedule(sizes, 2, order=order, shuffle=True, seed=1).epoch(epoch)
        return sorted((batch.windows.tolist() for batch in batches if batch.session == 0), key=str)

    one, two = own([9, others[0]]), own([9, others[1], 4])
    if order in {"round_robin", "proportional", "longest"}:
        assert one == two
    else:
        full = own([9])
        assert all(batch in full for batch in one + two)


@pytest.mark.parametrize("order", get_args(Order))
def test_seed_and_epoch_change_the_shuffle(order: Order) -> None:
    def first(seed: int, epoch: int) -> tuple[tuple[int, int], ...]:
        batches = Schedule([200, 200], 100, order=order, shuffle=True, seed=seed).epoch(epoch)
        return tuple(pair for batch in batches for pair in pairs(batch))

    assert len({first(seed, epoch) for seed in (0, 1) for epoch in (0, 1)}) == 4
    assert first(1, 1) == first(1, 1)


def test_the_shuffle_of_a_seed_never_moves() -> None:
    """Saved states rest on it: these numbers are those of the first release, on every machine and numpy."""
    assert permutation(10, 7, 2, 0, 3, 1).tolist() == [5, 4, 6, 1, 2, 7, 8, 0, 9, 3]
    batch = Schedule([10, 12], 5, order="mixed", shuffle=True, seed=7).epoch(2)[0]
    assert (batch.sessions.tolist(), batch.windows.tolist()) == ([1, 1, 1, 0, 0], [7, 11, 3, 5, 4])


@given(st.integers(0, 300), st.integers(0, 2**70), st.integers(0, 2**40))
def test_a_permutation_is_one(n: int, seed: int, epoch: int) -> None:
    assert sorted(permutation(n, seed, epoch, 1).tolist()) == list(range(n))


def test_millions_of_windows_need_no_lists() -> None:
    batches = Schedule([3_000_000, 5, 2_000_000], 8, shuffle=True).epoch(4)
    assert len(batches) == 375_000 + 1 + 250_000
    assert [batches[b].session for b in (0, 1, 2, 3, 4, 500_000, -1)] == [0, 1, 2, 0, 2, 2, 0]
    assert batches[500_000].windows.max() < 2_000_000
    assert len(batches[500_001].windows) == 8


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ([3], {"order": "roundrobin"}, "order is 'roundrobin'"),
        ([3], {"batch_size": 0}, "batch_size is 0"),
        ([3], {"seed": -1}, "seed is -1"),
        ([], {}, "no windows"),
        ([0, 0], {}, "no windows"),
        ([4, -1], {}, "no windows"),
        (
            [3, 9, 0],
            {"batch_size": 4, "drop_last": True},
            "1 session without a batch of 4 windows\n  session 0: 3 windows",
        ),
        ([1, 1], {"batch_size": 4, "drop_last": True, "order": "mixed"}, "1 session without a batch"),
    ],
    ids=["order", "batch", "seed", "none", "empty", "negative", "dropped", "mixed"],
)
def test_nonsense_is_refused(sizes: list[int], options: dict[str, object], message: str) -> None:
    with pytest.raises(BadArgument) as failure:
        Schedule(sizes, **{"batch_size": 2, "shuffle": False, **options})  # type: ignore[arg-type]  # a table of cases
    assert message in str(failure.value)


def test_an_epoch_is_not_negative() -> None:
    with pytest.raises(BadArgument, match="epoch is -1"):
        Schedule([1], 1, shuffle=False).epoch(-1)


def test_turns_of_no_order() -> None:
    with pytest.raises(BadArgument, match="order is 'mixed'"):
        turns("mixed", np.array([1]), seed=0, epoch=0)
