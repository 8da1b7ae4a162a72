"""What more data costs: the time of a batch in longer and in more sessions, opening a hundred, and memory over time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Figure, interleaved, ratios
from passes import BATCH, SAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from passes import Bench

    from sensorium_data.loaders import WindowLoader

__all__ = ["growth", "memory", "opening"]

NEURONS, TRIALS, FRAMES, RATE_HZ = 2000, 40, 300, 30
STRIDE = 14  # 16 windows of a trial: every batch is full, also where a session has four trials
TIMES = 10  # as long, and as many sessions, and as many again
MANY = 100
MIXED = (200, 700, 2000)  # neurons of the sessions whose batches share memory
BATCHES = (1_000, 10_000)

RESIDENT = """
import json, os, sys, time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
"""
OPEN = """
import sensorium_data as sd
began = time.perf_counter()
sessions = sd.open_sessions(sys.argv[1])
opened_s, opened_mib = time.perf_counter() - began, resident()
from sensorium_data.loaders import WindowDataset
before_mib, began = resident(), time.perf_counter()
dataset = WindowDataset(sessions)
print(json.dumps([opened_s, opened_mib, time.perf_counter() - began, resident() - before_mib]))
"""
RUN = """
from sensorium_data.loaders import make_loader
loader, n, seen = make_loader(sys.argv[2:], window=80, stride=17, order="proportional"), 0, {}
wanted = json.loads(sys.argv[1])
while n < max(wanted):
    for batch in loader:
        n += 1
        if n in wanted:
            seen[n] = resident()
print(json.dumps([seen[n] for n in wanted]))
"""


def _inside(code: str, *arguments: str) -> list[float]:
    """Return the numbers that a fresh interpreter prints."""
    command = [sys.executable, "-c", RESIDENT + code, *arguments]
    found: list[float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _write(target: Path, n_trials: int, n_neurons: int = NEURONS) -> Path:
    """Write a session of noise, a film of its own for each trial."""
    import sensorium_data as sd

    rng, n = np.random.default_rng(n_trials), n_trials * FRAMES
    block = rng.random((FRAMES, n_neurons), np.float32)
    starts = np.arange(n_trials) * (FRAMES / RATE_HZ)
    films = {f"film {k}": rng.integers(0, 256, (FRAMES, 36, 64), np.uint8) for k in range(n_trials)}
    small = {"pupil": ("px", ()), "running": ("cm/s", ()), "gaze": ("px", ("x", "y"))}
    signals = [sd.SignalData("responses", np.tile(block, (n_trials, 1)), unit="a.u.", rate_hz=RATE_HZ)]
    signals += [
        sd.SignalData(name, _noise(rng, n, len(channels)), unit=unit, rate_hz=RATE_HZ, channels=channels)
        for name, (unit, channels) in small.items()
    ]
    trials = {"start_s": starts, "stop_s": starts + FRAMES / RATE_HZ, "stimulus": list(films)}
    sd.write_session(
        target, identity=target.stem, signals=signals, trials=trials, stimuli=films, frame_rate_hz=RATE_HZ,
        preset="fast",
    )  # fmt: skip
    return target


def _noise(rng: np.random.Generator, n: int, n_channels: int) -> NDArray[np.float32]:
    return rng.random((n, n_channels) if n_channels else n, np.float32)


def _sessions(bench: Bench, name: str, n: int, n_trials: int) -> list[Path]:
    """Return so many sessions of a length, written where they are not there."""
    folder = bench.scratch / name
    if not folder.exists():
        folder.mkdir()
        for k in range(n):
            _write(folder / f"{name}-{k}.zarr", n_trials)
    return sorted(folder.iterdir())


class _Taken:
    """So many batches of a loader with each call, over as many epochs as that takes."""

    def __init__(self, loader: WindowLoader, n: int) -> None:
        self.loader, self._n = loader, n
        self._batches = self._endless()

    def _endless(self) -> Iterator[Any]:
        while True:
            yield from self.loader

    def __call__(self) -> None:
        for batch in islice(self._batches, self._n):
            assert len(batch["trial_id"]) == BATCH, "a batch is not full"


def growth(bench: Bench) -> list[Figure]:
    """Time batches of equal size: of a session and of one ten times as long, and of the same data as more sessions."""
    from sensorium_data.loaders import make_loader

    long = TRIALS * TIMES
    whole = _sessions(bench, "long", 1, long)
    several = _sessions(bench, "several", TIMES, TRIALS)
    many = _sessions(bench, "many", MANY, long // MANY)
    given = {"short": several[:1], "long": whole, "10 sessions": several, "100 sessions": many}
    n = long * ((FRAMES - SAMPLES) // STRIDE + 1) // BATCH
    actions: dict[str, Callable[[], object]] = {
        name: _Taken(make_loader(stores, window=SAMPLES, stride=STRIDE, batch_size=BATCH), n)
        for name, stores in given.items()
    }
    interleaved(actions, 1)
    seconds = interleaved(actions, bench.rounds)
    return [
        *(Figure(f"growth: {name}", tuple(1000 * t / n for t in times), "ms") for name, times in seconds.items()),
        Figure("growth: session 10 times as long", ratios(seconds["long"], seconds["short"]), "", 1.2),
        Figure("growth: 10 sessions / 1", ratios(seconds["10 sessions"], seconds["long"]), "", 1.2),
        Figure("growth: 100 sessions / 1", ratios(seconds["100 sessions"], seconds["long"]), "", 1.2),
    ]


def opening(bench: Bench) -> list[Figure]:
    """Time opening a hundred sessions of 400 trials in a fresh process, and what it holds then."""
    (whole,) = _sessions(bench, "long", 1, TRIALS * TIMES)
    folder = bench.scratch / "hundred"
    for k in range(MANY):
        _twin(whole, folder / f"twin-{k}.zarr", f"twin-{k}")
    pattern = str(folder / "*.zarr")
    _inside(OPEN, pattern)
    turns = [_inside(OPEN, pattern) for _ in range(bench.rounds)]
    opened_s, opened_mib, windows_s, windows_mib = zip(*turns, strict=True)
    return [
        Figure("100 sessions: opened", opened_s, "s", 2),
        Figure("100 sessions: memory of the process then", opened_mib, "MiB", 200),
        Figure("100 sessions: windows found", windows_s, "s"),
        Figure("100 sessions: memory for it on top", windows_mib, "MiB"),
    ]


def _twin(store: Path, twin: Path, key: str) -> None:
    """Make a session that shares all its files but the root, which says another name."""
    shutil.copytree(store, twin, copy_function=os.link)
    root = twin / "zarr.json"
    text = root.read_text("utf-8")
    root.unlink()
    root.write_text(text.replace(f'"{store.stem}"', f'"{key}"'), "utf-8")


def memory(bench: Bench) -> list[Figure]:
    """Read what a process holds after many batches of sessions of different sizes, and after ten times as many."""
    stores = [_write(bench.scratch / f"neurons-{n}.zarr", TRIALS, n) for n in MIXED]
    began = time.perf_counter()
    after = _inside(RUN, json.dumps(BATCHES), *map(str, stores))
    seconds = time.perf_counter() - began
    return [
        *(Figure(f"memory after {n:,} batches", (mib,), "MiB") for n, mib in zip(BATCHES, after, strict=True)),
        Figure("memory after 10,000 batches / 1,000", (after[1] / after[0],), "", 1.05),
        Figure("10,000 batches of three sessions took", (seconds,), "s"),
    ]
