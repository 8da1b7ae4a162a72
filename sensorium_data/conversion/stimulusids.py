"""What a source calls its films and images, held against what their content says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sensorium_data.errors import Problem, listed
from sensorium_data.schemas import Note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["held_against_ids"]

SHOWN = 8  # ids named in a note


class Shown(Protocol):
    """A trial and the group of what it showed: a row of the trial table, or less."""

    @property
    def trial_id(self) -> int:
        """The published file number."""

    @property
    def stimulus(self) -> int:
        """The group, by content."""

    @property
    def missing(self) -> bool:
        """True where the trial has no data."""


def held_against_ids(ids: Mapping[int, str] | None, trials: Sequence[Shown]) -> tuple[list[Problem], tuple[Note, ...]]:
    """Return where published ids and content disagree: an id of two pictures is a problem, two ids of one are a note.

    Parameters
    ----------
    ids : mapping of int to str, optional
        What the source calls the stimulus of each trial.
    trials : sequence of Shown
        With the group of each, which is by content.
    """
    groups: dict[str, dict[int, int]] = {}
    names: dict[int, set[str]] = {}
    for trial in trials:
        if ids is not None and trial.trial_id in ids and not trial.missing:
            name = ids[trial.trial_id]
            groups.setdefault(name, {}).setdefault(trial.stimulus, trial.trial_id)
            names.setdefault(trial.stimulus, set()).add(name)
    problems = []
    for name, shown in groups.items():
        if len(shown) > 1:
            numbers = ", ".join(map(str, sorted(shown.values())[:SHOWN]))
            what = f"names {len(shown)} different pictures (first shown in trials {numbers}), expected one"
            problems.append(Problem("stimulus-id-conflict", f"stimulus id {name}", what))
    several = [sorted(ids_of) for ids_of in names.values() if len(ids_of) > 1]
    if not several:
        return problems, ()
    pairs = listed([" = ".join(ids_of) for ids_of in several], SHOWN, "; ")
    text = f"{len(several)} pictures have more than one id; they are one stimulus here: {pairs}"
    return problems, (Note(code="stimulus-ids-alike", text=text),)
