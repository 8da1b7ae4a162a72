"""Full-size submissions: seconds and peak memory of writing, checking and reading them, each in a process of its own.

60 trials of 8,000 neurons and 250 frames for 2023, 1,000 images of 8,000 neurons for 2022. The sessions are small, with all
their neurons and a few trials; a plan names those again and again under other numbers, as a full session would its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measuring import Figure, show

from sensorium_data.evaluation import TrialPrediction
from sensorium_data.evaluation.submissions.checking import check_submission
from sensorium_data.evaluation.submissions.plan import Part, Plan, planned
from sensorium_data.evaluation.submissions.reading import read_submission
from sensorium_data.evaluation.submissions.writing import write_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

N_FILMS, N_IMAGES = 60, 1000
FILMS, IMAGES = "live_test_main", "test"
MOST_S, MOST_MB = 60, 2000
TASKS = (
    "write films",
    "write films, shuffled",
    "check films",
    "read films",
    "check one row group",
    "write images",
    "check images",
)


def _plan(target: Path, store: Path, tier: str, n: int) -> Plan:
    """Return a plan of n trials of one tier."""
    made = planned(target, store, track=None, tier=tier, window="s23-head", existing="replace")
    known = list(made.parts[0].trials.values())
    trials = {
        (one.recording.key, 1000 + i): replace(one, trial_id=1000 + i) for i, one in enumerate(islice(cycle(known), n))
    }
    return replace(made, parts=(Part(tier, made.parts[0].name, trials),))


def _predictions(plan: Plan, *, shuffle: bool = False) -> Iterator[TrialPrediction]:
    """Yield smooth predictions in the scale of raw responses, as a network makes them."""
    rng = np.random.default_rng(0)
    names = list(plan.parts[0].trials)
    if shuffle:
        names = [names[i] for i in rng.permutation(len(names))]
    one = next(iter(plan.recordings.values()))
    static = not plan.window
    values = rng.standard_normal((1 if static else 282, len(one.unit_ids)), np.float32)
    values = np.log1p(np.exp(values.cumsum(axis=0) * np.float32(0.1)))
    for key, trial in names:
        moved = np.roll(values, trial % 97, axis=1)
        yield TrialPrediction(key, trial, moved, one.unit_ids, first_frame=0 if static else 18, scaling="raw")


def _one_row_group(source: Path, target: Path) -> None:
    """Write a file again as pandas does: one row group of everything."""
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(source), target, compression="brotli", compression_level=1)


def _run(task: str, folder: Path) -> None:
    films, images = folder / "live.parquet.brotli", folder / "test.csv"
    if task.startswith("write films"):
        plan = _plan(films, folder / "films.zarr", FILMS, N_FILMS)
        write_plan(plan, _predictions(plan, shuffle="shuffled" in task))
    elif task == "check films":
        assert {f.code for f in check_submission(films).findings} >= {"not-compared"}
    elif task == "check one row group":
        assert {f.code for f in check_submission(folder / "whole.parquet.brotli").findings} >= {"not-compared"}
    elif task == "read films":
        assert sum(1 for _ in read_submission(films, folder / "films.zarr")) == N_FILMS
    elif task == "write images":
        plan = _plan(images, folder / "images.zarr", IMAGES, N_IMAGES)
        write_plan(plan, _predictions(plan))
    else:
        assert check_submission(images).files[0].n_rows == N_IMAGES


def _measured(task: str, folder: Path) -> tuple[float, float]:
    """Return seconds and MB at most of a task in a process of its own, without the start of Python."""
    command = [sys.executable, __file__, "--task", task, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak = json.loads(done)
    return seconds, peak


def _peak_mb() -> float:
    # Not getrusage: what it says a process that was started by a big one had is that of its parent.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


def _make(folder: Path, n_neurons: int) -> None:
    from sensorium_data import convert
    from sensorium_data.testing import write_sensorium2022, write_sensorium2023

    lengths = dict.fromkeys(("NaturalVideo", "PinkNoise", "GaussianDot", "RandomDots"), 300)
    films = write_sensorium2023(
        folder, n_neurons=n_neurons, n_train=2, n_repeats=1, frame_shape=(4, 4), lengths=lengths, dtype="float32"
    )
    convert(films, folder / "films.zarr", preset="fast")
    images = write_sensorium2022(folder, kind="splus", n_neurons=n_neurons, n_train=4, frame_shape=(4, 4))
    convert(images, folder / "images.zarr", preset="fast")


def _figures(folder: Path, rounds: int) -> list[Figure]:
    figures = []
    for task in TASKS:
        if task == "check one row group":
            _one_row_group(folder / "live.parquet.brotli", folder / "whole.parquet.brotli")
        measured = [_measured(task, folder) for _ in range(rounds)]
        goals = (MOST_S, MOST_MB) if task.startswith("write") else (None, None)
        figures.append(Figure(task, tuple(seconds for seconds, _ in measured), "s", goals[0]))
        figures.append(Figure(f"{task}: peak memory", tuple(peak for _, peak in measured), "MB", goals[1]))
    sizes = {name: (folder / name).stat().st_size / 1e6 for name in ("live.parquet.brotli", "test.csv")}
    return [*figures, *(Figure(f"{name}: size", (size,), "MB") for name, size in sizes.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        began = time.perf_counter()
        _run(given.task, given.folder)
        print(json.dumps([time.perf_counter() - began, _peak_mb()]))
        return
    with tempfile.TemporaryDirectory() as folder:
        _make(Path(folder), given.neurons)
        facts = {"neurons": given.neurons, "films": N_FILMS, "images": N_IMAGES, "rounds": given.rounds}
        show(_figures(Path(folder), given.rounds), as_json=given.json, facts=facts)


if __name__ == "__main__":
    main()
