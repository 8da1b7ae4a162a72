"""What the cache on disk does: a second epoch, and the bounds of disk and memory, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from measuring import Figure
from served import Served

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["bounds_figures", "epochs_figures"]

CLIP, STRIDE, BATCH = 80, 17, 8
EPOCHS = 7
BUDGET = 256 << 20  # bytes of unpacked chunks, of the part `bounds`


# What glibc is told in one of the runs: ranges of hundreds of kB get pages of their own, which go back when they are freed.
PAGES = {"MALLOC_MMAP_THRESHOLD_": "65536"}


def _child(part: str, *words: str, allocator: Mapping[str, str] | None = None, **settings: int | str) -> list[float]:
    environment = os.environ | {f"SENSORIUM_DATA_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= allocator or {}
    done = subprocess.run(
        [sys.executable, __file__, part, *words], env=environment, capture_output=True, text=True, check=True
    )
    found: list[float] = json.loads(done.stdout)
    return found


def epochs_figures(store: Path, folder: Path) -> list[Figure]:
    """Return an epoch whose chunks are on disk over one of a local store, with nothing kept unpacked."""
    with Served.of("nginx", store, 0.0) as served:
        cache = folder / "cache-epochs"
        values = _child("epochs", served.url, str(store), cache=str(cache), stream_cache_bytes=16 << 30, keep_bytes=0)
    return [Figure("second epoch / local store", tuple(values), goal=1.3)]


def bounds_figures(store: Path, folder: Path, n_batches: int) -> list[Figure]:
    """Return memory at the end over memory at a tenth, and the disk cache over its bound, of half the store."""
    limit = sum(path.stat().st_size for path in store.rglob("*") if path.is_file()) // 2
    with Served.of("nginx", store, 0.0) as served:
        cache = folder / "cache-bounds"
        words = (served.url, str(n_batches), str(cache))
        memory, disk = _child("bounds", *words, cache=str(cache), stream_cache_bytes=limit, keep_bytes=BUDGET)
        pages, _ = _child(
            "bounds", *words, allocator=PAGES, cache=str(cache), stream_cache_bytes=limit, keep_bytes=BUDGET
        )
    return [
        Figure(f"memory after {n_batches:,} batches / after a tenth", (memory,)),
        Figure("the same where ranges get pages of their own", (pages,), goal=1.05),
        Figure("most on disk / bound of the cache", (disk / limit,), goal=1.0),
    ]


def _epochs(url: str, local: str) -> list[float]:
    import sensorium_data as sd
    from sensorium_data.loaders import make_loader

    loaders = [
        make_loader(sd.open_session(where), tier="train", window=CLIP, stride=STRIDE, batch_size=BATCH)
        for where in (url, local)
    ]
    taken: list[list[float]] = [[], []]
    for turn in range(EPOCHS + 1):
        for loader, seconds in zip(loaders, taken, strict=True):
            loader.set_epoch(0)  # the same clips: those whose chunks have come
            began = time.perf_counter()
            for _ in loader:
                pass
            if turn:
                seconds.append(time.perf_counter() - began)
    return [a / b for a, b in zip(*taken, strict=True)]


def _held(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.glob("streams/*/*.data"))


def _bounds(url: str, n_batches: str, cache: str) -> list[float]:
    import sensorium_data as sd
    from sensorium_data.loaders import make_loader

    loader = make_loader(sd.open_session(url), tier="train", window=CLIP, stride=STRIDE, batch_size=BATCH, seed=0)
    process, n, most, early, epoch = psutil.Process(), 0, 0, 0, 0
    while n < int(n_batches):
        loader.set_epoch(epoch)
        epoch += 1
        for _ in loader:
            n += 1
            if n % 50 == 0:
                most = max(most, _held(Path(cache)))
            if n == int(n_batches) // 10:
                early = process.memory_info().rss
            if n == int(n_batches):
                break
    return [process.memory_info().rss / early, most]


if __name__ == "__main__":
    part, *given = sys.argv[1:]
    print(json.dumps(_epochs(*given) if part == "epochs" else _bounds(*given)))
