"""Write one shard: rows out of a source, encoded, with everything learned from them on the way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sensorium_data.conversion.finite import unfit
from sensorium_data.conversion.journal import Record, once
from sensorium_data.conversion.rounding import largest_error, rounded
from sensorium_data.moments import Moments
from sensorium_data.sources.members import Memory
from sensorium_data.store.shards import ShardRecord, write_shard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.conversion.recipe import Recipe
    from sensorium_data.errors import Problem
    from sensorium_data.store.layout import ArraySpec

__all__ = ["Content", "ShardTask", "ShardWriter", "do_task", "shard_record"]

NEURONS = 128  # neurons transposed at once: 128 × 414 float64 and what is made of them fit the second-level cache
FEW = 16  # rows below which samples are gathered before their statistics are taken
GATHERED = 128  # rows gathered: 4 MB of 8,000 neurons


class Content(Protocol):
    """What goes into a shard."""

    def blocks(self, writer: ShardWriter) -> Iterator[NDArray[Any]]:
        """Yield the rows of the shard in order, in the stored dtype; each block may be gone when the next is asked for."""


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard to write: where, and what goes in."""

    recipe: Recipe
    name: str
    spec: ArraySpec
    shard: int
    content: Content


def do_task(task: ShardTask) -> Record:
    """Write a shard, or return the record of having written it."""
    return once(task.recipe.path("journal", f"{task.name}.npz"), ShardWriter(task).write)


def shard_record(record: Record) -> ShardRecord:
    """Return what the sidecar needs from a task's record."""
    return ShardRecord(record.facts["key"], record.facts["size"], record.arrays["index"], record.arrays["crc"])


@dataclass(slots=True)
class ShardWriter:
    """One shard on its way: problems, digests, rounding and statistics of what went in."""

    task: ShardTask
    problems: list[Problem] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    _moments: Moments | None = None
    _max_error: float = 0.0
    _n_not_finite: int = 0
    _rows: NDArray[Any] | None = None
    _few: list[NDArray[Any]] = field(default_factory=list)
    _n_few: int = 0

    def write(self) -> Record:
        """Write the shard and return its record."""
        task = self.task
        written = write_shard(task.recipe.path("store"), task.spec, task.shard, task.content.blocks(self))
        self._flush()
        facts = {
            "key": written.key,
            "size": written.size,
            "problems": [asdict(problem) for problem in self.problems],
            "digests": self.digests,
            "max_error": self._max_error,
            "n_not_finite": self._n_not_finite,
        }
        arrays: dict[str, NDArray[Any]] = {"index": written.index, "crc": written.crc}
        if self._moments is not None:
            arrays |= {f"moments.{n}": getattr(self._moments, n) for n in ("n", "mean", "m2", "low", "high")}
        return Record(facts, arrays)

    def stored(self, source: NDArray[Any]) -> NDArray[Any]:
        """Return values in the stored dtype, those of the source where they are, and keep the largest error of rounding."""
        if source.dtype == self.task.spec.dtype:
            return source
        values = rounded(source, self.task.spec.dtype)
        self._max_error = max(self._max_error, largest_error(source, values))
        return values

    def time_first(self, source: NDArray[Any]) -> NDArray[Any]:
        """Return (time, neuron) values in the stored dtype, until the next call; the source may be a transposed view."""
        if source.flags.c_contiguous:
            return self.stored(source)
        if self._rows is None or len(self._rows) < len(source):
            self._rows = np.empty(source.shape, self.task.spec.dtype)
        rows = self._rows[: len(source)]
        for start in range(0, source.shape[1], NEURONS):
            block = source[:, start : start + NEURONS]
            # Cast in the source's own order first: casting and transposing in one go misses the cache at every value.
            rows[:, start : start + NEURONS] = self.stored(block)
        return rows

    def take(
        self,
        source: NDArray[Any],
        rows: NDArray[Any],
        where: str,
        *,
        train: bool | NDArray[np.bool_],
        strict: bool = True,
    ) -> None:
        """Check samples, and add those of the train tier to the statistics.

        Parameters
        ----------
        source, rows : (time, neuron)
            As published, and as stored.
        where : str
            For problems.
        train : bool or (time,) bool
            Which of the rows are of the train tier.
        strict : bool
            NaN is a problem, unless it was let in; else infinity alone is.
        """
        every = train is True
        few = len(rows) < FEW
        moments = None if few else Moments.of(_wide(rows))
        finite = bool(np.isfinite(rows).all()) if moments is None else not (moments.n < len(rows)).any()
        if not finite:
            allow_nan = self.task.recipe.options.allow_nan
            self.problems += unfit(source, rows, where, allow_nan=allow_nan, nan_is_fine=not strict)
            self._n_not_finite += int((~np.isfinite(rows)).sum())
        if moments is not None and every:
            self._add(moments)
        elif every or (train is not False and np.any(train)):
            self._few.append(_wide(rows if every else rows[train]).copy())
            self._n_few += len(self._few[-1])
            if self._n_few >= GATHERED:
                self._flush()

    def _flush(self) -> None:
        if self._few:
            self._add(Moments.of(np.concatenate(self._few)))
            self._few, self._n_few = [], 0

    def _add(self, moments: Moments) -> None:
        self._moments = moments if self._moments is None else self._moments.merge(moments)


def _wide(rows: NDArray[Any]) -> NDArray[Any]:
    return rows.astype(np.float32) if rows.dtype == np.float16 else rows
