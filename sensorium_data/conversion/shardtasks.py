"""Second pass: write the big arrays, a shard a task. Each task reads what it needs, encodes, and leaves a record."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sensorium_data.conversion.finite import infinite, unfit
from sensorium_data.conversion.journal import Record, once
from sensorium_data.conversion.rounding import largest_error, rounded
from sensorium_data.moments import Moments
from sensorium_data.sources.members import MemberError, Memory
from sensorium_data.store.layout import CHUNK, ArraySpec
from sensorium_data.store.shards import ShardRecord, write_shard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.conversion.films import SpooledFilm
    from sensorium_data.conversion.plan import Piece, Plan
    from sensorium_data.conversion.recipe import Recipe
    from sensorium_data.errors import Problem
    from sensorium_data.sources import RawStatistic

__all__ = ["ShardTask", "do_task", "shard_record", "shard_tasks"]

NEURONS = 128  # neurons transposed at once: 128 × 414 float64 and what is made of them fit the second-level cache


@dataclass(frozen=True, slots=True)
class ResponseShard:
    """Some samples of the responses."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class FilmShard:
    """Some of the stored frames: films and the runs of them that lie in the shard."""

    runs: tuple[tuple[SpooledFilm, int, int], ...]


@dataclass(frozen=True, slots=True)
class StatisticShard:
    """Some frames of an array of statistics that was shipped."""

    statistic: RawStatistic


Content: TypeAlias = ResponseShard | FilmShard | StatisticShard


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard to write: where, and what goes in."""

    recipe: Recipe
    name: str
    spec: ArraySpec
    shard: int
    content: Content


def _film_runs(plan: Plan, shard: int) -> FilmShard:
    begin, end = plan.frames.shard_rows(shard)
    runs, row = [], 0
    for film in plan.films.films:
        start, stop = max(begin, row) - row, min(end, row + film.shape[0]) - row
        if start < stop:
            runs.append((film, start, stop))
        row += film.shape[0]
    return FilmShard(tuple(runs))


def shard_tasks(recipe: Recipe, plan: Plan, statistics: list[tuple[RawStatistic, ArraySpec]]) -> list[ShardTask]:
    """Return the tasks that write every sharded array; long ones first, so that no core is left waiting at the end."""
    responses, frames = plan.responses, plan.frames
    tasks = [
        ShardTask(recipe, f"responses-{k:05d}", responses, k, ResponseShard(plan.pieces(k)))
        for k in range(responses.n_shards)
    ]
    tasks += [ShardTask(recipe, f"frames-{k:05d}", frames, k, _film_runs(plan, k)) for k in range(frames.n_shards)]
    for i, (statistic, spec) in enumerate(statistics):
        tasks += [
            ShardTask(recipe, f"statistic-{i:03d}-{k:05d}", spec, k, StatisticShard(statistic))
            for k in range(spec.n_shards)
        ]
    return tasks


def do_task(task: ShardTask) -> Record:
    """Write a shard, or return the record of having written it."""
    writer = _Writer(task)
    return once(task.recipe.path("journal", f"{task.name}.npz"), writer.write)


def shard_record(record: Record) -> ShardRecord:
    """Return what the sidecar needs from a task's record."""
    return ShardRecord(record.facts["key"], record.facts["size"], record.arrays["index"], record.arrays["crc"])


@dataclass(slots=True)
class _Writer:
    """One shard on its way: rows out of the source, and everything learned from them."""

    task: ShardTask
    problems: list[Problem] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    moments: Moments | None = None
    max_error: float = 0.0
    n_not_finite: int = 0
    memory: Memory = field(default_factory=Memory)
    rows: NDArray[Any] | None = None

    def write(self) -> Record:
        """Write the shard and return its record."""
        task = self.task
        written = write_shard(task.recipe.path("store"), task.spec, task.shard, self._blocks())
        facts = {
            "key": written.key,
            "size": written.size,
            "problems": [asdict(problem) for problem in self.problems],
            "digests": self.digests,
            "max_error": self.max_error,
            "n_not_finite": self.n_not_finite,
        }
        arrays: dict[str, NDArray[Any]] = {"index": written.index, "crc": written.crc}
        if self.moments is not None:
            arrays |= {f"moments.{n}": getattr(self.moments, n) for n in ("n", "mean", "m2", "low", "high")}
        return Record(facts, arrays)

    def _blocks(self) -> Iterator[NDArray[Any]]:
        content = self.task.content
        if isinstance(content, ResponseShard):
            return self._responses(content.pieces)
        return self._films(content) if isinstance(content, FilmShard) else self._statistic(content)

    def _films(self, content: FilmShard) -> Iterator[NDArray[Any]]:
        for film, start, stop in content.runs:
            source = film.open()[start:stop]
            stored = rounded(source, self.task.spec.dtype)
            self._compare(source, stored)
            yield stored

    def _statistic(self, content: StatisticShard) -> Iterator[NDArray[Any]]:
        begin, end = self.task.spec.shard_rows(self.task.shard)
        try:
            loaded = self.task.recipe.open().statistic(content.statistic)
        except MemberError as error:
            self.problems.append(error.problem(content.statistic.member))
            return
        self.digests[content.statistic.member] = loaded.sha256
        if not self.task.recipe.options.allow_nan and begin == 0:
            self.problems += infinite(loaded.array, content.statistic.member)
        for start in range(begin, end, CHUNK):
            yield np.ascontiguousarray(loaded.array[start : min(start + CHUNK, end)])

    def _responses(self, pieces: tuple[Piece, ...]) -> Iterator[NDArray[Any]]:
        raw = self.task.recipe.open()
        for piece in pieces:
            where = f"data/responses/{piece.trial.trial_id}.npy"
            try:
                loaded = raw.responses(piece.trial, piece.n_valid, self.memory)
            except MemberError as error:
                if piece.owns:
                    self.problems.append(error.problem(where))
                continue
            if piece.owns:
                self.digests[where] = loaded.sha256
            source = loaded.array[piece.start : piece.stop]
            rows = self._time_first(source)
            self._take(source, rows, piece, where)
            yield rows

    def _time_first(self, source: NDArray[Any]) -> NDArray[Any]:
        """Return (time, neuron) values in the stored dtype, until the next call; the source may be a transposed view."""
        if self.rows is None or len(self.rows) < len(source):
            self.rows = np.empty(source.shape, self.task.spec.dtype)
        rows = self.rows[: len(source)]
        for start in range(0, source.shape[1], NEURONS):
            block = source[:, start : start + NEURONS]
            # Cast in the source's own order first: casting and transposing in one go misses the cache at every value.
            stored = rounded(block, rows.dtype)
            self._compare(block, stored)
            rows[:, start : start + NEURONS] = stored
        return rows

    def _compare(self, source: NDArray[Any], stored: NDArray[Any]) -> None:
        if source.dtype != stored.dtype:
            self.max_error = max(self.max_error, largest_error(source, stored))

    def _take(self, source: NDArray[Any], rows: NDArray[Any], piece: Piece, where: str) -> None:
        """Check a trial's samples and add them to the statistics."""
        moments = Moments.of(rows.astype(np.float32) if rows.dtype == np.float16 else rows)
        if (moments.n < len(rows)).any():
            allow_nan = self.task.recipe.options.allow_nan
            self.problems += unfit(source, rows, where, allow_nan=allow_nan)
            self.n_not_finite += int((~np.isfinite(rows)).sum())
        if piece.train:
            self.moments = moments if self.moments is None else self.moments.merge(moments)
