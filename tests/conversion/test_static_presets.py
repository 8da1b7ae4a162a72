"""Images in every preset with every precision, and damage that a check of the store alone finds."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.schemas import Precision, Preset
from tests.conversion.static import edit_all, load, same_bits, write
from tests.store.test_checks_planted import Store

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas import Finding

PLAN: dict[str, Any] = {"kind": "splus", "n_train": 6, "n_validation": 2, "n_repeats": 3}
FRAMES, RESPONSES = "stimuli/frames", "signals/responses/values"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    made = {dtype: write(folder / dtype, **PLAN, nudged=True, behavior_nan=True) for dtype in ("float32", "float64")}
    for stream in ("responses", "behavior", "pupil_center"):
        edit_all(stream, lambda v: v.astype(np.float64) / 3)(made["float64"])
    edit_all("images", lambda v: v.astype(np.float64))(made["float64"])
    return made


def holds(dtype: str, precision: str, signal: str) -> str:
    """Return the kind of equality that the design promises."""
    if signal == "responses" and precision == "float16":
        return "rounded"
    exact = signal == "image" or precision == "source" or dtype == "float32"
    return "bit-exact" if exact else "rounded"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("precision", get_args(Precision))
@pytest.mark.parametrize("preset", get_args(Preset))
def test_what_is_stored_is_what_was_promised(
    tmp_path: Path, sources: dict[str, Path], preset: Preset, precision: Precision, dtype: str
) -> None:
    source, store = sources[dtype], tmp_path / "x.zarr"
    sd.convert(source, store, preset=preset, precision=precision)
    report = check_store(store, against=source)
    assert {finding.code for finding in report.findings} == {"behaviour-nan"}
    assert {e.name: e.holds for e in report.equality} == {
        name: holds(dtype, precision, name) for name in ("image", "responses", "pupil", "running", "gaze")
    }
    session = sd.open_session(store)
    assert session.frames.dtype == np.uint8
    wanted = np.dtype("float32" if precision == "float32" else dtype)
    train = int(session.trials["trial_id"][session.trials["tier"] == "train"][0])
    shown = session.trial(train)
    half = np.dtype("float16") if precision == "float16" else wanted
    behaviour = np.dtype("float32" if precision != "source" else dtype)
    published = {s: load(source, f"data/{s}/{train}.npy") for s in ("responses", "behavior", "pupil_center")}
    assert same_bits(shown["responses"].to_numpy(), published["responses"].astype(half))
    assert same_bits(shown["pupil"].to_numpy(), published["behavior"][:2].astype(behaviour))
    assert same_bits(shown["gaze"].to_numpy(), published["pupil_center"].astype(behaviour))


@pytest.fixture(scope="module")
def sound(sources: dict[str, Path]) -> Path:
    store = sources["float32"].with_name("sound.zarr")
    sd.convert(sources["float32"], store)
    return store


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Store:
    return Store(shutil.copytree(sound, tmp_path / "x.zarr"))


def errors(store: Store) -> set[tuple[str, str]]:
    found: list[Finding] = [f for f in check_store(store.path).findings if f.severity == "error"]
    return {(finding.code, finding.where) for finding in found}


def test_a_pixel_of_an_image_that_is_another(store: Store) -> None:
    store.edit_shards(FRAMES, lambda frames: frames.__setitem__((4, 2, 3), frames[4, 2, 3] ^ 1))
    row = int(np.flatnonzero(sd.open_session(store.path).stimuli["first_frame"].to_numpy() == 4)[0])
    assert ("films", f"stimuli[{row}]") in errors(store)


def test_two_images_that_changed_places(store: Store) -> None:
    store.edit_shards(FRAMES, lambda frames: frames.__setitem__(slice(0, 2), frames[1::-1].copy()))
    assert {("films", "stimuli[0]"), ("films", "stimuli[1]")} <= errors(store)


def train_row(store: Store) -> int:
    """Return where the responses of a train trial are."""
    session = sd.open_session(store.path)
    served = ~session.trials["responses_withheld"].to_numpy()
    return int(np.flatnonzero(session.trials["tier"].to_numpy()[served] == "train")[0])


def test_a_response_that_is_another(store: Store) -> None:
    row = train_row(store)
    store.edit_shards(RESPONSES, lambda values: values.__setitem__((row, 1), values[row, 1] + 1))
    assert ("statistics", "statistics/train/responses/mean") in errors(store)


def test_a_response_that_is_no_number(store: Store) -> None:
    store.edit_shards(RESPONSES, lambda values: values.__setitem__((-1, 1), np.nan))
    assert ("statistics", RESPONSES) in errors(store)


@pytest.mark.parametrize("path", [FRAMES, RESPONSES])
def test_bits_that_fell_over(store: Store, path: str) -> None:
    key = f"{path}/c/0/0" if path == RESPONSES else f"{path}/c/0/0/0"
    store.flip(key)
    assert ("digests", f"{key} chunk 0") in errors(store)


def test_a_trial_that_is_withheld_no_more(store: Store) -> None:
    withheld = sd.open_session(store.path).trials["responses_withheld"].to_numpy()
    row = int(np.flatnonzero(withheld)[0])
    store.edit("trials/responses_withheld", lambda values: values.__setitem__(row, False))
    assert ("trials", f"trials[{row}]") in errors(store)


def test_a_trial_that_shows_another_picture(store: Store) -> None:
    variants = sd.open_session(store.path).trials["variant"].to_numpy()
    store.edit("trials/variant", lambda values: values.__setitem__(0, (variants[0] + 1) % variants.max()))
    assert ("trials", "trials[0]") in errors(store)
