"""Statistics as they were published with a recording: which there are, for which frame, and for which channel."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument, StoreInvalid
from sensorium_data.reading import open_reader
from sensorium_data.scales import Scale, precision
from sensorium_data.store.layout import Paths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from sensorium_data.store.opened import OpenStore
    from sensorium_data.streams import Streams

__all__ = ["Shipped"]

# Our streams under their published names. Pupil and running are `behavior`: dilation, where there is one its change, speed.
PUBLISHED = {
    "video": "videos",
    "image": "images",
    "responses": "responses",
    "pupil": "behavior",
    "running": "behavior",
    "gaze": "pupil_center",
}


class Shipped:
    """The shipped statistics of a session; nothing is read before it is asked for.

    Parameters
    ----------
    streams : Streams
        Of the session.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        # A view that somebody made of a session is of no store, and has no statistics.
        self._there = streams.handle.store.metadata if hasattr(streams.handle, "store") else {}

    def has(self, stream: str, measures: Iterable[str]) -> bool:
        """True where a stream was published with these measures."""
        return all(self._path(stream, measure) in self._there for measure in measures)

    def need(self, stream: str, measures: Iterable[str]) -> None:
        """Raise unless a stream was published with these measures.

        Raises
        ------
        BadArgument
            It was not.
        """
        if not self.has(stream, measures):
            what = f"{self._streams.key}: no shipped statistics of `{PUBLISHED.get(stream, stream)}`"
            hint = 'fit your own: normalise(responses="per_neuron", statistics=fit_statistics(dataset))'
            raise BadArgument(what, hint=hint, code="statistics-missing")

    def per_frame(self, stream: str) -> bool:
        """True where every frame of a trial has statistics of its own."""
        return self._streams.handle.store.dims(self._path(stream, "std"))[:1] == ("frame",)

    def scale(self, stream: str) -> Scale:
        """Return what the official loaders do to a stream."""
        if stream == "responses":
            return self.precision()
        return self.by_std(stream) if stream in ("pupil", "running") else self.z_score(stream)

    def z_score(self, stream: str) -> Scale:
        """Return (value - mean) / std of a stream."""
        return Scale.z_score(self._table(stream, "mean"), self._table(stream, "std"))

    def by_std(self, stream: str) -> Scale:
        """Return value / std of a stream."""
        return Scale.by_std(self._table(stream, "std"))

    def precision(self) -> Scale:
        """Return what responses are multiplied by, of the selected neurons; the threshold is that of all."""
        std = self._table("responses", "std")
        whole = precision(np.broadcast_to(std, (len(std), self._width("responses"))))
        selected = self._streams.handle.selected
        return whole if selected is None else whole[selected]

    @staticmethod
    def _path(stream: str, measure: str) -> str:
        return f"{Paths.source_statistics}/{PUBLISHED.get(stream, stream)}/all/{measure}"

    def _table(self, stream: str, measure: str) -> NDArray[np.floating]:
        """Return a measure of a stream, (frame, *shape of a sample); one frame where all share it, 1 where channels do.

        Raises
        ------
        StoreInvalid
            Its shape is none of a sample's.
        """
        path = self._path(stream, measure)
        values = _read(self._streams.handle.store, path)
        rows = values if self.per_frame(stream) else values[None]
        shape = self._shape(stream)
        fitted = _fitted(rows, shape)
        if fitted is None:
            what = (
                f"{self._streams.handle.where}: `{path}` has shape {values.shape}, expected that of a sample, {shape}"
            )
            raise StoreInvalid(what, code="statistics-shape")
        if stream == "pupil":
            return fitted[:, : fitted.shape[1] - 1] if fitted.shape[1] > 1 else fitted
        return fitted[:, -1:] if stream == "running" else fitted

    def _shape(self, stream: str) -> tuple[int, ...]:
        """Return the shape of a published sample of all neurons or channels."""
        if stream in ("pupil", "running"):
            return (self._width("pupil") + 1,)
        return (self._width(stream),) if stream in ("responses", "gaze") else self._streams[stream].shape

    def _width(self, signal: str) -> int:
        shape: list[int] = self._there[Paths.values(signal)]["shape"]
        return prod(shape[1:])


def _read(store: OpenStore, path: str) -> NDArray[np.floating]:
    """Return an array, each of its chunks held against its digest."""
    if not store.metadata[path]["shape"]:
        return store.values(path)
    reader = open_reader(store, path)
    out = np.empty(reader.shape, reader.dtype)
    reader.read_into(out, 0)
    return out


def _fitted(rows: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Return (frame, …) with the axes of a sample: published arrays have axes of one more, or one number a channel."""
    kept = tuple(n for n in rows.shape[1:] if n != 1)
    if not kept:
        return rows.reshape(len(rows), *(1 for _ in shape))
    if kept == tuple(n for n in shape if n != 1):
        return rows.reshape(len(rows), *shape)
    return rows.reshape(len(rows), *kept, *(1 for _ in shape[1:])) if kept == shape[:1] else None
