"""A session of images as people see it: its text, its tables, its trials, in this package and in plain xarray."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import sensorium_data as sd
from sensorium_data.cli import cli
from sensorium_data.store.layout import quiet_zarr
from tests.conversion.static import write

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("pretrain", "splus", "s", "colour")
PLAN: dict[str, Any] = {"n_train": 6, "n_validation": 2, "n_repeats": 3}
SIGNALS = ("responses", "pupil", "running", "gaze")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("static")
    for kind in KINDS:
        sd.convert(write(folder / "in", kind=kind, **PLAN), folder / f"{kind}.zarr")
    return {kind: folder / f"{kind}.zarr" for kind in KINDS}


@pytest.fixture(scope="module")
def text(stores: dict[str, Path]) -> dict[str, list[str]]:
    return {kind: repr(sd.open_session(store)).splitlines() for kind, store in stores.items()}


def test_the_text_counts_images_and_knows_no_minutes(text: dict[str, list[str]]) -> None:
    lines = text["pretrain"]
    assert lines[0] == "Session 21067-10-18"
    assert [line for line in lines if line.startswith("  trials   13: ")]
    assert {"train 6", "validation 2", "test 5"} == set(lines[4].partition(": ")[2].split(", "))
    assert "  stimuli  10 images in 10 groups, 10 frames of 9×16 uint8" in lines
    assert "           imagenet" in lines
    assert "  time     one sample a trial; when each was shown was not published" in lines
    assert not [line for line in lines if "Hz" in line or "film" in line or " min " in line]
    assert "  signals  responses (time 13 × neuron 7) float32" in lines
    assert "           pupil (time 13 × channel) float32" in lines


def test_the_text_says_what_is_withheld(text: dict[str, list[str]]) -> None:
    both, hidden = "\n".join(text["splus"]), "\n".join(text["s"])
    assert text["splus"][0] == "Session 27204-5-13, mouse S1"
    assert text["s"][0] == "Session 26872-17-20, mouse S0"
    for words in (both, hidden):
        assert "test 5 (5 withheld)" in words
        assert "final_test 5 (5 withheld)" in words
        assert "responses (time 8 × neuron 7) float32" in words
    said = "withheld: published as zeros in every trial, not served"
    assert (both.count(said), hidden.count(said)) == (0, 3)
    assert "running (time 0) float32 cm/s, withheld" in hidden
    assert "gaze, pupil, running are zeros in all 18 trials: withheld, and not served" in hidden


def test_the_text_of_pictures_in_colour_has_their_channels(text: dict[str, list[str]]) -> None:
    assert "  stimuli  10 images in 10 groups, 10 frames of 2×9×16 uint8" in text["colour"]
    assert "  licence  not known" in text["colour"]


@pytest.mark.parametrize("kind", KINDS)
def test_html_says_the_same(stores: dict[str, Path], kind: str) -> None:
    session = sd.open_session(stores[kind])
    html = session._repr_html_()
    assert "one sample a trial" in html
    assert ("not served" in html) is (kind == "s")


@pytest.mark.parametrize("verb", ["info", "stats", "ls"])
def test_the_command_line_shows_them(stores: dict[str, Path], verb: str) -> None:
    for kind, store in stores.items():
        done = CliRunner().invoke(cli, [verb, str(store)])
        assert done.exit_code == 0, done.output
        if verb == "stats":
            shown = {line.split()[0] for line in done.stdout.splitlines()[1:] if line[:1].isalpha()}
            expected = {"responses", "image"} if kind == "s" else {*SIGNALS, "image"}
            assert shown - {"as"} == expected
        elif verb == "info":
            assert "one sample a trial" in done.stdout
        else:
            assert store.name in done.stdout


def test_signals_count_the_trials_that_have_them(stores: dict[str, Path]) -> None:
    sizes = {
        kind: {name: sd.open_session(store)[name].sizes["time"] for name in SIGNALS} for kind, store in stores.items()
    }
    assert sizes == {
        "pretrain": dict.fromkeys(SIGNALS, 13),
        "splus": dict.fromkeys(SIGNALS, 18) | {"responses": 8},
        "s": dict.fromkeys(SIGNALS, 0) | {"responses": 8},
        "colour": dict.fromkeys(SIGNALS, 13),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_and_the_trials_hold_the_same_values(stores: dict[str, Path], kind: str) -> None:
    session = sd.open_session(stores[kind])
    trials = [session.trial(int(number)) for number in session.trials["trial_id"]]
    for name in SIGNALS:
        shown = [trial[name].to_numpy() for trial in trials if name in trial]
        assert len(shown) == session[name].sizes["time"]
        if shown:
            np.testing.assert_array_equal(np.stack(shown), session[name].to_numpy())
    with_responses = session.trials["start_s"].to_numpy()[~session.trials["responses_withheld"].to_numpy()]
    np.testing.assert_array_equal(session["responses"]["time"].to_numpy(), with_responses)


def test_repeats_show_one_picture(stores: dict[str, Path]) -> None:
    session = sd.open_session(stores["pretrain"])
    groups = session.trials["stimulus"].to_numpy()
    group = np.bincount(groups).argmax()
    repeats = [session.trial(int(k))["image"].to_numpy() for k in session.trials["trial_id"][groups == group]]
    assert len(repeats) > 1
    assert len({image.tobytes() for image in repeats}) == 1
    responses = [session.trial(int(k))["responses"].to_numpy() for k in session.trials["trial_id"][groups == group]]
    assert len({values.tobytes() for values in responses}) == len(repeats)


def test_a_session_of_images_is_pickled_as_its_path(stores: dict[str, Path]) -> None:
    session = pickle.loads(pickle.dumps(sd.open_session(stores["s"])))
    assert set(session.trial(0).data_vars) <= {"image", "responses"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_plain_xarray_opens_it_and_shows_the_same(stores: dict[str, Path], kind: str) -> None:
    session = sd.open_session(stores[kind])
    with xr.open_datatree(stores[kind], engine="zarr", consolidated=True) as tree:
        np.testing.assert_array_equal(tree["stimuli/frames"], session.frames)
        assert tree["stimuli/frames"].dims == session.frames.dims
        for name in SIGNALS:
            found = tree[f"signals/{name}/values"]
            assert found.dims == session[name].dims
            np.testing.assert_array_equal(found, session[name])
        for table, columns in (("trials", session.trials), ("neurons", session.neurons), ("stimuli", session.stimuli)):
            for column in set(tree[table].data_vars) - {"frames"}:
                np.testing.assert_array_equal(tree[table][column], columns[column])
        for measure in ("mean", "std", "min", "max", "n"):
            own = tree[f"statistics/train/responses/{measure}"]
            np.testing.assert_array_equal(own, session.statistics[f"train/responses/{measure}"])
        # The frame that the table points to is the picture of the trial.
        variant = tree["trials/variant"].to_numpy()[5]
        frame = tree["stimuli/frames"].to_numpy()[tree["stimuli/first_frame"].to_numpy()[variant]]
        np.testing.assert_array_equal(frame, session.trial(tree["trials/trial_id"].to_numpy()[5])["image"])


@pytest.mark.parametrize("kind", KINDS)
def test_plain_zarr_opens_it_and_shows_the_same(stores: dict[str, Path], kind: str) -> None:
    session = sd.open_session(stores[kind])
    with quiet_zarr():
        root: Any = zarr.open(stores[kind], mode="r")
        np.testing.assert_array_equal(root["stimuli/frames"][...], session.frames)
        for name in SIGNALS:
            np.testing.assert_array_equal(root[f"signals/{name}/values"][...], session[name])
        assert root["trials/tier"][...].tolist() == session.trials["tier"].to_numpy().tolist()
        tiers = {tier["name"] for tier in root.attrs["sensorium_data"]["session"]["trials"]["tiers"]}
    assert tiers == set(session.trials["tier"].to_numpy().tolist())
