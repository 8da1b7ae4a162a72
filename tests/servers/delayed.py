"""A proxy without faults in a process of its own, for benchmarks: in theirs it would take turns with the client.

`python -m tests.servers.delayed HOST PORT SECONDS` writes its port, and for every line that it reads, what it has seen.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.process import HOST
from tests.servers.proxy import Proxy, Seen

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Delayed:
    """A running proxy; `seen()` returns the requests since the last call, or since the start."""

    port: int
    process: subprocess.Popen[str]

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def seen(self) -> list[Seen]:
        asked, told = self.process.stdin, self.process.stdout
        assert asked is not None
        assert told is not None
        asked.write("\n")
        asked.flush()
        return [Seen(**values) for values in json.loads(told.readline())]


@contextmanager
def delayed(upstream: tuple[str, int], latency_s: float) -> Iterator[Delayed]:
    """Run a proxy that adds a latency to each request, for a `with` block."""
    command = [sys.executable, "-m", "tests.servers.delayed", upstream[0], str(upstream[1]), str(latency_s)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Delayed(int(process.stdout.readline()), process)
        finally:
            process.kill()


def main(words: list[str]) -> None:
    host, port, seconds = words
    with Proxy((host, int(port)), latency_s=float(seconds)) as proxy:
        print(proxy.port, flush=True)
        for _ in sys.stdin:  # it ends with the process that started this one
            print(json.dumps([asdict(one) for one in proxy.seen]), flush=True)
            proxy.clear()


if __name__ == "__main__":
    main(sys.argv[1:])
