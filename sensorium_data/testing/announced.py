"""One trial held against what its recording announced, for the contract of readers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.schemas import ROLES
from sensorium_data.sources.members import MemberError
from sensorium_data.testing.watched import Watched, hold

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.sources import RawSession, RawTrial, Scan, Source
    from sensorium_data.sources.members import Memory

__all__ = ["all_of", "hold_film", "hold_responses", "hold_signals", "members_of", "present"]


def present(raw: RawSession) -> list[RawTrial]:
    """Return the trials that have data."""
    return [trial for trial in raw.trials if not trial.missing]


def _digest(values: NDArray[Any]) -> tuple[str, tuple[int, ...], str]:
    return values.dtype.str, values.shape, hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def all_of(raw: RawSession, trial: RawTrial, memory: Memory | None = None) -> tuple[object, ...]:
    """Return all that is read of a trial in a form that can be compared.

    Parameters
    ----------
    raw : RawSession
    trial : RawTrial
    memory : Memory, optional
        What was read of the film before is gone when responses are read into it.
    """
    scan = raw.scan(trial, allow_nan=False, memory=memory)
    film, signals = _digest(scan.frames), {name: _digest(values) for name, values in scan.signals.items()}
    told = (scan.withheld, scan.digests, scan.note_codes, scan.problems, scan.blank)
    if scan.withheld:
        return film, signals, told
    loaded = raw.responses(trial, len(scan.frames), memory)
    return film, signals, told, _digest(loaded.array), loaded.sha256


def members_of(reader: Source, source: Path, trial: RawTrial) -> set[str]:
    """Return the members that hold the samples of a trial: those that are read whole for it."""
    watched = Watched.of(source)
    raw = reader.open(watched)
    watched.whole.clear()
    all_of(raw, trial)
    return watched.whole


def hold_film(raw: RawSession, trial: RawTrial, scan: Scan) -> None:
    """Hold the film to its tier, its frame's shape and its dtype: bytes where nothing is lost, else as published."""
    hold(trial.tier in ROLES, f"trial {trial.trial_id} has tier `{trial.tier}`, which is none of {', '.join(ROLES)}")
    where, frames = f"trial {trial.trial_id}: the film", scan.frames
    hold(len(frames), f"{where} has no frames")
    shape = (len(frames), *raw.frame_shape)
    hold(frames.shape == shape, f"{where} has shape {frames.shape}, expected {shape}: time first")
    published = np.can_cast(frames.dtype, raw.film_dtype, "safe")
    hold(frames.dtype == np.uint8 or published, f"{where} is {frames.dtype}, {raw.film_dtype} was announced")


def hold_signals(raw: RawSession, trial: RawTrial, scan: Scan) -> None:
    """Hold the signals to their names, dims, channels and dtypes."""
    names = [signal.name for signal in raw.signals]
    hold(sorted(scan.signals) == sorted(names), f"trial {trial.trial_id} has {sorted(scan.signals)}, not {names}")
    for signal in raw.signals:
        values, where = scan.signals[signal.name], f"trial {trial.trial_id}: `{signal.name}`"
        n, n_valid = len(values), len(scan.frames)
        hold(n == n_valid, f"{where} has {n} samples, the film has {n_valid}")
        hold(values.ndim == 1 + len(signal.dims), f"{where} has shape {values.shape}, its dims are {signal.dims}")
        n_channels = values.shape[1] if signal.dims else 1
        counted = len(signal.channels) in (0, n_channels)
        hold(counted, f"{where} has {n_channels} channels, {len(signal.channels)} were announced")
        fits = np.can_cast(values.dtype, signal.dtype, "safe")
        hold(fits, f"{where} is {values.dtype}, {signal.dtype} was announced")


def hold_responses(raw: RawSession, trial: RawTrial, scan: Scan) -> None:
    """Hold the responses to (time, neuron) and to their dtype; zeros alone are withheld, and nothing else is."""
    where, n_valid = f"trial {trial.trial_id}: responses", len(scan.frames)
    try:
        values = raw.responses(trial, n_valid).array
    except MemberError as error:
        # Zeros to the end of the padding are no responses at all.
        hold(scan.withheld, f"{where} cannot be read: {error}")
        return
    hold(values.shape == (n_valid, raw.n_neurons), f"{where} have shape {values.shape}: (time, neuron) was expected")
    fits = np.can_cast(values.dtype, raw.response_dtype, "safe")
    hold(fits, f"{where} are {values.dtype}, {raw.response_dtype} was announced")
    hold(scan.withheld == (not values.any()), f"{where} are {'not ' * scan.withheld}zeros alone")
