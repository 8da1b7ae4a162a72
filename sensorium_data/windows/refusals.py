"""Why nothing can be cut from the trials that were asked for, counted by reason."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sensorium_data.errors import counted
from sensorium_data.windows.legal import allowed_with, needed_by, true_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.streams import Streams
    from sensorium_data.windows.conditions import Condition
    from sensorium_data.windows.cut import Cut
    from sensorium_data.windows.faults import Faults
    from sensorium_data.windows.legal import Starts

__all__ = ["check_chosen", "check_found", "name_of"]

SHORT, TOGETHER, ABSENT = "", "*", "-"  # reasons that are no stream, and the mark of one that is absent


class _Longest(NamedTuple):
    n_frames: int
    session: str
    trial_id: int


def name_of(condition: Condition) -> str:
    """Return what people call the trials that meet a condition."""
    if len(condition) == 1 and condition[0].column == "tier" and isinstance(condition[0].wanted, tuple):
        return f"tier {condition[0].wanted_text}"
    return f"trials with {' and '.join(map(str, condition))}" if condition else "trials of any tier"


def check_chosen(cut: Cut, faults: Faults) -> None:
    """Note conditions that no trial meets, and masks that leave nothing."""
    for i, condition in enumerate(cut.conditions or [()]):
        n_meeting = sum(int(one.meeting[i].sum()) for one in cut.chosen)
        there = [~each.handle.trials["missing"].astype(np.bool_) for each in cut.streams]
        if not any((one.meeting[i] & here).any() for one, here in zip(cut.chosen, there, strict=True)):
            what = f"{counted(n_meeting, 'trial')}, none of which is there" if n_meeting else "there is no such trial"
            faults.add("no-trials", name_of(condition), what)
    if not faults and not any(one.trials.any() for one in cut.chosen):
        names = "; ".join(name_of(condition) for condition in cut.conditions or [()])
        faults.add("no-trials", "trials", f"the masks leave no trial of what was asked for ({names})")


def check_found(cut: Cut, found: Sequence[Starts], faults: Faults) -> None:
    """Note conditions whose trials have no window at all, with what refuses them."""
    for i, condition in enumerate(cut.conditions or [()]):
        meeting = [one.meeting[i] & one.trials for one in cut.chosen]
        begun = (one[starts.runs.rows[starts.trial]].any() for one, starts in zip(meeting, found, strict=True))
        if any(one.any() for one in meeting) and not any(begun):
            _refuse(name_of(condition), cut, meeting, found, faults)


def _refuse(name: str, cut: Cut, meeting: Sequence[NDArray[np.bool_]], found: Sequence[Starts], faults: Faults) -> None:
    reasons: Counter[str] = Counter()
    longest = _Longest(-1, "", 0)
    for number, (streams, starts) in enumerate(zip(cut.streams, found, strict=True)):
        mine = starts.runs.run[meeting[number][starts.runs.rows]]
        for run, n_trials in zip(*(part.tolist() for part in np.unique(mine, return_counts=True)), strict=True):
            head = int(np.searchsorted(starts.runs.run, run))
            reasons.update(_reasons(cut, number, starts, head) * n_trials)
            trial_id = int(streams.handle.trials["trial_id"][starts.runs.rows[head]])
            this = _Longest(int(starts.runs.left[head]), streams.key, trial_id)
            longest = max(longest, this, key=lambda one: one.n_frames)  # the first of several
    asked, n_trials = cut.asked, sum(int(one.sum()) for one in meeting)
    unit = "trial" if asked.within == "trial" else "run of contiguous trials"
    window = "trial with a sample" if asked.window is None else f"window of {counted(asked.window, 'sample')}"
    window += f" after a burn-in of {asked.burn_in}" if asked.burn_in else ""
    longest_is = f"the longest has {longest.n_frames} ({longest.session}, trial {longest.trial_id})"
    if set(reasons) == {SHORT}:
        room = longest.n_frames - asked.burn_in
        hint = f'ask for at most {counted(room, "sample")}, or for whole trials: window="trial"' if room > 0 else ""
        faults.add("window-too-long", name, f"a {window} is longer than any {unit}; {longest_is}", hint)
        return
    said = [_said(reason, n, longest_is, asked.window) for reason, n in reasons.most_common()]
    what = f"none of {counted(n_trials, 'trial')} has a {window}: {', '.join(said)}"
    faults.add("no-windows", name, what, "`require` names the streams that must be valid throughout a window")


def _said(reason: str, n: int, longest_is: str, window: int | None) -> str:
    if reason == SHORT:
        return f"{counted(n, 'trial')} too short ({longest_is})"
    if reason == TOGETHER:
        return f"in {counted(n, 'trial')} the required streams are never valid together"
    if reason.startswith(ABSENT):
        return f"in {counted(n, 'trial')} `{reason.removeprefix(ABSENT)}` is withheld or absent"
    lacks = "no usable sample" if window is None else f"no {counted(window, 'usable sample')} in a row"
    return f"in {counted(n, 'trial')} `{reason}` has {lacks}"


def _reasons(cut: Cut, number: int, starts: Starts, head: int) -> list[str]:
    """Return why no window begins in a run, given by its first trial: that it is short, or the streams in its way."""
    runs, asked = starts.runs, cut.asked
    if runs.left[head] < asked.burn_in + (asked.window or 1):
        return [SHORT]
    chosen = cut.chosen[number].trials
    return list(_streams_against(cut, cut.streams[number], int(runs.rows[head]), int(runs.left[head]), chosen))


def _streams_against(cut: Cut, streams: Streams, row: int, n: int, chosen: NDArray[np.bool_]) -> Iterator[str]:
    allowed, least = allowed_with(streams, chosen, row), cut.asked.window or 1
    refusing = 0
    for name, need in needed_by(streams, cut.asked.require).items():
        if not need[row]:
            continue
        first, stop = true_runs(streams[name].usable(row, n, allowed)[cut.asked.burn_in :])
        if int((stop - first).max(initial=0)) < least:
            refusing += 1
            yield ABSENT * bool(streams[name].absent[row]) + name
    if not refusing:
        yield TOGETHER
