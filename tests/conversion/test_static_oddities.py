"""Recordings of images that are odd and sound: they convert, say what was odd, and equal their source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.testing import describe_sensorium2022
from tests.conversion.static import (
    IDS,
    STREAMS,
    TIERS,
    both,
    edit,
    edit_all,
    load,
    lose,
    lose_statistics,
    notes,
    partition,
    put,
    same_bits,
    whole,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conversion.static import Break

PLAN: dict[str, Any] = {"n_train": 5, "n_validation": 1, "n_test": 2, "n_repeats": 3, "seed": 2}
BEHAVIOUR = ("pupil", "running", "gaze")


PLAIN: dict[str, Break] = {
    "pictures without an axis of channels": edit_all("images", lambda v: v[0]),
    "pictures in bytes": edit_all("images", lambda v: v.astype(np.uint8)),
    "pictures of integers": edit_all("images", lambda v: v.astype(np.int16)),
    "pictures of half precision": edit_all("images", lambda v: v.astype(np.float16)),
    "pictures of double precision": edit_all("images", lambda v: v.astype(np.float64)),
    "one picture of double precision": edit("data/images/3.npy", lambda v: v.astype(np.float64)),
    "a picture of big-endian numbers": edit("data/images/3.npy", lambda v: v.astype(">f4")),
    "a picture in Fortran order": edit("data/images/3.npy", np.asfortranarray),
    "negative and large grey levels": edit("data/images/3.npy", lambda v: (v - 100) * 9),
    "behaviour in a row": edit_all("behavior", lambda v: v[None]),
    "gaze in a row": edit_all("pupil_center", lambda v: v[None]),
    "responses in a row": edit_all("responses", lambda v: v[None]),
    "responses of integers": edit_all("responses", lambda v: (v * 9).astype(np.int32) + 1),
    "one vector of integers": edit("data/responses/3.npy", lambda v: (v * 9).astype(np.int32) + 1),
    "one behaviour of integers": edit("data/behavior/3.npy", lambda v: v.astype(np.int32)),
    "no statistics": lose_statistics,
    "statistics in a row": edit("meta/statistics/behavior/all/mean.npy", lambda v: v[None]),
    "statistics of each pixel": edit("meta/statistics/images/all/mean.npy", lambda v: np.full((9, 16), v)),
    "statistics in an axis of their own": edit("meta/statistics/images/all/mean.npy", lambda v: v.reshape(1)),
    "areas are numbers": edit("meta/neurons/area.npy", lambda v: np.arange(len(v))),
    "bytes for tiers": edit(TIERS, lambda v: v.astype("S12")),
}


@pytest.mark.parametrize("what", PLAIN)
def test_what_numpy_writes_in_more_than_one_way_is_read(tmp_path: Path, what: str) -> None:
    source = write(tmp_path / "s", **PLAN)
    PLAIN[what](source)
    session = whole(source, tmp_path / "x.zarr")
    for number in (0, 3, 10):
        shown = session.trial(number)
        for name, stream in (("image", "images"), ("responses", "responses"), ("gaze", "pupil_center")):
            published = load(source, f"data/{stream}/{number}.npy")
            stored = shown[name].to_numpy()
            np.testing.assert_array_equal(stored.ravel(), published.astype(stored.dtype).ravel())
    truth = [trial.image for trial in describe_sensorium2022(**PLAN)]
    if what != "negative and large grey levels":
        assert partition(session.trials["stimulus"].to_numpy().tolist()) == partition(truth)


def test_statistics_of_a_shape_of_their_own_are_noted(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    both(PLAIN["statistics in a row"], PLAIN["statistics of each pixel"])(source)
    session = whole(source, tmp_path / "x.zarr")
    assert "statistic-shape" in notes(session)
    tree = session.statistics["source"]
    assert (tree["behavior/all/mean"].shape, tree["images/all/mean"].shape) == ((1, 3), (9, 16))


def test_the_source_keeps_its_two_channels_of_behaviour(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    both(edit_all("behavior", lambda v: v[[0, 2]]), lose_statistics)(source)
    session = whole(source, tmp_path / "x.zarr")
    shown, published = session.trial(3), load(source, "data/behavior/3.npy")
    assert shown["pupil"].dims == ()
    assert (float(shown["pupil"]), float(shown["running"])) == tuple(published.tolist())


HIDDEN: list[tuple[str, str, tuple[str, ...]]] = [
    ("behavior", "pupil, running", ("pupil", "running")), ("pupil_center", "gaze", ("gaze",)),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "words", "signals"), HIDDEN)
def test_what_is_zero_in_every_trial_as_it_cannot_be_is_withheld(
    tmp_path: Path, stream: str, words: str, signals: tuple[str, ...]
) -> None:
    source = write(tmp_path / "s", **PLAN)
    edit_all(stream, lambda v: v * 0)(source)
    session = whole(source, tmp_path / "x.zarr")
    assert notes(session) == {"behaviour-withheld": f"{words} are zeros in all 11 trials: withheld, and not served"}
    assert {signal.name for signal in session.document.signals if signal.withheld} == set(signals)
    assert set(session.trial(3).data_vars) == {"image", "responses", *BEHAVIOUR} - set(signals)
    assert set(session.statistics["train"].children) == {"image", "responses", *BEHAVIOUR} - set(signals)


def test_an_animal_that_never_runs_is_no_animal_withheld(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    edit_all("behavior", lambda v: v * [1, 1, 0])(source)
    session = whole(source, tmp_path / "x.zarr")
    assert not any(signal.withheld for signal in session.document.signals)
    assert float(session.trial(3)["running"]) == 0.0


def test_zeros_in_some_trials_are_what_was_published(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    both(*(edit(f"data/{s}/{k}.npy", lambda v: v * 0) for s in ("behavior", "pupil_center") for k in range(10)))(source)
    session = whole(source, tmp_path / "x.zarr")
    assert not any(signal.withheld for signal in session.document.signals)
    assert not session.trial(0)["gaze"].any()


def test_a_picture_of_fractions_keeps_them_and_its_neighbours(tmp_path: Path) -> None:
    """Neighbours of another dtype lie apart in the spool; all are stored in one."""
    source = write(tmp_path / "s", **PLAN, fractional=True, nudged=True)
    edit_all("images", lambda v: v.astype(np.float64) / 3)(source)
    edit("data/images/3.npy", np.rint)(source)
    session = whole(source, tmp_path / "x.zarr")
    assert session.frames.dtype == np.float32
    assert session.document.stimuli.rounding.exact is False
    for number in range(11):
        published = load(source, f"data/images/{number}.npy")[0].astype(np.float32)
        assert same_bits(session.trial(number)["image"].to_numpy(), published)
    assert whole(source, tmp_path / "y.zarr", precision="source").frames.dtype == np.float64


def test_numbers_may_have_holes(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    holes = (0, 4, 10)
    for number in holes:
        lose(*(f"data/{stream}/{number}.npy" for stream in STREAMS))(source)
        put(TIERS, number, "none")(source)
    session = whole(source, tmp_path / "x.zarr")
    assert notes(session) == {"trials-missing": "3 trials are listed without data: 0, 4, 10"}
    table = session.trials
    assert table["missing"].to_numpy().tolist() == [number in holes for number in range(11)]
    assert table["segment"].to_numpy().tolist() == [-1, 0, 1, 2, -1, 3, 4, 5, 6, 7, -1]
    assert table["frame_image_id"].to_numpy().tolist() == load(source, IDS).tolist()
    assert (np.diff(table["start"]) >= 0).all()
    for number in range(11):
        shown = session.trial(number)
        assert len(shown.data_vars) == (0 if number in holes else 5)
    assert session["responses"].sizes["time"] == 8


def test_trials_of_no_tier_that_have_files_are_kept_under_one_note(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    put(TIERS, slice(2, 5), "none")(source)
    sd.convert(source, tmp_path / "x.zarr")
    session = sd.open_session(tmp_path / "x.zarr")
    found = [note.text for note in session.document.provenance.notes if note.code == "tier-none-with-data"]
    assert len(found) == 1
    assert "2, 3, 4" in found[0]
    assert session.trials["role"].to_numpy().tolist()[2:5] == ["none"] * 3
    assert "image" in session.trial(3)


def test_a_session_all_withheld_has_no_responses_and_no_statistics_of_them(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN)
    edit_all("responses", lambda v: v * 0)(source)
    session = whole(source, tmp_path / "x.zarr")
    assert session["responses"].shape == (0, 7)
    assert session.trials["responses_withheld"].to_numpy().all()
    assert "responses" not in session.trial(3)
    assert np.isnan(session.statistics["train/responses/mean"]).all()


def test_a_recording_nobody_knows_says_so(tmp_path: Path) -> None:
    source = write(tmp_path / "s", **PLAN, name="mine")
    session = whole(source, tmp_path / "x.zarr")
    assert notes(session) == {
        "recording-unknown": "`mine` names none of the published recordings: licence and citation are not known"
    }
    assert (session.document.identity.key, session.document.identity.mouse) == ("mine", None)


def test_packing_is_judged_by_chunks_as_they_are_stored(tmp_path: Path) -> None:
    """A vector of a few neurons is too short to pack; twenty of them, as they are stored, are not."""
    source = write(tmp_path / "s", n_neurons=30, n_train=60)
    report = sd.convert(source, tmp_path / "x.zarr")
    assert report.codec == "pcodec"
    assert "packing-not-worth-it" not in {note.code for note in report.notes}
    assert check_store(tmp_path / "x.zarr", against=source).ok
