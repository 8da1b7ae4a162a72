"""What a submission must hold, decided from the tables of the sessions before any prediction is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from sensorium_data.cached import cached_property
from sensorium_data.errors import BadArgument, Problem, counted, listed, near_miss
from sensorium_data.evaluation.presets import preset
from sensorium_data.evaluation.submissions.facts import SCORED, TRACKS, folder_of, track_named, window_named
from sensorium_data.evaluation.submissions.given import recordings_of, settle_file, static_columns
from sensorium_data.schemas.report import Finding
from sensorium_data.schemas.submission import SubmissionFile, SubmissionReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sensorium_data.evaluation.submissions.facts import SubmissionTrack, SubmissionWindow
    from sensorium_data.evaluation.submissions.given import Existing
    from sensorium_data.evaluation.truth import Recording
    from sensorium_data.viewing.opening import Opened

__all__ = ["Expected", "Part", "Plan", "plan_submission", "planned"]

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Expected:
    """What a row of a submission is about.

    Attributes
    ----------
    recording : Recording
    row : int
        Of the trial table.
    trial_id : int
    start, stop : int, frames of the trial
        What is sent.
    """

    recording: Recording
    row: int
    trial_id: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a submission.

    Attributes
    ----------
    tier : str
    name : str
        Of the file.
    trials : mapping of (session, trial_id) to Expected
        In the order of the rows.
    """

    tier: str
    name: str
    trials: Mapping[tuple[str, int], Expected]


@dataclass(frozen=True)
class Plan:
    """A submission that is to be made.

    Attributes
    ----------
    target : Path
    track : str
        Empty for a file of one tier.
    window : str
        Name of a preset; empty for images.
    recordings : mapping of key to Recording
    parts : tuple of Part
    """

    target: Path
    track: SubmissionTrack | Literal[""]
    window: SubmissionWindow | Literal[""]
    recordings: Mapping[str, Recording]
    parts: tuple[Part, ...]

    @cached_property
    def expected(self) -> dict[tuple[str, int], tuple[Part, Expected]]:
        """Part and row of each trial."""
        return {name: (part, each) for part in self.parts for name, each in part.trials.items()}

    def report(self) -> SubmissionReport:
        """Return what will be written, and what a server would have against it."""
        mice = tuple(folder_of(each.handle.document.identity) for each in self.recordings.values())
        files = tuple(SubmissionFile(name=p.name, tier=p.tier, mice=mice, n_rows=len(p.trials)) for p in self.parts)
        n_values = sum((e.stop - e.start) * len(e.recording.unit_ids) for _, e in self.expected.values())
        return SubmissionReport(
            path=str(self.target),
            status="planned",
            track=self.track,
            window=self.window,
            files=files,
            n_values=n_values,
            n_bytes=n_values * FLOAT_BYTES,
            findings=tuple(self._findings()),
        )

    def _findings(self) -> Iterator[Finding]:
        where = self.target.name
        if not self.track:
            what = "one tier by itself, for scores of your own; a server takes the zip of a track"
            yield Finding(code="not-a-track", severity="note", where=where, what=what)
        else:
            static = TRACKS[self.track].modality == "static"
            yield from mice_findings(list(self.recordings), where, static=static)
        for key, each in self.recordings.items():
            if each.handle.selected is not None:
                what = f"{counted(len(each.unit_ids), 'neuron')} were selected; the server wants all"
                yield Finding(code="neurons-selected", severity="warning", where=key, what=what)


def mice_findings(keys: Sequence[str], where: str, *, static: bool) -> Iterator[Finding]:
    """Yield what a server would have against the mice of a submission.

    Parameters
    ----------
    keys : sequence of str
        Of the sessions.
    where : str
    static : bool
        Images, of which an upload is about one mouse.
    """
    scored = SCORED["static" if static else "dynamic"]
    if others := [key for key in keys if key not in scored]:
        what = f"{listed(others)}: not among the mice that are scored, {listed(list(scored))}"
        yield Finding(code="mice-not-scored", severity="warning", where=where, what=what)
    lacking = [key for key in scored if key not in keys]
    if lacking and not static and len(lacking) < len(scored):
        what = f"{counted(len(lacking), 'mouse') if len(lacking) == 1 else f'{len(lacking)} mice'} of those scored lack"
        yield Finding(code="mice-missing", severity="warning", where=where, what=f"{what}: {listed(lacking)}")


def plan_submission(
    target: str | Path,
    sessions: Opened | Iterable[Opened],
    *,
    track: SubmissionTrack | None = None,
    tier: str | None = None,
    window: SubmissionWindow = "s23-server",
    existing: Existing = "error",
    storage_options: Mapping[str, object] | None = None,
) -> SubmissionReport:
    """Return what `write_submission` would write; parameters and errors as there, but for those of predictions.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import write_sensorium2023
    >>> from sensorium_data import convert
    >>> folder = tempfile.mkdtemp()
    >>> kinds = ("NaturalVideo", "PinkNoise", "GaussianDot", "RandomDots")
    >>> made = write_sensorium2023(folder, n_neurons=3, frame_shape=(4, 4), lengths=dict.fromkeys(kinds, 60))
    >>> _ = convert(made, f"{folder}/F.zarr")
    >>> report = plan_submission("main.zip", f"{folder}/F.zarr", track="main")
    >>> [file.name for file in report.files], [finding.code for finding in report.findings]
    (['predictions_live_main.parquet.brotli', 'predictions_final_main.parquet.brotli'], ['mice-missing'])
    """
    return planned(
        target, sessions, track=track, tier=tier, window=window, existing=existing, storage_options=storage_options
    ).report()


def planned(
    target: str | Path,
    sessions: Opened | Iterable[Opened],
    *,
    track: SubmissionTrack | None,
    tier: str | None,
    window: SubmissionWindow,
    existing: Existing,
    storage_options: Mapping[str, object] | None = None,
) -> Plan:
    """Return the plan of a submission; see `plan_submission`."""
    if (track is None) == (tier is None):
        raise BadArgument("a submission is of a track, or of one tier", hint="give one of both", code="bad-track")
    names = None if track is None else track_named(track).files
    path = settle_file(Path(target), existing, as_zip=track is not None)
    found = {each.key: each for each in recordings_of(sessions, storage_options)}
    kinds = {each.modality for each in found.values()}
    static = kinds == {"static"}
    problems = [*_of_track(found, track, static=static)]
    if len(kinds) > 1:
        problems.append(Problem("modality", listed(list(found)), "some are of films and some of images"))
    if not problems:
        wanted = names if names is not None else {str(tier): path.name}
        chosen: SubmissionWindow | Literal[""] = "" if static else window
        parts = tuple(_part(found, each, name, chosen, problems) for each, name in wanted.items())
    if problems:
        raise BadArgument(
            f"{path.name} cannot be made from {counted(len(found), 'session')}",
            hint="name the sessions that the track is about, or one tier of them with `tier`",
            problems=problems,
            code="bad-sessions",
        )
    return Plan(path, track or "", chosen, found, parts)


def _of_track(found: Mapping[str, Recording], track: str | None, *, static: bool) -> Iterator[Problem]:
    """Tell of sessions that no file could be about together."""
    if track is not None and static != (TRACKS[track].modality == "static"):
        seen, expected = ("images", "films") if static else ("films", "images")
        yield Problem("modality", listed(list(found)), f"{seen}, expected {expected} for track {track}")
    elif static and len(found) > 1:
        yield Problem("one-session", listed(list(found)), "a file of 2022 is about one session")
    folders: dict[str, str] = {}
    for key, each in found.items():
        folder = folder_of(each.handle.document.identity)
        if (other := folders.setdefault(folder, key)) != key:
            yield Problem("mouse-twice", key, f"was published as `{folder}`, as {other} was")
        if static:
            yield from _of_columns(each)


def _of_columns(recording: Recording) -> Iterator[Problem]:
    names, ids = static_columns(recording)
    if names is None:
        yield Problem("no-trial-idx", recording.key, "has no column `trial_idx`, by which images are told apart")
    elif len(np.unique(names)) < len(names):
        yield Problem("trial-idx-twice", recording.key, "two trials share a `trial_idx`")
    if ids is None:
        yield Problem("no-image-id", recording.key, "has no column `frame_image_id`")


def _part(
    found: Mapping[str, Recording],
    tier: str,
    name: str,
    window: SubmissionWindow | Literal[""],
    problems: list[Problem],
) -> Part:
    """Return a file, and add what is wrong with its tier."""
    trials: dict[tuple[str, int], Expected] = {}
    span = preset(window_named(window)).window if window else lambda n: (0, min(n, 1))
    for key, each in found.items():
        mine = list(each.tier(tier).trials.values())
        if not mine:
            there = [t.name for t in each.handle.document.trials.tiers if t.n_trials > t.n_missing]
            problems.append(Problem("no-such-tier", key, f"no trials of tier `{tier}`; {near_miss(tier, there)}"))
        short = []
        for trial in mine:
            start, stop = span(trial.n_frames)
            if stop <= start:
                short.append(trial)
            trials[key, trial.trial_id] = Expected(each, trial.row, trial.trial_id, start, stop)
        if short:
            lengths = listed(sorted({trial.n_frames for trial in short}))
            what = f"{counted(len(short), 'trial')} of {lengths} frames: nothing is left of them in window {window}"
            problems.append(Problem("window-empty", f"{key}, tier {tier}", what))
    return Part(tier, name, trials)
