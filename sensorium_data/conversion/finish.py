"""Put a store together: what the two passes left becomes tables, documents, statistics and metadata."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data import __version__
from sensorium_data.conversion.rounding import rounding_of
from sensorium_data.conversion.shardtasks import shard_record
from sensorium_data.conversion.tables import columns_of, signal_arrays, table_arrays, train_statistics
from sensorium_data.moments import Moments
from sensorium_data.schemas import (
    NeuronTable,
    Note,
    Provenance,
    Session,
    Signal,
    Statistic,
    StimulusTable,
    Tier,
    TrialTable,
)
from sensorium_data.sources.members import digest_of
from sensorium_data.store.layout import ArraySpec, Paths, codec_for
from sensorium_data.store.publish import keep_only
from sensorium_data.store.write import StoreWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.conversion.journal import Record
    from sensorium_data.conversion.plan import Plan
    from sensorium_data.conversion.recipe import Recipe
    from sensorium_data.conversion.scan import Scanned
    from sensorium_data.conversion.shardtasks import ShardTask
    from sensorium_data.schemas import Trial
    from sensorium_data.sources import RawSession, RawStatistic

__all__ = ["Built", "big_statistics", "finish"]

BIG = 1 << 20  # shipped statistics from 1 MiB on are cut into shards; smaller ones are one chunk, held in the sidecar
SOURCE_DEFINITION = "as shipped with the recording, untouched; time moved to the front"


@dataclass(frozen=True, slots=True)
class Built:
    """All that the passes found out, ready to be put together."""

    recipe: Recipe
    raw: RawSession
    plan: Plan
    scanned: Sequence[Scanned]
    scans: Sequence[Record]
    tasks: Sequence[ShardTask]
    records: Sequence[Record]
    notes: tuple[Note, ...]


def _statistic_spec(built_raw: RawSession, statistic: RawStatistic, preset: str) -> ArraySpec:
    from sensorium_data.sources.npy import header_of

    header = header_of(built_raw.members, statistic.member)
    first = statistic.dims[:1] == ("frame",)
    shape = (header.shape[-1], *header.shape[:-1]) if first else header.shape
    dtype = header.dtype.newbyteorder("=")
    big = first and header.nbytes >= BIG
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


def _tiers(trials: Sequence[Trial]) -> tuple[Tier, ...]:
    counts = Counter(trial.tier for trial in trials)
    withheld = Counter(trial.tier for trial in trials if trial.responses_withheld)
    missing = Counter(trial.tier for trial in trials if trial.missing)
    roles = {trial.tier: trial.role for trial in trials}
    return tuple(
        Tier(name=t, role=roles[t], n_trials=n, n_withheld=withheld[t], n_missing=missing[t]) for t, n in counts.items()
    )


def _response_moments(built: Built) -> Moments:
    moments = Moments.empty(built.raw.n_neurons)
    for record in built.records:
        if "moments.n" in record.arrays:
            part = Moments(**{n: record.arrays[f"moments.{n}"] for n in ("n", "mean", "m2", "low", "high")})
            moments = moments.merge(part)
    return moments


def _film_moments(built: Built) -> Moments:
    moments = Moments.empty(1)
    for record in built.scans:
        moments = moments.merge(Moments(**{n: record.arrays[f"film.{n}"] for n in ("n", "mean", "m2", "low", "high")}))
    return moments


def _max_error(built: Built, prefix: str) -> float:
    pairs = zip(built.tasks, built.records, strict=True)
    return max((record.facts["max_error"] for task, record in pairs if task.name.startswith(prefix)), default=0.0)


def _responses(built: Built) -> Signal:
    spec = built.plan.responses
    return Signal(
        name="responses",
        dims=spec.dims,
        unit=None,
        description="deconvolved activity, arbitrary units, as published",
        channels=(),
        clock=built.plan.response_clock.document(),
        rounding=rounding_of(built.raw.response_dtype, spec.dtype, _max_error(built, "responses")),
    )


def _stimuli(built: Built) -> StimulusTable:
    spec, variants = built.plan.frames, built.plan.films.variants
    return StimulusTable(
        n_variants=len(variants),
        n_groups=len({variant.group for variant in variants}),
        n_frames=built.plan.films.n_frames,
        frame_shape=built.raw.frame_shape,
        dtype=str(spec.dtype),  # type: ignore[arg-type]  # one of the three by construction
        integral=spec.dtype == np.uint8,
        rounding=rounding_of(built.raw.film_dtype, spec.dtype, _max_error(built, "frames")),
    )


def _digest(built: Built) -> tuple[str, int, tuple[Note, ...]]:
    """Return the source's digest, its bytes, and a note on members that no reader looked at."""
    members = built.raw.members
    digests = dict(built.raw.digests)
    for record in (*built.scans, *built.records):
        digests |= record.facts["digests"]
    known = {statistic.member for statistic in built.raw.statistics} | digests.keys()
    unread = sorted(members.sizes.keys() - known)
    for name in members.sizes.keys() - digests.keys():
        digests[name] = members.read(name).sha256
    notes: tuple[Note, ...] = ()
    if unread:
        text = f"{len(unread)} members are no part of the format and were left out: {', '.join(unread[:5])}"
        notes = (Note(code="members-left-out", text=text),)
    return digest_of(digests.items()), sum(members.sizes.values()), notes


def _source_statistics(built: Built, writer: StoreWriter) -> list[Statistic]:
    sets: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    preset = built.recipe.options.preset
    for statistic in built.raw.statistics:
        spec = _statistic_spec(built.raw, statistic, preset)
        if not spec.sharded:
            writer.small(spec, built.raw.statistic(statistic).array)
        sets.setdefault((statistic.signal, statistic.dims), []).append(statistic.path.split("/", 1)[-1])
    return [
        Statistic(signal=signal, origin="source", measures=tuple(paths), dims=dims, definition=SOURCE_DEFINITION)
        for (signal, dims), paths in sets.items()
    ]


def _write_shards(built: Built, writer: StoreWriter) -> None:
    found: dict[str, tuple[ArraySpec, list[Record]]] = {
        spec.path: (spec, []) for spec in (built.plan.responses, built.plan.frames)
    }
    for task, record in zip(built.tasks, built.records, strict=True):
        found.setdefault(task.spec.path, (task.spec, []))[1].append(record)
    for spec, records in found.values():
        writer.sharded(spec, [shard_record(record) for record in records])


def finish(built: Built) -> Session:
    """Write everything but the shards, the root last.

    Returns
    -------
    Session
        The document that went into the root.

    Raises
    ------
    MemberError
        A member that nothing had read before cannot be read.
    """
    raw, plan, options = built.raw, built.plan, built.recipe.options
    # What an interrupted run left beyond its shards (metadata, parts of small arrays) is made anew, not built upon.
    keep_only(built.recipe.path("store"), {record.facts["key"] for record in built.records})
    writer = StoreWriter(built.recipe.path("store"))
    _write_shards(built, writer)
    signals, documents, moments = signal_arrays(raw, built.scanned, plan.clock, options)
    for array in [*table_arrays(raw, plan.trials, plan.films.variants, options.preset), *signals]:
        writer.small(array.spec, array.values)
    train = [trial for trial in plan.trials if trial.tier == "train"]
    dims = {signal.name: signal.dims for signal in raw.signals}
    channels = {name: (moment, dims[name]) for name, moment in moments.items()}
    channels |= {"responses": (_response_moments(built), ("neuron",)), "video": (_film_moments(built), ())}
    counts = dict.fromkeys(channels, len(train)) | {"responses": sum(not t.responses_withheld for t in train)}
    own, statistics = train_statistics(channels, counts, options.preset)
    for array in own:
        writer.small(array.spec, array.values)
    statistics += _source_statistics(built, writer)
    documents.insert(0, _responses(built))
    for document in documents:
        writer.group(f"{Paths.signals}/{document.name}", document.model_dump(mode="json", exclude={"rounding"}))
    session = _session(built, documents, statistics)
    writer.finish(session)
    return session


def _session(built: Built, signals: Sequence[Signal], statistics: Sequence[Statistic]) -> Session:
    raw, plan = built.raw, built.plan
    digest, n_bytes, notes = _digest(built)
    return Session(
        identity=raw.identity,
        neurons=NeuronTable(n=raw.n_neurons, columns=columns_of(raw.neurons)),
        stimuli=_stimuli(built),
        trials=TrialTable(
            n=len(plan.trials), tiers=_tiers(plan.trials), order_inferred=bool(raw.order_basis),
            order_basis=raw.order_basis,
        ),
        signals=tuple(signals),
        statistics=tuple(statistics),
        licence=raw.licence,
        citations=raw.citations,
        provenance=Provenance(
            source_name=raw.members.path.name,
            source_digest=digest,
            source_members=len(raw.members.sizes),
            source_bytes=n_bytes,
            reader=built.recipe.reader,
            package="sensorium-data",
            version=__version__,
            options=built.recipe.options,
            codec=plan.responses.codec,
            notes=(*built.notes, *notes),
            converted_at=datetime.now(UTC),
        ),
    )  # fmt: skip
