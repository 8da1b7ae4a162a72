"""Files that scoring writes: beside their place and renamed, and never over what is there unless that was said."""

from __future__ import annotations

import csv
import os
from contextlib import suppress
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from sensorium_data.errors import STORAGE_WORDS, BadArgument, StorageFailed, TargetExists, near_miss

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensorium_data.evaluation.outcome import Evaluation
    from sensorium_data.schemas.score import ScoreReport

__all__ = ["Existing", "replaced", "require_folder", "require_free", "write_neurons", "write_report"]

Existing: TypeAlias = Literal["error", "replace"]


def require_free(path: Path, existing: Existing) -> None:
    """Raise unless a file may be written: asked before the work, not after it.

    Raises
    ------
    TargetExists
        A file is there and is to stay, or a folder is.
    StorageFailed
        The folder that it goes into cannot be written or made.
    BadArgument
        No such word for what becomes of it.
    """
    if existing not in ("error", "replace"):
        hint = near_miss(str(existing), ["error", "replace"])
        raise BadArgument(f"existing is {existing!r}", hint=hint, code="bad-existing")
    if path.is_dir():
        raise TargetExists(f"{path} is a folder", hint="name a file", code="target-exists")
    if os.path.lexists(path) and existing == "error":
        raise TargetExists(f"{path} exists already", hint="--existing replace writes it anew")
    require_folder(path.parent)


def require_folder(folder: Path) -> None:
    """Raise unless a folder is there, or can be made, and can be written.

    Raises
    ------
    StorageFailed
        A part of the path is a file, or permission is denied.
    """
    there = next((each for each in (folder, *folder.absolute().parents) if os.path.lexists(each)), folder)
    if not there.is_dir():
        raise StorageFailed(f"{there}: is a file, not a folder", hint="choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise StorageFailed(f"{there}: permission was denied", hint="get access, or choose another place")


def replaced(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file beside its place and rename it there.

    Parameters
    ----------
    path : Path
    write : callable
        Given where to write.

    Raises
    ------
    StorageFailed
        It cannot be written; what was there is as it was.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        beside.replace(path)
    except OSError as error:
        said = STORAGE_WORDS.get(error.errno or 0, error.strerror or str(error))
        raise StorageFailed(f"{path}: {said}", hint="make room, or choose another place") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return path


def write_report(report: ScoreReport, path: str | Path, *, existing: Existing = "error") -> Path:
    """Write a report as JSON; `ScoreReport.model_validate_json` reads it back equal.

    Parameters
    ----------
    report : ScoreReport
    path : str or Path
    existing : {"error", "replace"}
        What becomes of a file that is there.

    Returns
    -------
    Path
        The file; it is written beside its place and renamed.

    Raises
    ------
    TargetExists
        The file is there.
    StorageFailed
        It cannot be written.

    Examples
    --------
    ::

        write_report(evaluation.report, "scores.json")
    """
    require_free(Path(path), existing)
    text = report.model_dump_json(indent=2) + "\n"
    return replaced(Path(path), lambda beside: beside.write_text(text, "utf-8"))


def write_neurons(evaluation: Evaluation, path: str | Path, *, existing: Existing = "error") -> Path:
    """Write the scores of every neuron as CSV, a line a neuron and what it was scored on; empty where not defined.

    Parameters
    ----------
    evaluation : Evaluation
    path : str or Path
    existing : {"error", "replace"}
        What becomes of a file that is there.

    Returns
    -------
    Path
        The file; it is written beside its place and renamed.

    Raises
    ------
    TargetExists
        The file is there.
    StorageFailed
        It cannot be written.

    Examples
    --------
    ::

        write_neurons(evaluation, "neurons.csv")
    """
    require_free(Path(path), existing)
    return replaced(Path(path), lambda beside: _write_lines(evaluation, beside))


def _write_lines(evaluation: Evaluation, path: Path) -> None:
    measures = list(dict.fromkeys(name for each in evaluation.neurons for name in each.values))
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["preset", "session", "tier", "kind", "unit_id", *measures])
        for each in evaluation.neurons:
            columns = [each.values[name].tolist() if name in each.values else None for name in measures]
            for i, unit_id in enumerate(each.unit_ids.tolist()):
                values = ["" if column is None or isnan(column[i]) else repr(column[i]) for column in columns]
                lines.writerow([evaluation.preset.name, each.session, each.tier, each.kind, unit_id, *values])
