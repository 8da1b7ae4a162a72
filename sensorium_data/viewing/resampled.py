"""Streams of a session at regular times, as lazy xarray: a sample is computed when it is looked at, and no other."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from xarray import Dataset, Variable  # noqa: TID253  # only views import this module, and they are xarray's face
from xarray.backends import BackendArray  # noqa: TID253
from xarray.core import indexing  # noqa: TID253

from sensorium_data.errors import BadArgument
from sensorium_data.grid import NANOSECOND, Grid
from sensorium_data.streams import open_streams
from sensorium_data.viewing.lazy import DASK_BYTES, plain_key
from sensorium_data.viewing.presentation import own_dims
from sensorium_data.viewing.selecting import names_of
from sensorium_data.viewing.spans import outputs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.resample import Method
    from sensorium_data.streams import Streams
    from sensorium_data.viewing.selecting import Names
    from sensorium_data.viewing.spans import Number, Outputs, Span
    from sensorium_data.views import Session

__all__ = ["resampled"]

Key: TypeAlias = "int | slice | NDArray[Any]"
BLOCK_BYTES = 32_000_000  # computed at once; more would hold the source samples of a whole session beside the result
MASKED_AT_ONCE = 1 << 20  # samples
GAP = 20  # samples that are computed for nothing rather than begin anew: a chunk is as many


def resampled(
    session: Session,
    rate_hz: Number | None,
    window: Span | None,
    signals: Names | None,
    *,
    method: Method | Mapping[str, Method],
    lag_s: Number | Mapping[str, Number],
    offsets_s: Mapping[str, ArrayLike] | None,
) -> Dataset:
    """Return streams of a session at regular times, (time, …) each, lazy; `Session.resample` says it all."""
    handle, key = session.handle, session.document.identity.key
    if session.document.identity.modality == "static":
        what = f"{key} holds images with one sample a trial; there is no rate to resample to or from"
        hint = f"`session.trial(k)` has one presentation, `session[{next(iter(handle.signals), 'responses')!r}]` all"
        raise BadArgument(what, hint=hint, code="rate-static")
    names = None if signals is None else names_of(signals, "signals", key)
    if names is not None and not names:
        raise BadArgument(f"{key}: no signal is chosen", hint="leave signals out for all of them", code="no-signals")
    streams = open_streams(handle, names, rate_hz=rate_hz, method=method, lag_s=lag_s, offsets_s=offsets_s)
    outputs = outputs_of(window, streams)
    data: dict[str, Variable] = {}
    coords: dict[str, Any] = {
        "time": ("time", _times_s(outputs.start_ns(streams.rate), streams.rate, outputs.n), {"units": "s"})
    }
    for name in streams:
        data[name], mask, channels = _variable(session, _Samples(streams, name, outputs), method)
        coords |= channels | {f"mask_{name}": mask}
    rate = streams.rate
    return Dataset(data, coords, {"session": key, "rate_hz": float(rate), "rate": str(rate)})


def _times_s(start_ns: Fraction, rate: Fraction, n: int) -> NDArray[np.float64]:
    """Return n regular times in seconds, each the float closest to the exact value."""
    first, step = start_ns / NANOSECOND, 1 / rate
    below = lcm(first.denominator, step.denominator)
    ticks = int(first * below) + np.arange(n).astype(object) * int(step * below)
    return Grid(Fraction(below)).times_s(ticks)


class _Samples:
    """Samples of one stream at the output times."""

    def __init__(self, streams: Streams, name: str, outputs: Outputs) -> None:
        self._streams, self.name, self._outputs = streams, name, outputs
        self.stream = streams[name]
        self.rate, self.n = streams.rate, outputs.n

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a recipe."""
        return type(self), (self._streams, self.name, self._outputs)

    @property
    def block(self) -> int:
        """Samples that are computed at once."""
        return max(1, BLOCK_BYTES // max(1, self.row_bytes))

    @property
    def row_bytes(self) -> int:
        """Bytes of one sample."""
        return int(np.prod(self.stream.shape, dtype=np.int64)) * self.stream.dtype.itemsize

    def into(self, out: NDArray[Any], first: int) -> None:
        """Compute samples [first, first + len(out)) into place."""
        mask = np.empty(len(out), np.bool_)
        self.stream.at(out, mask, self._outputs.anchor_ns, self._outputs.first + first)

    def empty(self, n: int) -> NDArray[Any]:
        """Return room for n samples."""
        return np.empty((n, *self.stream.shape), self.stream.dtype)

    def take(self, rows: NDArray[np.int64], rest: tuple[Key, ...]) -> NDArray[Any]:
        """Return what keys of the other axes pick from some ascending samples."""
        whole = all(_all_of(part, n) for part, n in zip(rest, self.stream.shape, strict=True))
        found = np.empty((len(rows), *_outer(self.empty(0), rest).shape[1:]), self.stream.dtype)
        for first, last in _runs(rows, self.block):
            lo, hi = np.searchsorted(rows, (first, last)).tolist()
            if whole and hi - lo == last - first:
                self.into(found[lo:hi], first)
                continue
            block = self.empty(last - first)
            self.into(block, first)
            found[lo:hi] = _outer(block[rows[lo:hi] - first], rest)
        return found

    def valid(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some samples are valid, in their order; none is read."""
        good = np.zeros(self.n, np.bool_)
        for first, last in _runs(np.unique(rows), MASKED_AT_ONCE):
            at = self._outputs.first + first
            good[first:last] = self.stream.validity(self._outputs.anchor_ns, at, last - first)
        return good[rows]


def _runs(rows: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Yield half-open runs that hold ascending rows, none longer than `most`, and few rows beside."""
    if not len(rows):
        return
    cuts = np.flatnonzero(np.diff(rows) > GAP) + 1
    for part in np.split(rows, cuts):
        first, last = int(part[0]), int(part[-1]) + 1
        yield from ((at, min(at + most, last)) for at in range(first, last, most))


class _Values(BackendArray):  # type: ignore[misc,unused-ignore]
    """The samples of a stream as xarray asks for them."""

    def __init__(self, samples: _Samples) -> None:
        self._samples = samples
        self.shape = (samples.n, *samples.stream.shape)
        self.dtype = samples.stream.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401  # xarray's own signature
        key = plain_key(key, self.shape)
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Key, ...]) -> NDArray[Any]:
        wanted = np.asarray(np.arange(self.shape[0])[key[0]])
        rows, places = np.unique(wanted, return_inverse=True)
        found = self._samples.take(rows, key[1:])
        return found if np.array_equal(rows, wanted) else found[places.reshape(wanted.shape)]


class _Mask(BackendArray):  # type: ignore[misc,unused-ignore]
    """Which samples of a stream are valid, as xarray asks for it."""

    def __init__(self, samples: _Samples) -> None:
        self._samples = samples
        self.shape = (samples.n,)
        self.dtype = np.dtype(np.bool_)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401  # xarray's own signature
        key = plain_key(key, self.shape)
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Key]) -> NDArray[Any]:
        wanted = np.asarray(np.arange(self.shape[0])[key[0]])
        return self._samples.valid(wanted.ravel()).reshape(wanted.shape)


def _all_of(part: Key, n: int) -> bool:
    return isinstance(part, slice) and part.indices(n) == (0, n, 1)


def _outer(block: NDArray[Any], rest: tuple[Key, ...]) -> NDArray[Any]:
    """Return what keys pick from the axes after the first, each by itself."""
    for axis, part in reversed(list(enumerate(rest, 1))):
        block = block[(slice(None),) * axis + (part,)]
    return block


def _variable(
    session: Session, samples: _Samples, method: Method | Mapping[str, Method]
) -> tuple[Variable, Variable, dict[str, Any]]:
    """Return the values of a stream, where they are valid, and the coordinates of its neurons or channels."""
    handle, stream, name = session.handle, samples.stream, samples.name
    dims, coords = ("time", *stream.dims), {}
    attrs: dict[str, Any] = {"units": "grey levels", "method": "previous"}
    if name in handle.signals:
        coords = session.channels(name)
        for dim in own_dims(handle) & coords.keys():
            labels = coords.pop(dim)[1]
            dims = tuple(f"{name}_{dim}" if each == dim else each for each in dims)
            coords[f"{name}_{dim}"] = (f"{name}_{dim}", labels)
        units = handle.signals[name].unit
        chosen = method if isinstance(method, str) else method.get(name, "linear")
        attrs = ({"units": units} if units else {}) | {"method": chosen}
    attrs["rate_hz"] = float(samples.rate)
    rows = max(1, DASK_BYTES // max(1, samples.row_bytes))
    cut = {"time": min(samples.n, rows), **dict(zip(dims[1:], stream.shape, strict=True))}
    values = Variable(dims, indexing.LazilyIndexedArray(_Values(samples)), attrs, {"preferred_chunks": cut})
    mask = Variable(
        ("time",), indexing.LazilyIndexedArray(_Mask(samples)), encoding={"preferred_chunks": {"time": cut["time"]}}
    )
    return values, mask, coords
