"""Passes over what has been read before: loader, memmap loop, what two bare threads can do, and the published way."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Figure, interleaved, ratios
from memmaps import planned
from passes import BATCH, PRESETS, SAMPLES, Copies, Epochs
from published import Published

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memmaps import Batches, Memmaps
    from numpy.typing import NDArray
    from passes import Bench

    from sensorium_data.loaders import WindowLoader

__all__ = ["steady"]

BUFFERS = 3  # batches: one with the consumer, one that is being filled, and one that the faster thread has begun
THREADS = 2
PACKED = "compact, nothing kept"


class _Official:
    """One batch with each call the published way, of the windows that the loader would give next."""

    def __init__(self, bench: Bench, loader: WindowLoader, n_batches: int) -> None:
        self._published = Published(bench.root, SAMPLES)
        ids = loader.dataset.streams[0].handle.trials["trial_id"].tolist()
        self._batches = [[(ids[row], frame) for row, frame in batch] for batch in planned(loader, 0)[:n_batches]]
        self._n_done = 0

    def __call__(self) -> dict[str, Any]:
        self._n_done += 1
        return self._published.batch(self._batches[(self._n_done - 1) % len(self._batches)])


class _Threads:
    """The memmap loop by bare threads, a batch ahead: what a loader of no cost at all could reach on this machine."""

    def __init__(self, memmaps: Memmaps, epochs: Sequence[Batches]) -> None:
        self._memmaps, self._epochs, self._n_done = memmaps, epochs, 0
        self._buffers = [memmaps.batch(BATCH, SAMPLES) for _ in range(BUFFERS)]
        self._pool = ThreadPoolExecutor(THREADS)

    def __call__(self) -> None:
        """Copy the windows of an epoch."""
        under_way: list[list[Future[None]]] = []
        for number, windows in enumerate(self._epochs[self._n_done]):
            buffer = self._buffers[number % BUFFERS]
            under_way.append([self._pool.submit(self._part, buffer, windows, k) for k in range(THREADS)])
            if len(under_way) == THREADS:
                for part in under_way.pop(0):
                    part.result()
        for part in [part for parts in under_way for part in parts]:
            part.result()
        self._n_done += 1

    def _part(self, buffer: dict[str, NDArray[Any]], windows: Sequence[tuple[int, int]], first: int) -> None:
        for place in range(first, len(windows), THREADS):
            self._memmaps.copy(buffer, place, *windows[place])


class _CopiedOn:
    """A pass whose every batch is copied on, as to a device, while a loader may work on the next."""

    def __init__(self, bench: Bench, epochs: Epochs | Copies) -> None:
        self._memmaps, self._epochs, self._n_done = bench.memmaps, epochs, 0
        self._device = bench.memmaps.batch(BATCH, SAMPLES)

    def __call__(self) -> None:
        """Go through an epoch."""
        if isinstance(self._epochs, Copies):
            batch = self._memmaps.batch(BATCH, SAMPLES)
            for windows in self._epochs.epochs[self._n_done]:
                self._memmaps.run(batch, [windows])
                self._copy(batch)
        else:
            self._epochs.loader.set_epoch(self._n_done)
            for tensors in self._epochs.loader:
                self._copy({name: tensors[name].numpy() for name in self._device})
        self._n_done += 1

    def _copy(self, batch: Mapping[str, NDArray[Any]]) -> None:
        for name, values in batch.items():
            np.copyto(self._device[name][: len(values)], values)


def _unkept(bench: Bench) -> WindowLoader:
    """Return a loader of the compact store that unpacks each chunk each time."""
    from sensorium_data.reading.budget import Budget

    kept: Any = import_module("sensorium_data.reading.kept")
    loader, usual = bench.loader("compact"), kept.BUDGET
    kept.BUDGET = Budget(0)
    try:
        next(iter(loader))  # readers are opened with the first batch
    finally:
        kept.BUDGET = usual
    return loader


def steady(bench: Bench) -> list[Figure]:
    """Time passes over what has been read before, and batches made the published way."""
    from sensorium_data.loaders import official2023

    memmaps, n = bench.memmaps, bench.rounds + 1
    readers = {preset: bench.loader(preset) for preset in bench.stores} | {PACKED: _unkept(bench)}
    layouts = {f"{preset} official2023()": bench.loader(preset, transform=official2023()) for preset in bench.stores}
    official = _Official(bench, readers["fast"], n)
    _compare_official(official, layouts["fast official2023()"])
    copies = Copies(memmaps, readers["fast"], n)
    actions: dict[str, Callable[[], object]] = {
        "memmap": copies,
        "memmap, two bare threads": _Threads(memmaps, copies.epochs),
        **{name: Epochs(loader) for name, loader in (readers | layouts).items()},
        "published": official,
        "copied on: memmap": _CopiedOn(bench, Copies(memmaps, readers["fast"], n)),
        **{f"copied on: {p}": _CopiedOn(bench, Epochs(bench.loader(p))) for p in bench.stores},
    }
    interleaved(actions, 1)
    return _figures(interleaved(actions, bench.rounds), len(copies.epochs[0]))


def _compare_official(official: _Official, loader: WindowLoader) -> None:
    theirs, ours = official(), next(iter(loader))  # made of float64, and of float32
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name].numpy(), values, rtol=1e-4, atol=1e-4, err_msg=name)


def _figures(seconds: Mapping[str, list[float]], n_batches: int) -> list[Figure]:
    each = {name: [t / (1 if name == "published" else n_batches) for t in times] for name, times in seconds.items()}
    goals: dict[str, float | None] = dict(PRESETS)
    times = [Figure(f"steady: {name}", tuple(1000 * t for t in values), "ms") for name, values in each.items()]
    below = {name: "copied on: memmap" if name.startswith("copied on") else "memmap" for name in each}
    return [
        *times,
        *(
            Figure(f"steady: {name} / memmap", ratios(values, each[below[name]]), "", goals.get(name))
            for name, values in each.items()
            if name != below[name]
        ),
        Figure("steady: published / compact", ratios(each["published"], each["compact"]), "", 30, at_least=True),
        Figure(f"steady: published / {PACKED}", ratios(each["published"], each[PACKED])),
    ]
