"""Put a store together: what was prepared and what the shards told become documents and metadata."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data import __version__
from sensorium_data.conversion.rounding import rounding_of
from sensorium_data.conversion.shardtasks import shard_record
from sensorium_data.conversion.tables import columns_of, train_statistics
from sensorium_data.moments import Moments
from sensorium_data.schemas import (
    NeuronTable,
    Note,
    Provenance,
    Session,
    Signal,
    StimulusTable,
    Tier,
    TrialTable,
)
from sensorium_data.sources.members import digest_of, member_digest
from sensorium_data.store.layout import Paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.conversion.journal import Record
    from sensorium_data.conversion.prepare import Known, Prepared
    from sensorium_data.conversion.shardtasks import ShardTask
    from sensorium_data.schemas import Statistic, Trial
    from sensorium_data.store.layout import ArraySpec
    from sensorium_data.store.write import StoreWriter

__all__ = ["Written", "finish"]


def _tiers(trials: Sequence[Trial]) -> tuple[Tier, ...]:
    counts = Counter(trial.tier for trial in trials)
    withheld = Counter(trial.tier for trial in trials if trial.responses_withheld)
    missing = Counter(trial.tier for trial in trials if trial.missing)
    roles = {trial.tier: trial.role for trial in trials}
    return tuple(
        Tier(name=t, role=roles[t], n_trials=n, n_withheld=withheld[t], n_missing=missing[t]) for t, n in counts.items()
    )


@dataclass(frozen=True, slots=True)
class Written:
    """The tasks that wrote the shards, and their records."""

    tasks: Sequence[ShardTask]
    records: Sequence[Record]

    @property
    def keys(self) -> set[str]:
        """The files they wrote."""
        return {record.facts["key"] for record in self.records}

    def max_error(self, prefix: str) -> float:
        """Return the largest error of rounding among the tasks whose names begin so."""
        pairs = zip(self.tasks, self.records, strict=True)
        return max((record.facts["max_error"] for task, record in pairs if task.name.startswith(prefix)), default=0.0)

    def notes(self) -> tuple[Note, ...]:
        """Return what is worth knowing of the responses."""
        n = sum(record.facts["n_not_finite"] for record in self.records)
        text = f"{n:,} values of the responses are NaN or infinite, let in as asked"
        return (Note(code="responses-not-finite", text=text),) if n else ()

    def moments(self, n_neurons: int) -> Moments:
        """Return the statistics of the responses over the train tier."""
        moments = Moments.empty(n_neurons)
        for record in self.records:
            if "moments.n" in record.arrays:
                part = Moments(**{n: record.arrays[f"moments.{n}"] for n in ("n", "mean", "m2", "low", "high")})
                moments = moments.merge(part)
        return moments


def _responses(known: Known, written: Written) -> Signal:
    spec = known.plan.responses
    return Signal(
        name="responses",
        dims=spec.dims,
        unit=None,
        description="deconvolved activity, arbitrary units, as published",
        channels=(),
        clock=known.plan.response_clock.document(),
        rounding=rounding_of(known.raw.response_dtype, spec.dtype, written.max_error("responses")),
    )


def _stimuli(known: Known, written: Written) -> StimulusTable:
    spec, variants = known.plan.frames, known.plan.films.variants
    return StimulusTable(
        n_variants=len(variants),
        n_groups=len({variant.group for variant in variants}),
        n_frames=known.plan.films.n_frames,
        frame_shape=known.raw.frame_shape,
        dtype=str(spec.dtype),  # type: ignore[arg-type]  # one of the three by construction
        integral=spec.dtype == np.uint8,
        rounding=rounding_of(known.raw.film_dtype, spec.dtype, written.max_error("frames")),
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


def _write_shards(known: Known, written: Written, writer: StoreWriter) -> None:
    found: dict[str, tuple[ArraySpec, list[Record]]] = {
        spec.path: (spec, []) for spec in (known.plan.responses, known.plan.frames)
    }
    for task, record in zip(written.tasks, written.records, strict=True):
        found.setdefault(task.spec.path, (task.spec, []))[1].append(record)
    for spec, records in found.values():
        writer.sharded(spec, [shard_record(record) for record in records])


def finish(known: Known, prepared: Prepared, written: Written) -> Session:
    """Add what follows from the shards, and put everything on the disk, the root last.

    Returns
    -------
    Session
        The document that went into the root.

    Raises
    ------
    SourceInvalid
        A member that nothing had read before cannot be read.
    """
    writer, trials = prepared.writer, known.plan.trials
    _write_shards(known, written, writer)
    n_trials = sum(trial.tier == "train" and not trial.responses_withheld for trial in trials)
    moments = {"responses": (written.moments(known.raw.n_neurons), ("neuron",))}
    arrays, statistics = train_statistics(moments, {"responses": n_trials}, known.recipe.options.preset)
    for array in arrays:
        writer.small(array.spec, array.values)
    signals = (_responses(known, written), *prepared.signals)
    for signal in signals:
        writer.group(f"{Paths.signals}/{signal.name}", signal.model_dump(mode="json", exclude={"rounding"}))
    session = _session(known, written, signals, (*statistics, *prepared.statistics))
    writer.finish(session)
    return session


def _session(known: Known, written: Written, signals: tuple[Signal, ...], statistics: tuple[Statistic, ...]) -> Session:
    raw, plan = known.raw, known.plan
    digest, n_bytes, notes = _digest(known, written)
    return Session(
        identity=raw.identity,
        neurons=NeuronTable(n=raw.n_neurons, columns=columns_of(raw.neurons)),
        stimuli=_stimuli(known, written),
        trials=TrialTable(
            n=len(plan.trials), tiers=_tiers(plan.trials), order_inferred=bool(raw.order_basis),
            order_basis=raw.order_basis,
        ),
        signals=signals,
        statistics=statistics,
        licence=raw.licence,
        citations=raw.citations,
        provenance=Provenance(
            source_name=raw.members.path.name,
            source_digest=digest,
            source_members=len(raw.members.sizes),
            source_bytes=n_bytes,
            reader=known.recipe.reader,
            package="sensorium-data",
            version=__version__,
            options=known.recipe.options,
            codec=plan.responses.codec,
            notes=(*known.notes, *notes, *written.notes()),
            converted_at=datetime.now(UTC),
        ),
    )  # fmt: skip
