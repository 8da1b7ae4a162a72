"""How much faster two workers of a dask cluster convert a collection than one, and how much memory a worker takes.

Both clusters live all the time, on this machine, with one thread a worker; they convert the same sessions in turns, and the one whose
turn it is not is stopped. The sessions are links to the files of one recording, under names of their own. The page cache is
warm: one untimed turn comes first.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import Figure, interleaved, ratios, settle, show
from recordings import Size, add_size, make_recording, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 60  # for schedulers and workers to start
# dask looks at every thread of a worker a hundred times a second, which costs a twelfth of the worker's time.
QUIET = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}


def _start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | QUIET)


@contextmanager
def _cluster(folder: Path, n_workers: int) -> Iterator[tuple[Any, list[subprocess.Popen[bytes]]]]:
    """Yield a client of a scheduler with so many worker processes of one thread each, and the processes."""
    from distributed import Client

    folder.mkdir()
    note = folder / "scheduler.json"
    here = ["--host", "127.0.0.1", "--scheduler-file", str(note)]
    processes = [_start(folder, "scheduler", "--port", "0", *here)]
    try:
        for _ in range(n_workers):
            words = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
            processes.append(_start(folder, "worker", *here, *words))
        deadline = time.monotonic() + WAIT_S
        while not note.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        with Client(scheduler_file=str(note), timeout=WAIT_S) as client:
            client.wait_for_workers(n_workers, timeout=WAIT_S)
            yield client, processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _sessions(recording: Path, folder: Path, n: int) -> list[Path]:
    """Return so many sessions, each with a key of its own and the files of one recording."""
    sessions = [folder / f"dynamic{10001 + i}-1-1-Video-benchmark" for i in range(n)]
    for session in sessions:
        session.mkdir(parents=True)
        for part in ("data", "meta"):
            (session / part).symlink_to(recording / part)
    return sessions


def _signal(processes: list[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    """Stop processes and let them go on: an idle cluster takes a few hundredths of a core."""
    for process in processes:
        process.send_signal(number)


def _convert(sessions: list[Path], out: Path, client: Any, processes: list[subprocess.Popen[bytes]]) -> None:
    import sensorium_data as sd

    _signal(processes, signal.SIGCONT)
    done = sd.convert_all(sessions, out, client=client)
    if [session.status for session in done.sessions] != ["converted"] * len(sessions):
        sys.exit(f"not all sessions were converted: {done.model_dump_json(indent=1)}")
    _signal(processes, signal.SIGSTOP)


def _peak_mib() -> float:
    """Return the peak resident memory of the process that this runs in, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _figures(sessions: list[Path], scratch: Path, rounds: int) -> list[Figure]:
    out = scratch / "out"
    with ExitStack() as stack:
        clusters = {f"{n}": stack.enter_context(_cluster(scratch / f"cluster-{n}", n)) for n in (1, 2)}
        actions = {name: partial(_convert, sessions, out, *cluster) for name, cluster in clusters.items()}
        tidy = partial(settle, out)
        interleaved(actions, 1, tidy)
        seconds = interleaved(actions, rounds, tidy)
        for _, processes in clusters.values():
            _signal(processes, signal.SIGCONT)
        peaks = [peak for client, _ in clusters.values() for peak in client.run(_peak_mib).values()]
    return [
        Figure("1 worker", tuple(seconds["1"]), "s"),
        Figure("2 workers", tuple(seconds["2"]), "s"),
        Figure("1 worker / 2 workers", ratios(seconds["1"], seconds["2"]), "", 1.7, at_least=True),
        Figure("peak memory of a worker", tuple(peaks), "MiB", 1024.0),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_size(parser, Size(trials=12, frames=324))
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    size = size_of(given)
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-", dir=given.source) as folder:
        recording = make_recording(given.source or Path(folder), size)
        sessions = _sessions(recording.resolve(), Path(folder, "sessions"), given.sessions)
        figures = _figures(sessions, Path(folder), given.rounds)
    facts = {"sessions": given.sessions, "neurons": size.neurons, "trials": size.trials, "frames": size.frames}
    show(figures, as_json=given.json, facts=facts)


if __name__ == "__main__":
    main()
