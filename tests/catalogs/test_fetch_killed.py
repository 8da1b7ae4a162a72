"""A download that is killed at any moment, or doubled, yields the right file once, and asks for nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from sensorium_data.catalogs.fetch import download
from sensorium_data.catalogs.locks import is_locked, lock_of_file, locked
from sensorium_data.catalogs.watch import Stopped
from sensorium_data.errors import Interrupted
from tests.catalogs.made import names_in, sha256

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.progress import Progress
    from tests.catalogs.publisher import Publisher

SEED = 5
# Counts what the process does to names below a folder, and ends it just before the n-th.
STEPS = """
import os, sys
folder, at = sys.argv[1], int(sys.argv[2])
count = 0
def hook(event, args):
    global count
    if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.truncate") and folder in str(args[0]):
        count += 1
        if count == at:
            os.kill(os.getpid(), 9)
sys.addaudithook(hook)
from sensorium_data.cli import main
try:
    main(["download", sys.argv[3], "--to", folder, "--quiet"])
finally:
    if not at:
        print(count)
"""


def command(url: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "sensorium_data", "download", url, "--to", str(folder), "--quiet"]


def step(at: int, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", STEPS, str(folder), str(at), url]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.sweep
def test_killed_while_it_receives(publisher: Publisher, tmp_path: Path, full: bool) -> None:
    rng = random.Random(SEED)
    data = b"PK\x03\x04" + rng.randbytes(8_000_000)
    publisher.files["mouse.zip"] = data
    url = f"{publisher.url}/mouse.zip"
    for n in range(25 if full else 3):
        folder, at = tmp_path / str(n), rng.randrange(len(data))
        process: list[subprocess.Popen[bytes]] = []
        started = threading.Event()

        def each(path: str, sent: int, at: int = at, process: list[subprocess.Popen[bytes]] = process,
                 started: threading.Event = started) -> None:  # fmt: skip
            if sent >= at:
                started.wait()
                process[0].kill()

        publisher.each = each
        process.append(subprocess.Popen(command(url, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        started.set()
        code = process[0].wait()
        publisher.each = lambda _, __: None
        publisher.asked.clear()
        if code == 0:  # the last bytes were on their way when it was to be killed
            assert (folder / "mouse.zip").read_bytes() == data
            continue
        part = folder / "mouse.zip.part"
        here = part.stat().st_size if part.exists() else 0
        (done,) = download(url, folder).files
        assert (done.sha256, names_in(folder)) == (sha256(data), ["mouse.zip"])
        assert [asked.range for asked in publisher.gets()] == ([f"bytes={here}-"] if here else [""])
        assert done.bytes_fetched == len(data) - here  # nothing that was on the disk came again


@pytest.mark.sweep
def test_killed_between_its_steps(publisher: Publisher, data: bytes, tmp_path: Path, full: bool) -> None:
    publisher.files["mouse.zip"] = data
    url = f"{publisher.url}/mouse.zip"
    whole = step(0, url, tmp_path / "whole")
    n_steps = int(whole.stdout.split()[-1])
    assert n_steps > 10
    steps = list(range(1, n_steps + 1)) if full else random.Random(SEED).sample(range(1, n_steps + 1), 4)
    for at in steps:
        folder = tmp_path / str(at)
        assert step(at, url, folder).returncode == -signal.SIGKILL
        (done,) = download(url, folder).files
        assert (done.sha256, names_in(folder)) == (sha256(data), ["mouse.zip"])
        assert download(url, folder).files[0].status == "have"


def test_two_processes_fetch_it_once(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    half, both = threading.Event(), threading.Event()

    def each(path: str, sent: int) -> None:
        if sent >= 200_000:
            half.set()
            both.wait()

    publisher.each = each
    words = command(f"{publisher.url}/mouse.zip", tmp_path)
    first = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    half.wait()
    second = subprocess.Popen(words[:-1], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    told = next(line for line in second.stderr if not line.startswith("fetch "))
    both.set()
    outs = [process.communicate()[0] for process in (first, second)]
    assert told == "mouse.zip: another process is fetching it\n"
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert [text.splitlines()[1].split()[0] for text in outs] == ["fetched", "have"]
    assert len(publisher.gets()) == 1
    assert names_in(tmp_path) == ["mouse.zip"]


def test_many_at_once_share_one_lock_file(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    urls = [f"{publisher.url}/{n}.zip" for n in range(12)]
    publisher.files |= {f"{n}.zip": data[: 1000 * (n + 1)] for n in range(12)}
    told: list[Progress] = []
    done = download([*urls, f"{publisher.url}/none.zip"], tmp_path, jobs=6, report=told.append)
    assert [each.status for each in done.files] == ["fetched"] * 12 + ["failed"]
    assert [failure.name for failure in done.failures] == ["none.zip"]
    assert done.exit_code == 4
    assert [each.status for each in download(urls, tmp_path, offline=True).files] == ["have"] * 12
    assert {progress.stage for progress in told} == {"download"}
    assert sum(progress.done == progress.total for progress in told) == 1
    assert told[-1].done == told[-1].total
    assert sum(progress.text.endswith(": fetched") for progress in told) == 12


def test_interrupted(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data
    process: list[subprocess.Popen[str]] = []

    def each(path: str, sent: int) -> None:
        if sent >= 200_000:
            while not (part := tmp_path / "mouse.zip.part").exists() or part.stat().st_size < 100_000:
                time.sleep(0.01)
            process[0].send_signal(signal.SIGINT)
            process[0].wait()

    publisher.each = each
    words = command(f"{publisher.url}/mouse.zip", tmp_path)
    process.append(subprocess.Popen(words, stderr=subprocess.PIPE, text=True))
    told = process[0].communicate()[1]
    assert process[0].returncode == 130
    assert "run again to resume" in told
    assert names_in(tmp_path)[-2:] == ["mouse.zip.part", "mouse.zip.part.json"]
    publisher.each = lambda _, __: None
    (done,) = download(f"{publisher.url}/mouse.zip", tmp_path).files
    assert (done.status, done.sha256) == ("resumed", sha256(data))


def test_whoever_listens_may_stop_it(publisher: Publisher, data: bytes, tmp_path: Path) -> None:
    publisher.files["mouse.zip"] = data

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="run again"):
        download(f"{publisher.url}/mouse.zip", tmp_path, report=stop)
    assert download(f"{publisher.url}/mouse.zip", tmp_path).ok


def test_locks(tmp_path: Path) -> None:
    path = lock_of_file(tmp_path / "mouse.zip")
    assert not is_locked(path)

    def give_up() -> None:
        raise Stopped

    with locked(path, give_up):
        assert is_locked(path)
        with pytest.raises(Stopped), locked(path, give_up):
            pytest.fail("two have one lock")
    assert not path.exists()
    counts = [0, 0]

    def work() -> None:
        for _ in range(200):
            with locked(path, lambda: time.sleep(0)):
                counts[0] += 1
                assert counts[0] == 1
                counts[1] += 1
                counts[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [0, 800]
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # names alone
