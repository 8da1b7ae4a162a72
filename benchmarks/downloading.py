"""A download against `curl` on the same file and server, and what an interrupted one asks for twice.

Both write to the same disk. `download` also hashes, and waits until the disk has everything; `curl` does neither, so the
ratio is also given with `sync` after `curl`. Needs nginx and curl.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import Figure, interleaved, ratios, show

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1 << 24
NAME = "mouse.zip"


def _make(path: Path, n_bytes: int) -> None:
    """Write a file that nothing can compress."""
    import numpy as np

    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        for start in range(4, n_bytes, BLOCK):
            file.write(rng.bytes(min(BLOCK, n_bytes - start)))


def _actions(url: str, folder: Path) -> dict[str, Callable[[], object]]:
    from sensorium_data.catalogs.fetch import download

    def curl() -> None:
        subprocess.run(["curl", "--silent", "--fail", "--output", str(folder / NAME), url], check=True)

    def curl_sync() -> None:
        curl()
        subprocess.run(["sync", str(folder / NAME)], check=True)

    def ours() -> None:
        report = download(url, folder)
        assert report.files[0].status == "fetched", report

    return {"curl": curl, "curl, sync": curl_sync, "download": ours}


def _tidy(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    subprocess.run(["sync"], check=True)


def _repeated(server: Nginx, url: str, folder: Path, n_bytes: int) -> float:
    """Kill a download half way and run it again; return the share of the file that was sent twice, in percent."""
    words = [sys.executable, "-m", "sensorium_data", "download", url, "--to", str(folder), "--quiet"]
    mark, part = server.mark(), folder / f"{NAME}.part"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (part.exists() and part.stat().st_size >= n_bytes // 2):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert part.exists(), "it was done before it was killed: take a larger file"
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sent = sum(one.n_bytes for one in server.requests(mark) if one.method == "GET")
    return 100 * (sent - n_bytes) / n_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1500)
    parser.add_argument("--folder", type=Path, help="where to write; by default the temporary folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    n_bytes = given.megabytes * 10**6
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-", dir=given.folder) as home:
        folder = Path(home) / "to"
        folder.mkdir()
        server = Nginx.start(Path(home))
        try:
            _make(server.root / NAME, n_bytes)
            url = f"{server.url}/{NAME}"
            actions = _actions(url, folder)
            interleaved(actions, 1, lambda: _tidy(folder))  # the file is in memory, and everything imported
            seconds = interleaved(actions, given.rounds, lambda: _tidy(folder))
            repeated = []
            for _ in range(given.rounds):
                repeated.append(_repeated(server, url, folder, n_bytes))
                _tidy(folder)
        finally:
            server.stop()
    rates = {name: [n_bytes / 1e6 / each for each in times] for name, times in seconds.items()}
    figures = [
        *(Figure(name, tuple(each), "MB/s") for name, each in rates.items()),
        Figure("download / curl", ratios(rates["download"], rates["curl"]), "", 0.9, at_least=True),
        Figure("download / curl, sync", ratios(rates["download"], rates["curl, sync"])),
        Figure("bytes sent twice after a kill", tuple(repeated), "%", 2),
    ]
    show(figures, as_json=given.json, facts={"megabytes": given.megabytes})


if __name__ == "__main__":
    main()
