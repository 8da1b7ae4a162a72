"""Blocks in batches: every window as often as without them, those of a block together, and nothing changed where k is 1."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import accumulate
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.loaders.blocks import Blocks, blocks_of
from sensorium_data.loaders.schedule import MIXED, Batch, Batches, Order, Schedule

# Of each session the windows of each trial.
TRIALS = st.lists(st.lists(st.integers(1, 7), max_size=6), min_size=1, max_size=4).filter(any)
orders = st.sampled_from(get_args(Order))
clips = st.integers(2, 5)


def windows_of(trials: list[list[int]]) -> Any:
    """As much of windows as blocks are found from."""
    pairs = [(s, t) for s, own in enumerate(trials) for t, n in enumerate(own) for _ in range(n)]
    session, trial_row = np.array(pairs, np.int32).reshape(-1, 2).T
    return SimpleNamespace(session=session, trial_row=trial_row)


def made(trials: list[list[int]], k: int) -> tuple[list[int], Blocks]:
    sizes = [sum(own) for own in trials]
    blocks = blocks_of(windows_of(trials), sizes, k)
    assert blocks is not None
    return sizes, blocks


def block_numbers(trials: list[list[int]], k: int) -> dict[tuple[int, int], tuple[int, int, int]]:
    """The block of each (session, window), found one by one: session, trial, and which of the trial's."""
    found: dict[tuple[int, int], tuple[int, int, int]] = {}
    for session, own in enumerate(trials):
        for trial, (n, stop) in enumerate(zip(own, accumulate(own), strict=True)):
            found |= {(session, stop - n + i): (session, trial, i // k) for i in range(n)}
    return found


def epoch_of(trials: list[list[int]], k: int, order: Order, size: int, **how: Any) -> Batches:
    sizes, blocks = made(trials, k)
    return Schedule(sizes, size, order=order, **{"shuffle": True, "seed": 3, **how}).epoch(2, blocks)


def pairs(batch: Batch) -> list[tuple[int, int]]:
    return list(zip(batch.sessions.tolist(), batch.windows.tolist(), strict=True))


def pairs_of(batches: Batches) -> list[list[tuple[int, int]]]:
    return [pairs(batch) for batch in batches]


@settings(deadline=None)
@given(TRIALS, clips, orders, st.integers(1, 7), st.booleans())
def test_each_cycle_of_a_session_has_every_window_once(
    trials: list[list[int]], k: int, order: Order, size: int, shuffle: bool
) -> None:
    sizes, blocks = made(trials, k)
    batches = list(Schedule(sizes, size, order=order, shuffle=shuffle, seed=3).epoch(1, blocks))
    for session in {batch.session for batch in batches}:
        own = [batch for batch in batches if batch.session == session]
        n = -(-(sum(sizes) if session == MIXED else sizes[session]) // size)
        for at in range(0, len(own) // n * n, n):
            wanted = [session] if session != MIXED else range(len(sizes))
            assert sorted(pair for batch in own[at : at + n] for pair in pairs(batch)) == [
                (s, w) for s in wanted for w in range(sizes[s])
            ]


@settings(deadline=None)
@given(TRIALS, clips, orders, st.integers(1, 7))
def test_the_windows_of_a_block_follow_each_other(trials: list[list[int]], k: int, order: Order, size: int) -> None:
    """In the row of one session's batches, or in that of mixed ones: so in one, or in consecutive ones."""
    number = block_numbers(trials, k)
    row: dict[int, list[tuple[int, int]]] = {}
    for batch in epoch_of(trials, k, order, size):
        row.setdefault(batch.session, []).extend(pairs(batch))
    for session, windows in row.items():
        n = len(windows) if order == "mixed" else sum(trials[session])  # of a cycle
        for cycle in range(-(-len(windows) // n)):
            part = windows[cycle * n : (cycle + 1) * n]
            runs = [number[pair] for i, pair in enumerate(part) if not i or number[pair] != number[part[i - 1]]]
            assert len(runs) == len(set(runs))
            assert max(Counter(number[pair] for pair in part).values()) <= k


@settings(deadline=None)
@given(TRIALS, clips, orders, st.integers(1, 7), st.booleans())
def test_blocks_change_no_batch_but_its_windows(
    trials: list[list[int]], k: int, order: Order, size: int, shuffle: bool
) -> None:
    sizes, blocks = made(trials, k)
    schedule = Schedule(sizes, size, order=order, shuffle=shuffle, seed=3)
    with_blocks, without = schedule.epoch(2, blocks), schedule.epoch(2)
    assert len(with_blocks) == len(without)
    for b, (one, other) in enumerate(zip(with_blocks, without, strict=True)):
        assert one.session == other.session
        if order != "proportional":  # where what is left over at the end of a session comes last
            assert len(one.windows) == len(other.windows)
        assert with_blocks.n_windows(b) == len(one.windows)
        assert without.n_windows(b) == len(other.windows)
        assert one.windows.dtype == one.sessions.dtype == np.int64
        assert shuffle or one.windows.tolist() == other.windows.tolist()


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any), clips, orders, st.integers(1, 5))
def test_blocks_of_one_window_change_nothing(sizes: list[int], k: int, order: Order, size: int) -> None:
    trials = [[1] * n for n in sizes]
    plain = Schedule(sizes, size, order=order, shuffle=True, seed=3).epoch(2)
    one, other = (pairs_of(batches) for batches in (epoch_of(trials, k, order, size), plain))
    # In `proportional`, the batches of a session come in the order of its shuffle.
    assert one == other if order != "proportional" else sorted(one) == sorted(other)


@settings(deadline=None)
@given(TRIALS, orders, st.integers(1, 5))
def test_blocks_of_one_clip_are_none(trials: list[list[int]], order: Order, size: int) -> None:
    sizes = [sum(own) for own in trials]
    schedule = Schedule(sizes, size, order=order, shuffle=True, seed=3)
    assert blocks_of(windows_of(trials), sizes, 1) is None
    assert pairs_of(schedule.epoch(2, None)) == pairs_of(schedule.epoch(2))


@settings(deadline=None)
@given(TRIALS, clips, orders, st.integers(1, 7), st.data())
def test_a_batch_is_found_by_its_place(
    trials: list[list[int]], k: int, order: Order, size: int, data: st.DataObject
) -> None:
    sizes, blocks = made(trials, k)
    batches = Schedule(sizes, size, order=order, shuffle=True, seed=3).epoch(2, blocks)
    straight = [batch.windows.tolist() for batch in batches]
    fresh = pickle.loads(pickle.dumps(batches))
    for b in data.draw(st.lists(st.integers(-len(straight), len(straight) - 1), max_size=5)):
        assert fresh[b].windows.tolist() == straight[b]
    with pytest.raises(IndexError):
        fresh.n_windows(len(straight))


def test_the_blocks_are_shuffled() -> None:
    first = {
        tuple(epoch_of([[3] * 40], 3, "round_robin", 120, seed=seed, shuffle=shuffle)[0].windows.tolist())
        for seed, shuffle in ((0, True), (1, True), (0, False))
    }
    assert len(first) == 3


def test_the_shuffle_of_a_seed_never_moves() -> None:
    """Saved states rest on it."""
    batches = epoch_of([[7, 2, 4]], 3, "round_robin", 4, seed=7)
    assert [batch.windows.tolist() for batch in batches] == [[12, 6, 9, 10], [11, 0, 1, 2], [3, 4, 5, 7], [8]]
