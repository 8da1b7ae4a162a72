"""The audit of recordings of 2022: what only they show, and what they do not."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import audit_source
from sensorium_data.errors import SourceInvalid
from sensorium_data.testing import describe_sensorium2022, write_sensorium2022

if TYPE_CHECKING:
    from sensorium_data.schemas import CheckReport

SMALL: dict[str, Any] = {"n_neurons": 4, "n_train": 5, "n_validation": 2, "frame_shape": (9, 16)}
ALWAYS = {"behavior-width", "tier-names"}  # of 2022, however it was published

Harm = Callable[[Path], object]


def write(folder: Path, **how: Any) -> Path:
    return write_sensorium2022(folder, **{**SMALL, **how})


def truth(**how: Any) -> Any:
    return describe_sensorium2022(
        **{k: v for k, v in {**SMALL, **how}.items() if k not in ("n_neurons", "frame_shape", "nudged")}
    )


def seen(report: CheckReport) -> dict[tuple[str, str], str]:
    return {(finding.code, finding.where): finding.what for finding in report.findings}


def codes(report: CheckReport) -> set[str]:
    return {finding.code for finding in report.findings}


def test_a_recording_with_its_labels(tmp_path: Path) -> None:
    report = audit_source(write(tmp_path, n_repeats=1))
    assert report.ok
    assert codes(report) == ALWAYS, "the ids of its images are there, and a single picture has no padding"
    what = seen(report)
    assert what["behavior-width", "data/behavior"] == "has 3 channels: dilation, dilation_change, speed"
    assert what["tier-names", "meta/trials/tiers.npy"] == "has the tiers of 2022: validation, test"


def test_the_mouse_whose_behaviour_is_withheld(tmp_path: Path) -> None:
    report = audit_source(write(tmp_path, kind="s"))
    what, tiers = seen(report), Counter(trial.tier for trial in truth(kind="s"))
    n = sum(tiers.values())
    for signal in ("pupil", "running", "gaze"):
        assert what["behavior-zero", f"signal {signal}"] == f"is zero in all {n} trials"
    for tier in ("test", "final_test"):
        assert what["responses-zero", f"tier {tier}"].startswith(f"{tiers[tier]} of {tiers[tier]} trials")
    assert what["trial-ids-hashed", "meta/trials/trial_idx.npy"].startswith(f"{n} of {n} values are hashes")
    assert report.ok


def test_the_mouse_whose_behaviour_is_there(tmp_path: Path) -> None:
    found = codes(audit_source(write(tmp_path, kind="splus")))
    assert {"responses-zero", "trial-ids-hashed"} <= found
    assert "behavior-zero" not in found


def test_zeros_in_some_trials_are_not_withheld(tmp_path: Path) -> None:
    source = write(tmp_path)
    np.save(source / "data/behavior/0.npy", np.zeros(3, np.float32))
    assert "behavior-zero" not in codes(audit_source(source))


def test_ids_that_are_not_there(tmp_path: Path) -> None:
    assert "no-stimulus-ids" in codes(audit_source(write(tmp_path, image_ids="absent")))


def test_repeats(tmp_path: Path) -> None:
    how: dict[str, Any] = {"n_repeats": 5, "n_test": 3, "nudged": True}
    shown = Counter(Counter(trial.image for trial in truth(**how) if trial.tier == "test").values())
    what = seen(audit_source(write(tmp_path, **how)))
    ragged = ", ".join(f"{n} × {times}" for times, n in sorted(shown.items()))
    assert what["repeats-ragged", "tier test"].endswith(f": {ragged}")
    assert what["repeats-ragged", "tier test"].startswith("3 images are shown ")
    told = "presentations of 3 of 3 repeated images differ: 3 within one grey level"
    assert what["repeats-unequal", "tier test"] == told


def test_an_image_of_two_tiers(tmp_path: Path) -> None:
    source = write(tmp_path, image_ids="absent")
    train, test = (next(t.trial_id for t in truth() if t.tier == tier) for tier in ("train", "test"))
    shutil.copy(source / f"data/images/{train}.npy", source / f"data/images/{test}.npy")
    told = seen(audit_source(source))["film-leaks", f"trial {train}"]
    assert told == f"its image is shown in `train` ({train}) and in `test` ({test})"


def test_an_eye_that_was_lost(tmp_path: Path) -> None:
    what = seen(audit_source(write(tmp_path, behavior_nan=True)))
    assert what["behavior-nan", "signal gaze"].startswith("1 of ")
    assert ("behavior-nan", "signal running") not in what


def test_two_ids_of_one_picture_are_noted(tmp_path: Path) -> None:
    report = audit_source(write(tmp_path, two_ids_one_picture=True))
    assert report.ok
    assert "stimulus-ids-alike" in codes(report)


def cut(source: Path) -> None:
    file = source / "data/images/3.npy"
    file.write_bytes(file.read_bytes()[:-8])


def reshape(source: Path) -> None:
    np.save(source / "data/images/3.npy", np.zeros((1, 5, 5), np.float32))


def endless(source: Path) -> None:
    trial = next(trial.trial_id for trial in truth() if trial.tier == "train")
    np.save(source / f"data/responses/{trial}.npy", np.full(4, np.inf, np.float32))


FAULTS: dict[str, tuple[dict[str, Any], Harm]] = {
    "stimulus-id-conflict": ({"one_id_two_pictures": True}, lambda source: source),
    "npy-truncated": ({}, cut),
    "npy-shape": ({}, reshape),
    "infinite": ({}, endless),
    "missing-member": ({}, lambda source: (source / "data/behavior/2.npy").unlink()),
    "npy-header": ({}, lambda source: (source / "data/pupil_center/2.npy").write_bytes(b"")),
}


@pytest.mark.parametrize("code", FAULTS)
def test_errors_are_what_conversion_would_say(tmp_path: Path, code: str) -> None:
    how, harm = FAULTS[code]
    harm(source := write(tmp_path / "s", **how))
    report = audit_source(source)
    with pytest.raises(SourceInvalid) as caught:
        sd.convert(source, tmp_path / "x.zarr")
    told = {(p.code, p.where, p.what) for p in caught.value.problems}
    assert {(f.code, f.where, f.what) for f in report.findings if f.severity == "error"} == told
    assert code in {problem.code for problem in caught.value.problems}
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("kind", ["pretrain", "splus", "s", "colour"])
@pytest.mark.parametrize("zipped", ["", "deflated"])
def test_what_has_no_error_is_converted(tmp_path: Path, kind: str, zipped: str) -> None:
    source = write(tmp_path, kind=kind, zipped=zipped, axes_of_one=bool(zipped))
    report = audit_source(source)
    assert report.ok
    assert ("litter" in codes(report)) == bool(zipped)
    sd.convert(source, tmp_path / "x.zarr")
    assert sd.open_session(tmp_path / "x.zarr").document.trials.n == len(truth(kind=kind))
