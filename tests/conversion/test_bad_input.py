"""Recordings that are wrong: every fault is named, nothing is written, and the recording is left as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.errors import SourceInvalid
from sensorium_data.testing import write_sensorium2023
from tests.conversion.refusals import refused

PLAN: dict[str, Any] = {"n_train": 2, "n_repeats": 1, "withhold": False}
STREAMS = ("videos", "responses", "behavior", "pupil_center")

SPOT = {"videos": (0, 1, 1), "responses": (0, 1), "behavior": (0, 1), "pupil_center": (0, 1)}

Break = Callable[[Path], object]


def write(folder: Path, **how: Any) -> Path:
    return write_sensorium2023(folder, **{"n_neurons": 6, "frame_shape": (8, 12), **PLAN, **how})


def edit(member: str, change: Callable[[np.ndarray[Any, Any]], Any]) -> Break:
    """Load an array, change it in place or return another, save it."""

    def apply(source: Path) -> None:
        values = np.load(source / member)
        changed = change(values)
        np.save(source / member, values if changed is None else changed)

    return apply


def put(member: str, at: tuple[Any, ...], value: float) -> Break:
    return edit(member, lambda values: values.__setitem__(at, value))


def lose(member: str) -> Break:
    return lambda source: (source / member).unlink()


def cut(member: str, n_bytes: int = 8) -> Break:
    return lambda source: (source / member).write_bytes((source / member).read_bytes()[:-n_bytes])


def only_tiers(source: Path) -> None:
    """Leave a session that lists nothing but missing trials, with a note where the films would be."""
    for stream in STREAMS:
        for file in (source / "data" / stream).iterdir():
            file.unlink()
        (source / "data" / stream / "README.txt").write_text("moved")
    np.save(source / "meta/trials/tiers.npy", np.full(3, "none"))


TIERS, UNITS = "meta/trials/tiers.npy", "meta/neurons/unit_ids.npy"
STATISTIC = "meta/statistics/videos/all/std.npy"
CASES: list[tuple[str, Break, str, str, str]] = [
    # id, how it is broken, code of the problem, where, words
    *[(f"missing-{s}", lose(f"data/{s}/3.npy"), "missing-member", f"data/{s}/3.npy", "is not there") for s in STREAMS],
    *[(f"truncated-{s}", cut(f"data/{s}/3.npy"), "npy-truncated", f"data/{s}/3.npy", "needs") for s in STREAMS],
    *[(f"hollow-{s}", lambda p, s=s: (p / f"data/{s}/3.npy").write_bytes(b""), "npy-header", f"data/{s}/3.npy", "readable")
      for s in STREAMS],
    *[(f"rank-{s}", edit(f"data/{s}/3.npy", np.ravel), "npy-shape", f"data/{s}/3.npy", "axes, time last") for s in STREAMS],
    *[(f"width-{s}", edit(f"data/{s}/3.npy", lambda v: np.concatenate([v, v])), "npy-shape", f"data/{s}/3.npy", "siblings")
      for s in STREAMS],
    *[(f"length-{s}", edit(f"data/{s}/3.npy", lambda v: v[:, :-1]), "length-mismatch", f"data/{s}/3.npy", "but the film has")
      for s in STREAMS[1:]],
    *[(f"text-{s}", edit(f"data/{s}/3.npy", lambda v: v.astype("U3")), "npy-dtype", f"data/{s}/3.npy", "expected numbers")
      for s in STREAMS],
    *[(f"inf-{s}", put(f"data/{s}/3.npy", SPOT[s], v), "infinite", f"data/{s}/3.npy", "infinite")
      for s, v in zip(STREAMS, (np.inf, -np.inf, np.inf, -np.inf), strict=True)],
    ("inf-neurons", edit("meta/neurons/cell_motor_coordinates.npy", lambda v: v * np.inf), "infinite",
     "meta/neurons/cell_motor_coordinates.npy", "infinite"),
    ("inf-trials", edit("meta/trials/trial_idx.npy", lambda v: np.full(v.shape, np.inf)), "infinite",
     "meta/trials/trial_idx.npy", "infinite"),
    ("inf-statistics", edit(STATISTIC, lambda v: np.full(v.shape, np.inf)), "infinite", STATISTIC, "infinite"),
    ("inf-statistics-per-frame", edit(STATISTIC, lambda _: np.full((8, 12, 2000), np.inf)), "infinite", STATISTIC, "192000 inf"),
    ("nan-video", put("data/videos/3.npy", (1, 2, 3), np.nan), "nan-in-valid", "data/videos/3.npy", "1 NaN pixels"),
    ("nan-frame", put("data/videos/3.npy", (..., 3), np.nan), "nan-in-valid", "data/videos/3.npy", "96 NaN pixels"),
    ("nan-responses", put("data/responses/3.npy", (1, 3), np.nan), "nan-in-valid", "data/responses/3.npy", "1 NaN"),
    ("all-nan-video", put("data/videos/3.npy", (...,), np.nan), "film-all-nan", "data/videos/3.npy", "expected a film"),
    ("response-tail", put("data/responses/3.npy", (0, -1), 1.0), "length-mismatch", "data/responses/3.npy", "where the film ends"),
    ("unknown-tier", edit(TIERS, lambda v: v.__setitem__(3, "trian")), "unknown-tier", TIERS, "did you mean `train`?"),
    ("tiers-short", edit(TIERS, lambda v: v[:-1]), "no-tier", "", "tiers.npy ends at"),
    ("tiers-long", edit(TIERS, lambda v: np.append(v, "train")), "missing-member", "", "but no file in"),
    ("tiers-numbers", edit(TIERS, lambda v: np.zeros(len(v))), "npy-shape", TIERS, "expected one string a trial"),
    ("tiers-gone", lose(TIERS), "missing-member", TIERS, "is not there"),
    ("twice", edit(UNITS, lambda v: v.__setitem__(1, v[0])), "duplicate-unit-id", UNITS, "1 units more than once"),
    ("units-float", edit(UNITS, lambda v: v * 1.0), "npy-shape", UNITS, "one integer a neuron"),
    ("units-short", edit(UNITS, lambda v: v[:-1]), "length-mismatch", UNITS, "responses have 6 neurons"),
    ("units-gone", lose(UNITS), "missing-member", UNITS, "is not there"),
    ("trial-idx-short", edit("meta/trials/trial_idx.npy", lambda v: v[:-1]), "length-mismatch", "meta/trials/trial_idx.npy", "file numbers"),
    ("statistic-shape", edit("meta/statistics/responses/all/mean.npy", lambda v: v[:-1]), "npy-shape",
     "meta/statistics/responses/all/mean.npy", "one value a channel"),
    ("statistic-cut", cut("meta/statistics/videos/all/std.npy"), "npy-truncated", "meta/statistics/videos/all/std.npy", "needs"),
    ("empty", only_tiers, "empty-session", "data/", "holds no trial"),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "code", "where", "words"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_fault_is_named_and_nothing_is_written(
    tmp_path: Path, harm: Break, code: str, where: str, words: str
) -> None:
    source = write(tmp_path / "s")
    harm(source)
    error = refused(source, tmp_path / "x.zarr")
    assert code in {problem.code for problem in error.problems}
    found = [problem for problem in error.problems if problem.code == code and where in problem.where]
    assert found
    assert any(words in problem.what for problem in found)
    assert f"[{code}]" in str(error)


def test_every_fault_of_the_files_is_reported_at_once(tmp_path: Path) -> None:
    source = write(tmp_path / "s")
    named = ("missing-behavior", "truncated-videos", "unknown-tier", "twice", "statistic-shape")
    wanted = {(code, where) for name, harm, code, where, _ in CASES if name in named and (harm(source), True)[1]}
    seen = {(problem.code, problem.where) for problem in refused(source, tmp_path / "x.zarr").problems}
    assert wanted <= seen


def test_every_fault_of_the_values_is_reported_at_once(tmp_path: Path) -> None:
    source = write(tmp_path / "s")
    for trial in (1, 4):
        put(f"data/videos/{trial}.npy", (1, 2, 3), np.nan)(source)
        put(f"data/behavior/{trial}.npy", (0, 0), np.inf)(source)
        put(f"data/responses/{trial}.npy", (0, 0), np.inf)(source)
    put("data/responses/2.npy", (0, 0), np.nan)(source)
    seen = {(problem.code, problem.where) for problem in refused(source, tmp_path / "x.zarr").problems}
    kinds = (("nan-in-valid", "videos"), ("infinite", "behavior"), ("infinite", "responses"))
    wanted = {(code, f"data/{stream}/{trial}.npy") for trial in (1, 4) for code, stream in kinds}
    assert seen == wanted | {("nan-in-valid", "data/responses/2.npy")}


def test_folders_made_for_a_target_go_when_the_source_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "s")
    put("data/videos/1.npy", (1, 2, 3), np.nan)(source)
    with pytest.raises(SourceInvalid):
        sd.convert(source, tmp_path / "new" / "deeper" / "x.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_table_that_is_wrong_beside_tiers_that_are_wrong(tmp_path: Path) -> None:
    source = write(tmp_path / "s")
    np.save(source / TIERS, np.arange(3))
    np.save(source / "meta/trials/trial_idx.npy", np.array(3))
    assert "npy-shape" in {problem.code for problem in refused(source, tmp_path / "x.zarr").problems}


def test_tiers_in_bytes_are_tiers(tmp_path: Path) -> None:
    source = write(tmp_path / "s")
    edit(TIERS, lambda v: v.astype("S16"))(source)
    sd.convert(source, tmp_path / "x.zarr")
    assert check_store(tmp_path / "x.zarr", against=source).ok


@pytest.mark.parametrize("stream", STREAMS)
def test_values_too_large_for_float32_are_refused_by_name(tmp_path: Path, stream: str) -> None:
    source, member = write(tmp_path / "s"), f"data/{stream}/3.npy"
    put(member, SPOT[stream], 1e39)(source)
    error = refused(source, tmp_path / "x.zarr")
    assert [problem.code for problem in error.problems] == ["overflow"]
    assert error.problems[0].where in {member, "trial 3"}
    assert "float32" in str(error)
    assert "--precision source" in str(error)
    sd.convert(source, tmp_path / "x.zarr", precision="source")
    assert check_store(tmp_path / "x.zarr", against=source).ok


def test_values_too_large_for_float16_are_refused_by_name(tmp_path: Path) -> None:
    source = write(tmp_path / "s", dtype="float32")
    put("data/responses/3.npy", (0, 1), 1e5)(source)
    error = refused(source, tmp_path / "x.zarr", precision="float16")
    assert [problem.code for problem in error.problems] == ["overflow"], "finite values are not called infinite"
    assert "float16" in str(error)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_allow_nan_lets_them_in_to_the_bit(tmp_path: Path, value: float) -> None:
    source = write(tmp_path / "s", dtype="float32")
    for member in ("videos", "responses", "behavior", "pupil_center"):
        put(f"data/{member}/3.npy", SPOT[member], value)(source)
    refused(source, tmp_path / "x.zarr")
    sd.convert(source, tmp_path / "x.zarr", allow_nan=True)
    report = check_store(tmp_path / "x.zarr", against=source)
    assert [finding for finding in report.findings if finding.severity == "error"] == []
    assert {e.name: e.holds for e in report.equality} == dict.fromkeys(
        ("video", "responses", "pupil", "running", "gaze"), "bit-exact"
    )
    stored = sd.open_session(tmp_path / "x.zarr").trial(3)
    np.testing.assert_array_equal(stored["responses"].to_numpy()[1, 0], np.float32(value))


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sensorium_data", *words], capture_output=True, text=True, check=False)


def test_the_command_line_says_it_in_words(tmp_path: Path) -> None:
    source = write(tmp_path / "s")
    put("data/videos/3.npy", (1, 2, 3), np.nan)(source)
    done = command("convert", str(source), str(tmp_path / "x.zarr"))
    assert done.returncode == 5
    assert "error[source-invalid]: " in done.stderr
    assert "data/videos/3.npy: has 1 NaN pixels" in done.stderr
    assert "\nhint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_command_line_says_it_in_json(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    done = command("convert", str(tmp_path / "s"), str(tmp_path / "x.zarr"), "--json")
    assert done.returncode == 5
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "not-a-session"
    assert "data/videos/N.npy" in error["message"]
    assert set(error) == {"code", "message", "hint", "problems"}
    assert "Traceback" not in done.stderr
