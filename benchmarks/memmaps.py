"""The reference of the loading figures: the loader's own windows, copied from memmaps into one batch that is used again.

Nothing could do less: one copy for each stream and window, into memory that is in place, from files of plain numbers.
Every trial lies in one piece behind the one before.
"""

from __future__ import annotations

import mmap
import os
import time
from ctypes import CDLL, c_size_t, c_void_p
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.loaders import WindowDataset, WindowLoader

__all__ = ["Batches", "Memmaps", "drop_from_cache", "planned", "read_again"]

BLOCK = 1 << 20  # bytes read at once
TRIES, FORGOTTEN = 20, 0.02  # share of the bytes that may stay
# Of each batch its windows: row of the trial, first frame.
Batches: TypeAlias = "Sequence[Sequence[tuple[int, int]]]"


def planned(loader: WindowLoader, epoch: int) -> Batches:
    """Return the windows of an epoch of one session, batch by batch, as the loader deals them."""
    windows = loader.dataset.windows.of_epoch(epoch)
    rows, frames = windows.trial_row.tolist(), windows.start_frame.tolist()
    return [[(rows[i], frames[i]) for i in batch.windows.tolist()] for batch in loader.schedule.epoch(epoch)]


def drop_from_cache(folders: Sequence[Path]) -> None:
    """Have the system forget what it holds of the files below some folders; none may be mapped.

    Raises
    ------
    RuntimeError
        It keeps more than a little, whoever still uses it.
    """
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file() and file.stat().st_size]
    for _ in range(TRIES):
        os.sync()  # what is not yet on the disk cannot be forgotten
        for file in files:
            with file.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        held = sum(map(_held, files)) / sum(file.stat().st_size for file in files)
        if held < FORGOTTEN:
            return
        time.sleep(1)
    raise RuntimeError(f"{held:.0%} of {', '.join(map(str, folders))} stay in the system's cache")


def _held(file: Path) -> int:
    """Return how many bytes of a file the system holds, in whole pages."""
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        where = np.frombuffer(mapped, np.uint8)
        pages = np.zeros(-(-len(where) // mmap.PAGESIZE), np.uint8)
        CDLL(None).mincore(c_void_p(where.ctypes.data), c_size_t(len(where)), c_void_p(pages.ctypes.data))
        del where
    return int((pages & 1).sum()) * mmap.PAGESIZE


def read_again(folders: Sequence[Path]) -> None:
    """Have the system hold all files below some folders as it does what was read one after another.

    What was just written lies in small pages in its cache, or in large ones, as it was written: reading it from there
    takes up to twice as long, or not, and says nothing about either reader.
    """
    drop_from_cache(folders)
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            with file.open("rb", buffering=0) as opened:
                while opened.read(BLOCK):
                    pass


@dataclass(slots=True)
class Memmaps:
    """The streams of one session as files of plain numbers.

    Attributes
    ----------
    folder : Path
    first_row : (trial,) int64
        Where each trial begins in every file.
    kinds : dict of name to (shape, dtype)
    arrays : dict of name to array
        The files, mapped; empty while closed.
    """

    folder: Path
    first_row: NDArray[np.int64]
    kinds: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def write(cls, folder: Path, dataset: WindowDataset) -> Memmaps:
        """Write what the streams of a dataset's only session serve, trial by trial."""
        folder.mkdir(parents=True)
        (streams,) = dataset.streams
        ends = np.cumsum(streams.n_frames)
        self = cls(folder, ends - streams.n_frames, {})
        for name, stream in streams.items():
            shape = (int(ends[-1]), *stream.shape)
            self.kinds[name] = shape, stream.dtype
            file = np.memmap(folder / name, stream.dtype, "w+", shape=shape)
            for row, n in enumerate(streams.n_frames.tolist()):
                at = int(self.first_row[row])
                stream.fill(file[at : at + n], np.empty(n, np.bool_), row, 0)
            file.flush()
        self.reopen()
        return self

    def reopen(self) -> None:
        """Map the files; as plain arrays, whose slices cost less than those of `numpy.memmap`."""
        self.arrays = {
            name: np.asarray(np.memmap(self.folder / name, dtype, "r", shape=shape))
            for name, (shape, dtype) in self.kinds.items()
        }

    def close(self) -> None:
        """Unmap the files: what is mapped stays in the page cache."""
        self.arrays = {}

    def batch(self, n_windows: int, n_samples: int) -> dict[str, NDArray[Any]]:
        """Return memory for a batch."""
        return {
            name: np.zeros((n_windows, n_samples, *shape[1:]), dtype) for name, (shape, dtype) in self.kinds.items()
        }

    def copy(self, batch: dict[str, NDArray[Any]], place: int, trial_row: int, start_frame: int) -> None:
        """Copy one window to its place in a batch."""
        at = int(self.first_row[trial_row]) + start_frame
        for name, array in self.arrays.items():
            out = batch[name][place]
            np.copyto(out, array[at : at + len(out)])

    def run(self, batch: dict[str, NDArray[Any]], batches: Batches) -> None:
        """Copy all windows, batch by batch into the same memory."""
        for windows in batches:
            for place, (trial_row, start_frame) in enumerate(windows):
                self.copy(batch, place, trial_row, start_frame)
