"""The samples of one's own signals on their way into a store: neurons in shards, the few channels of the rest in one chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.conversion.rounding import stored_dtype
from sensorium_data.conversion.shardwriter import ShardTask, ShardWriter
from sensorium_data.errors import BadArgument
from sensorium_data.store.layout import ArraySpec, Paths, codec_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.conversion.recipe import Recipe
    from sensorium_data.schemas import ConvertOptions
    from sensorium_data.writing.signals import SignalData

__all__ = ["Rows", "array_tasks", "dtype_of", "in_shards", "values_spec"]

ROWS = 300  # rows read at once: 19 MB of 8,000 float64 neurons
WIDE = 64  # channels from which a chunk of 20 rows is worth its own
LARGE = 1 << 24  # bytes that are written as one chunk at the most, where there are as many channels


class Rows:
    """Rows of an array, read some at a time; no dataclass, or dask would compute an array of its own that lies in it.

    Parameters
    ----------
    values : array
        With `shape`, `dtype` and slices.
    """

    def __init__(self, values: Any) -> None:  # noqa: ANN401  # whatever has slices
        self.values = values
        self._ends = _block_ends(values)

    def pieces(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield half-open runs of rows to read at once: some hundred, and no part of a block twice."""
        ends = range(begin + ROWS, end, ROWS) if self._ends is None else self._ends
        start = begin
        for stop in ends:
            if stop - start >= ROWS and stop < end:
                yield start, stop
                start = stop
        yield start, end

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return some rows.

        Raises
        ------
        BadArgument
            The array gives other rows than it said it has.
        """
        part = self.values[start:stop]
        if hasattr(part, "__dask_graph__"):
            part = part.compute(scheduler=_scheduler())
        if np.ma.isMaskedArray(part):
            raise BadArgument(
                f"rows {start} to {stop} are a masked array, whose mask would be lost", code="masked-array"
            )
        part = np.asarray(part)
        expected = (stop - start, *self.values.shape[1:])
        if part.shape != expected or part.dtype != self.values.dtype:
            what = f"rows {start} to {stop} are {part.dtype} {part.shape}, announced {self.values.dtype} {expected}"
            raise BadArgument(what, code="array-changed")
        return part


@dataclass(frozen=True, slots=True)
class ArrayShard:
    """Some rows of an array, and which of them are of the train tier."""

    name: str
    rows: Rows
    train: Rows

    def blocks(self, writer: ShardWriter) -> Iterator[NDArray[Any]]:
        """Yield the rows, some hundred at a time."""
        task = writer.task
        begin, end = task.spec.shard_rows(task.shard)
        for start, stop in self.rows.pieces(begin, end):
            source = self.rows.read(start, stop)
            rows = writer.time_first(source)
            where = f"signal `{self.name}`, samples {start} to {stop}"
            writer.take(source, rows, where, train=self.train.read(start, stop), strict=self.name == "responses")
            yield rows


def _scheduler() -> str | None:
    """Return where dask computes: on a cluster whose client there is, else in the thread that asks."""
    from dask.base import get_scheduler

    # One thread a shard is at work already; blocks that were persisted on a cluster can only be had from there.
    return "synchronous" if get_scheduler() is None else None


def _block_ends(values: Any) -> list[int] | None:  # noqa: ANN401  # whatever has slices
    """Return the rows at which the blocks of an array end that are computed or decoded whole for any part of them."""
    chunks = getattr(values, "chunks", None)
    rows = chunks[0] if isinstance(chunks, tuple) and chunks else None
    if isinstance(rows, tuple):  # of dask: the length of each
        return [int(row) for row in np.cumsum(rows)]
    if isinstance(rows, int) and rows > 0:  # of zarr and HDF5: one length
        return list(range(rows, values.shape[0], rows))
    return None


def dtype_of(signal: SignalData, options: ConvertOptions) -> np.dtype[Any]:
    """Return the dtype a signal is stored in: integers and bool as they are, floats as the options say."""
    dtype = signal.dtype.newbyteorder("=")
    return stored_dtype(dtype, options, responses=signal.of_neurons) if dtype.kind == "f" else dtype


def in_shards(signal: SignalData) -> bool:
    """True where a signal is written in shards: neurons always, channels where they are many and long."""
    return signal.of_neurons or (len(signal.shape) > 1 and signal.shape[1] >= WIDE and signal.n_bytes > LARGE)


def values_spec(signal: SignalData, options: ConvertOptions) -> ArraySpec:
    """Return how the samples of a signal in shards are stored."""
    dtype = dtype_of(signal, options)
    attrs = {"units": signal.unit} if signal.unit else {}
    codec = codec_for(options.preset, dtype)
    return ArraySpec(Paths.values(signal.name), signal.shape, dtype, signal.all_dims, codec, sharded=True, attrs=attrs)


def array_tasks(
    recipe: Recipe, signals: Sequence[SignalData], train: Mapping[str, NDArray[np.bool_]]
) -> list[ShardTask]:
    """Return the tasks that write the signals in shards."""
    tasks = []
    for signal in signals:
        if in_shards(signal):
            spec = values_spec(signal, recipe.options)
            content = ArrayShard(signal.name, Rows(signal.values), Rows(train[signal.name]))
            tasks += [ShardTask(recipe, f"{signal.name}-{k:05d}", spec, k, content) for k in range(spec.n_shards)]
    return tasks
