"""One thing at a time, in one thread: a window, a small signal, a stretch resampled, each against a plain copy of it."""

from __future__ import annotations

import statistics
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Figure, ratios
from passes import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from passes import Bench

    from sensorium_data.loaders import WindowDataset

__all__ = ["resampling", "window"]

N_WINDOWS = 300  # of a round
N_STRETCHES = 100
SCAN_HZ, SCAN_S = 8, 600  # a resampled signal of ten minutes: 150 MB at 8,000 neurons
SMALL = ("pupil", "running", "gaze")


def _alternated(actions: dict[str, Callable[[int], object]], turns: list[int]) -> dict[str, float]:
    """Return the seconds that each action took in all turns, taken in turns."""
    seconds = dict.fromkeys(actions, 0.0)
    for turn in turns:
        for name, action in actions.items():
            began = time.perf_counter()
            action(turn)
            seconds[name] += time.perf_counter() - began
    return seconds


def window(bench: Bench) -> list[Figure]:
    """Time single windows of `fast` in this thread, and their small signals."""
    memmaps, dataset = bench.memmaps, bench.loader("fast").dataset
    copy, filled = memmaps.batch(1, SAMPLES), _place_for(dataset)
    where = list(zip(dataset.windows.trial_row.tolist(), dataset.windows.start_frame.tolist(), strict=True))
    actions: dict[str, Callable[[int], object]] = {
        "memmap": lambda i: memmaps.copy(copy, 0, *where[i]),
        "fill": lambda i: dataset.filler.fill(filled, (dataset.windows.served(i),)),
        "item": lambda i: dataset[i],
    }
    rng = np.random.default_rng(0)
    _alternated(actions, list(range(len(dataset))))  # every chunk has been checked
    turns = [rng.permutation(len(dataset))[:N_WINDOWS].tolist() for _ in range(bench.rounds)]
    seconds = [_alternated(actions, turn) for turn in turns]
    times = {name: [each[name] / N_WINDOWS for each in seconds] for name in actions}
    return [
        Figure("one window: memmap", tuple(1000 * t for t in times["memmap"]), "ms"),
        Figure("one window: fast, into place / memmap", ratios(times["fill"], times["memmap"]), "", 1.6),
        Figure("one window: fast, dataset[i] / memmap", ratios(times["item"], times["memmap"])),
        *_small(bench, dataset, where),
    ]


def _place_for(dataset: WindowDataset) -> dict[str, NDArray[Any]]:
    from sensorium_data.loaders.items import array_of, tensors_of

    return {name: array_of(tensor) for name, tensor in tensors_of(dataset.filler.spec(0, (1, SAMPLES))).items()}


def _small(bench: Bench, dataset: WindowDataset, where: list[tuple[int, int]]) -> list[Figure]:
    figures = []
    for name in SMALL:
        stream = dataset.streams[0][name]
        out, mask = np.empty((SAMPLES, *stream.shape), stream.dtype), np.empty(SAMPLES, np.bool_)
        medians = []
        for _ in range(bench.rounds):
            times = []
            for row, frame in where:
                began = time.perf_counter_ns()
                stream.fill(out, mask, row, frame)
                times.append(time.perf_counter_ns() - began)
            medians.append(statistics.median(times) / 1000)
        figures.append(Figure(f"one window: {name}", tuple(medians), "µs", 10))
    return figures


def resampling(bench: Bench) -> list[Figure]:
    """Time a stretch of 8 Hz put on 30 Hz, each neuron by its own phase, against a copy of as many numbers."""
    from sensorium_data.clock import TickClock
    from sensorium_data.resample import Resampler

    rng, n = np.random.default_rng(0), bench.size.neurons
    values = rng.random((SCAN_HZ * SCAN_S, n), np.float32)
    copied = rng.random((5 * SAMPLES * N_STRETCHES // 10, n), np.float32)
    offsets = np.linspace(0, 10**9 // SCAN_HZ, n, endpoint=False).astype(np.int64)  # as a scan goes through the plane
    clock = TickClock(Fraction(SCAN_HZ), np.array([[0, len(values)]]))
    resampler = Resampler(clock, Fraction(30), method="linear", offsets_ns=offsets)
    out, mask = np.empty((SAMPLES, n), np.float32), np.empty(SAMPLES, np.bool_)
    starts = rng.integers(10**9, (SCAN_S - 10) * 10**9, N_STRETCHES).tolist()
    rows = rng.integers(0, len(copied) - SAMPLES, N_STRETCHES).tolist()

    def put(i: int) -> None:
        start = Fraction(starts[i])
        needed = resampler.rows(start, SAMPLES)
        resampler.into(out, mask, values[needed], needed.start, start, finite=True)

    actions: dict[str, Callable[[int], object]] = {
        "copy": lambda i: np.copyto(out, copied[rows[i] : rows[i] + SAMPLES]),
        "resample": put,
    }
    put(0)
    assert mask.all(), "the stretch has missing values"
    _alternated(actions, list(range(N_STRETCHES)))
    seconds = [_alternated(actions, list(range(N_STRETCHES))) for _ in range(bench.rounds)]
    times = {name: [each[name] / N_STRETCHES for each in seconds] for name in actions}
    return [
        Figure("8 to 30 Hz, a phase a neuron", tuple(1000 * t for t in times["resample"]), "ms"),
        Figure("8 to 30 Hz, a phase a neuron / copy", ratios(times["resample"], times["copy"]), "", 8),
    ]
