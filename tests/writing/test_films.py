"""What was shown, of one's own: each film once, near repeats as one group, and labels where there are no films."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.schemas import Identity

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(7)
CLIP = RNG.integers(0, 250, (20, 6, 8), np.uint8)
OTHER = RNG.integers(0, 250, (15, 6, 8), np.uint8)
STATIC = Identity(key="s", name="s", modality="static")


def write(folder: Path, **given: Any) -> sd.Session:
    """Write ten trials of a second each, and hold the store to every check."""
    n = len(given["trials"]["stimulus"])
    starts = np.arange(float(n))
    trials = {"start_s": starts, "stop_s": starts + 1, **given.pop("trials")}
    signals = [sd.SignalData("responses", RNG.random((n * 20, 3)), unit="1", rate_hz=20)]
    sd.write_session(folder / "s", **({"identity": "s", "signals": signals, "trials": trials} | given))
    assert check_store(folder / "s").findings == ()
    return sd.open_session(folder / "s")


def test_a_film_is_stored_once_and_repeats_are_grouped_by_content(tmp_path: Path) -> None:
    near = CLIP.copy()
    near[3, 2, 2] += 1
    films = {"clip": CLIP, "again": CLIP.astype(np.float64), "near": near, "first half": CLIP[:10], "other": OTHER}
    shown = ["clip", "other", "again", "near", "first half", "", "clip"]
    session = write(tmp_path, trials={"stimulus": shown}, stimuli=films, frame_rate_hz=20)
    # Equal ones are one variant; a beginning lies within the whole.
    assert session.stimuli["n_frames"].to_numpy().tolist() == [20, 20, 10, 15]
    assert session.stimuli["group"].to_numpy().tolist() == [0, 0, 0, 1]
    assert session.frames.shape == (55, 6, 8)
    assert session.frames.dtype == np.uint8
    assert session.trials["stimulus"].to_numpy().tolist() == [0, 1, 0, 0, 0, -1, 0]
    assert session.trials["stimulus_name"].to_numpy().tolist() == shown
    for number, name in enumerate(shown):
        trial = session.trial(number)
        assert ("video" in trial) == bool(name)
        if name:
            np.testing.assert_array_equal(trial["video"].to_numpy(), films[name])
    assert session.document.stimuli.rate is not None
    mean = np.concatenate([films[name].ravel() for name in shown if name]).mean()
    np.testing.assert_allclose(session.statistics["train/video/mean"].to_numpy(), mean)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("precision", ["float32", "source"])
def test_pixels_come_back(tmp_path: Path, dtype: str, precision: Any) -> None:
    film = (RNG.random((10, 4, 5)) * (200 if dtype == "uint8" else 1000)).astype(dtype)
    given = {"a": film, "b": np.zeros((2, 4, 5), np.uint8)}
    session = write(tmp_path, trials={"stimulus": ["a", "b"]}, stimuli=given, frame_rate_hz="30", precision=precision)
    stored = session.trial(0)["video"].to_numpy()
    expected = film if dtype == "uint8" else film.astype(np.float64 if precision == "source" else np.float32)
    np.testing.assert_array_equal(stored, expected.astype(stored.dtype))
    kept = session.document.stimuli.rounding
    assert kept.exact == bool((stored == film).all())
    assert kept.max_abs_error == np.abs(stored.astype(np.float64) - film).max()


def test_frames_have_times_of_their_own(tmp_path: Path) -> None:
    session = write(tmp_path, trials={"stimulus": ["", "", "a"]}, stimuli={"a": CLIP}, frame_rate_hz=29.97)
    trial = session.trial(2)
    assert trial["video"].dims == ("time_video", "y", "x")
    assert trial["time_video"].to_numpy().tolist() == [float(2 + k * 100 / 2997) for k in range(20)]
    # Names of dims are of a session: a trial without a film has those of one with a film.
    assert session.trial(0)["responses"].dims == trial["responses"].dims == ("time", "neuron")


def test_films_have_a_time_of_their_own_at_the_rate_of_the_signals_too(tmp_path: Path) -> None:
    session = write(tmp_path, trials={"stimulus": ["a", "b"]}, stimuli={"a": CLIP, "b": OTHER}, frame_rate_hz=20)
    for number in (0, 1):  # 20 and 15 frames beside 20 samples
        trial = session.trial(number)
        assert (trial["video"].dims[0], trial["responses"].dims[0]) == ("time_video", "time")


def test_stimuli_that_no_trial_shows_are_kept_and_noted(tmp_path: Path) -> None:
    given = {f"s{i:02d}": CLIP[i] for i in range(12)}
    session = write(tmp_path, trials={"stimulus": ["s03", ""]}, stimuli=given)
    assert session.document.stimuli.n_variants == 12
    (note,) = session.document.provenance.notes
    assert note.code == "stimuli-not-shown"
    assert note.text == "11 stimuli are shown by no trial: `s00`, `s01`, `s02`, `s04`, `s05`, `s06`, `s07`, `s08` …"
    session = write(tmp_path / "all", trials={"stimulus": ["a", ""]}, stimuli={"a": CLIP[0]})
    assert session.document.provenance.notes == ()


def test_colour(tmp_path: Path) -> None:
    films = {"a": RNG.integers(0, 255, (5, 2, 6, 8), np.uint8), "b": RNG.integers(0, 255, (2, 6, 8), np.uint8)}
    pupil = sd.SignalData("pupil", RNG.random((40, 2)), unit="px", rate_hz=20, channels=("dilation", "change"))
    session = write(tmp_path, signals=[pupil], trials={"stimulus": ["a", "b"]}, stimuli=films, frame_rate_hz=10)
    assert session.frames.shape == (6, 2, 6, 8)
    trial = session.trial(0)
    assert trial["video"].dims == ("time_video", "channel", "y", "x")
    assert trial["pupil"].dims == ("time", "pupil_channel")
    np.testing.assert_array_equal(session.trial(1)["video"].to_numpy(), films["b"][None])


def test_an_image_in_a_recording_in_time(tmp_path: Path) -> None:
    session = write(tmp_path, trials={"stimulus": [1, 0]}, stimuli={0: CLIP[0], 1: CLIP[1]})
    trial = session.trial(0)
    np.testing.assert_array_equal(trial["video"].to_numpy(), CLIP[1:2])
    assert trial["time_video"].to_numpy().tolist() == [0.0]
    assert trial["responses"].dims == ("time", "neuron")


def test_images_with_one_sample_a_trial(tmp_path: Path) -> None:
    values = RNG.random((4, 3))
    pupil = RNG.random((4, 2))
    names = ("dilation", "change")
    signals = [
        sd.SignalData("responses", values, unit="1", rate_hz=1, start_s=0.5),
        sd.SignalData("pupil", pupil, unit="px", times_s=[0.3, 1.1, 2.2, 3.9], channels=names),
    ]
    images = {"a": CLIP[0], "b": CLIP[1:2]}
    trials = {"stimulus": ["a", "b", "a", ""]}
    session = write(tmp_path, identity=STATIC, signals=signals, trials=trials, stimuli=images)
    trial = session.trial(1)
    assert {name: trial[name].dims for name in trial} == {
        "image": ("y", "x"), "responses": ("neuron",), "pupil": ("channel",),
    }  # fmt: skip
    np.testing.assert_array_equal(trial["image"].to_numpy(), CLIP[1])
    np.testing.assert_array_equal(trial["pupil"].to_numpy(), pupil[1].astype(np.float32))
    assert "image" not in session.trial(3)
    assert session.statistics["train/image/n"].to_numpy() == 3 * 48


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (["left", "right", "", "left"], [0, 1, -1, 0]),
        ([45.0, 90.0, float("nan"), 45.0], [0, 1, -1, 0]),
        ([-1, 1, 0, -1], [0, 1, 2, 0]),
    ],
)
def test_labels_without_films_are_kept_and_grouped(tmp_path: Path, labels: list[Any], groups: list[int]) -> None:
    session = write(tmp_path, trials={"stimulus": labels})
    assert session.trials["stimulus"].to_numpy().tolist() == groups
    np.testing.assert_array_equal(session.trials["stimulus_name"].to_numpy(), np.array(labels))
    assert session.document.stimuli.n_variants == 0
    assert "video" not in session.trial(0)
    assert "by name" in repr(session)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_every_trial_shows_the_film_it_names(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 25), min_size=1, max_size=6))
    seeds = data.draw(st.lists(st.integers(0, 2), min_size=len(lengths), max_size=len(lengths)))
    films = {
        f"f{i}": np.random.default_rng(seed).integers(0, 255, (25, 4, 4), np.uint8)[:n]
        for i, (n, seed) in enumerate(zip(lengths, seeds, strict=True))
    }
    shown = data.draw(st.lists(st.sampled_from(["", *films]), min_size=1, max_size=8))
    session = write(tmp_path_factory.mktemp("films"), trials={"stimulus": shown}, stimuli=films, frame_rate_hz=25)
    # Films of one seed begin alike, so they are one group, and only the longest is stored.
    stored = sum(max(n for n, s in zip(lengths, seeds, strict=True) if s == seed) for seed in set(seeds))
    assert session.document.stimuli.n_frames == stored
    assert session.document.stimuli.n_groups == len(set(seeds))
    for number, name in enumerate(shown):
        trial = session.trial(number)
        assert ("video" in trial) == bool(name)
        if name:
            np.testing.assert_array_equal(trial["video"].to_numpy(), films[name])
