"""Write a submission: every prediction joined by name, whole files or none, the same bytes in whatever order they come."""

from __future__ import annotations

import tempfile
import zipfile
from contextlib import ExitStack, suppress
from typing import IO, TYPE_CHECKING, Protocol

from sensorium_data.evaluation.submissions.plan import planned
from sensorium_data.evaluation.submissions.rows import Rows
from sensorium_data.evaluation.submissions.rows2022 import CsvRows
from sensorium_data.evaluation.submissions.rows2023 import ParquetRows, pyarrow_parts
from sensorium_data.progress import Progress, ignore
from sensorium_data.store.publish import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sensorium_data.evaluation.predictions import TrialPrediction
    from sensorium_data.evaluation.submissions.facts import SubmissionTrack, SubmissionWindow
    from sensorium_data.evaluation.submissions.given import Existing
    from sensorium_data.evaluation.submissions.plan import Part, Plan
    from sensorium_data.evaluation.submissions.rows import Row
    from sensorium_data.progress import Report
    from sensorium_data.schemas.submission import SubmissionReport
    from sensorium_data.viewing.opening import Opened

__all__ = ["write_plan", "write_submission"]


class RowFile(Protocol):
    """Takes rows as they come, and writes them in the order they are wanted in."""

    def add(self, row: Row) -> None:
        """Take the next row."""

    def write(self, out: IO[bytes], order: Sequence[int]) -> None:
        """Write all rows, first the one that `order` names first."""

    def close(self) -> None:
        """Have done with the spool, whatever has come of it."""


def write_submission(
    target: str | Path,
    predictions: Iterable[TrialPrediction],
    sessions: Opened | Iterable[Opened],
    *,
    track: SubmissionTrack | None = None,
    tier: str | None = None,
    window: SubmissionWindow = "s23-server",
    existing: Existing = "error",
    storage_options: Mapping[str, object] | None = None,
    report: Report = ignore,
) -> SubmissionReport:
    """Write the files that a competition wanted, from predictions that come one trial at a time.

    Rows are in the order of the sessions and of their trials, neurons in the order of the session, whatever order they
    are predicted in. Predictions in other scales are brought to the one that was scored, responses times the published
    precision ("Sensorium 2023, score and frame window"; "Sensorium 2022, normalisation").

    Parameters
    ----------
    target : str or Path
        For a track the zip, with the names that its server wanted at the root; for a tier the file itself.
    predictions : iterable of TrialPrediction
        Every trial of the tiers once, in any order.
    sessions : path, pattern, Session, SessionHandle, or several
        Stores of the recordings. For 2022 one: each of its two tracks is about a mouse of its own.
    track : {"main", "bonus", "2022"}, optional
    tier : str, optional
        In place of a track: one tier in one file, for scores of your own.
    window : {"s23-server", "s23-head"}
        Frames of a film that are sent: 249 of 300, as the server scored, or 250, as its README says.
    existing : {"error", "replace"}
        What becomes of a file that is there.
    storage_options : mapping, optional
        How to get in where sessions are URLs.
    report : callable
        Told of progress.

    Returns
    -------
    SubmissionReport
        With what a server would have against it.

    Raises
    ------
    BadArgument
        Sessions that no such file can be about, or no such track, window or scale; all that is wrong is named.
    DataInvalid
        Predictions are missing, come twice, are not of these trials or neurons, begin after the window does, end before
        it, or are not finite. All that is wrong is named, nothing is written.
    TargetExists, StorageFailed
        The target is there, or cannot be written.
    ImportError
        pyarrow is not installed, and the sessions are of films.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sensorium_data import convert
    >>> from sensorium_data.evaluation import TrialPrediction
    >>> from sensorium_data.handle import SessionHandle
    >>> from sensorium_data.testing import write_sensorium2022
    >>> folder = tempfile.mkdtemp()
    >>> made = write_sensorium2022(folder, kind="splus", n_neurons=3, frame_shape=(4, 4))
    >>> _ = convert(made, f"{folder}/S1.zarr")
    >>> mouse = SessionHandle(f"{folder}/S1.zarr")
    >>> trials = mouse.trials["trial_id"][mouse.trials["tier"] == "test"]
    >>> ones = (TrialPrediction("27204-5-13", trial, np.ones((1, 3)), mouse.neurons["unit_id"]) for trial in trials.tolist())
    >>> report = write_submission(f"{folder}/test.csv", ones, mouse, tier="test")
    >>> report.status, report.files[0].n_rows == len(trials)
    ('written', True)
    """
    plan = planned(
        target, sessions, track=track, tier=tier, window=window, existing=existing, storage_options=storage_options
    )
    if plan.window:
        pyarrow_parts()  # before hours of predicting
    there = plan.target.exists()
    n_bytes = write_plan(plan, predictions, report)
    return plan.report().model_copy(update={"status": "replaced" if there else "written", "n_bytes": n_bytes})


def write_plan(plan: Plan, predictions: Iterable[TrialPrediction], report: Report = ignore) -> int:
    """Write what was planned, and return how many bytes it is.

    Parameters
    ----------
    plan : Plan
    predictions : iterable of TrialPrediction
    report : callable

    Raises
    ------
    DataInvalid, StorageFailed
        As `write_submission` does.
    """
    with storage_errors(plan.target, resumes=False):
        _spool(plan, predictions, report)
        return plan.target.stat().st_size


def _spool(plan: Plan, predictions: Iterable[TrialPrediction], report: Report) -> None:
    """Write rows into files without a name, which no kill leaves behind, and make the target of them at the end."""
    plan.target.absolute().parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files: dict[str, RowFile] = {}
        came: dict[str, list[tuple[str, int]]] = {}
        for part in plan.parts:
            spool = stack.enter_context(tempfile.TemporaryFile(dir=plan.target.absolute().parent))
            files[part.tier] = ParquetRows(spool) if plan.window else CsvRows(spool)
            stack.callback(files[part.tier].close)
            came[part.tier] = []
        total = len(plan.expected)
        report(Progress("write", 0, total, "trials"))
        for n, row in enumerate(Rows(plan)(predictions), 1):
            files[row.part.tier].add(row)
            came[row.part.tier].append((row.expected.recording.key, row.expected.trial_id))
            report(Progress("write", n, total, "trials"))
        _publish(plan, files, {tier: {name: n for n, name in enumerate(names)} for tier, names in came.items()})


def _publish(plan: Plan, files: Mapping[str, RowFile], came: Mapping[str, Mapping[tuple[str, int], int]]) -> None:
    """Write the target beside its place, and rename it."""
    beside = plan.target.with_name(f".{plan.target.name}.part")
    try:
        with beside.open("wb") as out:
            if plan.track:
                _zip(plan, files, came, out)
            else:
                part = plan.parts[0]
                files[part.tier].write(out, _order(part, came))
        beside.replace(plan.target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def _zip(
    plan: Plan, files: Mapping[str, RowFile], came: Mapping[str, Mapping[tuple[str, int], int]], out: IO[bytes]
) -> None:
    # Parquet is packed already; the text of images is not.
    packed = zipfile.ZIP_STORED if plan.window else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w", packed) as archive:
        for part in plan.parts:
            entry = zipfile.ZipInfo(part.name)  # with no time of its own: equal predictions make equal files
            entry.compress_type = packed
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as member:
                files[part.tier].write(member, _order(part, came))


def _order(part: Part, came: Mapping[str, Mapping[tuple[str, int], int]]) -> list[int]:
    return [came[part.tier][name] for name in part.trials]
