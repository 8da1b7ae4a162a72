"""Look at a file that is to be uploaded, whoever made it, and name everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from sensorium_data.errors import listed
from sensorium_data.evaluation.submissions.check2022 import ImageCheck, ImageTrials
from sensorium_data.evaluation.submissions.check2023 import FilmCheck
from sensorium_data.evaluation.submissions.facts import TRACKS
from sensorium_data.evaluation.submissions.given import recordings_of
from sensorium_data.evaluation.submissions.known import known_mice
from sensorium_data.evaluation.submissions.opening import Upload, kind_of
from sensorium_data.evaluation.submissions.plan import mice_findings
from sensorium_data.evaluation.submissions.tally import Tally
from sensorium_data.progress import ignore
from sensorium_data.schemas.submission import SubmissionFile, SubmissionReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sensorium_data.evaluation.truth import Recording
    from sensorium_data.progress import Report
    from sensorium_data.viewing.opening import Opened

__all__ = ["check_submission", "kind_in", "tier_of_name"]

HEAD = 512  # bytes that tell what a file is


def check_submission(
    path: str | Path,
    sessions: Opened | Iterable[Opened] | None = None,
    *,
    storage_options: Mapping[str, object] | None = None,
    report: Report = ignore,
) -> SubmissionReport:
    r"""Look at a zip, a Parquet file or a CSV of predictions, and name everything that is wrong with it.

    Nothing in the file is trusted or evaluated: sizes are asked before memory is taken, and rows are read one by one.

    Parameters
    ----------
    path : str or Path
    sessions : path, pattern, Session, SessionHandle, or several, optional
        Stores of the recordings: trials and neurons are compared with theirs. Without them, with what is published.
    storage_options : mapping, optional
        How to get in where sessions are URLs.
    report : callable
        Told of progress.

    Returns
    -------
    SubmissionReport
        Errors are faults of the file, warnings what a server would not take or score, notes are remarks.

    Raises
    ------
    NotFound
        There is no such file.
    BadArgument, StoreInvalid, StorageFailed
        A session cannot be opened, or a zip not be unpacked for want of room.
    ImportError
        pyarrow is not installed, and the file is of films.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "submission_file_live_test.csv")
    >>> _ = path.write_text("trial_indices,image_ids,prediction,neuron_ids\n")
    >>> [finding.code for finding in check_submission(path).findings]
    ['no-rows', 'not-zipped']
    """
    tally = Tally()
    upload = Upload(Path(path), tally)
    given = [] if sessions is None else recordings_of(sessions, storage_options)
    found = list(_named(upload, tally))
    checks = _Checks(given, tally, report)
    files = tuple(checks.member(upload, name, tier) for name, tier in found)
    tracks = {track.name for track in TRACKS.values() for _, tier in found if tier in track.files}
    if not upload.zipped and tracks:
        tally.add("not-zipped", upload.path.name, "is a file by itself")
    return SubmissionReport(
        path=str(path),
        status="checked",
        track=tracks.pop() if len(tracks) == 1 and upload.zipped else "",
        files=files,
        n_bytes=upload.path.stat().st_size,
        findings=tally.findings(),
    )


def tier_of_name(name: str) -> str:
    """Return the tier that a file's name means, even where it is not the name that a server wanted; else empty.

    Examples
    --------
    >>> tier_of_name("predictions_live_main.parquet.brotli"), tier_of_name("predictions_file_final_test_bonus_track.parquet")
    ('live_test_main', 'final_test_bonus')
    """
    plain = PurePosixPath(name).name.lower()
    for track in TRACKS.values():
        for tier, wanted in track.files.items():
            if plain == wanted:
                return tier
    when = next((word for word in ("live", "final") if word in plain), "")
    if not when:
        return ""
    if plain.endswith(".csv"):
        return "test" if when == "live" else "final_test"
    return f"{when}_test_{'bonus' if 'bonus' in plain or 'ood' in plain else 'main'}"


def _named(upload: Upload, tally: Tally) -> Iterator[tuple[str, str]]:
    """Yield the files of predictions and their tiers, and note what is wrong with names."""
    if not upload.zipped:
        yield from ((name, tier_of_name(name)) for name in upload.members)
        return
    found: list[tuple[str, str]] = []
    for name in upload.members:
        tier = tier_of_name(name)
        if tier or name.endswith((".csv", ".parquet", ".brotli")):
            found.append((name, tier))
            _look_at_name(upload, name, tier, tally)
        else:
            tally.add("zip-extra", upload.path.name, f"holds {name}")
    tracks = [track for track in TRACKS.values() if any(tier in track.files for _, tier in found)]
    if len(tracks) > 1:
        tally.add("two-tracks", upload.path.name, f"holds files of the tracks {listed([t.name for t in tracks])}")
    if upload.members and not found:
        tally.add("zip-empty", upload.path.name, "holds no file of predictions")
    for track in tracks:
        lacking = [name for tier, name in track.files.items() if tier not in {mine for _, mine in found}]
        if lacking:
            tally.add("file-missing", upload.path.name, f"lacks {listed(lacking)}")
    yield from found


def _look_at_name(upload: Upload, name: str, tier: str, tally: Tally) -> None:
    wanted = next((track.files[tier] for track in TRACKS.values() if tier in track.files), "")
    plain = PurePosixPath(name)
    if len(plain.parts) > 1:
        tally.add("zip-folder", upload.path.name, f"holds {name}, expected {wanted or plain.name} at its root")
    if plain.name != wanted:
        names = [each for track in TRACKS.values() for each in track.files.values()]
        tally.add("file-name", f"{upload.path.name}/{name}", f"expected {wanted or f'one of {listed(names)}'}")


def kind_in(file: IO[bytes], name: str) -> str:
    """Return `parquet`, `csv` or an empty text for a file, by what it begins with; it is back at its beginning."""
    kind = kind_of(file.read(HEAD))
    file.seek(0)
    return kind if kind in ("parquet", "csv") else ("csv" if not kind and name.lower().endswith(".csv") else "")


@dataclass(frozen=True, slots=True)
class _Checks:
    """Looks at the members of an upload."""

    given: Sequence[Recording]
    tally: Tally
    report: Report

    def member(self, upload: Upload, name: str, tier: str) -> SubmissionFile:
        """Look at one, and return what is in it."""
        info = upload.members[name]
        size = upload.path.stat().st_size if info is None else info.file_size
        with upload.open(name) as file:
            kind = "" if file is None else kind_in(file, name)
            if file is None or not kind:
                if file is not None:
                    self.tally.add("format-unknown", name, "is neither Parquet nor CSV")
                return SubmissionFile(name=name[-255:], tier=tier, n_bytes=size)
            found = self._images(file, name, tier) if kind == "csv" else self._films(file, name, tier)
            return found.model_copy(update={"n_bytes": size})

    def _images(self, file: IO[bytes], name: str, tier: str) -> SubmissionFile:
        sessions = [ImageTrials(each) for each in self.given if each.modality == "static"]
        check = ImageCheck(name, tier, sessions, self.tally)
        found = check(file, self.report)
        if check.session is not None:
            self._mice([check.session.recording.key], name, static=True)
        return found

    def _films(self, file: IO[bytes], name: str, tier: str) -> SubmissionFile:
        mice = known_mice(each for each in self.given if each.modality == "dynamic")
        found = FilmCheck(name, tier, mice, self.tally)(file, self.report)
        self._mice([mice[mouse].key for mouse in found.mice if mouse in mice], name, static=False)
        return found

    def _mice(self, keys: Sequence[str], name: str, *, static: bool) -> None:
        for finding in mice_findings(keys, name, static=static) if keys else ():
            self.tally.add(finding.code, finding.where, finding.what)
