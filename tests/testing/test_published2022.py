"""The recordings of images that the writer makes have the quirks of the published ones."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium_data.testing import describe_sensorium2022, write_sensorium2022
from sensorium_data.testing.plan2022 import Kind
from sensorium_data.testing.statistics2022 import GreyLevels, measures_by_blocks
from sensorium_data.testing.statistics2023 import measures_over_trials

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.testing import ImageTruth

STREAMS = ("images", "responses", "behavior", "pupil_center")
SMALL = (9, 16)
GREY, COLOUR = "GrayImageNet-94c6ff995dac583098847cfecd43e7b6", "ColorImageNet-104e446ed0128d89c639eef0abe4655b"
NAMES = {
    "pretrain": f"static21067-10-18-{GREY}",
    "splus": f"static27204-5-13-{GREY}",
    "s": f"static26872-17-20-{GREY}",
    "colour": f"static25311-10-26-{COLOUR}",
}
each_kind = pytest.mark.parametrize("kind", get_args(Kind))


def digests(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path.parent).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def arrays(session: Path, stream: str, truth: tuple[ImageTruth, ...]) -> list[tuple[ImageTruth, NDArray[Any]]]:
    found = [(t, np.load(session / "data" / stream / f"{t.trial_id}.npy")) for t in truth]
    assert len(list((session / "data" / stream).iterdir())) == len(found)
    return found


def table(session: Path, name: str) -> NDArray[Any]:
    values: NDArray[Any] = np.load(session / "meta" / f"{name}.npy")  # no pickles: none of the tables is of objects
    return values


@each_kind
def test_one_sample_a_file_as_published(tmp_path: Path, kind: Kind) -> None:
    session = write_sensorium2022(tmp_path, kind=kind, n_neurons=7)
    assert session.name == NAMES[kind]
    picture = (2, 36, 64) if kind == "colour" else (1, 144, 256)
    for stream, shape in zip(STREAMS, (picture, (7,), (3,), (2,)), strict=True):
        for trial, values in arrays(session, stream, describe_sensorium2022(kind=kind)):
            assert values.shape == shape
            assert values.dtype == np.float32
            assert np.isfinite(values).all()
            hidden = trial.withheld if stream == "responses" else kind == "s" and stream != "images"
            assert (values == 0).all() == hidden


@each_kind
def test_tables_are_as_published(tmp_path: Path, kind: Kind) -> None:
    session = write_sensorium2022(tmp_path, kind=kind, n_neurons=30, frame_shape=SMALL)
    truth = describe_sensorium2022(kind=kind)
    prefix = "colorframeprojector" if kind == "colour" else "frame"
    names = {file.stem for file in (session / "meta" / "trials").iterdir()}
    assert names == {"tiers", "trial_idx", *(f"{prefix}_{what}" for what in ("image_id", "image_class", "trial_ts"))}
    assert table(session, "trials/tiers").tolist() == [t.tier for t in truth]
    ids = table(session, f"trials/{prefix}_image_id")
    assert ids.dtype == np.int64
    assert ids.tolist() == [t.image_id for t in truth]
    assert set(table(session, f"trials/{prefix}_image_class")) == {"imagenet"}
    times = table(session, f"trials/{prefix}_trial_ts").tolist()
    assert all(re.fullmatch(r"Timestamp\('2022-01-07 10:\d\d:\d\d'\)", time) for time in times)
    assert len(set(times)) == len(times)
    trial_idx = table(session, "trials/trial_idx").tolist()
    if kind in {"splus", "s"}:
        assert all(re.fullmatch("[0-9a-f]{32}", index) for index in trial_idx)
        assert len(set(trial_idx)) == len(trial_idx)
    else:
        by_time = [index for _, index in sorted(zip(times, trial_idx, strict=True))]
        assert by_time == sorted(trial_idx), "the index is the order of presentation"
        assert trial_idx != by_time, "which the file numbers are not"


@each_kind
def test_neurons_are_as_published(tmp_path: Path, kind: Kind) -> None:
    session = write_sensorium2022(tmp_path, kind=kind, n_neurons=30, frame_shape=SMALL)
    key = [int(part) for part in session.name.removeprefix("static").split("-")[:3]]
    for name, number in zip(("animal_ids", "sessions", "scan_idx"), key, strict=True):
        values = table(session, f"neurons/{name}")
        assert (values.shape, set(values.tolist())) == ((30,), {number})
    assert table(session, "neurons/area").tolist() == ["V1"] * 30
    assert table(session, "neurons/layer").tolist() == ["L2/3"] * 30
    units = table(session, "neurons/unit_ids")
    assert units[0] >= 1
    assert (np.diff(units) > 0).all()
    assert (np.diff(units) > 1).any()
    places = table(session, "neurons/cell_motor_coordinates")
    assert places.shape == (30, 3)
    assert places.dtype == np.int64


@pytest.mark.parametrize(("name", "animal"), [("static123-4-5-mine", 123), ("my_mouse", 21067), ("static1-2", 21067)])
def test_a_name_of_ones_own_says_which_animal(tmp_path: Path, name: str, animal: int) -> None:
    session = write_sensorium2022(tmp_path, name=name, frame_shape=SMALL)
    assert session.name == name
    assert set(table(session, "neurons/animal_ids").tolist()) == {animal}


@pytest.mark.parametrize("plan", [{}, {"kind": "colour"}, {"one_id_two_pictures": True, "two_ids_one_picture": True}])
def test_files_show_one_picture_where_the_truth_says_so(tmp_path: Path, plan: dict[str, Any]) -> None:
    session = write_sensorium2022(tmp_path, frame_shape=SMALL, fractional=True, **plan)
    shown = {(t.image, values.tobytes()) for t, values in arrays(session, "images", describe_sensorium2022(**plan))}
    assert len(shown) == len({image for image, _ in shown}) == len({pixels for _, pixels in shown})


@settings(max_examples=10, deadline=None)
@given(
    kind=st.sampled_from(get_args(Kind)),
    seed=st.integers(0, 2**63),
    shape=st.tuples(st.integers(4, 80), st.integers(4, 130)),
    n_neurons=st.integers(1, 5),
    nudged=st.booleans(),
)
def test_pictures_are_integers_far_apart_and_repeats_are_not(
    tmp_path_factory: pytest.TempPathFactory,
    kind: Kind,
    seed: int,
    shape: tuple[int, int],
    n_neurons: int,
    nudged: bool,
) -> None:
    folder, counts = tmp_path_factory.mktemp("any"), {"n_train": 2, "n_validation": 1, "seed": seed}
    session = write_sensorium2022(
        folder, kind=kind, frame_shape=shape, n_neurons=n_neurons, nudged=nudged, **counts  # type: ignore[arg-type]
    )  # fmt: skip
    found = arrays(session, "images", describe_sensorium2022(kind=kind, **counts))  # type: ignore[arg-type]
    first: dict[str, NDArray[Any]] = {}
    gaps = set()
    for trial, values in found:
        assert values.shape[1:] == shape
        assert (values == np.rint(values)).all()
        assert values.min() >= 0
        assert values.max() <= 255
        gaps.add(float(np.abs(values - first.setdefault(trial.image, values)).max()))
        assert all(np.abs(values - other).max() > 8 for image, other in first.items() if image != trial.image)
    assert gaps == ({0.0, 1.0} if nudged else {0.0})


def test_one_training_picture_is_fractional(tmp_path: Path) -> None:
    session = write_sensorium2022(tmp_path, fractional=True)  # at full size, so that white occurs
    found = arrays(session, "images", describe_sensorium2022())
    assert [t.tier for t, values in found if (values % 1 == 0.25).all()] == ["train"]
    assert all(values.max() <= 255 and ((values % 1 == 0.25).all() or (values % 1 == 0).all()) for _, values in found)


@pytest.mark.parametrize("kind", ["pretrain", "splus", "colour"])
def test_a_lost_eye_is_nan_in_one_training_trial(tmp_path: Path, kind: Kind) -> None:
    session = write_sensorium2022(tmp_path, kind=kind, behavior_nan=True, frame_shape=SMALL)
    truth = describe_sensorium2022(kind=kind)
    lost = [(t.tier, np.isnan(v).tolist()) for t, v in arrays(session, "behavior", truth) if np.isnan(v).any()]
    assert lost == [("train", [True, True, False])], "the treadmill goes on"
    lost = [(t.tier, np.isnan(v).tolist()) for t, v in arrays(session, "pupil_center", truth) if np.isnan(v).any()]
    assert lost == [("train", [True, True])]


def test_axes_of_one_as_the_tutorial_has_them(tmp_path: Path) -> None:
    flat = write_sensorium2022(tmp_path / "flat", frame_shape=SMALL)
    deep = write_sensorium2022(tmp_path / "deep", frame_shape=SMALL, axes_of_one=True)
    for stream, shape in (("behavior", (1, 3)), ("pupil_center", (1, 2))):
        for trial, values in arrays(deep, stream, describe_sensorium2022()):
            assert values.shape == shape
            assert values[0].tolist() == np.load(flat / "data" / stream / f"{trial.trial_id}.npy").tolist()
    assert table(deep, "statistics/behavior/all/mean").shape == (1, 3)
    same = digests(flat).items() & digests(deep).items()
    assert {name.split("/")[2] for name, _ in same if "/data/" in name} == {"images", "responses"}


@pytest.mark.parametrize("plan", [{}, {"kind": "s"}, {"kind": "colour"}, {"behavior_nan": True, "fractional": True}])
def test_statistics_are_over_the_training_trials(tmp_path: Path, plan: dict[str, Any]) -> None:
    session = write_sensorium2022(tmp_path, frame_shape=SMALL, **plan)
    truth = describe_sensorium2022(kind=plan.get("kind", "pretrain"))
    expect: dict[str, Callable[..., Any]] = {
        "mean": np.nanmean, "std": np.nanstd, "min": np.nanmin, "max": np.nanmax, "median": np.nanmedian,
    }  # fmt: skip
    for stream in STREAMS:
        train = np.stack([v for t, v in arrays(session, stream, truth) if t.tier == "train"]).astype(np.float64)
        axis = None if stream == "images" else 0
        for name, measure in expect.items():
            shipped = table(session, f"statistics/{stream}/all/{name}")
            assert shipped.dtype == np.float32
            assert shipped.shape == (() if stream == "images" else train.shape[1:])
            np.testing.assert_allclose(shipped, measure(train, axis=axis), rtol=1e-6, atol=1e-6)
            assert table(session, f"statistics/{stream}/stimulus_frame/{name}").tobytes() == shipped.tobytes()


@given(pictures=st.lists(st.lists(st.integers(0, 1020), min_size=1, max_size=9), min_size=1, max_size=4))
def test_counted_levels_have_the_measures_of_the_pixels(pictures: list[list[int]]) -> None:
    levels = GreyLevels()
    for picture in pictures:
        levels.add(np.array(picture, np.float32) / 4)
    pixels = np.concatenate(pictures) / 4
    for name, value in levels.measures().items():
        np.testing.assert_allclose(value, getattr(np, name)(pixels), rtol=1e-6, atol=1e-6)


def test_blocks_of_columns_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = np.random.default_rng(0).normal(size=(5, 2, 7)).astype(np.float32)
    monkeypatch.setattr("sensorium_data.testing.statistics2022.BLOCK_BYTES", 8 * 5 * 3)
    expect = measures_over_trials(trials)
    for name, values in measures_by_blocks(list(trials)).items():
        assert values.tobytes() == expect[name].tobytes()


def test_siblings_have_conditions_full_statistics_and_text(tmp_path: Path) -> None:
    plain = write_sensorium2022(tmp_path / "plain", frame_shape=SMALL)
    session = write_sensorium2022(tmp_path / "sibling", frame_shape=SMALL, sibling=True, two_ids_one_picture=True)
    mean = table(session, "statistics/images/all/mean")
    assert mean.shape == (1, *SMALL)
    assert np.unique(mean).size == 1
    assert table(session, "neurons/animal_ids").tolist() == ["21067"] * 12
    truth = describe_sensorium2022(two_ids_one_picture=True)
    conditions = table(session, "trials/condition_hash").tolist()
    pairs = set(zip(conditions, [t.image for t in truth], strict=True))
    assert len(pairs) == len(set(conditions)) == len({t.image for t in truth})
    assert not (plain / "meta" / "trials" / "condition_hash.npy").exists()


def test_ids_may_be_absent_or_have_holes(tmp_path: Path) -> None:
    absent = write_sensorium2022(tmp_path / "absent", frame_shape=SMALL, image_ids="absent")
    assert not list((absent / "meta" / "trials").glob("*image_id*"))
    holes = write_sensorium2022(tmp_path / "holes", frame_shape=SMALL, image_ids="with-holes")
    ids = table(holes, "trials/frame_image_id")
    assert ids.dtype == np.int64
    assert [None if i == -1 else i for i in ids.tolist()] == [
        t.image_id for t in describe_sensorium2022(image_ids="with-holes")
    ]
