"""Everything of a store that is known before its shards are written: tables, small signals, shipped statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium_data.conversion.tables import signal_arrays, table_arrays, train_statistics
from sensorium_data.errors import SourceInvalid
from sensorium_data.moments import Moments
from sensorium_data.schemas import Statistic
from sensorium_data.sources.members import MemberError
from sensorium_data.store.layout import ArraySpec, Paths, codec_for
from sensorium_data.store.write import StoreWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.conversion.journal import Record
    from sensorium_data.conversion.plan import Plan
    from sensorium_data.conversion.recipe import Recipe
    from sensorium_data.conversion.scan import Scanned
    from sensorium_data.schemas import Note, Signal
    from sensorium_data.sources import RawSession, RawStatistic

__all__ = ["Known", "Prepared", "big_statistics", "prepare"]

BIG = 1 << 20  # shipped statistics from 1 MiB on are cut into shards; smaller ones are one chunk, held in the sidecar
SOURCE_DEFINITION = "as shipped with the recording, untouched; time moved to the front"


@dataclass(frozen=True, slots=True)
class Known:
    """What the scan found out and the plan made of it."""

    recipe: Recipe
    raw: RawSession
    plan: Plan
    scanned: Sequence[Scanned]
    scans: Sequence[Record]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A store that lacks its shards and what follows from them: responses, stored films, and their documents."""

    writer: StoreWriter
    signals: tuple[Signal, ...]
    statistics: tuple[Statistic, ...]


def _statistic_spec(raw: RawSession, statistic: RawStatistic, preset: str) -> ArraySpec:
    from sensorium_data.sources.npy import header_of

    header = header_of(raw.members, statistic.member)
    shape = (header.shape[-1], *header.shape[:-1]) if statistic.framed else header.shape
    dtype = header.dtype.newbyteorder("=")
    big = statistic.framed and header.nbytes >= BIG
    return ArraySpec(
        f"{Paths.source_statistics}/{statistic.path}",
        shape,
        dtype,
        statistic.dims,
        codec_for(preset, dtype) if big or preset != "compact" else "zstd",  # type: ignore[arg-type]
        sharded=big,
    )


def big_statistics(raw: RawSession, preset: str) -> list[tuple[RawStatistic, ArraySpec]]:
    """Return the shipped statistics that are written in shards."""
    specs = [(statistic, _statistic_spec(raw, statistic, preset)) for statistic in raw.statistics]
    return [(statistic, spec) for statistic, spec in specs if spec.sharded]


def _film_moments(known: Known) -> Moments:
    moments = Moments.empty(1)
    for record in known.scans:
        moments = moments.merge(Moments(**{n: record.arrays[f"film.{n}"] for n in ("n", "mean", "m2", "low", "high")}))
    return moments


def _source_statistics(known: Known, writer: StoreWriter) -> list[Statistic]:
    sets: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for statistic in known.raw.statistics:
        spec = _statistic_spec(known.raw, statistic, known.recipe.options.preset)
        if not spec.sharded:
            try:
                writer.small(spec, known.raw.statistic(statistic).array)
            except MemberError as error:
                problems = [error.problem(statistic.member)]
                raise SourceInvalid(f"{known.recipe.source}: 1 problem", problems=problems) from None
        sets.setdefault((statistic.signal, statistic.dims), []).append(statistic.path.split("/", 1)[-1])
    return [
        Statistic(signal=signal, origin="source", measures=tuple(paths), dims=dims, definition=SOURCE_DEFINITION)
        for (signal, dims), paths in sets.items()
    ]


def prepare(known: Known) -> Prepared:
    """Make all small arrays but the statistics of the responses; nothing is on the disk yet.

    Raises
    ------
    SourceInvalid
        A shipped statistic cannot be read.
    """
    raw, plan, options = known.raw, known.plan, known.recipe.options
    writer = StoreWriter(known.recipe.path("store"))
    signals, documents, moments = signal_arrays(raw, known.scanned, plan.clock, options)
    dims = {signal.name: signal.dims for signal in raw.signals}
    channels = {name: (moment, dims[name]) for name, moment in moments.items()} | {"video": (_film_moments(known), ())}
    n_train = sum(trial.tier == "train" for trial in plan.trials)
    own, statistics = train_statistics(channels, dict.fromkeys(channels, n_train), options.preset)
    for array in [*table_arrays(raw, plan.trials, plan.films.variants, options.preset), *signals, *own]:
        writer.small(array.spec, array.values)
    statistics += _source_statistics(known, writer)
    return Prepared(writer, tuple(documents), tuple(statistics))
