"""The last step of the demo: batches from the small mouse, and how fast they come, beside a memmap's."""

from __future__ import annotations

import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sensorium_data.loaders import WindowLoader

__all__ = ["loading", "said"]

WINDOW, STRIDE, BATCH = 80, 4, 8
LEAST_S = 0.3  # of each measurement


def loading(store: Path) -> dict[str, Any] | None:
    """Load batches of a store and copy the same windows from memmaps; None where torch is not installed.

    Parameters
    ----------
    store : Path

    Returns
    -------
    dict or None
        `batch`, the shapes of one; `loader` and `memmap`, windows a second of each; `megabytes`, of a window.
    """
    if find_spec("torch") is None:
        return None
    from sensorium_data.loaders import make_loader

    loader = make_loader(store, tier="train", window=WINDOW, stride=STRIDE, batch_size=BATCH, seed=0)
    batch = next(iter(loader))
    shapes = {name: list(batch[name].shape) for name in loader.dataset.streams[0]}
    n_bytes = sum(batch[name].nbytes for name in shapes)
    n_windows = len(loader.dataset)
    with tempfile.TemporaryDirectory(dir=store.parent) as beside:  # on the same disk, and gone afterwards
        memmaps = _memmaps(Path(beside), loader)
        return {
            "batch": shapes,
            "megabytes": n_bytes / BATCH / 1e6,
            "loader": n_windows / _seconds(lambda: _epoch(loader)),
            "memmap": n_windows / _seconds(lambda: _copied(loader, memmaps)),
        }


def said(found: dict[str, Any] | None) -> Sequence[str]:
    """Return what people are told of it, line by line."""
    if found is None:
        return ["6. batches need torch, which is not here: pip install 'sensorium-data[torch]'"]
    shapes = ", ".join(f"{name} {tuple(shape)}" for name, shape in found["batch"].items())
    speed = f"{found['loader']:,.0f} windows/s, {found['loader'] * found['megabytes']:,.0f} MB/s"
    return [
        f"6. for batch in make_loader('demo.zarr', window={WINDOW}, stride={STRIDE}, batch_size={BATCH}):",
        f"   {shapes}",
        f"   {speed}, unpacked and checked; copying the same from memmaps: {found['memmap']:,.0f} windows/s",
        "   a mouse this small is mostly overhead; docs/speed.md has the figures of a real one",
    ]


def _epoch(loader: WindowLoader) -> None:
    for batch in loader:
        del batch


def _seconds(action: Callable[[], None]) -> float:
    """Return the seconds of an action, the median of as many turns as it takes to measure it."""
    action()
    turns: list[float] = []
    while not turns or sum(turns) < LEAST_S:
        began = time.perf_counter()
        action()
        turns.append(time.perf_counter() - began)
    return float(np.median(turns))


def _memmaps(folder: Path, loader: WindowLoader) -> list[NDArray[Any]]:
    """Write every trial of the training tier, stream by stream, into files of plain numbers, and map them."""
    streams = loader.dataset.streams[0]
    n_frames = int(streams.n_frames.max())
    maps = []
    for name, stream in streams.items():
        shape = (len(streams.n_frames), n_frames, *stream.shape)
        written = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", stream.dtype, shape)
        for row in np.unique(loader.dataset.windows.trial_row).tolist():
            n = int(streams.n_frames[row])
            stream.fill(written[row, :n], np.empty(n, np.bool_), row, 0)
        written.flush()
        maps.append(np.load(folder / f"{name}.npy", mmap_mode="r"))
    return maps


def _copied(loader: WindowLoader, maps: Sequence[NDArray[Any]]) -> None:
    windows = loader.dataset.windows
    buffers = [np.empty((BATCH, WINDOW, *one.shape[2:]), one.dtype) for one in maps]
    for i, (row, first) in enumerate(zip(windows.trial_row.tolist(), windows.start_frame.tolist(), strict=True)):
        for buffer, one in zip(buffers, maps, strict=True):
            np.copyto(buffer[i % BATCH], one[row, first : first + WINDOW])
