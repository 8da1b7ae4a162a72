"""Checks that decode every value: statistics recomputed, films re-hashed, NaN where there must be none."""

from __future__ import annotations

import hashlib
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.clock import TickClock, clock_of
from sensorium_data.moments import Moments
from sensorium_data.schemas import ExplicitClock, Stimulus, Trial
from sensorium_data.store.check import Remark, register
from sensorium_data.store.layout import SHARD, Paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.schemas import Signal
    from sensorium_data.store.opened import OpenStore

ROWS = 600  # rows read at once: 19 MB of 8,000 float32 neurons, and a divisor of a shard
TOLERANCE = 1e-9  # relative; the sums are made in another order than at conversion, in float64


def _train_rows(store: OpenStore, clock: TickClock, *, withheld: bool) -> NDArray[np.bool_]:
    """Return which rows of a clock belong to the train tier, (time,) bool."""
    table = store.table(Paths.trials, Trial.model_fields)
    rows = np.zeros(clock.n_samples, bool)
    wanted = (table["tier"] == "train") & ~table["missing"]
    if withheld:
        wanted &= ~table["responses_withheld"]
    for i in np.flatnonzero(wanted):
        found = clock.rows(int(table["start"][i]), int(table["stop"][i]))
        if found is not None:
            rows[found] = True
    return rows


def _blocks(store: OpenStore, path: str) -> Iterator[tuple[int, NDArray[Any]]]:
    array = store.array(path)
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
    if isinstance(signal.clock, ExplicitClock):
        return
    clock = clock_of(signal.clock)
    if not isinstance(clock, TickClock):
        return
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
    frames, moments = store.array(Paths.frames), Moments.empty(1)
    for variant in trials["variant"][(trials["tier"] == "train") & ~trials["missing"]].tolist():
        first = int(stimuli["first_frame"][variant])
        film = store.read(frames, slice(first, first + int(stimuli["n_frames"][variant])))
        moments = moments.merge(Moments.of(film.reshape(-1, 1)))
    return moments


@register("statistics", thorough=True)
def statistics(store: OpenStore) -> Iterator[Remark]:
    """The train-tier statistics follow from the stored values, and responses have no NaN."""
    own = {statistic.signal for statistic in store.session.statistics if statistic.origin == "train"}
    for signal in store.session.signals:
        if signal.name in own:
            yield from _signal(store, signal)
    if "video" in own:
        yield from _differs(store, "video", _film_moments(store))


@register("films", thorough=True)
def films(store: OpenStore) -> Iterator[Remark]:
    """Every film still has the SHA-256 of its frames."""
    table, frames = store.table(Paths.stimuli, Stimulus.model_fields), store.array(Paths.frames)
    exact = store.session.stimuli.rounding.exact
    for row, digest in enumerate(table["digest"].tolist()):
        first, n = int(table["first_frame"][row]), int(table["n_frames"][row])
        film = np.ascontiguousarray(store.read(frames, slice(first, first + n)))
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
        values = store.values(Paths.values(signal.name))
        if n := int(np.isnan(values).any(axis=tuple(range(1, values.ndim))).sum()):
            share = n / max(1, len(values))
            yield (
                Paths.values(signal.name),
                f"has NaN in {n} samples ({share:.1%}); they are kept, and masked by loaders",
            )
