"""Normalised items under our own names: what is divided by what, from the store, from the source, or fitted."""

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
from sensorium_data.loaders.transforms import compose, normalise, official2022, official2023
from sensorium_data.streams import open_streams
from sensorium_data.testing import write_sensorium2022, write_sensorium2023
from tests.loaders.handmade import item_of

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.streams import Streams
    from sensorium_data.views import Session

Made = tuple["Path", "Session", "Streams"]


def make(source: Path) -> Made:
    sd.convert(source, source.parent / "made.zarr")
    session = sd.open_session(source.parent / "made.zarr")
    return source, session, open_streams(session.handle)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("normalise")
    return make(write_sensorium2023(folder, n_neurons=7, n_train=20, frame_shape=(6, 9), behavior_nan=True))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("normalise")
    return make(write_sensorium2022(folder, n_neurons=7, frame_shape=(8, 12), behavior_nan=True))


def trials_of(session: Session, tier: str) -> list[int]:
    trials = session.handle.trials
    return [int(number) for number in trials["trial_id"][trials["tier"] == tier]]


def same(got: Any, wanted: Any) -> None:
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-6, equal_nan=True)


def test_shipped_statistics_are_those_of_the_official_layout(films: Made) -> None:
    _, session, streams = films
    for trial in (*trials_of(session, "train")[:4], *trials_of(session, "live_test_main")[:1]):
        item = item_of(session, trial, 2, 25)
        ours, official = normalise().bind(streams)(item), official2023().bind(streams)(item)
        same(ours["video"], official.videos[0])
        same(ours["responses"], official.responses.mT)
        same(torch.stack([ours["pupil"], ours["running"]]), official.behavior)
        same(ours["gaze"], official.pupil_center.mT)
        assert ours["mask"]["responses"].equal(official.mask["responses"])
        assert ours["mask"]["gaze"].equal(official.mask["pupil_center"])
        assert (ours["mask"]["pupil"] & ours["mask"]["running"]).equal(official.mask["behavior"])
        assert (ours["session"], ours["trial_id"], ours["start_frame"]) == (item["session"], trial, 2)


def test_images_likewise(images: Made) -> None:
    _, session, streams = images
    for trial in trials_of(session, "train")[:6]:
        item = item_of(session, trial)
        ours = normalise().bind(streams)(item)
        official = official2022(scale=None).bind(streams)(item)
        same(ours["image"], official.images[0])
        same(ours["responses"], official.responses)
        same(torch.cat([ours["pupil"], ours["running"][None]]), official.behavior)
        same(ours["gaze"], official.pupil_center)
        assert {name: mask.shape for name, mask in ours["mask"].items()} == dict.fromkeys(ours["mask"], torch.Size())
        assert ours["mask"]["gaze"].equal(official.mask["pupil_center"])


def test_one_number_a_neuron(films: Made) -> None:
    _, session, streams = films
    train = trials_of(session, "train")
    every = np.concatenate([session.trial(trial)["responses"] for trial in train]).astype(np.float64)
    std = every.std(axis=0)
    wanted = every[:30] / np.where(std > 0.01 * std.mean(), std, 0.01 * std.mean())
    item = item_of(session, train[0], 0, 30)
    for statistics in (None, fit_statistics(streams), Statistics.stored([streams])):
        got = normalise(responses="per_neuron", statistics=statistics).bind(streams)(item)
        np.testing.assert_allclose(got["responses"], wanted, rtol=1e-6)
        assert got["mask"]["responses"].all()


def test_floor_of_fitted_statistics(films: Made) -> None:
    _, session, streams = films
    fitted = fit_statistics(streams)
    std = fitted.of(streams)["responses"].std
    std[3], std[5] = 1e-9, np.nan
    threshold = 0.01 * np.nanmean(std)
    item = item_of(session, trials_of(session, "train")[0], 0, 30)
    got = normalise(responses="per_neuron", statistics=fitted).bind(streams)(item)["responses"]
    np.testing.assert_allclose(got[:, [3, 5]], item["responses"][:, [3, 5]] / threshold, rtol=1e-6)


def test_selected_neurons_keep_the_threshold_of_all(films: Made) -> None:
    _, session, streams = films
    rows = [5, 1]
    few = open_streams(session.handle.select(np.array(rows)))
    trial = trials_of(session, "train")[0]
    fitted = fit_statistics(streams)
    fitted.of(streams)["responses"].std[1] = 1e-9
    for how in ({"responses": "per_frame"}, {"responses": "per_neuron", "statistics": fitted}):
        transform = normalise(**how)
        whole = transform.bind(streams)(item_of(session, trial, 0, 20))
        part = transform.bind(few)(item_of(session, trial, 0, 20, rows))
        same(part["responses"], whole["responses"][:, rows])


def test_fitted_statistics_for_everything(films: Made) -> None:
    _, session, streams = films
    fitted = fit_statistics(streams)
    known = fitted.of(streams)
    item = item_of(session, trials_of(session, "train")[1], 4, 20)
    got = normalise(responses="none", statistics=fitted).bind(streams)(item)
    assert got["responses"] is item["responses"]
    for name, mean in (("video", known["video"].mean), ("gaze", known["gaze"].mean)):
        np.testing.assert_allclose(
            got[name], (item[name].double().numpy() - mean) / known[name].std, rtol=1e-5, atol=1e-6
        )
    for name in ("pupil", "running"):
        np.testing.assert_allclose(got[name], item[name].double().numpy() / known[name].std, rtol=1e-6)
    assert got["video"].dtype == torch.float32


def test_masked_film_frames_are_nan(films: Made) -> None:
    _, session, streams = films
    trial = trials_of(session, "oracle")[0]
    n = session.trial(trial).sizes["time"]
    item = item_of(session, trial, n - 3, 5)
    for transform in (normalise(), normalise(responses="none", statistics=fit_statistics(streams))):
        got = transform.bind(streams)(item)
        assert torch.isnan(got["video"][3:]).all()
        assert not torch.isnan(got["video"][:3]).any()
        assert got["mask"]["video"].tolist() == [True] * 3 + [False] * 2
    assert not item["video"][3:].any()  # the item itself is left alone


def test_a_signal_that_never_varies_is_masked(films: Made) -> None:
    _, session, streams = films
    fitted = fit_statistics(streams)
    fitted.of(streams)["running"].std[()] = 0
    item = item_of(session, trials_of(session, "train")[1], 0, 20)
    got = normalise(statistics=fitted).bind(streams)(item)
    assert not torch.isfinite(got["running"]).any()
    assert not got["mask"]["running"].any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_floats_keep_their_dtype(films: Made, dtype: torch.dtype) -> None:
    _, session, streams = films
    item = item_of(session, trials_of(session, "train")[1], 0, 20)
    other = item | {name: item[name].to(dtype) for name in ("responses", "pupil", "gaze")}
    got, wanted = (normalise().bind(streams)(one) for one in (other, item))
    assert got["responses"].dtype == got["pupil"].dtype == got["gaze"].dtype == dtype
    torch.testing.assert_close(got["responses"].float(), wanted["responses"], rtol=2e-2, atol=2e-3)


def test_nothing_asked_changes_nothing(films: Made) -> None:
    _, session, streams = films
    item = item_of(session, trials_of(session, "train")[1], 0, 20)
    got = normalise(responses="none", video=None, behaviour=None, gaze=None).bind(streams)(item)
    assert all(got[name] is item[name] for name in streams)


def test_streams_that_are_not_served_are_not_missed(films: Made) -> None:
    _, session, _ = films
    streams = open_streams(session.handle, ["video", "responses"])
    item = item_of(session, trials_of(session, "train")[1], 0, 20)
    got = normalise().bind(streams)(item)
    assert got["gaze"] is item["gaze"]


def test_rates(films: Made) -> None:
    _, session, _ = films
    streams = open_streams(session.handle, rate_hz=10)
    with pytest.raises(BadArgument, match="at 30 Hz, not at 10 Hz"):
        normalise().bind(streams)
    fitted = fit_statistics(streams)
    assert "at 10 Hz" in fitted.definition
    transform = normalise(responses="per_neuron", statistics=fitted).bind(streams)
    item = {name: value[::3] if name in streams else value for name, value in item_of(session, 0, 0, 24).items()}
    item["mask"] = {name: mask[::3] for name, mask in item["mask"].items()}
    assert transform(item)["responses"].shape == (8, 7)


def test_windows_across_trials(films: Made) -> None:
    _, session, streams = films
    trial = trials_of(session, "train")[0]
    item = item_of(session, trial, 26, 9)
    for mask in item["mask"].values():
        mask[:] = True
    with pytest.raises(BadArgument, match="goes on into the next trial"):
        normalise().bind(streams)(item)
    own = normalise(responses="per_neuron", statistics=fit_statistics(streams)).bind(streams)
    assert own(item)["responses"].shape == (9, 7)


def test_other_options_are_refused() -> None:
    wrongs: list[dict[str, Any]] = [
        {"responses": "per-frame"},
        {"video": "std"},
        {"behaviour": "zscore"},
        {"gaze": True},
        {"statistics": "source"},
    ]
    for wrong in wrongs:
        with pytest.raises(BadArgument, match=next(iter(wrong))) as caught:
            normalise(**wrong)
        assert caught.value.hint


def test_recipe(films: Made) -> None:
    streams = films[2]
    recipes = [normalise(), normalise(responses="per_neuron"), normalise(statistics=Statistics.stored([streams]))]
    for recipe in recipes:
        again = pickle.loads(pickle.dumps(recipe))
        assert (again, hash(again), repr(again)) == (recipe, hash(recipe), repr(recipe))
    assert len(set(recipes)) == 3
    with pytest.raises(BadArgument, match="is not bound to a session"):
        recipes[0]({})


def test_compose(films: Made) -> None:
    _, session, streams = films
    item = item_of(session, trials_of(session, "train")[1], 0, 20)
    chain = compose(normalise(), add_one)
    same(chain.bind(streams)(item)["responses"], normalise().bind(streams)(item)["responses"] + 1)
    assert pickle.loads(pickle.dumps(chain)) == chain
    with_key = compose(add_one, Keyed()).bind(streams)  # type: ignore[arg-type]  # it can be bound, and not called
    assert with_key(item)["key"] == streams.key
    with pytest.raises(BadArgument, match="takes transforms, not int 3"):
        compose(normalise(), 3)  # type: ignore[arg-type]


class Keyed:
    def bind(self, streams: Streams) -> Any:
        return lambda item: item | {"key": streams.key}


def add_one(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"responses": item["responses"] + 1}
