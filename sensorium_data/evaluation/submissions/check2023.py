"""Everything that is wrong with a file of predictions for films, row by row: mice, trials, neurons, frames, values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

import numpy as np

from sensorium_data.errors import listed, near_miss
from sensorium_data.evaluation.submissions.parquet import FilmRows
from sensorium_data.evaluation.submissions.values import note_ids, note_values
from sensorium_data.progress import Progress
from sensorium_data.schemas.submission import SubmissionFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sensorium_data.evaluation.submissions.known import KnownMouse
    from sensorium_data.evaluation.submissions.parquet import FilmRow
    from sensorium_data.evaluation.submissions.tally import Tally
    from sensorium_data.progress import Report

__all__ = ["FilmCheck", "trial_number"]

CUT = 30  # frames that the loaders' usual windows of 80 leave


def trial_number(trial: object) -> int | None:
    """Return the number that a row names its trial by, of a file's name too; None where it is none.

    Examples
    --------
    >>> trial_number(12), trial_number("12.npy"), trial_number("twelve")
    (12, 12, None)
    """
    if isinstance(trial, int):
        return trial
    match = re.fullmatch(r"(\d{1,9})(?:\.npy)?", str(trial).strip(), re.ASCII)
    return int(match[1]) if match else None


@dataclass(slots=True)
class _Seen:
    """What a file says of one mouse."""

    known: KnownMouse | None
    where: str
    ids: NDArray[np.int64] | None = None
    trials: set[int] = field(default_factory=set)


@dataclass(slots=True)
class FilmCheck:
    """Looks at one file.

    Parameters
    ----------
    name : str
        Of the file.
    tier : str
        That it is about; empty where its name does not tell.
    mice : mapping of str to KnownMouse
        By all names that a file may give them.
    tally : Tally
        Gets the findings.
    """

    name: str
    tier: str
    mice: Mapping[str, KnownMouse]
    tally: Tally
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def __call__(self, file: IO[bytes], report: Report) -> SubmissionFile:
        """Read the file and return what is in it."""
        rows = FilmRows(file, self.name, self.tally)
        n = 0
        for n, row in enumerate(rows, 1):
            self._row(row)
            report(Progress("check", n, rows.n_rows, "trials"))
        if rows.sound:
            for seen in self._seen.values():
                self._whole(seen)
            self._missing_mice()
        return SubmissionFile(name=self.name[-255:], tier=self.tier, mice=tuple(self._seen), n_rows=n)

    def _row(self, row: FilmRow) -> None:
        seen = self._mouse(row.mouse)
        number = self._trial(seen, row.trial)
        if row.unit_ids is not None:
            self._neurons(seen, row.unit_ids, number)
        if row.fault:
            said = {
                "null": "some values or neuron ids are null",
                "ragged": "its neurons differ in how many frames they have",
            }
            self.tally.add(row.fault, seen.where, said[row.fault], row.trial)
        elif row.values is not None:
            n_ids = None if row.unit_ids is None else len(row.unit_ids)
            if n_ids is not None and len(row.values) != n_ids:
                what = f"{len(row.values):,} lists of frames for {n_ids:,} neuron ids"
                self.tally.add("neurons-count", seen.where, what, row.trial)
            self._window(seen, row.values.shape[1], number)
            note_values(self.tally, seen.where, row.values, row.trial)

    def _mouse(self, name: str) -> _Seen:
        if name not in self._seen:
            known = self.mice.get(name)
            seen = self._seen[name] = _Seen(known, f"{self.name}, {known.key if known else name or '(no mouse)'}")
            if known is None:
                folders = sorted({mouse.folder for mouse in self.mice.values()})
                self.tally.add("mouse-unknown", seen.where, f"names no known session; {near_miss(name, folders)}")
            elif name != known.folder:
                self.tally.add("mouse-name", seen.where, f"is named `{name}`, expected `{known.folder}`")
        return self._seen[name]

    def _trial(self, seen: _Seen, trial: object) -> int | None:
        number = trial_number(trial)
        if number is None:
            self.tally.add("trial-name", seen.where, f"trial_indices holds {trial!r}, expected a number")
            return None
        if isinstance(trial, str):
            self.tally.add("trial-names-as-text", self.name, f"trial_indices holds text such as {trial!r}")
        if number in seen.trials:
            self.tally.add("trial-twice", seen.where, "is in the file more than once", number)
        seen.trials.add(number)
        if seen.known is not None and seen.known.trials:
            self._of_tier(seen, seen.known, number)
        return number

    def _of_tier(self, seen: _Seen, known: KnownMouse, number: int) -> None:
        tier, _ = known.trials.get(number, ("", 0))
        if not tier:
            self.tally.add("trial-unknown", seen.where, "the session has no such trial", number)
        elif not self.tier:
            self.tier = tier  # that of the first trial; the others are held to it
        elif tier != self.tier:
            self.tally.add("trial-tier", seen.where, f"is of tier {tier}, expected {self.tier}", number)

    def _neurons(self, seen: _Seen, ids: NDArray[np.int64], number: int | None) -> None:
        if seen.ids is not None:
            if not np.array_equal(ids, seen.ids):
                self.tally.add("neurons-differ", seen.where, "its neuron ids are not those of the first row", number)
            return
        seen.ids = ids
        if seen.known is not None:
            note_ids(self.tally, seen.where, ids, seen.known.unit_ids, seen.known.n_neurons)

    def _window(self, seen: _Seen, n_frames: int, number: int | None) -> None:
        known = seen.known
        if known is None or number is None or n_frames in known.lengths(number, self.tier, "s23-server"):
            return
        if n_frames in known.lengths(number, self.tier, "s23-head"):
            self.tally.add("window-250", seen.where, f"{n_frames} frames, one more than were scored", number)
            return
        code = "window-30" if n_frames == CUT else "window-length"
        expected = " or ".join(map(str, known.lengths(number, self.tier, "s23-server")))
        self.tally.add(code, seen.where, f"{n_frames} frames, expected {expected}", number)

    def _whole(self, seen: _Seen) -> None:
        """Look at a mouse when all its rows were seen."""
        known = seen.known
        if known is None:
            return
        if known.trials:
            wanted = known.of_tier(self.tier)
            if lacking := sorted(wanted - seen.trials):
                what = f"{len(lacking):,} of {len(wanted):,} trials lack: {listed(lacking)}"
                self.tally.add("trials-missing", seen.where, what)
            return
        self.tally.add("not-compared", self.name, f"no store of {known.key}")
        n_wanted = known.n_trials.get(self.tier, len(seen.trials))
        if len(seen.trials) != n_wanted:
            self.tally.add("trials-count", seen.where, f"{len(seen.trials):,} trials, expected {n_wanted:,}")

    def _missing_mice(self) -> None:
        there = {seen.known.key for seen in self._seen.values() if seen.known is not None}
        given = [mouse.key for mouse in self.mice.values() if mouse.recording is not None]
        for key in dict.fromkeys(given):
            if key not in there:
                self.tally.add("mouse-missing", f"{self.name}, {key}", "the session is given, but not in the file")
