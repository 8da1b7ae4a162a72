"""Findings about a file of predictions: each fault once with all the trials that have it, however many those are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensorium_data.errors import counted
from sensorium_data.schemas.report import Finding

if TYPE_CHECKING:
    from sensorium_data.schemas.report import Severity

__all__ = ["FAULTS", "Tally"]

SHOWN = 6  # trials of a finding that are named
LONGEST = 300  # characters of what a foreign file says that are passed on
MOST = 200  # findings: a file that names a thousand mice is not worth more

# What each code means for the upload, and what to do about it. Codes are stable.
FAULTS: dict[str, tuple[Severity, str]] = {
    # the upload
    "too-large": ("error", "the server took 5 GB: predict float32, for the scored mice alone"),
    "format-unknown": ("error", "give a zip, a Parquet file or a CSV"),
    "zip-damaged": ("error", "make the zip again"),
    "zip-unsafe": ("error", "make the zip again, of plain files"),
    "zip-folder": ("error", "zip the files themselves, not their folder"),
    "zip-bomb": ("error", ""),
    "zip-empty": ("error", "put the files of the track into it"),
    "zip-extra": ("warning", "leave it out"),
    "zip-litter": ("note", "macOS adds it; servers passed over it"),
    "file-name": ("error", "rename it: the names of the competitions' own code are not those the server wanted"),
    "file-missing": ("error", "both files of a track go into one zip"),
    "two-tracks": ("error", "main and bonus are uploaded separately"),
    "not-zipped": ("note", "the server took a zip"),
    # the file as a whole
    "parquet-damaged": ("error", "copy or write it again"),
    "csv-damaged": ("error", "write it again"),
    "not-brotli": ("error", "write it with compression='brotli'"),
    "column-missing": ("error", ""),
    "column-extra": ("warning", "leave it out"),
    "column-index": ("warning", "write it with index=False"),
    "column-type": ("error", ""),
    "float64": ("note", "float32 halves the file and is all that is scored"),
    "too-many-rows": ("error", "nothing of it was read"),
    "row-too-large": ("error", "nothing more of it was read"),
    "no-rows": ("error", ""),
    # mice and trials
    "mouse-unknown": ("error", "name the published folder of the session"),
    "mouse-name": ("error", "name the published folder of the session"),
    "mice-not-scored": ("warning", "the server scored its own mice alone"),
    "mice-missing": ("warning", "the server wanted all of them"),
    "mouse-missing": ("error", "predict the session, or do not name it here"),
    "not-compared": ("note", "give its store to have trials and neurons compared"),
    "trial-name": ("error", "name the number of the trial's file; for 2022 the published `trial_idx`"),
    "trial-names-as-text": (
        "note",
        "the README of the competition has them so, its code wrote integers; both were taken",
    ),
    "trial-unknown": ("error", ""),
    "trial-tier": ("error", "predict the trials of the tier that the file is about"),
    "trial-twice": ("error", "one row a trial"),
    "trials-missing": ("error", "predict every trial of the tier"),
    "trials-count": ("error", "predict every trial of the tier"),
    "trial-idx-plain": ("warning", "the scored mice have hashes in place of numbers"),
    "image-id": ("error", "take `frame_image_id` of the same trial"),
    # neurons
    "neurons-count": ("error", "ids, and lists of frames or numbers, are those of all neurons of the session"),
    "neurons-differ": ("error", "the ids of all rows of a mouse are the same"),
    "neurons-twice": ("error", ""),
    "neurons-unknown": ("error", "take `unit_ids` of the session, which have gaps"),
    "neurons-missing": ("error", "predict every neuron of the session"),
    "neurons-order": ("error", "order rows and ids as `unit_ids` of the session are ordered"),
    "neurons-selected": ("warning", "predict every neuron"),
    # values
    "not-a-list": ("error", "write lists of numbers: `[0.1, 0.2]`"),
    "list-numpy": ("error", "write the numbers, `values.tolist()`, not how numpy shows them"),
    "ragged": ("error", "all neurons of a trial have as many frames"),
    "null": ("error", "predict every neuron and frame"),
    "nan": ("error", "predict a number for every neuron and frame"),
    "infinite": ("error", "predict a number for every neuron and frame"),
    "all-zero": ("error", "are these withheld responses instead of predictions?"),
    "negative": ("note", "responses are not negative; correlations do not mind"),
    "window-30": ("error", "predict whole trials: a loader that cuts 80 frames leaves 30 (`to_cut=False`)"),
    "window-length": ("error", "send frames 50 to 298 of a film of 300"),
    "window-250": ("note", "the README's window; the server scored 249 and was sent both"),
}


@dataclass(slots=True)
class _Group:
    what: str
    n: int = 0
    trials: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """Collects findings.

    Attributes
    ----------
    dropped : int
        Findings beyond those that are kept.

    Examples
    --------
    >>> tally = Tally()
    >>> for trial in range(9):
    ...     tally.add("ragged", "mouse-F", "not all neurons have as many frames", trial)
    >>> [finding.what for finding in tally.findings()]
    ['not all neurons have as many frames (9 trials: 0, 1, 2, 3, 4, 5 …)']
    """

    dropped: int = 0
    _groups: dict[tuple[str, str], _Group] = field(default_factory=dict)

    def add(self, code: str, where: str, what: str, trial: object = None) -> None:
        """Note a fault; the same one of further trials is one finding.

        Parameters
        ----------
        code : str
            One of `FAULTS`.
        where, what : str
            The file or the mouse, and what was seen there.
        trial : int or str, optional
        """
        key = (code, _short(where))
        if key not in self._groups and len(self._groups) >= MOST:
            self.dropped += 1
            return
        group = self._groups.setdefault(key, _Group(_short(what)))
        group.n += 1
        if trial is not None and len(group.trials) < SHOWN:
            group.trials.append(_short(str(trial)))

    def findings(self) -> tuple[Finding, ...]:
        """Return what was found, errors first."""
        rank = {"error": 0, "warning": 1, "note": 2}
        found = [self._finding(code, where, group) for (code, where), group in self._groups.items()]
        return tuple(sorted(found, key=lambda finding: rank[finding.severity]))

    def _finding(self, code: str, where: str, group: _Group) -> Finding:
        severity, action = FAULTS[code]
        what = group.what
        if group.trials:
            more = " …" if group.n > len(group.trials) else ""
            several = f"{counted(group.n, 'trial')}: {', '.join(group.trials)}{more}"
            what += f" (trial {group.trials[0]})" if group.n == 1 else f" ({several})"
        return Finding(code=code, severity=severity, where=where, what=what, action=action)


def _short(text: str) -> str:
    """Return a text of a foreign file as a document can hold it."""
    plain = text.encode("utf-8", "backslashreplace").decode()
    return (plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…") or "(empty)"
