"""Several random clips of a trial at once: legal ones, all different, and every trial in its turn."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.windows import Windows, legal_windows
from sensorium_data.windows.together import taken
from tests.windows.made import MadeTrial, made, sessions
from tests.windows.test_legal import placed_of, starts_of

if TYPE_CHECKING:
    from sensorium_data.streams.base import Streams

WINDOW = 4
LONG = [MadeTrial(200), MadeTrial(150), MadeTrial(80), MadeTrial(300)]
# Each has at least 9 legal starts, more than any block below has clips.
lengths = st.lists(st.integers(12, 40), min_size=1, max_size=9)


def at_random(streams: Streams, **how: object) -> Windows:
    return legal_windows([streams], tier=None, stride="random", **how)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(lengths, st.integers(1, 7), st.integers(0, 3), st.integers(0, 9))
def test_in_k_epochs_every_trial_gives_k_different_clips(trials: list[int], k: int, cycle: int, seed: int) -> None:
    windows = at_random(made([MadeTrial(n) for n in trials]), window=WINDOW, seed=seed)
    given_by: Counter[int] = Counter()
    for epoch in range(cycle * k, (cycle + 1) * k):
        drawn = windows.of_epoch(epoch, k)
        placed = placed_of(drawn)
        assert len(placed) == len(trials)
        assert len(set(placed)) == len(placed)
        assert set(placed) <= set(starts_of(windows))
        # Those of a trial stand side by side, in order of presentation, and only an epoch's ends cut a trial's turn.
        runs = [(row, len(list(run))) for row, run in groupby(row for row, _ in placed)]
        assert runs == sorted(dict(runs).items())
        assert sum(n < k for _, n in runs) <= 2
        given_by.update(row for row, _ in placed)
    assert given_by == dict.fromkeys(range(len(trials)), k)


@settings(deadline=None, max_examples=100)
@given(sessions(), st.integers(1, 8), st.sampled_from(["trial", "segment"]), st.integers(1, 6), st.integers(0, 9))
def test_as_many_as_with_one_a_trial_and_all_legal(
    streams: Streams, window: int, within: Literal["trial", "segment"], k: int, epoch: int
) -> None:
    try:
        windows = at_random(streams, window=window, within=within)
    except BadArgument:
        return
    drawn = windows.of_epoch(epoch, k)
    assert len(drawn) == len(windows)
    assert set(placed_of(drawn)) <= set(starts_of(windows))
    assert (drawn.n_samples == window).all()
    # The first clip of a trial's turn is the one that it would have given by itself.
    if within == "trial":
        alone = dict(placed_of(windows.of_epoch(epoch)))
        assert dict(reversed(placed_of(drawn))).items() <= alone.items()


@pytest.mark.parametrize("within", ["trial", "segment"])
def test_every_legal_start_is_as_likely_as_any_other(within: Literal["trial", "segment"]) -> None:
    windows = at_random(made([MadeTrial(9), MadeTrial(12), MadeTrial(8)], {"pupil": [14]}), window=4, within=within)
    legal, n_epochs = starts_of(windows), 900
    drawn = Counter(start for epoch in range(n_epochs) for start in placed_of(windows.of_epoch(epoch, 3)))
    assert set(drawn) == set(legal)
    for row, _ in legal:
        run = [(r, f) for r, f in legal if within == "segment" or r == row]
        n_draws = n_epochs * (3 if within == "segment" else 1)
        share = 1 / len(run)
        spread = (3 * n_draws * share * (1 - share)) ** 0.5  # three clips of a trial are not drawn apart
        assert all(abs(drawn[start] - n_draws * share) < 6 * spread for start in run)


def test_a_trial_gives_no_more_than_it_has() -> None:
    """Its turn is shorter then, and the others have theirs sooner."""
    windows = at_random(made([MadeTrial(WINDOW), MadeTrial(WINDOW + 1), MadeTrial(40)]), window=WINDOW)
    each = [Counter(row for row, _ in placed_of(windows.of_epoch(epoch, 3))) for epoch in range(20)]
    assert sum(each, Counter()) == {0: 10, 1: 20, 2: 30}  # of each pass 1, 2 and 3


def test_one_clip_a_trial_is_what_it_always_was() -> None:
    windows = legal_windows([made(LONG, key="29515-10-12")], window=20, seed=1)
    assert windows.of_epoch(0, 1) is windows
    assert windows.of_epoch(5, 3).of_epoch(5, 1).start_frame.tolist() == [159, 10, 19, 36]
    images = legal_windows([made([MadeTrial(1)] * 9)], window=1)
    assert images.random
    assert placed_of(images.of_epoch(2, 4)) == placed_of(images.of_epoch(2))


def test_draws_are_these() -> None:
    # As for one clip a trial: a seed is a promise.
    windows = legal_windows([made(LONG, key="29515-10-12")], window=20, seed=1)
    assert [placed_of(windows.of_epoch(epoch, 2)) for epoch in (0, 1)] == [
        [(0, 37), (0, 25), (3, 64), (3, 155)],
        [(1, 23), (1, 43), (2, 21), (2, 13)],
    ]


def test_draws_and_turns_do_not_depend_on_other_sessions() -> None:
    one, other = (made(LONG, key=key) for key in ("a", "b"))
    alone, among = legal_windows([one], window=20, seed=3), legal_windows([other, one], window=20, seed=3)
    for epoch in range(6):
        drawn = among.of_epoch(epoch, 3)
        assert placed_of(drawn, 1) == placed_of(alone.of_epoch(epoch, 3))
        assert np.bincount(drawn.session).tolist() == [4, 4]


def test_passes_and_seeds_differ() -> None:
    streams = made([MadeTrial(60)] * 12)
    rows = {
        tuple(at_random(streams, window=20, seed=seed).of_epoch(epoch, 3).trial_row.tolist())
        for seed in (0, 1)
        for epoch in (0, 3, 6)
    }
    assert len(rows) == 6


def test_blocks_are_a_part_of_the_value() -> None:
    windows = legal_windows([made(LONG)], window=20)
    drawn = windows.of_epoch(3, 2)
    assert drawn != windows.of_epoch(3)
    assert (drawn.clips_per_block, drawn.of_epoch(4).clips_per_block) == (2, 2)
    assert pickle.loads(pickle.dumps(drawn)).of_epoch(4) == windows.of_epoch(4, 2)
    stepped = legal_windows([made(LONG)], window=20, stride=7)
    assert stepped.of_epoch(3, 2) is stepped


@pytest.mark.parametrize("k", [0, -1, 1.0, True, "2"])
def test_what_is_no_number_of_clips(k: object) -> None:
    with pytest.raises(BadArgument, match="clips_per_block is") as caught:
        legal_windows([made(LONG)], window=20).of_epoch(0, k)  # type: ignore[arg-type]
    assert caught.value.code == "bad-clips-per-block"


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(0, 12))
def test_epochs_follow_each_other_without_a_gap(weights: list[int], n_epochs: int) -> None:
    """What the epochs take is the beginning of the endless line of passes, held against the line itself."""
    n, total = len(weights), sum(weights)
    orders = [np.random.default_rng(k).permutation(n) for k in range(n_epochs * n // total + 2)]
    line = [slot for order in orders for slot in order.tolist() for _ in range(weights[slot])]
    for epoch in range(n_epochs):
        passes = range(epoch * n // total, ((epoch + 1) * n - 1) // total + 1)
        counts = taken(np.array(weights), epoch, [orders[number] for number in passes])
        wanted = Counter(line[epoch * n : (epoch + 1) * n])
        assert counts.tolist() == [wanted[slot] for slot in range(n)]
