"""A session store being put together: tables, signals, films and statistics become arrays, documents and a root.

What is converted from a published format and what a lab writes of its own goes through here, so that both are one store.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.conversion.rounding import rounding_of
from sensorium_data.conversion.shardwriter import shard_record
from sensorium_data.conversion.tables import columns_of, small, table_arrays, train_statistics
from sensorium_data.schemas import NeuronTable, Rate, Session, Signal, Statistic, StimulusTable, Tier, TrialTable
from sensorium_data.store.layout import ArraySpec, Paths, codec_for
from sensorium_data.store.write import StoreWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.clock import Clock, TimesClock
    from sensorium_data.conversion.journal import Record
    from sensorium_data.grid import Grid
    from sensorium_data.moments import Moments
    from sensorium_data.schemas import (
        Citation,
        ConvertOptions,
        Identity,
        Licence,
        Provenance,
        Rounding,
        Stimulus,
        Trial,
    )
    from sensorium_data.sources import RawColumn, RawSignal

__all__ = ["Frames", "SessionBuilder", "Tables"]


@dataclass(frozen=True, slots=True)
class Tables:
    """Who was recorded, what was shown and when: everything of a session but its samples."""

    neurons: Mapping[str, RawColumn]
    n_neurons: int
    trials: Sequence[Trial]
    variables: Mapping[str, RawColumn]
    variants: Sequence[Stimulus]
    grid: Grid
    order_basis: str = ""


@dataclass(frozen=True, slots=True)
class Frames:
    """The stored films, and how fast they are shown; images have no rate."""

    spec: ArraySpec
    published: np.dtype[Any]
    rate: Fraction | None


class SessionBuilder:
    """A store under construction; nothing is on the disk before `finish`, but the shards that tasks wrote.

    Parameters
    ----------
    root : Path
        A folder of its own, in which the shards lie.
    options : ConvertOptions
    """

    def __init__(self, root: Path, options: ConvertOptions) -> None:
        self.writer = StoreWriter(root)
        self.options = options
        self._signals: list[Signal] = []
        self._statistics: list[Statistic] = []
        self._tables: tuple[NeuronTable, TrialTable] | None = None
        self._stimuli: StimulusTable | None = None

    def tables(self, tables: Tables) -> None:
        """Add the tables of neurons, trials and stimuli."""
        arrays = table_arrays(tables.neurons, tables.variables, tables.trials, tables.variants, self.options.preset)
        for array in arrays:
            self.writer.small(array.spec, array.values)
        trials = TrialTable(
            n=len(tables.trials),
            tiers=_tiers(tables.trials),
            origin_ns=tables.grid.origin_ns,
            rate=_rate(tables.grid.rate),
            order_inferred=bool(tables.order_basis),
            order_basis=tables.order_basis,
        )
        self._tables = NeuronTable(n=tables.n_neurons, columns=columns_of(tables.neurons)), trials

    def shards(self, spec: ArraySpec, records: Sequence[Record]) -> None:
        """Add an array whose shards are in place, with the records of the tasks that wrote them."""
        self.writer.sharded(spec, [shard_record(record) for record in records])

    def frames(self, variants: Sequence[Stimulus], frames: Frames, records: Sequence[Record]) -> None:
        """Add the films, whose shards are in place.

        Parameters
        ----------
        variants : sequence of Stimulus
            As in the tables.
        frames : Frames
            Of no film at all when there are no variants: then no array is made.
        records : sequence of Record
            Of the tasks that wrote the shards.
        """
        spec = frames.spec
        if variants:
            self.shards(spec, records)
        self._stimuli = StimulusTable(
            n_variants=len(variants),
            n_groups=len({variant.group for variant in variants}),
            n_frames=spec.shape[0] if variants else 0,
            frame_shape=spec.shape[1:] if variants else (),
            rate=None if frames.rate is None else _rate(frames.rate),
            dtype=str(spec.dtype),  # type: ignore[arg-type]  # one of the three by construction
            integral=spec.dtype == np.uint8,
            rounding=rounding_of(frames.published, spec.dtype, _max_error(records)),
        )

    def sharded_signal(self, signal: RawSignal, clock: Clock, spec: ArraySpec, records: Sequence[Record]) -> None:
        """Add a signal whose shards are in place."""
        self.shards(spec, records)
        self._signal(signal, clock, rounding_of(signal.dtype, spec.dtype, _max_error(records)))

    def small_signal(
        self, signal: RawSignal, clock: Clock, values: NDArray[Any], error: float, *, withheld: bool = False
    ) -> None:
        """Add a signal of one chunk, (time, …) in the stored dtype; ``error`` is what rounding did to it at most."""
        dims = ("time", *signal.dims)
        array = small(Paths.values(signal.name), values, dims, self.options.preset, units=signal.unit)
        self.writer.small(array.spec, array.values)
        self._signal(signal, clock, rounding_of(signal.dtype, values.dtype, error), withheld=withheld)

    def times(self, name: str, clock: TimesClock) -> None:
        """Add the explicit times of a signal."""
        codec = codec_for(self.options.preset, clock.times_ns.dtype)  # pcodec packs steps that hardly vary to a tenth
        attrs = {"units": "ns"}
        spec = ArraySpec(Paths.times(name), clock.times_ns.shape, clock.times_ns.dtype, ("time",), codec, attrs=attrs)
        self.writer.small(spec, clock.times_ns)

    def _signal(self, signal: RawSignal, clock: Clock, rounding: Rounding, *, withheld: bool = False) -> None:
        document = Signal(
            name=signal.name,
            dims=("time", *signal.dims),
            unit=signal.unit,
            description=signal.description,
            channels=signal.channels,
            clock=clock.document(),
            rounding=rounding,
            withheld=withheld,
        )
        self._signals.append(document)
        self.writer.group(f"{Paths.signals}/{signal.name}", document.model_dump(mode="json", exclude={"rounding"}))

    def train_statistics(self, name: str, moments: Moments, dims: tuple[str, ...], n_trials: int) -> None:
        """Add the statistics of a signal, or of `video`, over the train tier."""
        arrays, document = train_statistics(name, moments, dims, n_trials, self.options.preset)
        for array in arrays:
            self.writer.small(array.spec, array.values)
        self._statistics.append(document)

    def source_statistics(self, documents: Sequence[Statistic]) -> None:
        """Add the documents of statistics that came with the source; their arrays go to the writer."""
        self._statistics += documents

    def finish(
        self, identity: Identity, licence: Licence | None, citations: tuple[Citation, ...], provenance: Provenance
    ) -> Session:
        """Put everything on the disk, the root last, and return the document that went into it."""
        assert self._tables is not None  # noqa: S101  # a builder without tables is a bug
        assert self._stimuli is not None  # noqa: S101
        session = Session(
            identity=identity,
            neurons=self._tables[0],
            stimuli=self._stimuli,
            trials=self._tables[1],
            signals=tuple(self._signals),
            statistics=tuple(self._statistics),
            licence=licence,
            citations=citations,
            provenance=provenance,
        )
        self.writer.finish(session)
        return session


def _rate(rate: Fraction) -> Rate:
    return Rate(numerator=rate.numerator, denominator=rate.denominator)


def _max_error(records: Sequence[Record]) -> float:
    return max((record.facts["max_error"] for record in records), default=0.0)


def _tiers(trials: Sequence[Trial]) -> tuple[Tier, ...]:
    counts = Counter(trial.tier for trial in trials)
    withheld = Counter(trial.tier for trial in trials if trial.responses_withheld)
    missing = Counter(trial.tier for trial in trials if trial.missing)
    roles = {trial.tier: trial.role for trial in trials}
    return tuple(
        Tier(name=t, role=roles[t], n_trials=n, n_withheld=withheld[t], n_missing=missing[t]) for t, n in counts.items()
    )
