"""Missing values are filled where it was asked for, with what was asked for, and the masks go on saying where."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import sensorium_data as sd
from sensorium_data.errors import BadArgument
from sensorium_data.loaders.statistics import Statistics
from sensorium_data.loaders.statistics_fit import fit_statistics
from sensorium_data.loaders.transforms import compose, fill_missing, normalise, official2022, official2023
from sensorium_data.streams import open_streams
from sensorium_data.testing import write_sensorium2022, write_sensorium2023
from tests.loaders.handmade import item_of

if TYPE_CHECKING:
    from sensorium_data.streams import Streams
    from sensorium_data.views import Session

SIGNALS = ("pupil", "running", "gaze")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Streams]:
    folder = tmp_path_factory.mktemp("fill")
    source = write_sensorium2023(folder, n_neurons=4, n_train=24, frame_shape=(5, 6), behavior_nan=True)
    sd.convert(source, folder / "made.zarr")
    session = sd.open_session(folder / "made.zarr")
    return session, open_streams(session.handle)


def lost(session: Session) -> dict[str, Any]:
    """A window of a training trial whose eye was lost for a while, with padding."""
    trials = session.handle.trials
    for number in trials["trial_id"][trials["tier"] == "train"].tolist():
        if np.isnan(session.trial(number)["gaze"]).any():
            return item_of(session, number, 5, 30)
    pytest.fail("no trial has lost its eye")


def unmasked(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "mask"}


def test_holes_become_the_mean_of_the_training_trials(films: tuple[Session, Streams]) -> None:
    session, streams = films
    item, known = lost(session), fit_statistics(streams).of(streams)
    got = fill_missing().bind(streams)(item)
    for name in SIGNALS:
        holes = torch.isnan(item[name])
        assert holes.any()
        wanted = torch.from_numpy(np.broadcast_to(known[name].mean, item[name].shape).copy()).float()
        torch.testing.assert_close(got[name], torch.where(holes, wanted, item[name]), rtol=1e-6, atol=0)
    assert got["mask"] is item["mask"]
    assert got["responses"] is item["responses"]
    assert got["video"] is item["video"]


def test_whose_mean(films: tuple[Session, Streams]) -> None:
    session, streams = films
    item = lost(session)
    statistics = fit_statistics(streams, tier="oracle")
    got = fill_missing(statistics=statistics).bind(streams)(item)
    assert got["running"][-1] == pytest.approx(float(statistics.of(streams)["running"].mean), rel=1e-6)


def test_a_value_in_place_of_the_mean(films: tuple[Session, Streams]) -> None:
    session, streams = films
    item = lost(session)
    got = fill_missing(value=-1, signals=["gaze", "responses"]).bind(streams)(item)
    for name in ("gaze", "responses"):
        assert (got[name][torch.isnan(item[name])] == -1).all()
        assert torch.isnan(item[name]).any()
    assert got["pupil"] is item["pupil"]


def test_channels_that_are_there_are_kept(films: tuple[Session, Streams]) -> None:
    session, streams = films
    item = item_of(session, 0, 0, 6)
    item["gaze"][2, 0] = torch.nan
    got = fill_missing(value=7).bind(streams)(item)
    assert got["gaze"][2].tolist() == [7.0, float(item["gaze"][2, 1])]


def test_film_becomes_floating_point(films: tuple[Session, Streams]) -> None:
    session, streams = films
    item = lost(session)
    known = fit_statistics(streams).of(streams)["video"]
    got = fill_missing(signals="video").bind(streams)(item)
    n = int(item["mask"]["video"].sum())
    assert n < len(item["video"])
    assert got["video"][:n].equal(item["video"][:n].float())
    torch.testing.assert_close(got["video"][n:], torch.full_like(got["video"][n:], float(known.mean)))
    # What was filled stays filled in what normalises afterwards.
    statistics = Statistics.stored([streams])
    then = compose(fill_missing(signals="video"), normalise(statistics=statistics, responses="none")).bind(streams)(
        item
    )
    torch.testing.assert_close(then["video"][n:], torch.zeros_like(then["video"][n:]), rtol=0, atol=1e-5)
    assert not then["mask"]["video"][n:].any()


def test_before_the_official_layout(films: tuple[Session, Streams]) -> None:
    session, streams = films
    item = lost(session)
    plain, filled = (
        transform.bind(streams)(item) for transform in (official2023(), compose(fill_missing(), official2023()))
    )
    assert torch.isnan(plain.behavior).any()
    n = int(item["mask"]["video"].sum())
    assert torch.isfinite(filled.behavior[:, :n]).all()
    assert filled.mask["behavior"].equal(plain.mask["behavior"])
    seen = plain.mask["behavior"]
    assert filled.behavior[:, seen].equal(plain.behavior[:, seen])


def test_after_the_official_layout(films: tuple[Session, Streams]) -> None:
    session, streams = films
    item = lost(session)
    plain = official2023().bind(streams)(item)
    got = compose(official2023(), fill_missing(value=0)).bind(streams)(item)
    for name in ("videos", "behavior", "pupil_center"):
        assert got[name].equal(torch.nan_to_num(plain[name], 0, 0, 0))
        assert got.mask[name].equal(plain.mask[name])
    assert torch.isnan(got.responses).any()
    every = compose(official2023(), fill_missing(value=0, signals=plain._fields)).bind(streams)(item)
    assert torch.isfinite(every.responses).all()
    with pytest.raises(BadArgument, match="means in the units of the recording") as caught:
        compose(official2023(), fill_missing()).bind(streams)(item)
    assert "before the official layout" in caught.value.hint


def test_images(tmp_path: Any) -> None:
    source = write_sensorium2022(tmp_path, n_neurons=3, frame_shape=(8, 8), behavior_nan=True)
    sd.convert(source, tmp_path / "made.zarr")
    session = sd.open_session(tmp_path / "made.zarr")
    streams = open_streams(session.handle)
    trials = session.handle.trials
    for number in trials["trial_id"][trials["tier"] == "train"].tolist():
        item = item_of(session, number)
        got = compose(fill_missing(), official2022()).bind(streams)(item)
        assert torch.isfinite(got.behavior).all()
        assert bool(got.mask["behavior"]) is bool(item["mask"]["pupil"])
    item["mask"]["image"] = torch.tensor(False)
    assert (fill_missing(value=9, signals="image").bind(streams)(item)["image"] == 9).all()


def test_nothing_missing_changes_nothing(films: tuple[Session, Streams]) -> None:
    session, streams = films
    trials = session.handle.trials
    item = item_of(session, int(trials["trial_id"][trials["tier"] == "train"][-1]), 0, 20)
    got = fill_missing().bind(streams)(item)
    assert all(got[name] is item[name] for name in streams)


def test_what_cannot_be_filled(films: tuple[Session, Streams]) -> None:
    session, streams = films
    with pytest.raises(BadArgument, match="asked for `gase`, which is not served") as caught:
        fill_missing(signals=["gase"]).bind(streams)
    assert caught.value.hint == "did you mean `gaze`?"
    with pytest.raises(BadArgument, match="asked for `videos`, which the item does not have"):
        fill_missing(value=0, signals=["videos"]).bind(streams)(lost(session))
    with pytest.raises(BadArgument, match="a value or statistics"):
        fill_missing(value=0, statistics=Statistics.stored([streams]))
    few = fit_statistics(open_streams(session.handle, ["video", "pupil"]))
    with pytest.raises(BadArgument, match="know nothing of gaze, running, only of pupil, video"):
        fill_missing(statistics=few).bind(streams)


def test_recipe(films: tuple[Session, Streams]) -> None:
    recipe = fill_missing(statistics=Statistics.stored([films[1]]), signals=["gaze"])
    again = pickle.loads(pickle.dumps(recipe))
    assert (again, repr(again)) == (recipe, repr(recipe))
    assert eval(repr(fill_missing(value=0))) == fill_missing(value=0) != fill_missing()
