"""A real dask cluster on this machine for tests: a scheduler and worker processes, killed by their ids at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from distributed import Client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PATIENCE_S = 90.0  # for whatever takes a second on an idle machine


@dataclass(slots=True)
class Cluster:
    """The processes and a client of them."""

    address: str
    client: Client
    scheduler: subprocess.Popen[bytes]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def worker_at(self, key_end: str) -> subprocess.Popen[bytes]:
        """Return the process of the worker that is at the task whose key ends so."""
        address = next(a for a, keys in self.client.processing().items() if any(k.endswith(key_end) for k in keys))
        return self.workers[address]


def wait_for(what: object, sign: object) -> None:
    """Wait until a callable says yes."""
    assert callable(sign)
    deadline = time.monotonic() + PATIENCE_S
    while not sign():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.005)


def _start(folder: Path, name: str, *words: str, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        command = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=os.environ | environ)


@contextmanager
def running(folder: Path, threads: Sequence[int] = (1, 1), **environ: str) -> Iterator[Cluster]:
    """Run a scheduler and a worker for each number of threads; `environ` is the scheduler's."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "scheduler.json"
    words = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(note)]
    processes = [_start(folder, "scheduler", *words, environ=environ)]
    try:
        for i, n in enumerate(threads):
            words = ["worker", "--scheduler-file", str(note), "--no-nanny", "--nthreads", str(n), "--host", "127.0.0.1"]
            local = ["--local-directory", str(folder), "--name", f"w{i}"]
            processes.append(_start(folder, f"w{i}", *words, *local, environ={}))
        wait_for("the scheduler", lambda: note.exists() and note.read_text().strip().endswith("}"))
        address = json.loads(note.read_text())["address"]
        with Client(address, timeout=PATIENCE_S, set_as_default=False) as client:
            client.wait_for_workers(len(threads), timeout=PATIENCE_S)
            by_pid = {process.pid: process for process in processes}
            workers = {where: by_pid[pid] for where, pid in client.run(os.getpid).items()}
            yield Cluster(address, client, processes[0], workers)
    finally:
        for process in processes:
            process.kill()
            process.wait()
