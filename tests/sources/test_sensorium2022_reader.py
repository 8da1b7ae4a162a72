"""What the reader of images tells before any image is read, and what it reads of one trial."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.errors import SourceInvalid
from sensorium_data.sources import open_source
from sensorium_data.sources.behaviour import behaviour_signals
from sensorium_data.sources.filetree import Tree
from sensorium_data.sources.films import valid_image
from sensorium_data.sources.members import MemberError, Memory, open_members
from sensorium_data.sources.npy import Header
from sensorium_data.sources.sensorium2022_headers import shapes_of
from sensorium_data.sources.withheld import is_withheld
from sensorium_data.testing import describe_sensorium2022
from tests.conversion.static import IDS, edit, edit_all, load, lose, write

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.sources import RawSession

PLAN: dict[str, Any] = {"n_train": 5, "n_validation": 1, "n_test": 2, "n_repeats": 3}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path, **PLAN)


def opened(source: Path) -> RawSession:
    reader, raw = open_source(source)
    assert reader.name == "sensorium2022"
    return raw


def test_facts_are_known_before_an_image_is_read(source: Path) -> None:
    raw = opened(source)
    assert (raw.identity.key, raw.identity.animal_id, raw.identity.session, raw.identity.scan) == (
        "21067-10-18", "21067", "10", "18",
    )  # fmt: skip
    assert (raw.identity.modality, raw.identity.film, raw.identity.species) == ("static", "image", "mouse")
    assert (raw.n_neurons, raw.frame_shape, raw.rate) == (7, (9, 16), Fraction(1))
    assert {raw.response_dtype, raw.film_dtype} == {np.dtype(np.float32)}
    assert [trial.trial_id for trial in raw.trials] == list(range(11))
    assert not any(trial.contiguous for trial in raw.trials)
    assert [trial.tier for trial in raw.trials] == [trial.tier for trial in describe_sensorium2022(**PLAN)]
    assert raw.stimulus_ids == {trial.trial_id: str(trial.image_id) for trial in describe_sensorium2022(**PLAN)}
    assert raw.notes == ()


def test_ids_that_are_missing_are_left_out(source: Path) -> None:
    edit(IDS, lambda ids: np.where(np.arange(len(ids)) % 2, -1, ids))(source)
    raw = opened(source)
    assert set(raw.stimulus_ids or ()) == {0, 2, 4, 6, 8, 10}
    assert [note.code for note in raw.notes] == ["image-ids-missing"]


def test_a_trial_is_read_as_it_was_published(source: Path) -> None:
    raw, memory = opened(source), Memory()
    for trial in raw.trials:
        scan = raw.scan(trial, allow_nan=False, memory=memory)
        number = trial.trial_id
        assert (scan.problems, scan.note_codes, scan.blank, scan.withheld) == ((), (), (), False)
        np.testing.assert_array_equal(scan.frames[0], load(source, f"data/images/{number}.npy")[0])
        assert scan.frames.shape == (1, 9, 16)
        assert scan.frames.dtype == np.uint8
        behaviour = load(source, f"data/behavior/{number}.npy")
        np.testing.assert_array_equal(scan.signals["pupil"], behaviour[None, :2])
        np.testing.assert_array_equal(scan.signals["running"], behaviour[2:])
        np.testing.assert_array_equal(scan.signals["gaze"], load(source, f"data/pupil_center/{number}.npy")[None])
        assert set(scan.digests) >= {f"data/{s}/{number}.npy" for s in ("images", "behavior", "pupil_center")}
        responses = raw.responses(trial, 1, memory).array
        np.testing.assert_array_equal(responses, load(source, f"data/responses/{number}.npy")[None])
        assert raw.label(trial, 1, 0.0) == ("imagenet", "source")


def test_signals_of_one_trial_outlive_the_memory(source: Path) -> None:
    raw, memory = opened(source), Memory()
    first = raw.scan(raw.trials[0], allow_nan=False, memory=memory)
    kept = {name: values.copy() for name, values in first.signals.items()}
    raw.scan(raw.trials[1], allow_nan=False, memory=memory)
    raw.responses(raw.trials[1], 1, memory)
    for name, values in kept.items():
        np.testing.assert_array_equal(first.signals[name], values)


def test_all_problems_of_a_trial_are_collected(source: Path) -> None:
    edit("data/images/3.npy", lambda v: v.reshape(1, 16, 9))(source)
    edit("data/behavior/3.npy", lambda v: v.astype("U1"))(source)
    edit("data/responses/3.npy", lambda v: v.astype("S4"))(source)
    raw = opened(source)
    scan = raw.scan(raw.trials[3], allow_nan=False)
    assert {(problem.code, problem.where) for problem in scan.problems} == {
        ("npy-shape", "data/images/3.npy"),
        ("npy-dtype", "data/behavior/3.npy"),
        ("npy-dtype", "data/responses/3.npy"),
    }
    assert len(scan.frames) == 0


def test_streams_without_a_single_file(source: Path) -> None:
    lose(*(f"data/behavior/{number}.npy" for number in range(11)))(source)
    with pytest.raises(SourceInvalid) as caught:
        open_source(source)
    missing = {problem.where for problem in caught.value.problems if problem.code == "missing-member"}
    assert missing == {f"data/behavior/{number}.npy" for number in range(11)}


def header(*shape: int) -> Header:
    return Header(shape, np.dtype(np.float32), fortran=False, offset=128)


def test_the_shape_of_most_files_is_expected(source: Path) -> None:
    tree = Tree(open_members(source))
    found = {
        "images": {0: header(1, 3, 4), 1: header(1, 4, 3), 2: header(1, 4, 3)},
        "responses": {0: header(5), 1: header(5), 2: header(6)},
        "behavior": {0: header(3), 1: header(3), 2: header(3)},
        "pupil_center": {0: header(2), 1: header(2), 2: header(2)},
    }
    shapes = shapes_of(tree, found)
    assert shapes == {"images": (1, 4, 3), "responses": (5,), "behavior": (3,), "pupil_center": (2,)}
    assert [(p.where, p.what) for p in tree.problems] == [
        ("data/images/0.npy", "has shape (1, 3, 4), expected (1, 4, 3) as its siblings"),
        ("data/responses/2.npy", "has shape (6,), expected (5,) as its siblings"),
    ]


@pytest.mark.parametrize("n_channels", [2, 3])
def test_signals_say_what_they_are(n_channels: int) -> None:
    pupil, running, gaze = behaviour_signals(n_channels, np.dtype("f4"), np.dtype("f8"))
    assert (pupil.dims, pupil.unit) == ((("channel",), None) if n_channels == 3 else ((), "px"))
    assert len(pupil.channels) == n_channels - 1
    assert (running.dims, running.unit, gaze.dims, gaze.unit) == ((), "cm/s", ("axis",), "px")
    assert (str(pupil.dtype), str(gaze.dtype)) == ("float32", "float64")


PIXELS: list[tuple[Any, str, tuple[str, ...], tuple[str, ...]]] = [
    # pixels, dtype as kept, notes, codes of problems
    ([0.0, 255.0], "uint8", (), ()),
    ([0.0, 256.0], "float32", ("film-not-integral",), ()),
    ([-0.0, 1.0], "float32", ("film-not-integral",), ()),
    ([0.5, 1.0], "float32", ("film-not-integral",), ()),
    ([np.nan, 1.0], "float32", ("film-not-finite",), ("nan-in-valid",)),
    ([np.inf, 1.0], "float32", ("film-not-finite",), ("infinite",)),
    ([np.nan, -np.inf], "float32", ("film-not-finite",), ("nan-in-valid", "infinite")),
    ([np.nan, 0.5], "float32", ("film-not-finite", "film-not-integral"), ("nan-in-valid",)),
]


@pytest.mark.parametrize(("pixels", "dtype", "notes", "codes"), PIXELS)
def test_pixels_are_bytes_where_that_loses_nothing(
    pixels: list[float], dtype: str, notes: tuple[str, ...], codes: tuple[str, ...]
) -> None:
    image = np.array([pixels], np.float32)
    found = valid_image(image, "data/images/0.npy", allow_nan=False)
    assert (str(found.frames.dtype), found.frames.shape, found.notes) == (dtype, (1, 1, 2), notes)
    assert tuple(problem.code for problem in found.problems) == codes
    np.testing.assert_array_equal(found.frames[0], image)
    assert valid_image(image, "data/images/0.npy", allow_nan=True).problems == ()


ZEROS: list[tuple[Any, bool]] = [([0, 0, 0], True), ([0, -0.0, 0], True), ([0, 0, 1e-30], False), ([3, 0, 0], False)]


@pytest.mark.parametrize(("values", "withheld"), ZEROS)
def test_zeros_alone_are_withheld(source: Path, values: list[float], withheld: bool) -> None:
    np.save(source / "data/responses/0.npy", np.array(values, np.float32))
    members, digests = open_members(source), dict[str, str]()
    assert is_withheld(members, "data/responses/0.npy", None, digests, allow_nan=False) is withheld
    assert (len(digests) == 1) is withheld


@pytest.mark.parametrize("kind", ["U1", "S4", "bool"])
def test_responses_that_are_no_numbers_are_not_judged(source: Path, kind: str) -> None:
    np.save(source / "data/responses/0.npy", np.ones(4).astype(kind))
    with pytest.raises(MemberError, match="expected numbers"):
        is_withheld(open_members(source), "data/responses/0.npy", None, {}, allow_nan=True)


def test_a_late_value_among_many_zeros_is_seen(source: Path) -> None:
    values = np.zeros(50_000, np.float32)
    values[-1] = 1e-20
    np.save(source / "data/responses/0.npy", values)
    assert not is_withheld(open_members(source), "data/responses/0.npy", None, {}, allow_nan=False)


def test_zeros_of_behaviour_and_of_gaze_are_told_apart(source: Path) -> None:
    edit_all("behavior", lambda v: v * 0 + [0, 0, 1])(source)
    edit("data/behavior/3.npy", lambda v: v * 0)(source)
    edit("data/pupil_center/4.npy", lambda v: v * 0)(source)
    raw = opened(source)
    blank = {trial.trial_id: raw.scan(trial, allow_nan=False).blank for trial in raw.trials}
    assert (blank[3], blank[4]) == (("pupil", "running"), ("gaze",))
