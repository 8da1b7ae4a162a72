"""Make one batch: its windows filled side by side by threads, straight into batch memory, or by way of a transform."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.loaders.collate import collate_mixed, together
from sensorium_data.loaders.items import named
from sensorium_data.loaders.transforms.base import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sensorium_data.loaders.dataset import WindowDataset
    from sensorium_data.loaders.pool import BufferPool
    from sensorium_data.windows import Served, Windows

__all__ = ["BatchInPlace", "BatchOfItems", "BatchOfRows", "make_batch"]

PARTS = 2  # of a batch for each thread, so that none waits long for another


class BatchInPlace:
    """Windows of one session, each filled into its row of the batch's memory.

    Parameters
    ----------
    dataset : WindowDataset
        Without a transform.
    windows : sequence of Served
        All of one session.
    pool : BufferPool
    n_parts : int
        Rows are filled in so many parts at most: each costs a thread 20 µs to take up.
    """

    def __init__(self, dataset: WindowDataset, windows: Sequence[Served], pool: BufferPool, n_parts: int) -> None:
        self._dataset, self._windows = dataset, windows
        n_samples = max(window.n_samples for window in windows)
        lead = (len(windows),) if dataset.static else (len(windows), n_samples)
        self._buffer = pool.take(dataset.filler.spec(windows[0].session, lead))
        n_rows = -(-len(windows) // n_parts)
        self._rows = [slice(row, row + n_rows) for row in range(0, len(windows), n_rows)]

    @property
    def parts(self) -> Sequence[Callable[[], None]]:
        """What fills the batch; not kept, for this batch and its own methods would keep each other alive."""
        return [partial(self._fill, rows) for rows in self._rows]

    def _fill(self, rows: slice) -> None:
        at = (rows, None) if self._dataset.static else rows
        views = {name: array[at] for name, array in self._buffer.arrays.items()}
        self._dataset.filler.fill(views, self._windows[rows])

    def finish(self) -> dict[str, Any]:
        """Return the batch."""
        return named(self._buffer.lend()) | names_of(self._dataset, self._windows)


class BatchOfRows:
    """Windows of one session, each made as an item, from which a transform writes its row of the batch's memory.

    Parameters
    ----------
    dataset : WindowDataset
    windows : sequence of Served
        All of one session.
    writer : Writer
        The transform, bound to that session.
    pool : BufferPool
    """

    def __init__(self, dataset: WindowDataset, windows: Sequence[Served], writer: Writer, pool: BufferPool) -> None:
        self._dataset, self._windows, self._writer, self._plain = dataset, windows, writer, pool.plain
        self._n_samples = max(window.n_samples for window in windows)
        items = dataset.filler.spec(windows[0].session, () if dataset.static else (self._n_samples,))
        spec = {name: ((len(windows), *shape), dtype) for name, (shape, dtype) in writer.spec(items).items()}
        self._buffer = pool.take(spec)

    @property
    def parts(self) -> Sequence[Callable[[], None]]:
        """What makes one row each."""
        return [partial(self._write, row) for row in range(len(self._windows))]

    def _write(self, row: int) -> None:
        item = self._dataset.item(self._windows[row], self._n_samples, self._plain)
        self._writer.write(item, {name: tensor[row] for name, tensor in self._buffer.tensors.items()})

    def finish(self) -> Any:  # noqa: ANN401  # a dict, or an official layout
        """Return the batch."""
        return self._writer.batch(self._buffer.lend(), names_of(self._dataset, self._windows))


class BatchOfItems:
    """Windows made one by one, then put together by the thread that makes the last one.

    Parameters
    ----------
    dataset : WindowDataset
    windows : sequence of Served
    pool : BufferPool
    mixed : bool
        They may be of several sessions.
    """

    def __init__(self, dataset: WindowDataset, windows: Sequence[Served], pool: BufferPool, *, mixed: bool) -> None:
        self._dataset, self._windows, self._pool, self._mixed = dataset, windows, pool, mixed
        self._items: list[Any] = [None] * len(windows)
        self._n_samples = max(window.n_samples for window in windows)
        self._left, self._lock = len(windows), Lock()
        self._batch: Any = None

    @property
    def parts(self) -> Sequence[Callable[[], None]]:
        """What makes one item each."""
        return [partial(self._make, i) for i in range(len(self._windows))]

    def _make(self, i: int) -> None:
        window = self._windows[i]
        item = self._dataset.item(window, self._n_samples, self._pool.plain)
        self._items[i] = self._dataset.transformed(window.session, item)
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            items, self._items = self._items, []
            self._batch = self._together(items)

    def _together(self, items: Sequence[Any]) -> Any:  # noqa: ANN401  # what the transform makes of items
        if self._mixed:
            return collate_mixed(items, self._dataset.per_neuron, self._pool.stack)
        return together(items, self._pool.stack)

    def finish(self) -> Any:  # noqa: ANN401  # what the transform makes of items
        """Return the batch, and let go of it."""
        batch, self._batch = self._batch, None
        return batch


def make_batch(
    dataset: WindowDataset,
    windows: Windows,
    indices: NDArray[np.int64],
    *,
    mixed: bool,
    pool: BufferPool,
    n_threads: int = 1,
) -> BatchInPlace | BatchOfRows | BatchOfItems:
    """Return the work that makes the batch of some windows."""
    placed = [windows.served(index) for index in indices.tolist()]
    # All of a batch that is still to come, so that the disk has more to do than one read at a time.
    dataset.filler.prefetch(placed)
    bound = None if mixed else dataset.bound(placed[0].session)
    if isinstance(bound, Writer):
        return BatchOfRows(dataset, placed, bound, pool)
    if mixed or bound is not None:
        return BatchOfItems(dataset, placed, pool, mixed=mixed)
    return BatchInPlace(dataset, placed, pool, PARTS * max(1, n_threads))


def names_of(dataset: WindowDataset, windows: Sequence[Served]) -> dict[str, Any]:
    """Return what a batch says of its windows, all of one session."""
    ids = dataset.streams[windows[0].session].handle.trials["trial_id"]
    return {
        "session": dataset.keys[windows[0].session],
        "trial_id": torch.tensor([int(ids[window.trial_row]) for window in windows]),
        "start_frame": torch.tensor([window.start_frame for window in windows]),
    }
