"""Why a window is legal or not, in words: everything that is wrong with it, not only the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.errors import BadArgument, NoSuchItem, counted, listed, near_miss
from sensorium_data.windows.asked import whole_number
from sensorium_data.windows.conditions import column_of
from sensorium_data.windows.legal import allowed_with, needed_by
from sensorium_data.windows.runs import runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.streams import Stream, Streams
    from sensorium_data.windows.conditions import Condition
    from sensorium_data.windows.cut import Cut
    from sensorium_data.windows.windows import Windows

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a window is legal, and why.

    Attributes
    ----------
    legal : bool
    reasons : tuple of str
        All that is wrong with it; none where it is legal.
    notes : tuple of str
        What else is good to know: that it is legal but not among the windows, or what is withheld.
    where : str
        Which window.
    """

    legal: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    where: str

    def __str__(self) -> str:
        head = f"{self.where}: {'legal' if self.legal else 'refused'}"
        return "\n".join([head, *(f"  {line}" for line in (*self.reasons, *self.notes))])


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The window in question.

    Attributes
    ----------
    cut : Cut
    number : int
        Of the session.
    row, trial_id : int
        Of the trial.
    start, n : int, frames
    n_frames, left, before, together : int
        Frames of the trial, those from its start to the end of its run, those of the run before it, and how many trials
        the run has.
    """

    cut: Cut
    number: int
    row: int
    trial_id: int
    start: int
    n: int
    n_frames: int
    left: int
    before: int
    together: int

    @property
    def streams(self) -> Streams:
        return self.cut.streams[self.number]

    @property
    def chosen(self) -> NDArray[np.bool_]:
        """The chosen trials, and the one in question."""
        chosen = self.cut.chosen[self.number].trials.copy()
        chosen[self.row] = True
        return chosen


def explain(cut: Cut, windows: Windows, session: str, trial_id: int, start: int) -> Explanation:
    """Return whether a window is legal, and all that is wrong with it.

    Parameters
    ----------
    cut : Cut
    windows : Windows
        Cut so.
    session : str
    trial_id : int
    start : int, frames

    Raises
    ------
    NoSuchItem
        No such session or trial.
    BadArgument
        The trial or the start is no integer.
    """
    if hasattr(session, "document"):  # an opened session stands for its key
        session = session.document.identity.key
    if session not in windows.keys:
        hint = near_miss(str(session), windows.keys)
        raise NoSuchItem(f"no session `{session}`", hint=hint, code="no-such-session")
    if (frame := whole_number(start)) is None:
        raise BadArgument(f"start is {start!r}, expected a number of samples since the trial's start", code="bad-start")
    number = windows.keys.index(session)
    row = cut.streams[number].handle.trial_row(trial_id)
    if cut.streams[number].handle.trials["missing"][row]:
        return Explanation(
            legal=False, reasons=("the trial is missing: it has no samples",), notes=(), where=f"{session}, trial {trial_id}"
        )  # fmt: skip
    candidate = _candidate(cut, number, row, int(trial_id), frame)
    reasons = tuple(_reasons(candidate))
    notes = (*_notes(candidate), *(_placing(candidate, windows) if not reasons else ()))
    where = f"{session}, trial {trial_id}, frames {frame} to {frame + candidate.n}"
    return Explanation(not reasons, reasons, notes, where)


def _candidate(cut: Cut, number: int, row: int, trial_id: int, start: int) -> _Candidate:
    streams, asked = cut.streams[number], cut.asked
    chosen = cut.chosen[number].trials.copy()
    chosen[row] = True
    runs = runs_of(streams, chosen, needed_by(streams, asked.require), through=asked.within == "segment")
    at = int(np.flatnonzero(runs.rows == row)[0])
    n_frames = int(runs.n_frames[at])
    return _Candidate(
        cut, number, row, trial_id, start, max(n_frames - asked.burn_in, 0) if asked.window is None else asked.window,
        n_frames, int(runs.left[at]), int(runs.before[at]), int((runs.run == runs.run[at]).sum()),
    )  # fmt: skip


# -- what is wrong


def _reasons(one: _Candidate) -> Iterator[str]:
    yield from _not_chosen(one)
    yield from _outside(one)
    needed = needed_by(one.streams, one.cut.asked.require)
    allowed = allowed_with(one.streams, one.chosen, one.row)
    for name, need in needed.items():
        if need[one.row]:
            yield from _unusable(one, one.streams[name], allowed)


def _not_chosen(one: _Candidate) -> Iterator[str]:
    chosen = one.cut.chosen[one.number]
    if not any(meeting[one.row] for meeting in chosen.meeting):
        wanted = [_unmet(one, condition) for condition in one.cut.conditions or ()]
        yield f"the trial is not chosen: {'; or '.join(wanted)}"
    if chosen.mask is not None and not chosen.mask[one.row]:
        yield "the trial is not chosen: the mask given as `trials` leaves it out"


def _unmet(one: _Candidate, condition: Condition) -> str:
    said = []
    for test in condition:
        values = column_of(one.streams.handle, test.column)
        if values is None:
            said.append(f"the session has no column {test.column}")
        elif not test.holds(values[one.row : one.row + 1])[0]:
            value = f"`{values[one.row]}`" if values.dtype.kind in "UTO" else str(values[one.row])
            said.append(f"its {test.column} is {value}, wanted {test.wanted_text}")
    return " and ".join(said)


def _outside(one: _Candidate) -> Iterator[str]:
    asked = one.cut.asked
    if one.start < 0:
        yield f"frame {one.start} is before the trial's start"
    elif asked.window is None and one.start != asked.burn_in:
        yield f"whole trials are served from frame {asked.burn_in} on"
    elif one.before + one.start < asked.burn_in:
        yield f"frame {one.start} is within the burn-in of {counted(asked.burn_in, 'sample')}"
    if one.start >= one.n_frames:
        yield f"frame {one.start} is past the trial, which has {counted(one.n_frames, 'frame')}"
    elif asked.window is not None and (past := one.start + one.n - one.left) > 0:
        end = "the trial" if one.together == 1 else f"its run of {one.together} contiguous trials"
        last = f"which is after frame {one.left}" if one.together > 1 else f"which has {counted(one.left, 'frame')}"
        yield f"{counted(one.n, 'sample')} from frame {one.start} on go {past} past the end of {end}, {last}"


def _unusable(one: _Candidate, stream: Stream, allowed: NDArray[np.bool_]) -> Iterator[str]:
    """Yield what is wrong with a required stream."""
    first, stop = max(one.start, 0), min(one.start + one.n, one.left)
    if first >= stop:
        return
    usable = stream.usable(one.row, stop, allowed)[first:]
    if usable.any() if one.cut.asked.window is None else usable.all():
        return
    withheld = stream.name == "responses" and one.streams.handle.trials["responses_withheld"][one.row]
    if stream.absent[one.row]:
        yield f"`{stream.name}` is {'withheld' if withheld else 'absent'} in the trial"
        return
    bad = np.flatnonzero(~usable)
    trusted = stream.trusted(one.row, stop, allowed)
    own = np.ones(len(usable), np.bool_) if trusted is None else trusted[first:]
    why = "has no value (NaN, or not recorded)"
    if not own[bad[0]]:
        why = "rests on samples outside the chosen trials of the tier, through its lag or resampling"
    count = "" if len(bad) == 1 else f", the first of {len(bad)} frames that are not usable"
    yield f"`{stream.name}` at frame {first + int(bad[0])} {why}{count}"


# -- what else is good to know


def _notes(one: _Candidate) -> Iterator[str]:
    if one.cut.asked.require is None:
        absent = [f"`{name}`" for name, stream in one.streams.items() if stream.absent[one.row]]
        if absent:
            yield f"{', '.join(absent)}: withheld or absent in the trial, served as NaN with mask False"


def _placing(one: _Candidate, windows: Windows) -> Iterator[str]:
    if windows.random:
        yield "starts are drawn anew in each epoch, this one as likely as any other of its run"
        return
    mine = windows.start_frame[(windows.session == one.number) & (windows.trial_row == one.row)]
    if one.start not in mine:
        placed = f"at {listed(mine.tolist())}" if len(mine) else "in other trials of the run"
        yield f"not among the windows: with a stride of {one.cut.stride} they start {placed}"
