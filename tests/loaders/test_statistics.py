"""Fitted statistics are those of the chosen trials and of nothing else, and say whose they are."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import BadArgument, DataInvalid, NoSuchItem, NotFound, SlowReadWarning, StorageFailed
from sensorium_data.loaders import WindowDataset, statistics_fit
from sensorium_data.loaders.measures import Measures, SessionStatistics
from sensorium_data.loaders.statistics import Statistics
from sensorium_data.loaders.statistics_fit import fit_statistics
from sensorium_data.loaders.transforms import normalise
from sensorium_data.streams import open_streams
from sensorium_data.testing import write_sensorium2022, write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.streams import Streams
    from sensorium_data.views import Session

MEASURES = [part.name for part in fields(Measures)]


def make(folder: Path, source: Path) -> tuple[Session, Streams]:
    target = folder / f"{source.name}.zarr"
    sd.convert(source, target)
    session = sd.open_session(target)
    return session, open_streams(session.handle)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Streams]:
    folder = tmp_path_factory.mktemp("statistics")
    return make(folder, write_sensorium2023(folder, n_neurons=5, frame_shape=(6, 9), behavior_nan=True))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Streams]:
    folder = tmp_path_factory.mktemp("statistics")
    return make(folder, write_sensorium2022(folder, n_neurons=5, frame_shape=(8, 9), kind="splus"))


def by_hand(session: Session, trial_ids: list[int], name: str) -> dict[str, Any]:
    """Measures of some trials, from `session.trial` and numpy alone."""
    parts = [session.trial(number)[name].to_numpy() for number in trial_ids if name in session.trial(number)]
    film = name in ("video", "image")
    n_channels = 1 if film else int(np.prod(session[name].shape[1:]))
    values = np.concatenate([np.asarray(part, np.float64).reshape(-1, n_channels) for part in parts])
    known = {measure: getattr(np, f"nan{measure}")(values, axis=0) for measure in ("mean", "std", "min", "max")}
    known["n"] = (~np.isnan(values)).sum(axis=0)
    return known


def agree(known: Measures, wanted: dict[str, Any], rtol: float = 1e-9) -> None:
    for measure in MEASURES:
        got = getattr(known, measure)
        np.testing.assert_allclose(got.ravel(), wanted[measure].ravel(), rtol=rtol, atol=1e-9, err_msg=measure)


def chosen(session: Session, **columns: Any) -> list[int]:
    trials = session.handle.trials
    meets = np.logical_and.reduce([np.isin(trials[column], value) for column, value in columns.items()])
    return [int(number) for number in trials["trial_id"][meets]]


@pytest.mark.parametrize("block", [3, 512])
@pytest.mark.parametrize("tier", ["train", "oracle", ["train", "oracle"], {"tier": "train", "order": range(2, 30)}])
def test_measures_of_the_chosen_trials(
    films: tuple[Session, Streams], tier: Any, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics_fit, "BLOCK", block)
    session, streams = films
    fitted = fit_statistics(streams, tier=tier)
    ids = chosen(
        session,
        **(
            {"tier": tier}
            if not isinstance(tier, dict)
            else {c: list(v) if c == "order" else v for c, v in tier.items()}
        ),
    )
    known = fitted.of(streams)
    assert list(known) == list(streams)
    for name in streams:
        agree(known[name], by_hand(session, ids, name))
    assert fitted.sessions[streams.key].n_trials == len(ids)
    assert known["gaze"].mean.shape == (2,)
    assert known["pupil"].std.shape == known["video"].std.shape == ()


@pytest.mark.parametrize("kind", ["films", "images"])
def test_of_the_training_trials_they_are_the_stores_own(kind: str, request: pytest.FixtureRequest) -> None:
    streams = request.getfixturevalue(kind)[1]
    stored, fitted = Statistics.stored([streams]), fit_statistics(streams)
    assert stored.sessions[streams.key].digest == fitted.sessions[streams.key].digest
    assert stored.sessions[streams.key].n_trials == fitted.sessions[streams.key].n_trials
    for name in streams:
        wanted = {measure: getattr(stored.of(streams)[name], measure) for measure in MEASURES}
        assert fitted.of(streams)[name].mean.shape == wanted["mean"].shape
        agree(fitted.of(streams)[name], wanted)
    assert "ddof 0" in stored.definition
    assert "ddof 0" in fitted.definition


def test_images_of_a_tier_without_responses(images: tuple[Session, Streams]) -> None:
    session, streams = images
    known = fit_statistics(streams, tier="final_test").of(streams)
    assert np.isnan(known["responses"].mean).all()
    assert not known["responses"].n.any()
    agree(known["image"], by_hand(session, chosen(session, tier="final_test"), "image"))


def test_withheld_behaviour_is_known_to_be_unknown(tmp_path: Path) -> None:
    _, streams = make(tmp_path, write_sensorium2022(tmp_path, n_neurons=3, frame_shape=(8, 9), kind="s"))
    for statistics in (Statistics.stored([streams]), fit_statistics(streams)):
        known = statistics.of(streams)
        assert {name: known[name].n.tolist() for name in ("pupil", "running", "gaze")} == {
            "pupil": [0, 0],
            "running": 0,
            "gaze": [0, 0],
        }
        assert np.isnan(known["gaze"].std).all()


def test_trials_of_a_split(films: tuple[Session, Streams]) -> None:
    session, streams = films
    ids = chosen(session, tier="train")[::2]
    mask = np.isin(session.handle.trials["trial_id"], ids)
    fitted = fit_statistics(streams, trials={streams.key: mask})
    agree(fitted.of(streams)["responses"], by_hand(session, ids, "responses"))


def test_a_lag_does_not_reach_into_other_trials(films: tuple[Session, Streams]) -> None:
    session, _ = films
    streams = open_streams(session.handle, ["video", "running"], lag_s={"running": 0.2})
    ids = chosen(session, tier="train")
    known = fit_statistics(streams).of(streams)
    allowed = np.isin(session.handle.trials["trial_id"], ids)
    wanted = []
    for row in np.flatnonzero(allowed):
        n = int(streams.n_frames[row])
        values, mask = np.empty(n, np.float32), np.empty(n, bool)
        streams["running"].fill(values, mask, int(row), 0)
        wanted.append(values[streams["running"].usable(int(row), n, allowed)])
    np.testing.assert_allclose(known["running"].mean, np.concatenate(wanted).astype(float).mean(), rtol=1e-9)
    assert known["running"].n == sum(map(len, wanted)) < by_hand(session, ids, "running")["n"]


def test_what_holds_streams_will_do(films: tuple[Session, Streams]) -> None:
    _, streams = films

    class Data:
        def __init__(self) -> None:
            self.streams = (streams,)

    assert fit_statistics(Data()) == fit_statistics([streams]) == fit_statistics(streams)
    for wrong in ("a/path.zarr", [3], 3):
        with pytest.raises(BadArgument, match="fitted on the streams of sessions"):
            fit_statistics(wrong)  # type: ignore[arg-type]


def test_views(films: tuple[Session, Streams]) -> None:
    session, _ = films
    view = session.resample(rate_hz=10)
    with pytest.warns(SlowReadWarning):
        data = WindowDataset.from_views([view[["gaze", "responses"]]], window=5)
    fitted = fit_statistics(data, tier=None)
    known = fitted.of(data.streams[0])
    np.testing.assert_allclose(known["gaze"].mean, np.nanmean(view["gaze"].to_numpy().astype(float), axis=0), rtol=1e-9)
    with pytest.raises(BadArgument, match="no shipped statistics of"):
        normalise().bind(data.streams[0])
    with pytest.raises(BadArgument, match="a view has no statistics of its own"):
        Statistics.stored(data.streams)
    transform = normalise(responses="per_neuron", statistics=fitted).bind(data.streams[0])
    assert transform(data[0])["responses"].shape == (5, 5)


def test_bad_choices_are_told(films: tuple[Session, Streams]) -> None:
    with pytest.raises(NoSuchItem, match="trian"):
        fit_statistics(films[1], tier="trian")
    with pytest.raises(BadArgument):
        fit_statistics([])


def test_selected_neurons(films: tuple[Session, Streams]) -> None:
    session, streams = films
    few = open_streams(session.handle.select(np.array([3, 0])))
    one = open_streams(session.handle.select(np.array([0])))
    whole, part = fit_statistics(streams), fit_statistics(few)
    np.testing.assert_allclose(whole.of(few)["responses"].mean, part.of(few)["responses"].mean, rtol=1e-12)
    np.testing.assert_array_equal(part.of(one)["responses"].std, part.of(few)["responses"].std[1:])
    assert part.of(one)["gaze"].std.shape == (2,)
    with pytest.raises(BadArgument, match="of 2 neurons, without 3 of those selected") as caught:
        part.of(streams)
    assert caught.value.code == "statistics-neurons"


def test_saved_and_loaded(films: tuple[Session, Streams], images: tuple[Session, Streams], tmp_path: Path) -> None:
    fitted = fit_statistics([films[1], images[1]])
    fitted.save(tmp_path / "statistics.json")
    again = Statistics.load(tmp_path / "statistics.json")
    assert again == fitted
    assert (hash(again), again.digest, repr(again)) == (hash(fitted), fitted.digest, repr(fitted))
    for streams in (films[1], images[1]):
        for name, known in again.of(streams).items():
            agree(known, {m: getattr(fitted.of(streams)[name], m) for m in MEASURES}, rtol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["statistics.json"]
    document = json.loads((tmp_path / "statistics.json").read_text())
    assert document["tier"] == "train"
    assert document["definition"] == fitted.definition
    assert "sha256" in repr(fitted)
    fit_statistics(films[1]).save(tmp_path / "statistics.json")
    assert Statistics.load(tmp_path / "statistics.json") != fitted


NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.just(np.nan))


@given(numbers=st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(0, 2**53)), max_size=6), data=st.data())
@settings(max_examples=30)
def test_every_number_survives_the_file(numbers: list[Any], data: st.DataObject, tmp_path_factory: Any) -> None:
    columns = np.array(numbers, object).reshape(-1, 3)
    mean, std = (columns[:, i].astype(np.float64) for i in range(2))
    known = Measures(mean, std, -mean, std, columns[:, 2].astype(np.int64))
    rows = data.draw(st.one_of(st.none(), st.just(np.arange(len(mean)))))
    session = SessionStatistics("0" * 64, 3, rows, {"responses": known})
    path = tmp_path_factory.mktemp("numbers") / "statistics.json"
    Statistics("made up", "train", {"mouse": session}).save(path)
    again = Statistics.load(path).sessions["mouse"]
    for measure in MEASURES:
        np.testing.assert_array_equal(getattr(again.streams["responses"], measure), getattr(known, measure))
    assert (again.rows is None) is (rows is None)


def test_other_sessions_are_refused(
    films: tuple[Session, Streams], images: tuple[Session, Streams], tmp_path: Path
) -> None:
    fitted = fit_statistics(films[1])
    with pytest.raises(BadArgument, match=f"of 1 session, none of them `{images[1].key}`") as caught:
        fitted.of(images[1])
    assert caught.value.code == "statistics-foreign"
    assert films[1].key in caught.value.hint
    _, other = make(tmp_path, write_sensorium2023(tmp_path, n_neurons=5, n_train=2, frame_shape=(4, 4), seed=9))
    assert other.key == films[1].key
    with pytest.raises(BadArgument, match="of another recording"):
        fitted.of(other)


def test_own_recordings_are_told_apart(tmp_path: Path) -> None:
    both = []
    for name, scale in (("a", 1.0), ("b", 2.0)):
        values = (np.arange(60.0).reshape(20, 3) * scale).astype(np.float32)
        signals = [sd.SignalData("responses", values, unit="a.u.", rate_hz=10)]
        trials = {"start_s": [0.0, 1.0], "stop_s": [1.0, 2.0]}
        sd.write_session(tmp_path / f"{name}.zarr", identity="mine", signals=signals, trials=trials)
        both.append(open_streams(sd.open_session(tmp_path / f"{name}.zarr").handle))
    fitted = fit_statistics(both[0])
    assert fitted.of(both[0])["responses"].n.tolist() == [20, 20, 20]
    with pytest.raises(BadArgument, match="of another recording"):
        fitted.of(both[1])


def test_files_that_are_none(tmp_path: Path, films: tuple[Session, Streams]) -> None:
    with pytest.raises(NotFound, match="no statistics can be read"):
        Statistics.load(tmp_path / "none.json")
    file = tmp_path / "bad.json"
    fit_statistics(films[1]).save(file)
    good = json.loads(file.read_text())
    session = good["sessions"][films[1].key]
    wrongs = ["{", "[]", json.dumps(good | {"version": 2}), json.dumps(good | {"extra": 1})]
    session["streams"]["gaze"]["mean"].append(1.0)
    wrongs.append(json.dumps(good))
    for wrong in wrongs:
        file.write_text(wrong)
        with pytest.raises(DataInvalid, match="no statistics of this package") as caught:
            Statistics.load(file)
        assert caught.value.code == "statistics-invalid"


def test_places_that_cannot_be_written(tmp_path: Path, films: tuple[Session, Streams]) -> None:
    with pytest.raises(StorageFailed, match=r"none/statistics\.json"):
        fit_statistics(films[1]).save(tmp_path / "none" / "statistics.json")
