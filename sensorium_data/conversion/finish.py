"""Put a converted recording together: what the scan found out and the shards told goes into a builder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data import __version__
from sensorium_data.clock import TickClock
from sensorium_data.conversion.builder import Frames, SessionBuilder, Tables
from sensorium_data.conversion.rounding import largest_error, rounded, stored_dtype
from sensorium_data.conversion.shipped import big_statistics, keep_small_statistics
from sensorium_data.moments import Moments
from sensorium_data.schemas import ROLES, Note, Provenance
from sensorium_data.sources import RawSignal
from sensorium_data.sources.members import digest_of, member_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.conversion.journal import Record
    from sensorium_data.conversion.plan import Plan
    from sensorium_data.conversion.recipe import Recipe
    from sensorium_data.conversion.scan import Scanned
    from sensorium_data.conversion.shardwriter import ShardTask
    from sensorium_data.schemas import Session
    from sensorium_data.sources import RawSession

__all__ = ["Known", "Written", "finish"]

MOMENTS = ("n", "mean", "m2", "low", "high")


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
class Written:
    """The tasks that wrote the shards, and their records."""

    tasks: Sequence[ShardTask]
    records: Sequence[Record]

    @property
    def keys(self) -> set[str]:
        """The files they wrote."""
        return {record.facts["key"] for record in self.records}

    def of(self, path: str) -> list[Record]:
        """Return the records of an array's shards."""
        return [record for task, record in zip(self.tasks, self.records, strict=True) if task.spec.path == path]

    def notes(self) -> tuple[Note, ...]:
        """Return what is worth knowing of the responses."""
        n = sum(record.facts["n_not_finite"] for record in self.records)
        text = f"{n:,} values of the responses are NaN or infinite, let in as asked"
        return (Note(code="responses-not-finite", text=text),) if n else ()

    def moments(self, path: str, n_channels: int) -> Moments:
        """Return the statistics of an array over the train tier."""
        moments = Moments.empty(n_channels)
        for record in self.of(path):
            if "moments.n" in record.arrays:
                moments = moments.merge(Moments(**{n: record.arrays[f"moments.{n}"] for n in MOMENTS}))
        return moments


def finish(known: Known, written: Written) -> Session:
    """Put the store together and on the disk, the root last.

    Returns
    -------
    Session
        The document that went into the root.

    Raises
    ------
    SourceInvalid
        A member that nothing had read before cannot be read.
    """
    raw, plan, options = known.raw, known.plan, known.recipe.options
    builder = SessionBuilder(known.recipe.path("store"), options)
    variants = plan.films.variants
    builder.tables(
        Tables(raw.neurons, raw.n_neurons, plan.trials, raw.trial_variables, variants, plan.clock.grid, raw.order_basis)
    )
    rate = raw.rate if raw.identity.modality == "dynamic" else None
    builder.frames(variants, Frames(plan.frames, raw.film_dtype, rate), written.of(plan.frames.path))
    trains = [trial for trial in plan.trials if trial.role == "train"]
    text = "deconvolved activity, arbitrary units, as published"
    responses = RawSignal("responses", ("neuron",), raw.response_dtype, None, (), text)
    path = plan.responses.path
    builder.sharded_signal(responses, plan.response_clock, plan.responses, written.of(path))
    shown = sum(not trial.responses_withheld for trial in trains)
    builder.train_statistics("responses", written.moments(path, raw.n_neurons), ("neuron",), shown)
    for signal in raw.signals:
        _small_signal(known, builder, signal, len(trains))
    builder.train_statistics(raw.identity.film, _film_moments(known), (), len(trains))
    builder.source_statistics(keep_small_statistics(raw, options.preset, builder.writer))
    for _, spec in big_statistics(raw, options.preset):
        builder.shards(spec, written.of(spec.path))
    return builder.finish(raw.identity, raw.licence, raw.citations, _provenance(known, written))


def _small_signal(known: Known, builder: SessionBuilder, signal: RawSignal, n_train: int) -> None:
    """Add pupil, running or gaze on the session's clock, or say that it was withheld."""
    plan, options, scanned = known.plan, known.recipe.options, known.scanned
    source = np.concatenate([scan.signals[signal.name] for scan in scanned])
    stored = rounded(source, stored_dtype(source.dtype, options))
    if signal.name in plan.withheld:
        none = TickClock.from_runs(known.raw.rate, [], nominal=True)
        builder.small_signal(signal, none, stored[:0], 0.0, withheld=True)
        return
    error = largest_error(source, stored) if source.dtype != stored.dtype else 0.0
    builder.small_signal(replace(signal, dtype=source.dtype), plan.clock, stored, error)
    in_train = np.repeat([ROLES[scan.trial.tier] == "train" for scan in scanned], [scan.n_valid for scan in scanned])
    n_channels = max(1, stored[:1].size)
    train = stored[in_train].reshape(-1, n_channels)
    moments = Moments.of(train) if len(train) else Moments.empty(n_channels)
    builder.train_statistics(signal.name, moments, signal.dims, n_train)


def _film_moments(known: Known) -> Moments:
    moments = Moments.empty(1)
    for record in known.scans:
        moments = moments.merge(Moments(**{n: record.arrays[f"film.{n}"] for n in MOMENTS}))
    return moments


def _provenance(known: Known, written: Written) -> Provenance:
    digest, n_bytes, notes = _digest(known, written)
    return Provenance(
        source_name=known.raw.members.path.name,
        source_digest=digest,
        source_members=len(known.raw.members.sizes),
        source_bytes=n_bytes,
        reader=known.recipe.reader,
        package="sensorium-data",
        version=__version__,
        options=known.recipe.options,
        codec=known.plan.responses.codec,
        notes=(*known.notes, *notes, *written.notes()),
        converted_at=datetime.now(UTC),
    )


def _digest(known: Known, written: Written) -> tuple[str, int, tuple[Note, ...]]:
    """Return the source's digest, its bytes, and a note on members that no reader looked at."""
    members = known.raw.members
    digests = dict(known.raw.digests)
    for record in (*known.scans, *written.records):
        digests |= record.facts["digests"]
    read = {statistic.member for statistic in known.raw.statistics} | digests.keys()
    unread = sorted(members.sizes.keys() - read)
    for name in members.sizes.keys() - digests.keys():
        digests[name] = member_digest(members, name)
    notes: tuple[Note, ...] = ()
    if unread:
        text = f"{len(unread)} members are no part of the format and were left out: {', '.join(unread[:5])}"
        notes = (Note(code="members-left-out", text=text),)
    return digest_of(digests.items()), sum(members.sizes.values()), notes
