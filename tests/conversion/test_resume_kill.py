"""A conversion that is stopped at any moment goes on when it is run again, to the same bytes, and leaves no litter."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.store.publish import Scratch, scratch_path
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.once

SEED = 2023

# Counts what the process does to files below the target's folder, and ends it with a signal just before the n-th: so
# every moment between two changes of the disk is hit alike, however fast the machine is.
STEPS = """
import os, sys
folder, signal, at = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
count = 0
def hook(event, args):
    global count
    if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir") and folder in str(args[0]):
        count += 1
        if count == at:
            os.kill(os.getpid(), signal)
sys.addaudithook(hook)
from sensorium_data.cli import main
try:
    main(["convert", *sys.argv[4:], "--quiet"])
finally:
    if not at:
        print(count)
"""


def command(source: Path, target: Path, *options: str) -> list[str]:
    return ["convert", str(source), str(target), "--quiet", *options]


def run(words: list[str], *, threads: int = 2) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"SENSORIUM_DATA_THREADS": str(threads)}
    return subprocess.run([sys.executable, *words], env=environ, capture_output=True, text=True, check=False)


def stopped_at(step: int, signal: int, source: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = ["-c", STEPS, target.name, str(int(signal)), str(step), str(source), str(target), *options]
    return run(words, threads=1 if step == 0 else 2)


def contents(store: Path) -> dict[str, bytes]:
    """Return every file, with the time of the conversion blanked."""
    files = {path.relative_to(store).as_posix(): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    root = json.loads(files["zarr.json"])
    provenance = root["attributes"]["sensorium_data"]["session"]["provenance"]
    assert provenance.pop("converted_at")
    return files | {"zarr.json": json.dumps(root).encode()}


def beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


@dataclass(frozen=True, slots=True)
class Undisturbed:
    source: Path
    files: dict[str, bytes]
    seconds: float
    n_steps: int


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    source = write_sensorium2023(folder / "source", n_neurons=400, n_train=20)
    counted = stopped_at(0, 0, source, folder / "counted.zarr")
    assert counted.returncode == 0, counted.stderr
    began = time.perf_counter()
    assert run(["-m", "sensorium_data", *command(source, folder / "a.zarr")]).returncode == 0
    seconds = time.perf_counter() - began
    return Undisturbed(source, contents(folder / "a.zarr"), seconds, int(counted.stdout.split()[-1]))


def resumes(undisturbed: Undisturbed, target: Path, *options: str) -> None:
    again = run(["-m", "sensorium_data", *command(undisturbed.source, target, *options)])
    assert again.returncode == 0, again.stderr
    assert contents(target) == undisturbed.files
    assert beside(target) == [target.name]


def n_points(full: bool, few: int, many: int) -> int:
    return many if full else few


@pytest.mark.sweep
def test_killed_at_any_step_it_resumes_to_the_same_bytes(tmp_path: Path, undisturbed: Undisturbed, full: bool) -> None:
    n = n_points(full, 4, 40)
    drawn = random.Random(SEED)
    for k in range(n):
        # One step from each n-th of the run, and the very last ones: publishing is where the store changes hands.
        step = drawn.randint(1 + undisturbed.n_steps * k // n, undisturbed.n_steps * (k + 1) // n)
        target = tmp_path / str(k) / "s.zarr"
        target.parent.mkdir()
        assert stopped_at(step, 9, undisturbed.source, target).returncode in (-9, 0), step
        resumes(undisturbed, target, "--existing", "resume")
        shutil.rmtree(target.parent)


@pytest.mark.sweep
def test_killed_at_any_time_it_resumes_to_the_same_bytes(tmp_path: Path, undisturbed: Undisturbed, full: bool) -> None:
    drawn = random.Random(SEED + 1)
    for k in range(n_points(full, 1, 10)):
        target = tmp_path / str(k) / "s.zarr"
        target.parent.mkdir()
        words = [sys.executable, "-m", "sensorium_data", *command(undisturbed.source, target)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(undisturbed.seconds * drawn.uniform(0.3, 1.0))
        process.kill()
        process.wait()
        resumes(undisturbed, target, "--existing", "resume")
        shutil.rmtree(target.parent)


@pytest.mark.sweep
def test_a_replacement_killed_at_any_step_loses_no_store(tmp_path: Path, undisturbed: Undisturbed, full: bool) -> None:
    # Only its last steps differ from those of a first conversion; which they are is known from the count of the first.
    n = n_points(full, 2, 8)
    old = tmp_path / "old.zarr"
    sd.convert(undisturbed.source, old, preset="fast")
    drawn = random.Random(SEED + 2)
    for k in range(n):
        target = tmp_path / str(k) / "s.zarr"
        shutil.copytree(old, target)
        step = undisturbed.n_steps - drawn.randint(0, undisturbed.n_steps // 4)
        stopped_at(step, 9, undisturbed.source, target, "--existing", "replace")
        assert target.exists() or (scratch_path(target) / "replaced").exists()
        resumes(undisturbed, target, "--existing", "replace")
        shutil.rmtree(target.parent)


@pytest.mark.sweep
def test_interrupted_it_says_so_and_resumes(tmp_path: Path, undisturbed: Undisturbed, full: bool) -> None:
    drawn = random.Random(SEED + 3)
    for k in range(n_points(full, 3, 20)):
        target = tmp_path / str(k) / "s.zarr"
        target.parent.mkdir()
        # Not the last steps: an interrupt that comes when all is published may well come too late to be one.
        step = drawn.randint(1, undisturbed.n_steps * 8 // 10)
        stopped = stopped_at(step, 2, undisturbed.source, target)
        assert stopped.returncode == 130, (step, stopped.stderr)
        assert "interrupted; run the same command again to resume" in stopped.stderr
        assert "Traceback" not in stopped.stderr
        assert not target.exists()
        resumes(undisturbed, target)
        shutil.rmtree(target.parent)


def test_litter_of_a_killed_write_is_swept(tmp_path: Path, undisturbed: Undisturbed) -> None:
    target = tmp_path / "s.zarr"
    assert stopped_at(undisturbed.n_steps // 2, 9, undisturbed.source, target).returncode == -9
    # zarr-python writes a chunk as `<name>.<uuid>.partial` first.
    for place in ("neurons/x/c", "signals/pupil"):
        folder = scratch_path(target) / "store" / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "0.00112233445566778899aabbccddeeff.partial").write_bytes(b"half")
    resumes(undisturbed, target)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_nothing(tmp_path: Path, undisturbed: Undisturbed, threads: int) -> None:
    target = tmp_path / "s.zarr"
    assert run(["-m", "sensorium_data", *command(undisturbed.source, target)], threads=threads).returncode == 0
    assert contents(target) == undisturbed.files


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_sensorium2023(tmp_path / "source", n_neurons=6, n_train=3, n_repeats=2, frame_shape=(8, 12))


class Stop(Exception):
    """Ends a conversion when everything is built and nothing is published."""


def built(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    with monkeypatch.context() as patched:

        def stop(self: Scratch) -> None:
            raise Stop

        patched.setattr(Scratch, "publish", stop)
        with pytest.raises(Stop):
            sd.convert(source, target, **options)
    assert any((scratch_path(target) / "journal").iterdir())


def test_the_same_conversion_goes_on(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out" / "s.zarr"
    built(small, target, monkeypatch)
    shard = scratch_path(target) / "store/stimuli/frames/c/0/0/0"
    before = shard.stat().st_mtime_ns
    assert sd.convert(small, target).status == "resumed"
    assert (target / "stimuli/frames/c/0/0/0").stat().st_mtime_ns == before
    assert beside(target) == ["s.zarr"]


@pytest.mark.parametrize("options", [{"preset": "fast"}, {"precision": "source"}, {"allow_nan": True}])
def test_other_options_start_anew(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    target, clean = tmp_path / "out" / "s.zarr", tmp_path / "clean" / "s.zarr"
    built(small, target, monkeypatch)
    assert sd.convert(small, target, **options).status == "converted"
    sd.convert(small, clean, **options)
    assert contents(target) == contents(clean)
    assert beside(target) == ["s.zarr"]


def test_a_source_that_changed_starts_anew(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, clean = tmp_path / "out" / "s.zarr", tmp_path / "clean" / "s.zarr"
    built(small, target, monkeypatch)
    unit_ids = small / "meta/neurons/unit_ids.npy"
    np.save(unit_ids, np.load(unit_ids) + 1000)
    assert sd.convert(small, target).status == "converted"
    sd.convert(small, clean)
    assert contents(target) == contents(clean)


def test_what_a_finished_conversion_left_does_not_mislead_the_next(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out" / "s.zarr"
    with monkeypatch.context() as patched:
        patched.setattr(Scratch, "discard", lambda _: None)  # killed between the rename and the tidying
        sd.convert(small, target)
    first = contents(target)
    shutil.rmtree(target)
    sd.convert(small, target)
    assert contents(target) == first
    assert beside(target) == ["s.zarr"]


HOLLOWS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a shard": ("store/signals/responses/values/c/0/0", lambda _: b""),
    "a shard's end": ("store/stimuli/frames/c/0/0/0", lambda data: data[:-100]),
    "zeros in a shard": ("store/stimuli/frames/c/0/0/0", lambda data: bytes(50) + data[50:]),
    "the films": ("spool/00000.films", lambda _: b""),
    "zeros in the films": ("spool/00000.films", lambda data: bytes(len(data))),
    "a record": ("journal/scan-00000-8.npz", lambda _: b""),
    "the end of a record": ("journal/responses-00000.npz", lambda data: data[: len(data) // 2]),
    "zeros in a record": ("journal/responses-00000.npz", lambda data: data[:200] + bytes(len(data) - 200)),
}


@pytest.mark.parametrize("what", HOLLOWS)
@pytest.mark.parametrize("preset", ["compact", "fast"])
def test_what_a_power_cut_took_is_made_anew(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, what: str, preset: Any
) -> None:
    target, clean = tmp_path / "out" / "s.zarr", tmp_path / "clean" / "s.zarr"
    built(small, target, monkeypatch, preset=preset)
    name, change = HOLLOWS[what]
    hollow = scratch_path(target) / name
    hollow.write_bytes(change(hollow.read_bytes()))
    sd.convert(small, target, preset=preset)
    sd.convert(small, clean, preset=preset)
    assert contents(target) == contents(clean)
    assert beside(target) == ["s.zarr"]


@pytest.mark.parametrize("existing", ["resume", "skip", "replace"])
def test_what_a_finished_conversion_left_is_swept(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch, existing: Any
) -> None:
    target = tmp_path / "out" / "s.zarr"
    with monkeypatch.context() as patched:
        patched.setattr(Scratch, "discard", lambda _: None)
        sd.convert(small, target)
    assert len(beside(target)) == 2
    sd.convert(small, target, existing=existing)
    assert beside(target) == ["s.zarr"]
