"""Second pass: the shards of responses, films and shipped statistics, a task each, read from the source as they are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.conversion.finite import infinite
from sensorium_data.conversion.shardwriter import ShardTask, ShardWriter
from sensorium_data.sources.members import MemberError
from sensorium_data.store.layout import CHUNK, ArraySpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.conversion.films import SpooledFilm
    from sensorium_data.conversion.plan import Piece, Plan
    from sensorium_data.conversion.recipe import Recipe
    from sensorium_data.sources import RawStatistic

__all__ = ["film_tasks", "shard_tasks"]

TOGETHER = 60  # frames read at once: 2 MB of images of 144 × 256


@dataclass(frozen=True, slots=True)
class ResponseShard:
    """Some samples of the responses."""

    pieces: tuple[Piece, ...]

    def blocks(self, writer: ShardWriter) -> Iterator[NDArray[Any]]:
        """Yield the samples of each trial in turn."""
        raw = writer.task.recipe.open()
        for piece in self.pieces:
            where = raw.responses_member(piece.trial)
            try:
                loaded = raw.responses(piece.trial, piece.n_valid, writer.memory)
            except MemberError as error:
                if piece.owns:
                    writer.problems.append(error.problem(where))
                continue
            if piece.owns:
                writer.digests[where] = loaded.sha256
            source = loaded.array[piece.start : piece.stop]
            rows = writer.time_first(source)
            writer.take(source, rows, where, train=piece.train)
            yield rows


@dataclass(frozen=True, slots=True)
class FilmShard:
    """Some of the stored frames: films and the runs of them that lie in the shard."""

    runs: tuple[tuple[SpooledFilm, int, int], ...]

    def blocks(self, writer: ShardWriter) -> Iterator[NDArray[Any]]:
        """Yield the frames of each film in turn."""
        for film, start, stop in self.runs:
            yield writer.stored(film.open()[start:stop])  # a film of images may be many that lie side by side


@dataclass(frozen=True, slots=True)
class StatisticShard:
    """Some frames of an array of statistics that was shipped."""

    statistic: RawStatistic

    def blocks(self, writer: ShardWriter) -> Iterator[NDArray[Any]]:
        """Yield its frames, a chunk at a time."""
        task = writer.task
        begin, end = task.spec.shard_rows(task.shard)
        try:
            loaded = task.recipe.open().statistic(self.statistic)
        except MemberError as error:
            writer.problems.append(error.problem(self.statistic.member))
            return
        writer.digests[self.statistic.member] = loaded.sha256
        if not task.recipe.options.allow_nan and begin == 0:
            writer.problems += infinite(loaded.array, self.statistic.member)
        for start in range(begin, end, CHUNK):
            yield np.ascontiguousarray(loaded.array[start : min(start + CHUNK, end)])


def _side_by_side(films: Sequence[SpooledFilm]) -> list[SpooledFilm]:
    """Return films with those made one that follow each other in the spool, up to so many frames: images are read together."""
    joined: list[SpooledFilm] = []
    for film in films:
        before = joined[-1] if joined else None
        if before is not None and _follows(before, film) and before.shape[0] + film.shape[0] <= TOGETHER:
            joined[-1] = replace(before, shape=(before.shape[0] + film.shape[0], *film.shape[1:]), digest="")
        else:
            joined.append(film)
    return joined


def _follows(before: SpooledFilm, film: SpooledFilm) -> bool:
    alike = (before.path, before.dtype, before.shape[1:]) == (film.path, film.dtype, film.shape[1:])
    return alike and film.offset == before.offset + prod(before.shape) * np.dtype(before.dtype).itemsize


def film_tasks(recipe: Recipe, frames: ArraySpec, films: Sequence[SpooledFilm]) -> list[ShardTask]:
    """Return the tasks that write the stored frames."""
    films = _side_by_side(films)
    firsts = np.cumsum([0, *(film.shape[0] for film in films)]).tolist()
    tasks = []
    for shard in range(frames.n_shards if films else 0):
        begin, end = frames.shard_rows(shard)
        ends = (
            (max(begin, row) - row, min(end, row + film.shape[0]) - row)
            for film, row in zip(films, firsts, strict=False)
        )
        runs = tuple((film, start, stop) for film, (start, stop) in zip(films, ends, strict=True) if start < stop)
        tasks.append(ShardTask(recipe, f"frames-{shard:05d}", frames, shard, FilmShard(runs)))
    return tasks


def shard_tasks(recipe: Recipe, plan: Plan, statistics: list[tuple[RawStatistic, ArraySpec]]) -> list[ShardTask]:
    """Return the tasks that write every sharded array; big ones first, so that no core is left waiting at the end."""
    responses = plan.responses
    tasks = [
        ShardTask(recipe, f"responses-{k:05d}", responses, k, ResponseShard(plan.pieces(k)))
        for k in range(responses.n_shards)
    ]
    tasks += film_tasks(recipe, plan.frames, plan.films.films)
    for i, (statistic, spec) in enumerate(statistics):
        tasks += [
            ShardTask(recipe, f"statistic-{i:03d}-{k:05d}", spec, k, StatisticShard(statistic))
            for k in range(spec.n_shards)
        ]
    return sorted(tasks, key=_n_bytes, reverse=True)


def _n_bytes(task: ShardTask) -> int:
    begin, end = task.spec.shard_rows(task.shard)
    return (end - begin) * prod(task.spec.shape[1:]) * task.spec.dtype.itemsize
