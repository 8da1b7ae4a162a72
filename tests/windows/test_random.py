"""Random starts: legal ones only, every one of them some day, and the same wherever and whenever they are drawn."""

from __future__ import annotations

import pickle
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.windows import Windows, legal_windows
from tests.windows.made import MadeTrial, made, runs_one_by_one, sessions
from tests.windows.test_legal import placed_of, present, starts_of

if TYPE_CHECKING:
    from sensorium_data.streams.base import Streams

WITHIN = st.sampled_from(["trial", "segment"])


def windows_or_none(streams: list[Streams], **how: object) -> Windows | None:
    try:
        return legal_windows(streams, **how)  # type: ignore[arg-type]
    except BadArgument:
        return None


@settings(deadline=None, max_examples=150)
@given(sessions(), st.integers(1, 8), WITHIN, st.integers(0, 9), st.integers(0, 9))
def test_one_a_trial_and_all_legal(
    streams: Streams, window: int, within: Literal["trial", "segment"], seed: int, epoch: int
) -> None:
    windows = windows_or_none([streams], tier=None, window=window, within=within, seed=seed, stride="random")
    if windows is None:
        return
    assert windows.random
    legal = starts_of(windows)
    wanted: list[int] = []  # of each run, as often as it has trials
    for run in runs_one_by_one(streams, present(streams), within, None):
        wanted += [run[0]] * (len(run) if {row for row, _ in legal} & set(run) else 0)
    runs = {row: run[0] for run in runs_one_by_one(streams, present(streams), within, None) for row in run}
    drawn = windows.of_epoch(epoch)
    assert [runs[row] for row in drawn.trial_row.tolist()] == wanted
    assert set(placed_of(drawn)) <= set(legal)
    assert drawn.runs is windows.runs


@pytest.mark.parametrize("within", ["trial", "segment"])
def test_every_legal_start_is_drawn_the_last_one_too(within: Literal["trial", "segment"]) -> None:
    streams = made([MadeTrial(9), MadeTrial(12), MadeTrial(7)], {"pupil": [14]})
    windows = legal_windows([streams], window=4, within=within)
    legal, n_epochs = starts_of(windows), 600
    drawn = Counter(start for epoch in range(n_epochs) for start in placed_of(windows.of_epoch(epoch)))
    assert set(drawn) == set(legal)
    # Each as likely as any other of its run: within six standard deviations of that.
    for row, _ in legal:
        run = [(r, f) for r, f in legal if within == "segment" or r == row]
        n_draws = n_epochs * (3 if within == "segment" else 1)
        share = 1 / len(run)
        spread = (n_draws * share * (1 - share)) ** 0.5
        assert all(abs(drawn[start] - n_draws * share) < 6 * spread for start in run)


def test_a_run_with_one_legal_start() -> None:
    windows = legal_windows([made([MadeTrial(8)])], window=8)
    assert [placed_of(windows.of_epoch(epoch)) for epoch in range(5)] == [[(0, 0)]] * 5


LONG = [MadeTrial(200), MadeTrial(150), MadeTrial(80), MadeTrial(300)]


def test_draws_do_not_depend_on_other_sessions() -> None:
    one, other, third = (made(LONG, key=key) for key in ("a", "b", "c"))
    alone = legal_windows([one], window=20, seed=3)
    among = legal_windows([third, other, one], window=20, seed=3)
    for epoch in (0, 1, 7):
        drawn = among.of_epoch(epoch)
        assert placed_of(drawn, 2) == placed_of(alone.of_epoch(epoch))
        assert len({tuple(placed_of(drawn, session)) for session in range(3)}) == 3


def test_a_trial_keeps_its_draw_where_others_are_left_out() -> None:
    streams = made(LONG)
    every = dict(placed_of(legal_windows([streams], window=20)))
    some = dict(placed_of(legal_windows([streams], window=20, tier={"trial_id": [12, 16]})))
    assert some == {row: every[row] for row in (1, 3)}


def test_seeds_and_epochs_differ() -> None:
    streams = made(LONG)
    drawn = {
        (seed, epoch): tuple(placed_of(legal_windows([streams], window=20, seed=seed).of_epoch(epoch)))
        for seed in (0, 1, 2**33)
        for epoch in (0, 1, 2)
    }
    assert len(set(drawn.values())) == len(drawn)


def test_draws_are_these() -> None:
    # What was trained must be drawn alike by later versions: a seed of a paper is a promise.
    windows = legal_windows([made(LONG, key="29515-10-12")], window=20, seed=1)
    assert windows.start_frame.tolist() == [37, 31, 43, 64]
    assert windows.of_epoch(5).start_frame.tolist() == [159, 10, 19, 36]


def test_an_epoch_is_a_value() -> None:
    windows = legal_windows([made(LONG)], window=20)
    assert windows.of_epoch(0) is windows
    assert windows.of_epoch(2) == windows.of_epoch(1).of_epoch(2)
    assert windows.of_epoch(2) != windows.of_epoch(1)
    assert windows.of_epoch(2).epoch == 2
    assert pickle.loads(pickle.dumps(windows)).of_epoch(4) == windows.of_epoch(4)


def test_without_chance_epochs_are_equal() -> None:
    windows = legal_windows([made(LONG)], window=20, stride=7)
    assert windows.of_epoch(3) is windows


@pytest.mark.parametrize("epoch", [-1, 1.0, True, "1", None])
def test_what_is_no_epoch(epoch: object) -> None:
    with pytest.raises(BadArgument, match="epoch is"):
        legal_windows([made(LONG)], window=20).of_epoch(epoch)  # type: ignore[arg-type]


def test_chance_is_for_training_alone() -> None:
    mixed = made([MadeTrial(50), MadeTrial(50, tier="oracle")])
    assert legal_windows([mixed], window=20).random
    assert not legal_windows([mixed], window=20, tier="oracle").random
    assert placed_of(legal_windows([mixed], window=20, tier=None)) == [(0, 0), (0, 20), (1, 0), (1, 20)]
    assert legal_windows([mixed], window=20, tier="oracle", stride="random").random
    assert not legal_windows([mixed], window=20, stride=20).random
    missing = made([MadeTrial(50), MadeTrial(50, tier="none", missing=True)])
    assert legal_windows([missing], window=20, tier=None).random


def test_on_another_clock_starts_are_frames_of_it() -> None:
    windows = legal_windows([made([MadeTrial(30)], rate=Fraction(8))], window=3)
    frames = {frame for epoch in range(200) for _, frame in placed_of(windows.of_epoch(epoch))}
    assert frames == set(range(6))  # eight frames of 8 Hz begin within 30 of 30 Hz
