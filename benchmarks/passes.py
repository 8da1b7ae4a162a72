"""Whole passes over the windows of one session: the loader against the memmap loop, new, cold, and by processes."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Figure, interleaved, ratios
from memmaps import Memmaps, drop_from_cache, planned, read_again
from recordings import Size, make_recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from memmaps import Batches

    from sensorium_data.loaders import WindowLoader

__all__ = ["BATCH", "PRESETS", "SAMPLES", "Bench", "Copies", "Epochs", "cold", "first", "workers"]

BATCH, SAMPLES = 8, 80  # windows, frames
STRIDE = 17  # frames: 13 windows of a trial of 300, beginning anywhere in a chunk of 20
PRESETS = {"fast": 1.0, "compact": 2.5}  # and the goal of each, times the memmap loop


@dataclass
class Bench:
    """What is measured on: a recording, its stores, and memmaps of what they hold."""

    kept: Path | None
    scratch: Path
    size: Size
    rounds: int

    @cached_property
    def root(self) -> Path:
        """The recording as published."""
        return make_recording(self.kept or self.scratch, self.size)

    @cached_property
    def stores(self) -> dict[str, Path]:
        """A store for each preset."""
        import sensorium_data as sd

        found = {preset: self.scratch / f"{preset}.zarr" for preset in PRESETS}
        for preset, target in found.items():
            sd.convert(self.root, target, preset=preset)  # type: ignore[arg-type]  # as listed
        return found

    @cached_property
    def memmaps(self) -> Memmaps:
        """What the store of `fast` holds, held against what the loaders give."""
        memmaps = Memmaps.write(self.scratch / "memmaps", self.loader("fast").dataset)
        memmaps.close()
        read_again([memmaps.folder, *self.stores.values()])
        memmaps.reopen()
        for preset in self.stores:
            _compare(self.loader(preset), memmaps)
        return memmaps

    def loader(self, preset: str, stride: int | None = STRIDE, **options: Any) -> WindowLoader:
        """Return a loader of one store; all else is as it comes."""
        from sensorium_data.loaders import make_loader

        return make_loader(self.stores[preset], window=SAMPLES, stride=stride, batch_size=BATCH, **options)


def _compare(loader: WindowLoader, memmaps: Memmaps) -> None:
    """Make sure that the reference copies what the loader gives."""
    copy = memmaps.batch(BATCH, SAMPLES)
    memmaps.run(copy, planned(loader, 0)[:1])
    batch = next(iter(loader))
    for name, values in copy.items():
        np.testing.assert_array_equal(batch[name].numpy(), values, name)
    loader.set_epoch(0)


class Epochs:
    """A loader that goes through its next epoch with each call, as a training loop does: one batch is always held."""

    def __init__(self, loader: WindowLoader, epoch: int = 0) -> None:
        self.loader, self._epoch = loader, epoch

    def __call__(self) -> None:
        """Go through an epoch."""
        self.loader.set_epoch(self._epoch)
        self._epoch += 1
        for _batch in self.loader:
            pass


class Copies:
    """The memmap loop over the windows of the next epoch with each call."""

    def __init__(self, memmaps: Memmaps, loader: WindowLoader, n_epochs: int) -> None:
        self._memmaps, self._batch = memmaps, memmaps.batch(BATCH, SAMPLES)
        self.epochs: list[Batches] = [planned(loader, epoch) for epoch in range(n_epochs)]
        self._epoch = 0

    def __call__(self) -> None:
        """Copy the windows of an epoch."""
        self._memmaps.run(self._batch, self.epochs[self._epoch])
        self._epoch += 1


def first(bench: Bench) -> list[Figure]:
    """Time the first epoch of new loaders, in which the digest of each chunk is made; opening them is not counted."""
    copies = Copies(bench.memmaps, bench.loader("fast"), bench.rounds + 1)
    seconds: dict[str, list[float]] = {}
    for turn in range(bench.rounds + 1):
        gc.collect()  # what has been checked is known for as long as a reader of the store lives
        epochs = {preset: Epochs(bench.loader(preset)) for preset in bench.stores}
        times = interleaved({"memmap": copies, **epochs}, 1)
        for preset, each in epochs.items():
            responses: Any = each.loader.dataset.streams[0]["responses"]
            assert responses.samples.reader.counters.n_checks, f"{preset}: nothing was checked"
            del responses, each
        del epochs
        for name, values in times.items():
            seconds.setdefault(name, []).extend(values if turn else [])
    return [
        Figure(f"first epoch, with digests: {preset} / memmap", ratios(seconds[preset], seconds["memmap"]))
        for preset in bench.stores
    ]


def cold(bench: Bench) -> list[Figure]:
    """Time passes over files that the system holds nothing of, by new loaders, and what came from the disk in them.

    One window of each trial, which is what an epoch of training is: of two, one would have read for the other.
    """
    memmaps, names = bench.memmaps, ("memmap", *bench.stores)
    copies = Copies(memmaps, bench.loader("fast", None), bench.rounds)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    disk: dict[str, list[float]] = {name: [] for name in names}
    for turn, name in product(range(bench.rounds), names):
        memmaps.close()
        gc.collect()  # no file may be mapped, by readers either
        drop_from_cache([memmaps.folder, *bench.stores.values()])
        memmaps.reopen()
        action = copies if name == "memmap" else Epochs(bench.loader(name, None), turn)
        before = _from_disk()
        seconds[name] += interleaved({name: action}, 1)[name]
        disk[name].append((_from_disk() - before) / 2**20)
        del action
    memmaps.close()
    read_again([memmaps.folder, *bench.stores.values()])
    memmaps.reopen()
    n_batches = len(copies.epochs[0])
    return [
        *(Figure(f"cold: {n}", tuple(1000 * t / n_batches for t in times), "ms") for n, times in seconds.items()),
        *(Figure(f"cold: {n}, from disk in a pass", tuple(mib), "MiB") for n, mib in disk.items()),
        Figure("cold: fast / memmap", ratios(seconds["fast"], seconds["memmap"]), "", 0.5),
        Figure("cold: compact / memmap", ratios(seconds["compact"], seconds["memmap"])),
    ]


def _from_disk() -> int:
    """Return the bytes that this process has had read from a disk."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("read_bytes:"):
            return int(line.split()[1])
    return 0


def workers(bench: Bench) -> list[Figure]:
    """Time batches made by two processes; from the second one on, for the processes must start first."""
    loaders = {preset: bench.loader(preset, num_workers=2) for preset in bench.stores}
    copies = Copies(bench.memmaps, loaders["fast"], bench.rounds + 1)
    n_batches = len(copies.epochs[0])
    each: dict[str, list[float]] = {name: [] for name in loaders}
    starts: dict[str, list[float]] = {name: [] for name in loaders}
    actions: dict[str, Callable[[], object]] = {
        name: partial(_by_workers, loader, each[name], starts[name]) for name, loader in loaders.items()
    }
    copies()
    seconds = interleaved({"memmap": copies, **actions}, bench.rounds)
    copy = [t / n_batches for t in seconds["memmap"]]
    return [
        *(Figure(f"two worker processes: {name} / memmap", ratios(each[name], copy)) for name in loaders),
        Figure("two worker processes: first batch after", tuple(chain(*starts.values())), "s"),
    ]


def _by_workers(loader: WindowLoader, each: list[float], starts: list[float]) -> None:
    loader.set_epoch(0)
    began = time.perf_counter()
    batches = iter(loader)
    next(batches)
    first_came = time.perf_counter()
    n = sum(1 for _ in batches)
    each.append((time.perf_counter() - first_came) / n)
    starts.append(first_came - began)
