"""What keeps a signal from being written, looked for in its description alone: no value is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.masked import MASKED, is_masked
from sensorium_data.schemas import Channel
from sensorium_data.writing.unicode import NO_UNICODE, is_unicode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensorium_data.writing.signals import SignalData

__all__ = ["SHAPELESS", "dtype_of_values", "faults_of"]

NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
# A trial has coordinates of these names, and one for the times of each stream.
RESERVED = {"channel", "frame", "image", "neuron", "time", "unit_id", "video", "x", "y"}
# Second dims that are someone else's; `channel`, `x` and `y` get the name of the signal where a film has them too.
TAKEN = {"frame", "image", "time", "trial", "unit_id", "video"}
NUMBERS = "fiub"
TEXT = 255  # characters of a name
SHAPELESS = {"not-an-array", "unknown-shape", "dims", "empty-signal"}  # without a length no clock can fit

Fault = tuple[str, str]  # code, what


def dtype_of_values(values: Any) -> np.dtype[Any] | None:  # noqa: ANN401  # whatever was given
    """Return the numpy dtype of what was given as an array, or None where it is none that numpy knows."""
    if not all(hasattr(values, part) for part in ("shape", "dtype", "__getitem__")):
        return None
    try:
        dtype: np.dtype[Any] = np.dtype(values.dtype)
    except TypeError:  # of torch, or of pandas' own
        return None
    return dtype


def faults_of(signal: SignalData) -> Iterator[Fault]:
    """Yield everything that is wrong with a signal but its clock."""
    yield from _name(signal)
    if dtype_of_values(signal.values) is None:
        kind = type(signal.values).__name__
        yield "not-an-array", f"has values of type {kind}, expected an array (numpy, dask, memmap)"
    else:
        yield from _array(signal)
    channels = _listed(signal.channels) or ()
    if not signal.unit and not (channels and all(isinstance(c, Channel) and c.unit for c in channels)):
        yield "unit-missing", 'has no unit; say unit="1" for pure numbers, "a.u." for arbitrary units'
    texts: dict[str, object] = {"unit": signal.unit, "description": signal.description}
    for what, text in texts.items():
        if not isinstance(text, str) and not (what == "unit" and text is None):
            yield f"bad-{what}", f"has {what} {text!r}, expected text"
    said = [*texts.values(), *(_listed(signal.dims) or ()), *_texts(channels)]
    if not all(is_unicode(text) for text in said if isinstance(text, str)):
        yield "text", f"has {NO_UNICODE}, in its unit, description, dims or channels"


def _listed(given: Any) -> tuple[Any, ...] | None:  # noqa: ANN401  # whatever was given
    """Return what a list or the like holds, or None where it is none."""
    if isinstance(given, str | bytes) or not hasattr(given, "__len__"):
        return None
    try:
        return tuple(given)
    except TypeError:  # an array without axes
        return None


def _texts(channels: tuple[Any, ...]) -> Iterator[object]:
    for channel in channels:
        yield from (channel.name, channel.unit, channel.description) if isinstance(channel, Channel) else (channel,)


def _name(signal: SignalData) -> Iterator[Fault]:
    name: object = signal.name
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield "signal-name", "has no name of lower-case letters, digits and _ (at most 100), beginning with a letter"
    elif name in RESERVED or name.startswith("time_"):
        yield "signal-name", "has a name that trials use for something else; `eye_x` would do where `x` does not"


def _array(signal: SignalData) -> Iterator[Fault]:
    dtype, shape = signal.dtype, signal.shape
    if dtype.kind == "O":
        yield "object-dtype", "holds Python objects, expected numbers"
    elif dtype.kind not in NUMBERS or dtype.itemsize > 8:
        yield "dtype", f"holds {dtype}, expected real numbers of at most 64 bits, or bool"
    if is_masked(signal.values):
        yield "masked-array", f"is {MASKED}"
    if any(not isinstance(n, int | np.integer) for n in shape):
        yield "unknown-shape", f"has shape {shape}; compute_chunk_sizes() of dask makes it known"
        return
    if signal.dims is not None and _listed(signal.dims) is None:
        yield "dims", f"has dims {signal.dims!r}, expected (time,) or (time, one other)"
        return
    if (wanted := _wanted(signal)) is not None:
        yield "dims", f"has shape {shape} and dims {signal.all_dims}, expected {wanted}"
        return
    if 0 in shape:
        yield "empty-signal", f"has shape {shape}: no samples, or no columns; leave it out"
    yield from _channels(signal)


def _wanted(signal: SignalData) -> str | None:
    """Return which dims were expected, where others were given."""
    dims, shape = signal.all_dims, signal.shape
    if signal.name == "responses":
        return None if dims == ("time", "neuron") and len(shape) == 2 else "(time, neuron)"
    fits = len(dims) == len(shape) and all(_is_name(dim) for dim in dims)
    if not fits or not 1 <= len(shape) <= 2 or dims[0] != "time":
        return "(time,) or (time, one other), time first"
    if any(dim in TAKEN or dim.startswith("time_") for dim in dims[1:]):
        return f"a second dim that trials do not use for something else: not {', '.join(sorted(TAKEN))} or time_…"
    return None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= TEXT


def _channels(signal: SignalData) -> Iterator[Fault]:
    if (channels := _listed(signal.channels)) is None:
        yield "channel-names", f"has channels {signal.channels!r}, expected a list of names"
        return
    names = [c.name if isinstance(c, Channel) else c for c in channels]
    n = 0 if signal.of_neurons or len(signal.shape) == 1 else signal.shape[1]
    if len(names) != n:
        what = f"has {n} columns" if n else "has no columns that are channels"
        yield "channel-names", f"{what} and {len(names)} names for them in `channels`"
    if not all(_is_name(name) for name in names) or len(set(names)) < len(names):
        yield "channel-names", f"has channels {names}, expected texts that differ"
