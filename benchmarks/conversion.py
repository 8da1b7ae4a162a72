"""How fast a conversion is against the least work that any conversion must do, and how much memory it takes.

The limit and the conversion run in turns in one process. The page cache is warm (one untimed turn comes first), and every
store is removed and the disk left to settle before the next turn: else one turn pays for the garbage of the one before.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from limit import Limit
from measuring import Figure, interleaved, n_cores, ratios, settle, show
from recordings import Size, add_size, make_recording, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

CODE = "import sys, sensorium_data as sd; sd.convert(sys.argv[1], sys.argv[2], preset=sys.argv[3])"
# A small process between: what a big one starts would be charged with the pages of its parent.
PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-c", *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _convert(source: Path, target: Path, preset: str) -> None:
    import sensorium_data as sd

    sd.convert(source, target, preset=preset)  # type: ignore[arg-type]  # one of the choices


def _peak_mib(source: Path, target: Path, preset: str) -> float:
    """Return the peak resident memory of a conversion as a process of its own, in MiB."""
    command = [sys.executable, "-c", PEAK, CODE, str(source), str(target), preset]
    peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    settle(target)
    return int(peak) / 1024


def _figures(source: Path, scratch: Path, size: Size, preset: str, rounds: int, n_threads: int) -> list[Figure]:
    target = scratch / "store.zarr"
    limit = Limit(source, preset, n_threads, size.valid)
    actions: dict[str, Callable[[], object]] = {
        "limit": limit.run,
        "convert": partial(_convert, source, target, preset),
    }
    tidy = partial(settle, target)
    interleaved(actions, 1, tidy)
    seconds = interleaved(actions, rounds, tidy)
    peaks = tuple(_peak_mib(source, target, preset) for _ in range(min(rounds, 3)))
    goals = (0.7, 1024.0) if preset == "compact" else (None, None)
    return [
        Figure(f"{preset}: limit", tuple(seconds["limit"]), "s"),
        Figure(f"{preset}: convert", tuple(seconds["convert"]), "s"),
        Figure(f"{preset}: limit / convert", ratios(seconds["limit"], seconds["convert"]), "", goals[0], at_least=True),
        Figure(f"{preset}: peak memory", peaks, "MiB", goals[1]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_size(parser, Size())
    parser.add_argument("--presets", nargs="+", default=["compact", "fast", "portable"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=n_cores())
    parser.add_argument("--make-only", action="store_true", help="make the recording, print where it is, and stop")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    # Before the first conversion reads its settings; the processes that measure memory inherit it.
    os.environ["SENSORIUM_DATA_THREADS"] = str(given.threads)
    size = size_of(given)
    if given.make_only and given.source is None:
        parser.error("--make-only needs --source, where the recording is kept")
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-", dir=given.source) as folder:
        source = make_recording(given.source or Path(folder), size)
        if given.make_only:
            print(source)
            return
        figures = []
        for preset in given.presets:
            figures += _figures(source, Path(folder), size, preset, given.rounds, given.threads)
    facts = {"neurons": size.neurons, "trials": size.trials, "frames": size.frames, "threads": given.threads}
    show(figures, as_json=given.json, facts=facts)


if __name__ == "__main__":
    main()
