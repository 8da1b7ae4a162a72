"""The faults of responses in a recording that is refused already, so that its user sees all faults at once.

A conversion reads responses in its second pass, which a faulty film, signal or table keeps from beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.conversion.finite import unfit
from sensorium_data.conversion.rounding import rounded, stored_dtype
from sensorium_data.sources.members import MemberError, Memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.conversion.journal import Record
    from sensorium_data.conversion.recipe import Recipe
    from sensorium_data.conversion.scan import ScanTask
    from sensorium_data.errors import Problem
    from sensorium_data.schemas import ConvertOptions
    from sensorium_data.sources import RawSession, RawTrial

__all__ = ["InspectTask", "faults_of_responses", "inspect_responses", "inspect_tasks"]


@dataclass(frozen=True, slots=True)
class InspectTask:
    """Some trials whose responses are there, with their valid lengths."""

    recipe: Recipe
    trials: tuple[tuple[RawTrial, int], ...]


def inspect_tasks(tasks: Sequence[ScanTask], records: Sequence[Record]) -> list[InspectTask]:
    """Return a task for each batch that was scanned; trials whose length is not known are left out."""
    found = []
    for task, record in zip(tasks, records, strict=True):
        lengths = {t["trial_id"]: t["n_valid"] for t in record.facts["trials"] if not t["withheld"]}
        lengths |= dict(record.facts["faulty"])
        found.append(
            InspectTask(task.recipe, tuple((t, lengths[t.trial_id]) for t in task.trials if t.trial_id in lengths))
        )
    return found


def inspect_responses(task: InspectTask) -> list[Problem]:
    """Return what is wrong with the responses of some trials."""
    raw, memory = task.recipe.open(), Memory()
    found = (faults_of_responses(raw, trial, n_valid, task.recipe.options, memory) for trial, n_valid in task.trials)
    return [problem for problems in found for problem in problems]


def faults_of_responses(
    raw: RawSession, trial: RawTrial, n_valid: int, options: ConvertOptions, memory: Memory
) -> list[Problem]:
    """Return what keeps the responses of one trial from being stored."""
    where = raw.responses_member(trial)
    try:
        published = raw.responses(trial, n_valid, memory).array
    except MemberError as error:
        return [error.problem(where)]
    stored = rounded(published, stored_dtype(raw.response_dtype, options, responses=True))
    if np.isfinite(stored).all():
        return []
    return list(unfit(published, stored, where, allow_nan=options.allow_nan))
