"""Trials of one's own: labelled half-open intervals in seconds, kept to the nanosecond."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from sensorium_data.errors import BadArgument, Problem, near_miss
from sensorium_data.grid import NANOSECOND, Grid, whole_nanoseconds
from sensorium_data.schemas import ROLES, Role, Trial
from sensorium_data.spelling import seconds_text
from sensorium_data.writing.columns import as_columns, as_raw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sensorium_data.clock import Clock
    from sensorium_data.sources import RawColumn
    from sensorium_data.writing.stimuli import Shown

__all__ = ["NANOSECONDS", "OwnTrials", "read_trials", "trial_documents"]

NANOSECONDS = Grid(Fraction(NANOSECOND))
OWN = ("trial_id", "start_s", "stop_s", "tier", "role", "stimulus")
NAME_OF_STIMULUS = "stimulus_name"  # in the store `stimulus` is the number of a group
RESERVED = {*Trial.model_fields, NAME_OF_STIMULUS, "trial"} - set(OWN)
TEXT = 255  # characters of a tier


@dataclass(frozen=True, slots=True)
class OwnTrials:
    """The columns of a trial table: what the store knows, and the others as they are."""

    trial_id: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    stop_ns: NDArray[np.int64]
    tier: NDArray[np.str_]
    role: NDArray[np.str_]
    stimulus: NDArray[Any] | None
    variables: dict[str, RawColumn]

    @property
    def train(self) -> NDArray[np.bool_]:
        """Which trials are for training."""
        train: NDArray[np.bool_] = self.role == "train"
        return train

    @property
    def shown(self) -> list[str]:
        """The name of what each trial showed; empty where nothing was."""
        if self.stimulus is None:
            return [""] * len(self.trial_id)
        return ["" if value != value else str(value) for value in self.stimulus.tolist()]  # noqa: PLR0124  # NaN


def read_trials(table: Mapping[str, Any] | None, problems: list[Problem], *, allow_nan: bool = False) -> OwnTrials:
    """Return the trials of a table.

    Parameters
    ----------
    table : mapping of str to array-like, optional
        `start_s` and `stop_s` are needed; `trial_id` counts from 0, `tier` is `train` where it is left out; `role` is
        needed for tiers that are none of the published ones; `stimulus` names what was shown. Other columns are kept.
    problems : list of Problem
        Gets what is wrong.
    allow_nan : bool
        Let infinity through in the other columns.
    """
    columns = as_columns(table, "trials", problems, allow_nan=allow_nan)
    n = len(next(iter(columns.values()))) if columns else 0
    for name in OWN:
        if name in columns and columns[name].ndim != 1:
            what = f"has shape {columns.pop(name).shape}, expected one value a trial"
            problems.append(Problem("column-type", f"trials.{name}", what))
    taken = [Problem("column-name", f"trials.{name}", "is a name of the store's own; call it otherwise")
             for name in columns if name in RESERVED]  # fmt: skip
    problems += taken
    start, stop = (_times(columns, name, problems) for name in ("start_s", "stop_s")) if columns else (_NONE, _NONE)
    if len(start) == len(stop) == n:
        _check_order(start, stop, problems)
    tier = columns.get("tier", np.full(n, "train")).astype(np.str_)
    given = columns.get("role", np.full(n, "")).astype(np.str_)
    role = np.array([r or ROLES.get(t, "") for t, r in zip(tier.tolist(), given.tolist(), strict=True)], np.str_)
    _check_roles(tier, role, problems)
    variables = {name: as_raw(name, values, "trial") for name, values in columns.items() if name not in OWN}
    if (stimulus := columns.get("stimulus")) is not None:
        variables[NAME_OF_STIMULUS] = as_raw(NAME_OF_STIMULUS, stimulus, "trial")
    numbers = _numbers(columns.get("trial_id", np.arange(n)), problems)
    return OwnTrials(numbers, start, stop, tier, role, stimulus, variables)


_NONE: NDArray[np.int64] = np.zeros(0, np.int64)


def _times(columns: Mapping[str, NDArray[Any]], name: str, problems: list[Problem]) -> NDArray[np.int64]:
    """Return the times of a column in nanoseconds; none at all where something is wrong with them."""
    where = f"trials.{name}"
    if name not in columns:
        if all(problem.where != where for problem in problems):  # else it was given, and refused
            problems.append(Problem("trial-times", where, "is missing; trials have start_s and stop_s, in seconds"))
        return _NONE
    try:
        return whole_nanoseconds(columns[name])
    except BadArgument as error:
        problems.append(Problem(error.code, where, error.message))
        return _NONE


def _check_order(start: NDArray[np.int64], stop: NDArray[np.int64], problems: list[Problem]) -> None:
    if len(empty := np.flatnonzero(stop <= start)):
        what = f"stops before or as it starts, in rows {empty[:5].tolist()}"
        problems.append(Problem("times-go-back", "trials.stop_s", what))
    elif len(back := np.flatnonzero(start[1:] < stop[:-1])):
        i = int(back[0])
        after, before = seconds_text(int(start[i + 1])), seconds_text(int(stop[i]))
        what = f"row {i + 1} starts at {after} s, before row {i} stops at {before} s"
        advice = "trials are in order of time and do not overlap"
        problems.append(Problem("times-go-back", "trials.start_s", f"{what} ({len(back)} such places); {advice}"))


def _check_roles(tier: NDArray[np.str_], role: NDArray[np.str_], problems: list[Problem]) -> None:
    if any(not 0 < len(name) <= TEXT for name in tier):
        problems.append(Problem("tier-missing", "trials.tier", "is empty or too long for some trials"))
    unknown = sorted({str(t) for t, r in zip(tier, role, strict=True) if r == "" and t != ""})
    if unknown:
        advice = "or say in a column `role` what it is for: train, validation, test or none"
        what = f"`{unknown[0]}` is none of the published tiers; {near_miss(unknown[0], list(ROLES))}; {advice}"
        problems.append(Problem("unknown-tier", "trials.tier", what))
    wrong = sorted({str(r) for r in role} - {*get_args(Role), ""})
    if wrong:
        what = f"holds {', '.join(f'`{name}`' for name in wrong)}, expected {', '.join(get_args(Role))}"
        problems.append(Problem("unknown-role", "trials.role", what))
    roles: dict[str, set[str]] = {}
    for t, r in zip(tier.tolist(), role.tolist(), strict=True):
        roles.setdefault(t, set()).add(r)
    for name, found in roles.items():
        if len(found) > 1:
            what = f"tier `{name}` has roles {', '.join(sorted(found))}; a tier has one"
            problems.append(Problem("roles-differ", "trials.role", what))


def _numbers(values: NDArray[Any], problems: list[Problem]) -> NDArray[np.int64]:
    if values.dtype.kind not in "iu" or (values < 0).any() or (values > np.iinfo(np.int64).max).any():
        what = f"holds {values.dtype}" if values.dtype.kind not in "iu" else f"holds {values.min()} to {values.max()}"
        problems.append(Problem("trial-number", "trials.trial_id", f"{what}, expected whole numbers from 0 on"))
        return np.arange(len(values))
    ids, counts = np.unique(values, return_counts=True)
    if (counts > 1).any():
        what = f"names {ids[counts > 1][:5].tolist()} more than once"
        problems.append(Problem("trial-number", "trials.trial_id", what))
    return values.astype(np.int64)


def trial_documents(trials: OwnTrials, shown: Shown, clock: Clock | None) -> tuple[Trial, ...]:
    """Return the rows of the trial table.

    Parameters
    ----------
    trials : OwnTrials
    shown : Shown
        The stimulus of each trial.
    clock : Clock, optional
        Of the signal whose samples are counted where no film is shown.
    """
    rows = np.zeros((len(trials.trial_id), 2), np.int64)
    if clock is not None:
        rows = clock.intervals(NANOSECONDS, trials.start_ns, trials.stop_ns)
    documents: list[Trial] = []
    segment = -1
    for i, number in enumerate(trials.trial_id.tolist()):
        start, stop = int(trials.start_ns[i]), int(trials.stop_ns[i])
        segment += not documents or documents[-1].stop != start
        n_shown = shown.n_frames[i]
        documents.append(
            Trial(
                trial_id=number, tier=str(trials.tier[i]), role=str(trials.role[i]),  # type: ignore[arg-type]
                variant=shown.variant[i], stimulus=shown.group[i], start=start, stop=stop,
                n_valid=n_shown or int(rows[i, 1] - rows[i, 0]), order=i, segment=segment,
            )
        )  # fmt: skip
    return tuple(documents)
