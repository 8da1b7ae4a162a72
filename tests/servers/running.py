"""The servers together: `python -m tests.servers.running start FILE` and `stop FILE`, and what finds the running ones.

`start` writes for each server what `from_values` takes, or the reason why it is not there. While
SENSORIUM_DATA_TEST_SERVERS names such a file, tests and benchmarks use these servers; otherwise each process starts
those it needs and stops them when it ends.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tests.servers.azurite import Azurite
from tests.servers.gcs import Gcs
from tests.servers.nginx import Nginx
from tests.servers.seaweed import Seaweed
from tests.servers.server import Server, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = "SENSORIUM_DATA_TEST_SERVERS"
KINDS: tuple[type[Server], ...] = (Seaweed, Nginx, Azurite, Gcs)
OneServer = TypeVar("OneServer", bound=Server)

_started: dict[str, Server] = {}


@contextmanager
def started(kind: type[OneServer], folder: Path | None = None) -> Iterator[OneServer]:
    """Start a server for a `with` block; without a folder, in one that is removed afterwards."""
    home = folder or Path(tempfile.mkdtemp(prefix="sensorium-data-tests-"))
    try:
        server = kind.start(home)
        try:
            yield server
        finally:
            server.stop()
    finally:
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


def obtain(kind: type[OneServer]) -> OneServer:
    """Return the shared server, or one of this process's own that ends with it.

    Raises
    ------
    Unavailable
        It cannot run here; the text says why.
    """
    if file := os.environ.get(SHARED):
        values = json.loads(Path(file).read_text("utf-8"))[kind.name]
        if "reason" in values:
            raise Unavailable(values["reason"])
        return kind.from_values(values)
    held = _started.get(kind.name)
    if not isinstance(held, kind):
        home = Path(tempfile.mkdtemp(prefix="sensorium-data-tests-"))
        atexit.register(_end, os.getpid(), kind.name, home)
        held = _started[kind.name] = kind.start(home)
    return held


def _end(owner: int, name: str, home: Path) -> None:
    if os.getpid() != owner:  # a child made by fork, which runs what its parent registered
        return
    server = _started.pop(name, None)
    if server is not None:
        server.stop()
    shutil.rmtree(home, ignore_errors=True)


def start(file: Path) -> dict[str, Any]:
    """Start every server that can run here, in folders beside the file, and write the file."""
    held: dict[str, Any] = {}
    for kind in KINDS:
        try:
            held[kind.name] = kind.start(file.resolve().parent, tied=False).values()
        except Unavailable as problem:
            held[kind.name] = {"reason": str(problem)}
        finally:
            # After each, so that an interrupted start can be stopped.
            file.write_text(json.dumps(held, indent=2), "utf-8")
    return held


def stop(file: Path) -> None:
    """Stop the servers of a file and remove it; without the file there is nothing to stop."""
    if not file.exists():
        return
    held = json.loads(file.read_text("utf-8"))
    for kind in KINDS:
        if "pid" in held.get(kind.name, {}):
            kind.from_values(held[kind.name]).stop()
    file.unlink()


def main(words: list[str]) -> int:
    match words:
        case ["start", file]:
            for name, values in start(Path(file)).items():
                print(name, values.get("reason") or values)
        case ["stop", file]:
            stop(Path(file))
        case _:
            print("python -m tests.servers.running start|stop FILE", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
