"""Everything that is wrong with a file of predictions for images, row by row: trials, images, neurons, values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

import numpy as np

from sensorium_data.errors import counted, listed
from sensorium_data.evaluation.submissions.csvlines import ImageRows, NotAList, numbers
from sensorium_data.evaluation.submissions.facts import SCORED, folder_of
from sensorium_data.evaluation.submissions.given import static_columns
from sensorium_data.evaluation.submissions.values import note_ids, note_values
from sensorium_data.progress import Progress
from sensorium_data.schemas.submission import SubmissionFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.evaluation.submissions.csvlines import ImageRow
    from sensorium_data.evaluation.submissions.tally import Tally
    from sensorium_data.evaluation.truth import Recording
    from sensorium_data.progress import Report

__all__ = ["ImageCheck", "ImageTrials"]

EXACT = 2**53  # from here on floats are not all of the whole numbers
HASH = re.compile(r"[0-9a-f]{32}")


class ImageTrials:
    """The trials of a session of images by their published `trial_idx`.

    Parameters
    ----------
    recording : Recording

    Attributes
    ----------
    recording : Recording
    by_name : mapping of str to (trial_id, tier, image id)
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        names, ids = static_columns(recording)
        table = recording.handle.trials
        there = np.flatnonzero(~table["missing"].astype(np.bool_)).tolist()
        rows = [] if names is None else there
        self.by_name: dict[str, tuple[int, str, str]] = {
            str(names[row]): (
                int(table["trial_id"][row]),
                str(table["tier"][row]),
                "" if ids is None else str(ids[row].item()),
            )
            for row in rows
            if names is not None
        }

    @property
    def folder(self) -> str:
        """Name of the folder it was published in."""
        return folder_of(self.recording.handle.document.identity)

    def of_tier(self, tier: str) -> set[str]:
        """Return the names of the trials of a tier."""
        return {name for name, (_, mine, _) in self.by_name.items() if mine == tier}


@dataclass(slots=True)
class ImageCheck:
    """Looks at one file.

    Parameters
    ----------
    name : str
        Of the file.
    tier : str
        That it is about; empty where its name does not tell.
    sessions : sequence of ImageTrials
        The one that the file is about is found by its trials.
    tally : Tally
        Gets the findings.
    """

    name: str
    tier: str
    sessions: Sequence[ImageTrials]
    tally: Tally
    session: ImageTrials | None = None
    _trials: set[str] = field(default_factory=set)
    _first: bytes | None = None  # the neuron ids of the first row, as text
    _n_ids: int | None = None

    def __call__(self, file: IO[bytes], report: Report) -> SubmissionFile:
        """Read the file and return what is in it."""
        rows = ImageRows(file, self.name, self.tally)
        n = 0
        for n, row in enumerate(rows, 1):
            if n == 1:
                self._begin(row)
            self._trial(row)
            self._neurons(row)
            self._values(row)
            report(Progress("check", n, n + 1, "trials"))  # how many there are is known at the end
        if n:
            report(Progress("check", n, n, "trials"))
            self._whole()
        mice = () if self.session is None else (self.session.folder,)
        return SubmissionFile(name=self.name[-255:], tier=self.tier, mice=mice, n_rows=n)

    def _begin(self, row: ImageRow) -> None:
        """Find the session of the file."""
        found = [each for each in self.sessions if row.trial in each.by_name]
        if len(self.sessions) == 1 or found:
            self.session = (found or [*self.sessions])[0]
        elif self.sessions:
            keys = listed([each.recording.key for each in self.sessions])
            self.tally.add("mouse-unknown", self.name, f"trial `{row.trial}` is of no session given: {keys}")
        else:
            self.tally.add("not-compared", self.name, "no store of the session")

    def _trial(self, row: ImageRow) -> None:
        if row.trial in self._trials:
            self.tally.add("trial-twice", self.name, "is in the file more than once", row.trial)
        self._trials.add(row.trial)
        if not row.trial:
            self.tally.add("trial-name", self.name, "trial_indices is empty")
        elif self.session is not None:
            self._of_session(self.session, row)
        elif not self.sessions and not HASH.fullmatch(row.trial):
            what = "trials are named otherwise than by 32 hexadecimal digits"
            self.tally.add("trial-idx-plain", self.name, what, row.trial)

    def _of_session(self, session: ImageTrials, row: ImageRow) -> None:
        _, tier, image = session.by_name.get(row.trial, (-1, "", ""))
        if not tier:
            self.tally.add("trial-unknown", self.name, f"{session.recording.key} has no such trial", row.trial)
            return
        self.tier = self.tier or tier  # where the name does not tell, that of the first trial
        if tier != self.tier:
            self.tally.add("trial-tier", self.name, f"is of tier {tier}, expected {self.tier}", row.trial)
        if image and row.image != image:
            what = f"image_ids is `{row.image}`, expected {image}"
            self.tally.add("image-id", self.name, what, row.trial)

    def _neurons(self, row: ImageRow) -> None:
        if row.unit_ids is None:
            return
        if self._first is not None:
            if row.unit_ids != self._first:
                self.tally.add("neurons-differ", self.name, "its neuron ids are not those of the first row", row.trial)
            return
        self._first = row.unit_ids
        ids = self._numbers(row.unit_ids, "neuron_ids", row.trial)
        if ids is None:
            return
        if not (np.abs(ids) < EXACT).all() or (ids != np.round(ids)).any():
            self.tally.add("not-a-list", f"{self.name}, neuron_ids", "holds numbers that are not whole", row.trial)
            return
        self._n_ids = len(ids)
        wanted = None if self.session is None else self.session.recording.unit_ids
        note_ids(self.tally, self.name, ids.astype(np.int64), wanted, None)
        known = {mouse.n_neurons for mouse in SCORED["static"].values()}
        if wanted is None and len(ids) not in known:
            what = f"{counted(len(ids), 'neuron id')}; the scored mice have {listed(sorted(known), between=' and ')}"
            self.tally.add("neurons-count", self.name, what)

    def _values(self, row: ImageRow) -> None:
        values = self._numbers(row.prediction, "prediction", row.trial)
        if values is None:
            return
        if self._n_ids is not None and len(values) != self._n_ids:
            what = f"{counted(len(values), 'number')} for {self._n_ids:,} neuron ids"
            self.tally.add("neurons-count", self.name, what, row.trial)
        note_values(self.tally, self.name, values, row.trial)

    def _numbers(self, text: bytes | None, column: str, trial: str) -> NDArray[np.float64] | None:
        if text is None:
            return None  # the column lacks, which was noted
        try:
            return numbers(text)
        except NotAList as error:
            self.tally.add(error.code, f"{self.name}, {column}", error.what, trial)
            return None

    def _whole(self) -> None:
        """Look at the file when all its rows were seen."""
        if self.session is None or not self.tier:
            return
        wanted = self.session.of_tier(self.tier)
        if lacking := sorted(wanted - self._trials):
            what = f"{len(lacking):,} of {len(wanted):,} trials of {self.session.recording.key} lack: {listed(lacking)}"
            self.tally.add("trials-missing", self.name, what)
