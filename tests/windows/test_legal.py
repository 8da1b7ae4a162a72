"""Legal starts are those that the definition gives, one by one, for any trials, holes, lags and rates."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.errors import BadArgument
from sensorium_data.windows import Windows, legal_windows
from tests.windows.made import MadeTrial, legal_one_by_one, made, runs_one_by_one, sessions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.streams import Streams

REQUIRE = st.sampled_from([None, None, ("video",), ("responses", "pupil"), ()])
WITHIN = st.sampled_from(["trial", "segment"])
BURN_IN = st.sampled_from([0, 0, 1, 3, 7])


def present(streams: Streams) -> NDArray[np.bool_]:
    return ~streams.handle.trials["missing"].astype(np.bool_)


def starts_of(windows: Windows, session: int = 0) -> list[tuple[int, int]]:
    """(row, frame) of every legal start of a session."""
    runs = zip(*(column.tolist() for column in windows.runs), strict=True)
    return [(row, frame) for number, row, first, stop in runs if number == session for frame in range(first, stop)]


def placed_of(windows: Windows, session: int = 0) -> list[tuple[int, int]]:
    mine = windows.session == session
    return list(zip(windows.trial_row[mine].tolist(), windows.start_frame[mine].tolist(), strict=True))


@settings(deadline=None, max_examples=300)
@given(sessions(), st.integers(1, 12), BURN_IN, WITHIN, REQUIRE, st.sampled_from([1, 2, 5]))
def test_legal_starts_are_those_of_the_definition(
    streams: Streams,
    window: int,
    burn_in: int,
    within: Literal["trial", "segment"],
    require: tuple[str, ...] | None,
    stride: int,
) -> None:
    how: dict[str, Any] = {"window": window, "burn_in": burn_in, "within": within, "require": require}
    expected = list(legal_one_by_one(streams, present(streams), **how))
    if not expected:
        with pytest.raises(BadArgument):
            legal_windows([streams], tier=None, stride=stride, **how)
        return
    windows = legal_windows([streams], tier=None, stride=stride, **how)
    assert starts_of(windows) == expected
    # Every stride-th of each stretch in which one legal start follows the other, through trials of a run.
    numbers = {
        row: i for i, run in enumerate(runs_one_by_one(streams, present(streams), within, require)) for row in run
    }
    last: tuple[int, int, int] | None = None
    wanted, count = [], 0
    before = {row: sum(streams.n_frames[r] for r in range(row) if numbers.get(r) == i) for row, i in numbers.items()}
    for row, frame in expected:
        here = (numbers[row], before[row] + frame, row)
        count = count + 1 if last is not None and here[:2] == (last[0], last[1] + 1) else 0
        if count % stride == 0:
            wanted.append((row, frame))
        last = here
    assert placed_of(windows) == wanted
    assert windows.n_samples.tolist() == [window] * len(wanted)


@settings(deadline=None, max_examples=150)
@given(sessions(), st.integers(1, 9), WITHIN, BURN_IN, st.data())
def test_explain_agrees(
    streams: Streams, window: int, within: Literal["trial", "segment"], burn_in: int, data: st.DataObject
) -> None:
    try:
        windows = legal_windows([streams], window=window, within=within, burn_in=burn_in)
    except (BadArgument, KeyError):
        return
    legal = set(starts_of(windows))
    row = data.draw(st.integers(0, len(streams.n_frames) - 1))
    for start in range(-1, int(streams.n_frames[row]) + 2):
        told = windows.explain("m1", int(streams.handle.trials["trial_id"][row]), start)
        assert told.legal is ((row, start) in legal)
        assert bool(told.reasons) is not told.legal


@settings(deadline=None, max_examples=150)
@given(sessions(), st.sampled_from([0, 0, 2, 5]), REQUIRE)
def test_whole_trials(streams: Streams, burn_in: int, require: tuple[str, ...] | None) -> None:
    wanted, tier, there = [], streams.handle.trials["tier"], present(streams)
    for row in np.flatnonzero(there).tolist():
        n = int(streams.n_frames[row])
        names = [s for s in streams if not streams[s].absent[row]] if require is None else require
        usable = [streams[s].usable(row, n, there & (tier == tier[row]))[burn_in:] for s in names]
        if n > burn_in and all(each.any() for each in usable):
            wanted.append((row, burn_in, n - burn_in))
    if not wanted:
        with pytest.raises(BadArgument):
            legal_windows([streams], tier=None, window="trial", burn_in=burn_in, require=require)
        return
    windows = legal_windows([streams], tier=None, window="trial", burn_in=burn_in, require=require)
    columns = (windows.trial_row.tolist(), windows.start_frame.tolist(), windows.n_samples.tolist())
    assert list(zip(*columns, strict=True)) == wanted
    assert not windows.random
    for row, start, _ in wanted:
        told = windows.explain("m1", int(streams.handle.trials["trial_id"][row]), start)
        assert told.legal, str(told)


def test_what_is_whole_is_not_looked_at_again() -> None:
    streams = made([MadeTrial(12), MadeTrial(12), MadeTrial(12)], {"pupil": [14]})
    windows = legal_windows([streams], window=5, stride=1)
    asked: list[Any] = [streams[name] for name in streams]
    assert [stream.n_asked for stream in asked] == [0, 0, 1]  # the pupil of the second trial alone
    assert len(windows) == 8 + 5 + 8


@pytest.mark.parametrize(("window", "n_asked"), [(5, 0), (6, 1)])
def test_a_window_looks_no_further_than_it_reaches(window: int, n_asked: int) -> None:
    # From the first trial on windows of 5 end in the second; those of 6 meet the hole at the third's first frame.
    streams = made([MadeTrial(6), MadeTrial(4), MadeTrial(6)], {"pupil": [10]})
    legal_windows([streams], window=window, stride=1, within="segment", require="pupil")
    pupil: Any = streams["pupil"]
    assert pupil.n_asked == 2 + n_asked  # of the second and third trial, and of the first


def test_no_sample_of_another_tier_through_a_lag() -> None:
    trials = [MadeTrial(20), MadeTrial(20, tier="oracle"), MadeTrial(20)]
    streams = made(trials, lags={"pupil": Fraction(4)})
    windows = legal_windows([streams], window=10, stride=1)
    # The last four frames of the first trial show the pupil in the oracle trial, those of the last one nothing at all.
    assert starts_of(windows) == [(row, frame) for row in (0, 2) for frame in range(7)]
    told = windows.explain("m1", 10, 7)
    assert told.reasons == (
        "`pupil` at frame 16 rests on samples outside the chosen trials of the tier, through its lag or resampling",
    )
    both = legal_windows([made(trials, lags={"pupil": Fraction(4)})], tier=None, window=10, stride=1)
    assert starts_of(both) == [(row, frame) for row in (0, 1, 2) for frame in range(7)]


def test_masked_trials_are_not_rested_on_either() -> None:
    streams = made([MadeTrial(20), MadeTrial(20)], lags={"pupil": Fraction(4)})
    assert starts_of(legal_windows([streams], window=10))[-1] == (1, 6)
    assert (0, 10) in starts_of(legal_windows([streams], window=10))
    masked = legal_windows([streams], window=10, trials={"m1": np.array([True, False])})
    assert starts_of(masked) == [(0, frame) for frame in range(7)]


def test_a_window_keeps_to_the_clock_of_its_trial() -> None:
    # At 15 Hz the first trial, of three ticks, counts 0, 2 | 4, 6, 8, and the second 3, 5, 7, 9: tick 4 is in neither's
    # own frames, and still a window that goes on from the first meets it.
    streams = made([MadeTrial(3), MadeTrial(8)], {"pupil": [4]}, rate=Fraction(15))
    assert streams["pupil"].whole(np.ones(2, np.bool_)) == pytest.approx([True, True])
    windows = legal_windows([streams], window=3, within="segment", stride=1)
    assert starts_of(windows) == [(1, 0), (1, 1)]


def test_trials_with_and_without_responses_are_runs_apart() -> None:
    trials = [MadeTrial(6, withheld=True), MadeTrial(6), MadeTrial(6), MadeTrial(6, withheld=True)]
    windows = legal_windows([made(trials)], window=6, within="segment", stride=1)
    assert starts_of(windows) == [(0, 0), *((1, frame) for frame in range(6)), (2, 0), (3, 0)]
    # Who requires the film alone crosses over.
    across = legal_windows([made(trials)], window=6, within="segment", stride=1, require="video")
    assert len(across) == 19


@pytest.mark.parametrize("change", ["gap", "segment", "order"])
def test_trials_that_do_not_follow_each_other(change: str) -> None:
    streams = made([MadeTrial(6), MadeTrial(6, gap=int(change == "gap"))])
    table = streams.handle.trials
    table["segment"] = np.array([0, 0])
    if change == "segment":
        table["segment"] = np.array([0, 1])
    if change == "order":
        table["order"] = np.array([0, 2])
        assert len(legal_windows([streams], window=6, within="segment", stride=1)) == 7  # places count, not numbers
        table["order"] = np.array([1, 0])
    assert len(legal_windows([streams], window=6, within="segment", stride=1)) == 2


def test_presentation_order_is_the_order_of_windows() -> None:
    streams = made([MadeTrial(6), MadeTrial(6), MadeTrial(6)])
    streams.handle.trials["order"] = np.array([2, 0, 1])
    assert legal_windows([streams], window=6).trial_row.tolist() == [1, 2, 0]
