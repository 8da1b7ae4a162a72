"""How long one waits before anything happens: importing the package, asking for help, opening a store of any length."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from measuring import Figure, interleaved, ratios, show
from recordings import Size, add_size, make_recording, size_of

LONGER = 10
TABLES = ("neurons", "trials", "stimuli")  # read when they are first asked for: opening alone would flatter

# Timed inside a fresh interpreter: what Python itself needs to start is not ours to shorten.
IMPORT = "import time; t = time.perf_counter(); import sensorium_data; print(time.perf_counter() - t)"
OPEN = """
import statistics, sys, time
import sensorium_data as sd
def once():
    t = time.perf_counter()
    session = sd.open_session(sys.argv[1])
    for table in sys.argv[2:]:
        getattr(session, table)
    return time.perf_counter() - t
once()
print(statistics.median(once() for _ in range(21)))
"""


def _inside(code: str, *arguments: str) -> float:
    """Return the seconds that a fresh interpreter prints."""
    command = [sys.executable, "-c", code, *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _around(*arguments: str) -> float:
    """Return the seconds of a whole process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def _stores(given: argparse.Namespace, folder: Path) -> dict[str, str]:
    import sensorium_data as sd

    size, stores = size_of(given), {}
    for name, times in (("short", 1), ("long", LONGER)):
        source = make_recording(given.source or folder, replace(size, trials=size.trials * times))
        stores[name] = str(folder / f"{name}.zarr")
        sd.convert(source, stores[name])
    return stores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_size(parser, Size(neurons=2000, trials=20, frames=324))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rounds = given.rounds
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-", dir=given.source) as folder:
        stores = _stores(given, Path(folder))
        _inside(IMPORT)
        imports = tuple(_inside(IMPORT) for _ in range(rounds))
        helps = tuple(_around("-m", "sensorium_data", "--help") for _ in range(rounds))
        bare = tuple(_around("-c", "pass") for _ in range(rounds))
        opens = _opens(stores, rounds)
    figures = [
        Figure("import sensorium_data", imports, "s", 0.15),
        Figure("sensorium-data --help", helps, "s", 0.3),
        Figure("python -c pass", bare, "s"),
        *(Figure(name, tuple(1000 * t for t in seconds), "ms", 20) for name, seconds in opens.items()),
        Figure(
            f"open_session, {LONGER} times as long / short",
            ratios(opens["open_session, long"], opens["open_session, short"]),
        ),
    ]
    show(figures, as_json=given.json, facts={"neurons": given.neurons, "trials": given.trials})


def _opens(stores: dict[str, str], rounds: int) -> dict[str, list[float]]:
    opens: dict[str, list[float]] = {}
    actions = {}
    for name, path in stores.items():
        for kind, tables in ((f"open_session, {name}", ()), (f"open_session and all tables, {name}", TABLES)):
            opens[kind] = []
            actions[kind] = partial(_note, opens[kind], path, tables)
    interleaved(actions, rounds)
    return opens


def _note(seconds: list[float], path: str, tables: tuple[str, ...]) -> None:
    seconds.append(_inside(OPEN, path, *tables))


if __name__ == "__main__":
    main()
