"""Recordings of images that are wrong: every fault is named, nothing is written, and the recording is left as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.errors import SourceInvalid
from sensorium_data.sources import members as members_module
from tests.conversion.refusals import refused
from tests.conversion.static import (
    CLASSES,
    IDS,
    STREAMS,
    TIERS,
    UNITS,
    both,
    edit,
    edit_all,
    fill,
    load,
    lose,
    put,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conversion.static import Array, Break

pytestmark = pytest.mark.once

PLAN: dict[str, Any] = {"n_train": 5, "n_validation": 1, "n_test": 2, "n_repeats": 3, "n_neurons": 6}
N = 11  # trials of that plan
THIRD = {stream: f"data/{stream}/3.npy" for stream in STREAMS}
FLAT = {"images": "2 or 3 axes", "responses": "1 or 2 axes", "behavior": "1 or 2 axes", "pupil_center": "1 or 2 axes"}
FEW = ("responses", "behavior", "pupil_center")


def pickled(member: str) -> Break:
    return lambda source: np.save(source / member, np.array([{"a": 1}, None], object), allow_pickle=True)


def longer(values: Array) -> Array:
    return np.concatenate([values, values], axis=-1)


def among_zeros(value: float) -> Break:
    """Make responses of zeros, as withheld ones are, with something else among them."""
    return edit(THIRD["responses"], lambda v: np.where(np.arange(len(v)) == 1, value, 0).astype(v.dtype))


def only_tiers(source: Path) -> None:
    """Leave a session that lists nothing but missing trials."""
    for stream in STREAMS:
        for file in (source / "data" / stream).iterdir():
            file.unlink()
        (source / "data" / stream / "README.txt").write_text("moved")
    np.save(source / TIERS, np.full(3, "none"))


STATISTIC = "meta/statistics/responses/all/mean.npy"
CASES: list[tuple[str, Break, str, str, str]] = [
    # id, how it is broken, code of the problem, where, words
    *[(f"missing-{s}", lose(m), "missing-member", m, "is not there, but") for s, m in THIRD.items()],
    *[(f"truncated-{s}", lambda p, m=m: (p / m).write_bytes((p / m).read_bytes()[:-8]), "npy-truncated", m, "needs") for s, m in THIRD.items()],
    *[(f"too-long-{s}", lambda p, m=m: (p / m).write_bytes((p / m).read_bytes() + b"12345678"), "npy-size", m, "needs")
      for s, m in THIRD.items()],
    *[(f"hollow-{s}", fill(m, b""), "npy-header", m, "readable") for s, m in THIRD.items()],
    *[(f"pickle-{s}", fill(m, b"\x80\x04N."), "npy-header", m, "readable") for s, m in THIRD.items()],
    *[(f"objects-{s}", pickled(m), "npy-object", m, "never loaded") for s, m in THIRD.items()],
    *[(f"scalar-{s}", edit(m, lambda _: np.float32(1)), "npy-shape", m, FLAT[s]) for s, m in THIRD.items()],
    *[(f"nothing-{s}", edit(m, lambda v: v[..., :0]), "npy-shape", m, FLAT[s]) for s, m in THIRD.items()],
    *[(f"width-{s}", edit(m, longer), "npy-shape", m, "as its siblings") for s, m in THIRD.items()],
    *[(f"one-axis-more-{s}", edit(m, lambda v: v[None]), "npy-shape", m, "") for s, m in THIRD.items()],
    # These have as many bytes as their siblings, whose headers alone were looked at.
    *[(f"text-of-one-size-{s}", edit(m, lambda v: v.astype("U1")), "npy-dtype", m, "holds <U1, expected numbers")
      for s, m in THIRD.items()],
    *[(f"bytes-of-one-size-{s}", edit(m, lambda v: v.astype("S4")), "npy-dtype", m, "holds |S4, expected numbers")
      for s, m in THIRD.items()],
    ("turned-images", edit(THIRD["images"], lambda v: v.transpose(0, 2, 1)), "npy-shape", THIRD["images"],
     "has shape (1, 16, 9), expected (1, 9, 16) as its siblings"),
    ("folded-responses", edit(THIRD["responses"], lambda v: v.reshape(2, 3)), "npy-shape", THIRD["responses"],
     "has shape (2, 3), expected (6,)"),
    *[(f"text-{s}", edit(m, lambda v: v.astype("U9")), "npy-dtype", m, "expected numbers") for s, m in THIRD.items()],
    *[(f"bool-{s}", edit(m, lambda v: v > 0), "npy-dtype", m, "expected numbers") for s, m in THIRD.items()],
    *[(f"complex-{s}", edit(m, lambda v: v * 1j), "npy-dtype", m, "expected plain numbers") for s, m in THIRD.items()],
    ("nan-image", put(THIRD["images"], (0, 1, slice(2, 5)), np.nan), "nan-in-valid", THIRD["images"], "has 3 NaN pixels"),
    ("nan-images-alone", put(THIRD["images"], ..., np.nan), "nan-in-valid", THIRD["images"], "has 144 NaN pixels"),
    ("inf-image", put(THIRD["images"], (0, 1, 2), -np.inf), "infinite", THIRD["images"], "infinite"),
    ("nan-response", put(THIRD["responses"], 2, np.nan), "nan-in-valid", THIRD["responses"], "has 1 NaN"),
    ("inf-response", put(THIRD["responses"], 2, np.inf), "infinite", THIRD["responses"], "has 1 values that are infinite"),
    ("nan-responses-alone", put(THIRD["responses"], ..., np.nan), "nan-in-valid", THIRD["responses"], "6 NaN and nothing else"),
    ("nan-among-zeros", among_zeros(np.nan), "nan-in-valid", THIRD["responses"], "holds 1 NaN among zeros"),
    ("inf-among-zeros", among_zeros(-np.inf), "infinite", THIRD["responses"], "holds 1 infinite values among zeros"),
    ("inf-behavior", put(THIRD["behavior"], 1, np.inf), "infinite", THIRD["behavior"], "infinite"),
    ("inf-gaze", put(THIRD["pupil_center"], 1, -np.inf), "infinite", THIRD["pupil_center"], "infinite"),
    ("inf-coordinates", edit("meta/neurons/cell_motor_coordinates.npy", lambda v: v * np.inf), "infinite",
     "meta/neurons/cell_motor_coordinates.npy", "18 infinite"),
    ("inf-statistics", edit(STATISTIC, lambda v: v * np.inf), "infinite", STATISTIC, "infinite"),
    ("one-behaviour", edit_all("behavior", lambda v: v[:1]), "npy-shape", "data/behavior", "expected 2 or 3 values a trial"),
    ("four-behaviours", edit_all("behavior", lambda v: np.append(v, v[:1])), "npy-shape", "data/behavior", "expected 2 or 3"),
    ("upright-behaviour", edit_all("behavior", lambda v: v[:, None]), "npy-shape", "data/behavior", "expected 2 or 3"),
    ("three-gazes", edit_all("pupil_center", lambda v: np.append(v, v[:1])), "npy-shape", "data/pupil_center", "expected 2 v"),
    ("two-rows", edit_all("responses", lambda v: v.reshape(2, 3)), "npy-shape", "data/responses", "one value a neuron"),
    ("unknown-tier", put(TIERS, 3, "live_test"), "unknown-tier", TIERS, "`live_test` at [3] is no tier; did you mean"),
    ("tiers-short", edit(TIERS, lambda v: v[:-1]), "no-tier", "trial 10", "tiers.npy ends at 9"),
    ("tiers-long", edit(TIERS, lambda v: np.append(v, "train")), "missing-member", "trial 11", "but no file in"),
    ("tiers-numbers", edit(TIERS, lambda v: np.zeros(len(v))), "npy-shape", TIERS, "expected one string a trial"),
    ("tiers-gone", lose(TIERS), "missing-member", TIERS, "is not there"),
    ("a-hole-that-has-a-tier", lose(*THIRD.values()), "missing-member", "trial 3", "has tier"),
    ("twice", edit(UNITS, lambda v: v.__setitem__(1, v[0])), "duplicate-unit-id", UNITS, "1 units more than once"),
    ("units-float", edit(UNITS, lambda v: v * 1.0), "npy-shape", UNITS, "one integer a neuron"),
    ("units-gone", lose(UNITS), "missing-member", UNITS, "is not there"),
    *[(f"{stem}-short", edit(f"meta/neurons/{stem}.npy", lambda v: v[:-1]), "length-mismatch", f"meta/neurons/{stem}.npy",
       "responses have 6 neurons") for stem in ("unit_ids", "area", "layer", "cell_motor_coordinates")],
    *[(f"{name}-{word}", edit(name, change), "length-mismatch", name, "a row for each of the 11 file numbers")
      for name in (IDS, CLASSES, "meta/trials/trial_idx.npy")
      for word, change in (("short", lambda v: v[:-1]), ("long", lambda v: np.append(v, v[:1])))],
    ("ids-objects", pickled(IDS), "npy-object", IDS, "never loaded"),
    ("ids-infinite", edit(IDS, lambda v: np.where(np.arange(len(v)) < 2, np.inf, v)), "infinite", IDS, "2 infinite"),
    ("statistic-shape", edit(STATISTIC, lambda v: v[:-1]), "npy-shape", STATISTIC, "one value a channel"),
    ("statistic-objects", pickled(STATISTIC), "npy-object", STATISTIC, "never loaded"),
    ("empty", only_tiers, "empty-session", "data/", "holds no trial"),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "code", "where", "words"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_fault_is_named_and_nothing_is_written(
    tmp_path: Path, harm: Break, code: str, where: str, words: str
) -> None:
    source = write(tmp_path / "s", **PLAN)
    harm(source)
    error = refused(source, tmp_path / "x.zarr")
    found = [problem for problem in error.problems if (problem.code, problem.where) == (code, where)]
    assert found, error.problems
    assert any(words in problem.what for problem in found)
    assert f"[{code}]" in str(error)


@pytest.mark.parametrize("stream", STREAMS)
def test_one_odd_file_is_one_problem_even_where_it_is_the_first(tmp_path: Path, stream: str) -> None:
    source = write(tmp_path / "s", **PLAN)
    edit(f"data/{stream}/0.npy", longer)(source)
    error = refused(source, tmp_path / "x.zarr")
    assert [(problem.code, problem.where) for problem in error.problems] == [("npy-shape", f"data/{stream}/0.npy")]


def test_an_id_of_two_pictures_is_a_problem_that_names_both(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN, one_id_two_pictures=True)
    tiers, ids = load(source, TIERS), load(source, IDS)
    shared = [
        number for number, count in zip(*np.unique(ids[tiers == "test"], return_counts=True), strict=True) if count
    ]
    assert len(shared) == 1
    error = refused(source, tmp_path / "x.zarr")
    assert [(p.code, p.where) for p in error.problems] == [("stimulus-id-conflict", f"stimulus id {shared[0]}")]
    pictures: dict[bytes, int] = {}
    for trial in np.flatnonzero(ids == shared[0]).tolist():
        pictures.setdefault(load(source, f"data/images/{trial}.npy").tobytes(), trial)
    numbers = ", ".join(map(str, sorted(pictures.values())))
    assert f"names 2 different pictures (first shown in trials {numbers}), expected one" in error.problems[0].what


def test_every_fault_of_the_files_is_reported_at_once(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    named = {"missing-behavior", "truncated-images", "unknown-tier", "twice", "statistic-shape", "area-short"}
    cases = [case for case in CASES if case[0] in named]
    assert len(cases) == len(named)
    for _, harm, *_ in cases:
        harm(source)
    seen = {(problem.code, problem.where) for problem in refused(source, tmp_path / "x.zarr").problems}
    assert {case[2:4] for case in cases} <= seen


def test_every_fault_of_the_values_is_reported_at_once(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    for trial in (1, 4):
        put(f"data/images/{trial}.npy", (0, 1, 2), np.nan)(source)
        put(f"data/behavior/{trial}.npy", 0, np.inf)(source)
        put(f"data/responses/{trial}.npy", 0, np.inf)(source)
    put("data/responses/2.npy", 0, np.nan)(source)
    edit("data/images/5.npy", lambda v: v.reshape(1, 16, 9))(source)
    put("meta/neurons/cell_motor_coordinates.npy", (0, 0), 7)(source)
    seen = {(problem.code, problem.where) for problem in refused(source, tmp_path / "x.zarr").problems}
    kinds = (("nan-in-valid", "images"), ("infinite", "behavior"), ("infinite", "responses"))
    wanted = {(code, f"data/{stream}/{trial}.npy") for trial in (1, 4) for code, stream in kinds}
    assert seen == wanted | {("nan-in-valid", "data/responses/2.npy"), ("npy-shape", "data/images/5.npy")}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_allow_nan_lets_them_in_to_the_bit(tmp_path: Path, value: float) -> None:
    source, store = write(tmp_path / "s", **PLAN), tmp_path / "x.zarr"
    at = {"images": (0, 1, 2), "responses": 1, "behavior": 2, "pupil_center": 0}
    for stream in STREAMS:
        put(THIRD[stream], at[stream], value)(source)
    refused(source, store)
    report = sd.convert(source, store, allow_nan=True)
    assert "film-not-finite" in {note.code for note in report.notes}
    checked = check_store(store, against=source)
    assert [finding for finding in checked.findings if finding.severity == "error"] == []
    assert {e.name: e.holds for e in checked.equality} == dict.fromkeys(
        ("image", "responses", "pupil", "running", "gaze"), "bit-exact"
    )
    shown = sd.open_session(store).trial(3)
    image = load(source, THIRD["images"])[0]
    assert shown["image"].dtype == np.float32
    np.testing.assert_array_equal(shown["image"], image)
    np.testing.assert_array_equal(shown["responses"][1], np.float32(value))
    np.testing.assert_array_equal(shown["running"], np.float32(value))
    np.testing.assert_array_equal(shown["gaze"][0], np.float32(value))


def test_zeros_with_nan_among_them_are_responses_where_nan_is_allowed(tmp_path: Path) -> None:
    source, store = write(tmp_path / "s", **PLAN), tmp_path / "x.zarr"
    among_zeros(np.nan)(source)
    assert sd.convert(source, store, allow_nan=True).n_withheld == 0
    assert check_store(store, against=source).ok
    shown = sd.open_session(store).trial(3)
    np.testing.assert_array_equal(shown["responses"], load(source, THIRD["responses"]))
    assert shown.attrs["responses_withheld"] is False


@pytest.mark.parametrize("stream", STREAMS)
def test_values_too_large_for_float32_are_refused_by_name(tmp_path: Path, stream: str) -> None:
    source, store = write(tmp_path / "s", **PLAN), tmp_path / "x.zarr"
    edit_all(stream, lambda v: v.astype(np.float64))(source)
    put(THIRD[stream], (..., 0), 1e39)(source)
    error = refused(source, store)
    assert [problem.code for problem in error.problems] == ["overflow"]
    assert error.problems[0].where in {THIRD[stream], "trial 3"}
    assert "--precision source" in str(error)
    sd.convert(source, store, precision="source")
    assert check_store(store, against=source).ok


def test_responses_too_large_for_float16_are_refused_by_name(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    put(THIRD["responses"], 1, 1e5)(source)
    error = refused(source, tmp_path / "x.zarr", precision="float16")
    assert [(problem.code, problem.where) for problem in error.problems] == [("overflow", THIRD["responses"])]


def test_members_above_the_limit_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Small:
        max_member_bytes = 10_000

    source = write(tmp_path / "s", **PLAN, frame_shape=(50, 60))
    monkeypatch.setattr(members_module, "settings", Small)
    error = refused(source, tmp_path / "x.zarr")
    assert {(p.code, p.where) for p in error.problems} == {
        ("member-too-large", f"data/images/{number}.npy") for number in range(N)
    }
    assert "12,128 bytes, more than the 10,000 allowed (SENSORIUM_DATA_MAX_MEMBER_BYTES)" in error.problems[0].what


def test_a_folder_of_images_without_responses_says_what_was_looked_for(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    lose(*(f"data/responses/{number}.npy" for number in range(N)))(source)
    with pytest.raises(SourceInvalid, match=r"sensorium2022 looks for data/images/N\.npy, data/responses") as caught:
        sd.convert(source, tmp_path / "x.zarr")
    assert caught.value.code == "not-a-session"


def test_the_command_line_says_it_in_words_and_in_json(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    both(put(THIRD["images"], (0, 1, 2), np.nan), put(THIRD["responses"], 0, np.inf))(source)
    words = [sys.executable, "-m", "sensorium_data", "convert", str(source), str(tmp_path / "x.zarr"), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    problems = {(p["code"], p["where"]) for p in json.loads(done.stdout)["error"]["problems"]}
    assert problems == {("nan-in-valid", THIRD["images"]), ("infinite", THIRD["responses"])}
    assert "Traceback" not in done.stderr
