"""Checks of what a store says about itself: arrays, clocks, tables, sidecar, digests."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from sensorium_data.clock_documents import clock_of, trial_grid
from sensorium_data.errors import StorageFailed
from sensorium_data.remote.requests import Hands
from sensorium_data.schemas import Document, ExplicitClock, Neuron, Stimulus, Trial
from sensorium_data.settings import settings
from sensorium_data.store.check import Remark, register, unreadable
from sensorium_data.store.layout import ATTRIBUTE, LAYOUT, Paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.grid import Grid
    from sensorium_data.schemas import Signal
    from sensorium_data.store.opened import OpenStore


def _expected(store: OpenStore) -> Iterator[tuple[str, tuple[int, ...], tuple[str, ...]]]:
    """Yield path, shape and dims of every array that the session document promises."""
    session = store.session
    for column in session.neurons.columns:
        yield f"{Paths.neurons}/{column.name}", (session.neurons.n,), ("neuron",)
    for name in Trial.model_fields:
        yield f"{Paths.trials}/{name}", (session.trials.n,), ("trial",)
    for name in Stimulus.model_fields:
        yield f"{Paths.stimuli}/{name}", (session.stimuli.n_variants,), ("variant",)
    if session.stimuli.n_variants:
        shape = (session.stimuli.n_frames, *session.stimuli.frame_shape)
        yield Paths.frames, shape, ("frame", "y", "x") if len(shape) == 3 else ("frame", "channel", "y", "x")
    for signal in session.signals:
        yield Paths.values(signal.name), (_n_samples(signal),), signal.dims


def _n_samples(signal: Signal) -> int:
    return signal.clock.n_samples if isinstance(signal.clock, ExplicitClock) else clock_of(signal.clock).n_samples


@register("session-document")
def session_document(store: OpenStore) -> Iterator[Remark]:
    """The consolidated metadata and the document in the root agree with the groups on disk."""
    attributes = store.root["attributes"][ATTRIBUTE]
    if attributes != {"layout": LAYOUT, "session": attributes["session"]}:
        yield Paths.root, f"has unknown attributes beside layout and session: {sorted(attributes)}"
    if not store.metadata:
        yield Paths.root, "has no consolidated metadata; opening would cost a read for every array"
    for (path, node), data in zip(store.metadata.items(), _documents_there(store), strict=True):
        try:
            on_disk = json.loads(data)
        except (OSError, ValueError):
            yield f"{path}/zarr.json", "is in the consolidated metadata but cannot be read"
            continue
        if not isinstance(on_disk, dict):
            yield f"{path}/zarr.json", "is not a JSON object"
            continue
        known = {k: v for k, v in node.items() if k != "consolidated_metadata"}
        if {k: v for k, v in on_disk.items() if k != "consolidated_metadata"} != known:
            yield f"{path}/zarr.json", "differs from the consolidated metadata"


@register("arrays")
def arrays(store: OpenStore) -> Iterator[Remark]:
    """Every array that the session document promises is there, with its shape and dims."""
    for path, shape, dims in _expected(store):
        node = store.metadata.get(path)
        if node is None or node["node_type"] != "array":
            yield path, "is missing"
            continue
        have, names = tuple(node["shape"]), tuple(node.get("dimension_names") or ())
        if have[: len(shape)] != shape:
            yield path, f"has shape {have}, expected {shape}"
        if names[: len(dims)] != dims:
            yield path, f"has dims {names}, expected {dims}"


@register("clocks")
def clocks(store: OpenStore) -> Iterator[Remark]:
    """Explicit times increase, and every signal's clock lies within the session's trials."""
    for signal in store.session.signals:
        if isinstance(signal.clock, ExplicitClock):
            times = store.values(Paths.times(signal.name))
            if len(times) != signal.clock.n_samples:
                yield Paths.times(signal.name), f"has {len(times)} times for {signal.clock.n_samples} samples"
            if (np.diff(times) <= 0).any():
                yield Paths.times(signal.name), "does not increase"


def _documents(model: type[Document], table: Mapping[str, Sequence[Any]], where: str) -> Iterator[Remark]:
    """Validate every row of a table; columns that the model does not know are left out."""
    columns = {name: table[name] for name in model.model_fields if name in table}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    with suppress(ValidationError):  # all at once, in a third of the time
        TypeAdapter(list[model]).validate_python(rows)  # type: ignore[valid-type]  # a type that is known when it runs
        return
    for number, row in enumerate(rows):
        try:
            model.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            yield f"{where}[{number}]", f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


@register("neurons")
def neurons(store: OpenStore) -> Iterator[Remark]:
    """Unit ids are unique and every row is a neuron."""
    table = store.table(Paths.neurons)
    if "unit_id" not in table:
        yield Paths.neurons, "has no unit_id"
        return
    ids, counts = np.unique(table["unit_id"], return_counts=True)
    if (counts > 1).any():
        yield f"{Paths.neurons}/unit_id", f"names {ids[counts > 1][:5].tolist()} more than once"
    infinite = store.session.provenance.options.allow_nan
    # `extra` is the schema's own word for what it does not know; a published column may be called so too.
    flat = {n: _known(v, infinite=infinite) for n, v in table.items() if v.ndim == 1 and n != "extra"}
    yield from _documents(Neuron, flat, Paths.neurons)


def _known(values: NDArray[Any], *, infinite: bool) -> list[Any]:
    """Return a column with None where nothing is known: NaN, and infinity where it was let through."""
    column: list[Any] = values.tolist()
    if values.dtype.kind != "f":
        return column
    absent = ~np.isfinite(values) if infinite else np.isnan(values)
    return [None if nothing else value for value, nothing in zip(column, absent.tolist(), strict=True)]


@register("trials")
def trials(store: OpenStore) -> Iterator[Remark]:
    """Every row is a trial, in order, on the clock of its signals, and shows a film that is there."""
    table = store.table(Paths.trials, Trial.model_fields)
    yield from _documents(Trial, {name: values.tolist() for name, values in table.items()}, Paths.trials)
    if len(np.unique(table["trial_id"])) < len(table["trial_id"]):
        yield f"{Paths.trials}/trial_id", "names a trial more than once"
    if (table["start"][1:] < table["stop"][:-1]).any():
        yield Paths.trials, "trials overlap in time"
    published = any(getattr(signal.clock, "nominal", False) for signal in store.session.signals)
    lowest = np.where(table["missing"] | (not published), -1, 0)
    if ((table["variant"] >= store.session.stimuli.n_variants) | (table["variant"] < lowest)).any():
        yield f"{Paths.trials}/variant", "points outside stimuli/"
        return
    yield from _shown(store, table)
    if published:
        yield from _laid_out(store, table)


def _laid_out(store: OpenStore, table: Mapping[str, NDArray[Any]]) -> Iterator[Remark]:
    """Hold published trials, laid end to end on a nominal clock, against the clocks of the signals."""
    for row in np.flatnonzero(table["stop"] - table["start"] != table["n_valid"]):
        yield f"{Paths.trials}[{row}]", f"is {table['stop'][row] - table['start'][row]} ticks long, not as its samples"
    for row in np.flatnonzero(table["missing"] != (table["n_valid"] == 0)):
        yield f"{Paths.trials}[{row}]", "is missing exactly when it has no sample, and here it is not so"
    for signal in store.session.signals:
        if not isinstance(signal.clock, ExplicitClock):
            yield from _on_clock(signal, trial_grid(store.session), table)


def _on_clock(signal: Signal, grid: Grid, table: Mapping[str, NDArray[Any]]) -> Iterator[Remark]:
    """Hold the samples of a signal against the trials that have some of it."""
    clock = clock_of(signal.clock)
    absent = table["missing"] | (table["responses_withheld"] if signal.name == "responses" else signal.withheld)
    there = np.diff(clock.intervals(grid, table["start"], table["stop"]), axis=1)[:, 0]
    for row in np.flatnonzero(~absent & (there != table["n_valid"])):
        yield f"{Paths.trials}[{row}]", f"is not wholly on the clock of `{signal.name}`"
    expected = int(table["n_valid"][~absent].sum())
    if expected != clock.n_samples:
        yield Paths.values(signal.name), f"has {clock.n_samples} samples, the trials add up to {expected}"


def _shown(store: OpenStore, table: Mapping[str, NDArray[Any]]) -> Iterator[Remark]:
    """Hold each trial against the film it shows and the role of its tier."""
    stimuli = store.table(Paths.stimuli, Stimulus.model_fields)
    roles = {tier.name: tier.role for tier in store.session.trials.tiers}
    for row in range(len(table["trial_id"])):
        where, variant, tier = f"{Paths.trials}[{row}]", int(table["variant"][row]), str(table["tier"][row])
        if roles.get(tier) != str(table["role"][row]):
            yield where, f"has role {table['role'][row]}, its tier `{tier}` has {roles.get(tier)}"
        if variant < 0:
            continue
        if table["stimulus"][row] != stimuli["group"][variant]:
            yield where, f"has stimulus {table['stimulus'][row]}, its film is of group {stimuli['group'][variant]}"
        if store.session.identity.modality == "dynamic" and table["n_valid"][row] != stimuli["n_frames"][variant]:
            yield where, f"has {table['n_valid'][row]} samples, its film has {stimuli['n_frames'][variant]} frames"


@register("stimuli")
def stimuli(store: OpenStore) -> Iterator[Remark]:
    """Every row is a variant whose frames are there."""
    table = store.table(Paths.stimuli, Stimulus.model_fields)
    yield from _documents(Stimulus, {name: values.tolist() for name, values in table.items()}, Paths.stimuli)
    beyond = table["first_frame"] + table["n_frames"] > store.session.stimuli.n_frames
    for row in np.flatnonzero(beyond):
        yield f"{Paths.stimuli}[{row}]", f"ends beyond the {store.session.stimuli.n_frames} stored frames"


def _documents_there(store: OpenStore) -> Iterator[bytes]:
    """Yield the document beside each group and array, empty where it cannot be read."""

    def read(path: str) -> bytes:
        try:
            return store.parts.read(f"{path}/{Paths.root}")
        except OSError as error:
            unreadable(error)
            return b""

    with Hands(8 if store.identity else 1) as hands:
        yield from hands.map(read, store.metadata)


@register("sidecar")
def sidecar(store: OpenStore) -> Iterator[Remark]:
    """The sidecar speaks of the objects that are there, and of all of them."""
    index = store.sidecar
    records = [record for shards in index.shards.values() for record in shards]
    known = {record.key: record.size for record in records}
    known |= {chunk.key: chunk.size for chunk in index.chunks.values()}
    with Hands(max(settings().n_threads, 8 if store.identity else 1)) as hands:
        sizes = dict(zip(known, hands.map(store.parts.size, known), strict=True))
    for key, size in known.items():
        seen = sizes[key]
        if seen is None:
            yield key, "is missing"
        elif seen != size:
            yield key, f"has {seen:,} bytes, the sidecar says {size:,}"
    try:
        there = set(store.parts.listed())
    except StorageFailed as error:
        if error.code != "no-listing":
            raise
        return  # a place that does not tell what it has; what should be there is
    allowed = known.keys() | {f"{Paths.sidecar}/c/0", Paths.root} | {f"{path}/{Paths.root}" for path in store.metadata}
    for key in sorted(there - allowed):
        yield key, "is no part of the store"
