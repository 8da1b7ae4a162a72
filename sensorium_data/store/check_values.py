"""Checks that decode every value: statistics recomputed, films re-hashed, NaN where there must be none."""

from __future__ import annotations

import hashlib
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.clock import Clock, rows_within
from sensorium_data.clock_documents import clock_of, trial_grid
from sensorium_data.moments import Moments
from sensorium_data.schemas import ExplicitClock, Stimulus, Trial
from sensorium_data.store.check import Remark, register
from sensorium_data.store.layout import SHARD, Paths
from sensorium_data.store.rows import RowReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.schemas import Signal
    from sensorium_data.store.opened import OpenStore

ROWS = 600  # rows read at once: 19 MB of 8,000 float32 neurons, and a divisor of a shard
TOLERANCE = 1e-9  # relative; the sums are made in another order than at conversion, in float64


def _train_rows(store: OpenStore, clock: Clock, *, withheld: bool) -> NDArray[np.bool_]:
    """Return which rows of a clock belong to the train tier, (time,) bool."""
    table = store.table(Paths.trials, Trial.model_fields)
    wanted = (table["role"] == "train") & ~table["missing"]
    if withheld:
        wanted &= ~table["responses_withheld"]
    return rows_within(clock, trial_grid(store.session), table["start"][wanted], table["stop"][wanted])


def _blocks(store: OpenStore, path: str) -> Iterator[tuple[int, NDArray[Any]]]:
    array = store.array(path)
    if array.shards is None:  # one chunk, decoded once
        yield 0, store.values(path)
        return
    step = ROWS if SHARD % ROWS == 0 else SHARD
    for start in range(0, array.shape[0], step):
        yield start, store.read(array, slice(start, start + step))


def _as_columns(values: NDArray[Any]) -> NDArray[Any]:
    wide = values.astype(np.float32) if values.dtype == np.float16 else values
    return wide.reshape(len(wide), -1)


def _differs(store: OpenStore, name: str, moments: Moments) -> Iterator[Remark]:
    for measure, values in moments.measures().items():
        path = f"{Paths.train_statistics}/{name}/{measure}"
        kept = store.values(path).reshape(-1)
        if len(kept) != len(values):
            yield path, f"has {len(kept)} values, the stored samples have {len(values)} channels"
            continue
        scale = np.maximum(np.abs(kept), np.abs(values).max(initial=0.0) * 1e-3) + 1e-300
        off = np.abs(kept - values) / scale > TOLERANCE
        off |= np.isnan(kept) != np.isnan(values)
        if off.any():
            worst = int(np.flatnonzero(off)[0])
            seen, again = (f"{array[worst].item():.6g}" for array in (kept, values))
            # Six digits can be the same of both, so the difference is said as well.
            apart = f"{abs(kept[worst].item() - values[worst].item()):.2g}"
            what = f"is {seen} for channel {worst}, recomputed {again}, {apart} apart; {int(off.sum())} differ"
            yield path, what


def _signal(store: OpenStore, signal: Signal) -> Iterator[Remark]:
    path, allowed = Paths.values(signal.name), store.session.provenance.options.allow_nan
    times = store.values(Paths.times(signal.name)) if isinstance(signal.clock, ExplicitClock) else None
    clock = clock_of(signal.clock, times)
    array = store.array(path)
    if not array.ndim or array.shape[0] != clock.n_samples:
        yield path, f"has shape {array.shape}, its clock has {clock.n_samples:,} samples"
        return
    train = _train_rows(store, clock, withheld=signal.name == "responses")
    moments: Moments | None = None
    for start, values in _blocks(store, path):
        columns = _as_columns(values)
        if signal.name == "responses" and not allowed and not np.isfinite(columns).all():
            yield path, f"has NaN or infinity in rows {start} to {start + len(values)}"
        part = Moments.of(columns[train[start : start + len(values)]])
        moments = part if moments is None else moments.merge(part)
    yield from _differs(store, signal.name, moments or Moments.empty(prod(array.shape[1:])))


def _film_moments(store: OpenStore) -> Moments:
    """Return the statistics of all pixels shown in train trials, repeats counted as often as they were shown."""
    trials, stimuli = store.table(Paths.trials), store.table(Paths.stimuli)
    frames, moments = RowReader(store, Paths.frames), Moments.empty(1)
    shown = (trials["role"] == "train") & ~trials["missing"] & (trials["variant"] >= 0)
    for variant in sorted(trials["variant"][shown].tolist()):
        film = frames.read(int(stimuli["first_frame"][variant]), int(stimuli["n_frames"][variant]))
        moments = moments.merge(Moments.of(film.reshape(-1, 1)))
    return moments


@register("statistics", thorough=True)
def statistics(store: OpenStore) -> Iterator[Remark]:
    """The train-tier statistics follow from the stored values, and responses have no NaN."""
    own = {statistic.signal for statistic in store.session.statistics if statistic.origin == "train"}
    for signal in store.session.signals:
        if signal.name in own:
            yield from _signal(store, signal)
    if (film := store.session.identity.film) in own:
        yield from _differs(store, film, _film_moments(store))


@register("films", thorough=True)
def films(store: OpenStore) -> Iterator[Remark]:
    """Every film still has the SHA-256 of its frames."""
    if not store.session.stimuli.n_variants:
        return
    table, frames = store.table(Paths.stimuli, Stimulus.model_fields), RowReader(store, Paths.frames)
    exact = store.session.stimuli.rounding.exact
    for row, digest in enumerate(table["digest"].tolist()):
        film = np.ascontiguousarray(frames.read(int(table["first_frame"][row]), int(table["n_frames"][row])))
        if not store.session.provenance.options.allow_nan and film.dtype.kind == "f" and not np.isfinite(film).all():
            yield f"{Paths.stimuli}[{row}]", "has NaN or infinite pixels"
        seen = hashlib.sha256(f"{film.dtype.str}{film.shape}".encode() + film.tobytes()).hexdigest()
        # The digest is of the film as published; where a session mixes dtypes or rounds, `check --against` compares.
        if film.dtype == np.uint8 and exact and seen != digest:
            yield f"{Paths.stimuli}[{row}]", f"has SHA-256 {seen[:12]}…, written as {digest[:12]}…"


@register("behaviour-nan", "warning", thorough=True)
def behaviour_nan(store: OpenStore) -> Iterator[Remark]:
    """Pupil, running and gaze may have NaN; loaders mask it."""
    for signal in store.session.signals:
        if signal.name == "responses":
            continue
        n = n_rows = 0
        for _, values in _blocks(store, Paths.values(signal.name)):
            n_rows += len(values)
            if values.dtype.kind == "f":
                n += int(np.isnan(values).reshape(len(values), -1).any(axis=1).sum()) if len(values) else 0
        if n:
            what = f"has NaN in {n} samples ({n / n_rows:.1%}); they are kept, and masked by loaders"
            yield Paths.values(signal.name), what
