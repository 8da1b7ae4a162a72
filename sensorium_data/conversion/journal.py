"""What a conversion has done so far: one record a finished task, written whole or not at all."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Record", "once"]


@dataclass(frozen=True, slots=True)
class Record:
    """The outcome of a task: facts that JSON can hold, and arrays."""

    facts: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


def _load(path: Path) -> Record | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return Record(json.loads(arrays.pop("facts").tobytes()), arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # a power cut leaves it empty, or with holes
        return None


def once(path: Path, task: Callable[[], Record]) -> Record:
    """Return the record of a task that was done before, or do it and keep its record.

    Parameters
    ----------
    path : Path
        The record, ending in `.npz`.
    task : callable
        Does the work; what it leaves on the disk must be whole before it returns.
    """
    if (record := _load(path)) is not None:
        return record
    record = task()
    facts = np.frombuffer(json.dumps(record.facts).encode(), np.uint8)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, facts=facts, **record.arrays)
    part.replace(path)
    return record
