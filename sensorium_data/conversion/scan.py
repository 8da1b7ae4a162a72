"""First pass: read everything but the responses, find valid lengths, spool each distinct film once.

Where responses are withheld, how long a trial is, and which films are the same must be known before the first response
is placed, so films and small signals are read here, once, and kept: the films on disk beside the store, the signals in
memory (12 bytes a sample).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.conversion.films import film_digest, film_moments
from sensorium_data.conversion.journal import Record, once
from sensorium_data.conversion.rounding import largest_error, rounded, stored_dtype
from sensorium_data.errors import Problem
from sensorium_data.grouping import signature
from sensorium_data.moments import Moments
from sensorium_data.schemas import ROLES
from sensorium_data.sources.members import MemberError, Memory
from sensorium_data.store.layout import CHUNK, ArraySpec
from sensorium_data.store.shards import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.conversion.recipe import Recipe
    from sensorium_data.schemas import ConvertOptions
    from sensorium_data.sources import RawSession, RawTrial, Scan

__all__ = ["ScanTask", "Scanned", "gather_scans", "overflows", "scan_batch", "scan_tasks"]


SAMPLED = 2 * CHUNK  # samples of the responses that are packed to see whether it pays; of images one a trial
GATHERED = 16  # frames whose statistics are taken at once: images of 144 × 256 fit the second-level cache


@dataclass(frozen=True, slots=True)
class ScanTask:
    """Some consecutive trials to scan."""

    recipe: Recipe
    number: int
    trials: tuple[RawTrial, ...]


@dataclass(frozen=True, slots=True)
class Scanned:
    """What is known of one present trial after the scan."""

    trial: RawTrial
    n_valid: int
    withheld: bool
    digest: str
    film_dtype: str
    batch: int
    offset: int
    still: float
    signature: NDArray[np.float32]
    signals: dict[str, NDArray[Any]]
    blank: tuple[str, ...] = ()


def scan_tasks(recipe: Recipe, raw: RawSession) -> list[ScanTask]:
    """Return the tasks that scan the trials that are there."""
    present = [trial for trial in raw.trials if not trial.missing]
    starts = range(0, len(present), raw.batch)
    return [ScanTask(recipe, i, tuple(present[start : start + raw.batch])) for i, start in enumerate(starts)]


def scan_batch(task: ScanTask) -> Record:
    """Scan a batch of trials, or return the record of having done so."""
    return once(
        task.recipe.path("journal", f"scan-{task.number:05d}-{len(task.trials)}.npz"), lambda: _scan_batch(task)
    )


def _still(frames: NDArray[Any]) -> float:
    """Return the share of frames that equal the frame before them."""
    if len(frames) < 2:
        return 0.0
    flat = frames.reshape(len(frames), -1)
    return float((flat[1:] == flat[:-1]).all(axis=1).mean())


def overflows(trial: RawTrial, scan: Scan, options: ConvertOptions) -> tuple[Problem, ...]:
    """Return what does not fit the dtype it would be stored in; infinity that was published is another matter."""
    streams = scan.signals | ({} if scan.frames.dtype == np.uint8 else {"stimulus": scan.frames})
    return tuple(
        Problem(
            "overflow",
            f"trial {trial.trial_id}",
            f"`{name}` has values too large for float32; --precision source keeps them",
        )
        for name, values in streams.items()
        if values.dtype != stored_dtype(values.dtype, options)
        and not np.isfinite(largest_error(values, rounded(values, stored_dtype(values.dtype, options))))
    )


def _sample(raw: RawSession, trial: RawTrial, n_valid: int, memory: Memory) -> NDArray[np.float32]:
    """Return some responses of a trial, (time, neuron), to see whether packing pays."""
    try:
        values: NDArray[np.float32] = rounded(
            raw.responses(trial, n_valid, memory).array[:SAMPLED], np.dtype(np.float32)
        )
    except MemberError:
        return np.zeros((0, raw.n_neurons), np.float32)  # the pass that writes responses reports it
    return values


def _packed(sampled: Sequence[NDArray[np.float32]]) -> list[int]:
    """Return raw and packed bytes of the sampled responses, packed as they would be stored: a chunk at a time."""
    if not sampled:
        return [0, 0]
    values = np.concatenate(sampled)[:SAMPLED]
    spec = ArraySpec("", values.shape, values.dtype, ("time", "neuron"), "pcodec", sharded=True)
    packed = sum(len(encode(spec, values[i : i + CHUNK])) for i in range(0, len(values), CHUNK))
    return [values.nbytes, packed]


def _with_responses(trial: RawTrial, scan: Scan) -> list[tuple[int, int]]:
    """Return number and length of a faulty trial whose responses can still be looked at."""
    told = any("/responses/" in problem.where for problem in scan.problems)
    return [] if told or scan.withheld or not len(scan.frames) else [(trial.trial_id, len(scan.frames))]


class _Batch:
    """The parts of a record, filled trial by trial."""

    def __init__(self, options: ConvertOptions) -> None:
        self.options = options
        self.trials: list[dict[str, Any]] = []
        self.digests: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.signatures: list[NDArray[np.float32]] = []
        self.marks: dict[str, NDArray[np.float32]] = {}  # by digest of the film
        self.train: list[NDArray[Any]] = []
        self.signals: dict[str, list[NDArray[Any]]] = {}
        self.moments = Moments.empty(1)
        self.sampled: list[NDArray[np.float32]] = []
        self.faulty: list[tuple[int, int]] = []

    def add(self, trial: RawTrial, scan: Scan, offset: int, digest: str) -> None:
        """Add one sound trial."""
        if digest not in self.marks:
            self.marks[digest] = signature(scan.frames)
        marks = self.marks[digest]
        self.signatures.append(marks)
        for name, values in scan.signals.items():
            self.signals.setdefault(name, []).append(np.ascontiguousarray(values))
        if ROLES.get(trial.tier) == "train":
            self._take(scan.frames)
        self.trials.append(
            {
                "trial_id": trial.trial_id,
                "n_valid": len(scan.frames),
                "n_signature": len(marks),
                "withheld": scan.withheld,
                "digest": digest,
                "film_dtype": scan.frames.dtype.str,
                "offset": offset,
                "still": _still(scan.frames),
                "notes": list(scan.note_codes),
                "blank": list(scan.blank),
            }
        )

    def _take(self, frames: NDArray[Any]) -> None:
        """Add a film to the statistics of train films; images are gathered first, as each alone costs as much again."""
        if frames.dtype != np.uint8:
            frames = rounded(frames, stored_dtype(frames.dtype, self.options))  # of what is stored, as all statistics
        if frames.dtype != np.uint8 or len(frames) >= GATHERED:
            self.moments = self.moments.merge(film_moments(frames))
            return
        self.train.append(frames.copy())  # they may lie in memory that is read into again
        if sum(map(len, self.train)) >= GATHERED:
            self._flush()

    def _flush(self) -> None:
        if self.train:
            self.moments = self.moments.merge(film_moments(np.concatenate(self.train)))
            self.train = []

    def record(self) -> Record:
        """Return the record; ragged arrays are laid end to end."""
        self._flush()
        arrays = {f"signal.{name}": np.concatenate(parts) for name, parts in self.signals.items()}
        arrays["signatures"] = np.concatenate(self.signatures) if self.signatures else np.zeros((0, 1), np.float32)
        arrays |= {f"film.{name}": getattr(self.moments, name) for name in ("n", "mean", "m2", "low", "high")}
        facts = {
            "trials": self.trials,
            "digests": self.digests,
            "problems": [asdict(problem) for problem in self.problems],
            "faulty": self.faulty,
            "sample": _packed(self.sampled),
        }
        return Record(facts, arrays)


def _scan_batch(task: ScanTask) -> Record:
    raw, options = task.recipe.open(), task.recipe.options
    batch, memory = _Batch(options), Memory()
    placed: dict[str, int] = {}
    part = task.recipe.path("spool", f"{task.number:05d}.part")
    with part.open("wb") as spool:
        for trial in task.trials:
            scan = raw.scan(trial, allow_nan=options.allow_nan, memory=memory)
            problems = scan.problems or overflows(trial, scan, options)
            batch.digests |= scan.digests
            batch.problems += problems
            if problems:
                batch.faulty += _with_responses(trial, scan)
                continue
            digest = film_digest(scan.frames)
            if digest not in placed:
                placed[digest] = spool.tell()
                spool.write(np.ascontiguousarray(scan.frames).data)
            batch.add(trial, scan, placed[digest], digest)
            wanted = task.number == 0 and options.preset == "compact" and sum(map(len, batch.sampled)) < SAMPLED
            if wanted and not scan.withheld:
                batch.sampled.append(_sample(raw, trial, len(scan.frames), memory))
    part.replace(part.with_suffix(".films"))
    return batch.record()


def gather_scans(tasks: Sequence[ScanTask], records: Sequence[Record]) -> list[Scanned]:
    """Return what is known of every scanned trial, in order."""
    scanned = []
    for task, record in zip(tasks, records, strict=True):
        trials = {trial.trial_id: trial for trial in task.trials}
        row = mark = 0
        for facts in record.facts["trials"]:
            n, n_marks = facts["n_valid"], facts["n_signature"]
            signals = {k.removeprefix("signal."): v[row : row + n] for k, v in record.arrays.items() if "signal." in k}
            scanned.append(
                Scanned(
                    trial=trials[facts["trial_id"]],
                    n_valid=n,
                    withheld=facts["withheld"],
                    digest=facts["digest"],
                    film_dtype=facts["film_dtype"],
                    batch=task.number,
                    offset=facts["offset"],
                    still=facts["still"],
                    signature=record.arrays["signatures"][mark : mark + n_marks],
                    signals=signals,
                    blank=tuple(facts["blank"]),
                )
            )
            row, mark = row + n, mark + n_marks
    return scanned
