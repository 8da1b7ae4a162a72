"""An audit sees each fault that was planted, says it with numbers, and sees none in a recording without it."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import audit_source
from sensorium_data.conversion.audit_faults import AUDITS
from sensorium_data.conversion.audit_looks import LOOKS
from sensorium_data.testing import describe_sensorium2023, write_sensorium2023
from tests.conversion.test_bad_input import put

if TYPE_CHECKING:
    from sensorium_data.schemas import CheckReport
    from sensorium_data.testing import TrialTruth

SMALL: dict[str, Any] = {"n_neurons": 4, "n_train": 2, "frame_shape": (8, 12)}
EQUAL = dict.fromkeys(("NaturalVideo", "Gabor", "GaussianDot", "PinkNoise", "RandomDots", "NaturalImages"), 30)
# Nothing of what can be left out of a recording of 2023, which never says which film a trial showed.
CLEAN: dict[str, Any] = {"name": "mouse", "n_repeats": 1, "withhold": False, "lengths": EQUAL, "n_padding": 0, **SMALL}
MOUSE_D = "dynamic29513-3-5-Video-8744edeac3b4d1ce16b680916b5267ce"
MOUSE_F = "dynamic29515-10-12-Video-9b4f6a1a067fe51e15306b9628efea20"
STATISTICS = "meta/statistics"

Harm = Callable[[Path], object]


def clean(folder: Path, **how: Any) -> Path:
    """Write a recording without faults, its statistics of one value a channel."""
    source = write_sensorium2023(folder, **{**CLEAN, **how})
    for file in source.glob(f"{STATISTICS}/*/all/*.npy"):
        np.save(file, np.nanmean(np.load(file), axis=-1))
    return source


def change(pattern: str, function: Callable[[Any], Any]) -> Harm:
    def apply(source: Path) -> None:
        for file in source.glob(pattern):
            np.save(file, function(np.load(file)))

    return apply


def truth(**how: Any) -> Sequence[TrialTruth]:
    keep = {k: v for k, v in {**CLEAN, **how}.items() if k not in ("n_neurons", "frame_shape", "n_padding")}
    return describe_sensorium2023(**keep)


def first_of(tier: str, **how: Any) -> int:
    return next(trial.trial_id for trial in truth(**how) if trial.tier == tier)


def longest(**how: Any) -> int:
    return max(truth(**how), key=lambda trial: trial.n_valid).trial_id


def leak(source: Path) -> None:
    shutil.copy(source / f"data/videos/{first_of('train')}.npy", source / f"data/videos/{first_of('oracle')}.npy")


def widen(source: Path) -> None:
    change("data/behavior/*.npy", lambda v: np.stack([v[0], np.gradient(v[0]), v[1]]))(source)
    shutil.rmtree(source / STATISTICS / "behavior")


def blink(source: Path) -> None:
    put(f"data/behavior/{first_of('train')}.npy", (0, slice(3, 7)), np.nan)(source)


def nothing(source: Path) -> None:
    del source


# How each fault is planted into the clean recording: arguments of the writer, damage, where it is seen, and what is seen.
PLANTS: dict[str, tuple[dict[str, Any], Harm, str, str]] = {
    "first-set": ({"name": MOUSE_D}, nothing, MOUSE_D, "is mouse D of the first set"),
    "secret-labels": (
        {"name": MOUSE_F}, nothing, "tier live_test_main", r"2 of 2 trials of mouse F have responses \(\d+, \d+\)"),
    "old-copy": (
        {"name": MOUSE_D, "withhold": True}, nothing, MOUSE_D, "is the first copy: responses of 8 of 8 test trials are zeros"),
    "statistics-per-frame": (
        {"n_padding": 5}, change(f"{STATISTICS}/responses/all/std.npy", lambda v: np.stack([v] * 30 + [v * np.nan] * 5, -1)),
        "meta/statistics/responses/all", r"std: a value for each of 35 frames, NaN in 5 of them \(std\)"),
    "film-leaks": (
        {}, leak, f"trial {first_of('train')}", rf"its film is shown in `train` \(\d+\) and in `oracle` \({first_of('oracle')}\)"),
    "partner-films": ({"name": MOUSE_F}, nothing, MOUSE_F, r"is mouse F: mouse A \(29156-11-10\) saw nearly the same films"),
    "repeats-ragged": ({"n_repeats": 4}, nothing, "tier oracle", "2 films are shown 3 to 4 times: 1 × 3, 1 × 4"),
    "repeats-unequal": (
        {"n_repeats": 3}, nothing, "tier live_test_bonus",
        "presentations of 2 of 2 repeated films differ: 2 within one grey level, 1 in their length"),
    "tier-none": (
        {"holes": True}, nothing, "meta/trials/tiers.npy", r"2 of 14 file numbers have tier `none` and no files: \d+, \d+"),
    "padding": ({"n_padding": 5, "lengths": {**EQUAL, "PinkNoise": 32}}, nothing, "data/videos",
                "padded to 37 samples; valid lengths: 10 of 30, 2 of 32"),
    "padding-glitch": (
        {"name": MOUSE_D}, nothing, f"trial {longest(name=MOUSE_D)}", "lasts 40 samples, the next longest 3[0-2]"),
    "responses-zero": (
        {"withhold": True}, nothing, "tier final_test_main", r"2 of 2 trials have responses of zeros \(\d+, \d+\)"),
    "behavior-width": ({}, widen, "data/behavior", "has 3 channels: dilation, dilation_change, speed"),
    "trial-ids-hashed": (
        {}, change("meta/trials/trial_idx.npy", lambda v: np.array([hashlib.md5(x).hexdigest() for x in v.astype("S")])),
        "meta/trials/trial_idx.npy", "12 of 12 values are hashes, such as [0-9a-f]{32}"),
    "tier-names": (
        {}, change("meta/trials/tiers.npy", lambda v: np.where(v == "oracle", "validation", v)), "meta/trials/tiers.npy",
        "has the tiers of 2022: validation"),
    "litter": ({}, lambda p: (p / "data/.DS_Store").write_bytes(b"x"), "mouse", "1 files beside the recording: data/.DS_Store"),
    "behavior-nan": ({}, blink, "signal pupil", rf"4 of 360 samples are NaN, in 1 trials \({first_of('train')}\)"),
    "film-not-integral": ({"fractional": True}, nothing, "trial ", "holds fractional grey levels"),
    "behavior-tail": ({"n_padding": 5, "behavior_tail": "values"}, nothing, "12 trials", "behaviour goes on past the end of the film"),
}  # fmt: skip


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> CheckReport:
    return audit_source(clean(tmp_path_factory.mktemp("control")))


def test_a_recording_without_faults_has_none(control: CheckReport) -> None:
    assert control.ok
    assert [finding.code for finding in control.findings] == ["no-stimulus-ids", "recording-unknown"]


@pytest.mark.parametrize("code", PLANTS)
def test_a_planted_fault_is_seen(tmp_path: Path, control: CheckReport, code: str) -> None:
    how, harm, where, words = PLANTS[code]
    harm(source := clean(tmp_path, **how))
    report = audit_source(source)
    found = [finding for finding in report.findings if finding.code == code]
    assert [f for f in found if f.where.startswith(where) and re.match(words, f.what)], found
    assert {f.severity for f in found} == {next((a.severity for a in AUDITS if a.code == code), "note")}
    assert all(f.action for f in found)
    assert report.ok
    assert code not in {finding.code for finding in control.findings}
    sd.convert(source, tmp_path / "x.zarr")  # what no error was found in can be converted
    assert (tmp_path / "x.zarr").is_dir()


def test_every_fault_that_files_show_is_planted() -> None:
    assert {audit.code for audit in AUDITS if audit.in_files} - {"refused", "noted"} == set(LOOKS)
    # The first is in every recording of 2023, the second in none.
    assert set(LOOKS) - {"no-stimulus-ids", "behavior-zero"} <= set(PLANTS)


def test_the_twenty_one_known_faults_are_accounted_for() -> None:
    assert {number for audit in AUDITS for number in audit.faults} == set(range(1, 22))
    assert len({audit.code for audit in AUDITS}) == len(AUDITS)
    outside = {audit.faults[0] for audit in AUDITS if not audit.in_files}
    assert outside == {3, 4, 5, 16, 18, 19, 20, 21}
    assert {audit.severity for audit in AUDITS if not audit.in_files} == {"note"}


def test_a_labelled_first_set_is_no_old_copy(tmp_path: Path) -> None:
    codes = {finding.code for finding in audit_source(clean(tmp_path, name=MOUSE_D)).findings}
    assert "first-set" in codes
    assert not codes & {"old-copy", "secret-labels"}
