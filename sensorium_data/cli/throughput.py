"""How fast the batches of a store come, beside a loop that copies the same windows from memmaps."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.loaders import WindowDataset, WindowLoader

__all__ = ["as_text", "throughput"]

Windows: TypeAlias = "Sequence[tuple[int, int]]"  # row of the trial, first frame

SAMPLES, STRIDE, BATCH = 80, 4, 8
LONG_ENOUGH_S = 0.5  # both together, in passes that take turns


def throughput(store: Path, scratch: Path) -> dict[str, Any] | None:
    """Return what a batch is, and windows and megabytes a second of loader and memmaps; None where there is no torch.

    Parameters
    ----------
    store : Path
    scratch : Path
        Folder in which the memmaps are written, and removed again.
    """
    try:
        from sensorium_data.loaders import make_loader
    except ImportError:
        return None
    loader = make_loader(store, window=SAMPLES, stride=STRIDE, batch_size=BATCH, drop_last=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        memmaps = _Memmaps(Path(folder), loader.dataset)
        loader_s, memmap_s, n = _in_turns(loader, memmaps)
        shapes = {name: [BATCH, *batch.shape[1:]] for name, batch in memmaps.batch.items()}
        mb = sum(batch.nbytes for batch in memmaps.batch.values()) / BATCH / 1e6
        speeds = {
            name: {"windows_per_s": round(n / s), "mb_per_s": round(n * mb / s)}
            for name, s in (("loader", loader_s), ("memmap", memmap_s))
        }
        memmaps.arrays.clear()  # or Windows could not remove the files
    return {"batch": shapes, **speeds}


def as_text(found: dict[str, Any] | None) -> str:
    """Return what was found as people read it."""
    if found is None:
        return "6. batches need torch, which is not installed: pip install 'sensorium-data[torch]'"
    shapes = ", ".join(f"{name} {tuple(shape)}" for name, shape in found["batch"].items())
    loader, memmap = found["loader"], found["memmap"]
    times = memmap["windows_per_s"] / loader["windows_per_s"]
    return "\n".join(
        [
            f"6. for batch in sensorium_data.loaders.make_loader('demo.zarr', batch_size={BATCH}): …",
            f"   {shapes}",
            f"   loader   {loader['windows_per_s']:>9,} windows/s  {loader['mb_per_s']:>7,} MB/s",
            f"   memmaps  {memmap['windows_per_s']:>9,} windows/s  {memmap['mb_per_s']:>7,} MB/s",
            f"   {times:.1f}",
        ]
    )


def _in_turns(loader: WindowLoader, memmaps: _Memmaps) -> tuple[float, float, int]:
    """Return the seconds of passes by the loader and by the memmaps, and the windows of each."""
    loader_s = memmap_s = 0.0
    n, epoch = 0, 0
    for _batch in loader:  # the digest of every chunk is made now
        pass
    while loader_s + memmap_s < LONG_ENOUGH_S:
        epoch += 1
        windows = _windows(loader, epoch)
        began = time.perf_counter()
        for _batch in loader:
            pass
        half = time.perf_counter()
        memmaps.run(windows)
        loader_s, memmap_s, n = loader_s + half - began, memmap_s + time.perf_counter() - half, n + len(windows)
    return loader_s, memmap_s, n


def _windows(loader: WindowLoader, epoch: int) -> Windows:
    """Return the windows of an epoch in the loader's order."""
    windows = loader.dataset.windows.of_epoch(epoch)
    order = np.concatenate([batch.windows for batch in loader.schedule.epoch(epoch)])
    return list(zip(windows.trial_row[order].tolist(), windows.start_frame[order].tolist(), strict=True))


class _Memmaps:
    """What a session serves as files of plain numbers, trial behind trial, and a batch that its windows are copied to."""

    def __init__(self, folder: Path, dataset: WindowDataset) -> None:
        (streams,) = dataset.streams
        ends = np.cumsum(streams.n_frames)
        self._first_rows = (ends - streams.n_frames).tolist()
        self.arrays: dict[str, NDArray[Any]] = {}
        self.batch: dict[str, NDArray[Any]] = {}
        for name, stream in streams.items():
            file = np.memmap(folder / name, stream.dtype, "w+", shape=(int(ends[-1]), *stream.shape))
            for row, (first, n) in enumerate(zip(self._first_rows, streams.n_frames.tolist(), strict=True)):
                stream.fill(file[first : first + n], np.empty(n, np.bool_), row, 0)
            self.arrays[name] = np.asarray(file)  # its slices cost less than those of numpy.memmap
            self.batch[name] = np.zeros((BATCH, SAMPLES, *stream.shape), stream.dtype)

    def run(self, windows: Windows) -> None:
        """Copy windows, batch after batch into the same memory."""
        for place, (row, start_frame) in enumerate(windows):
            first = self._first_rows[row] + start_frame
            for name, array in self.arrays.items():
                np.copyto(self.batch[name][place % BATCH], array[first : first + SAMPLES])
