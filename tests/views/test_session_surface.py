"""An opened session: exactly the published values, read when they are asked for and not before."""

from __future__ import annotations

import html
import pickle
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr

import sensorium_data as sd
from sensorium_data.errors import NoSuchItem, NotFound, StoreInvalid
from sensorium_data.store.layout import quiet_zarr
from sensorium_data.testing import TrialTruth, describe_sensorium2023, write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

MADE: dict[str, Any] = {"n_train": 3, "n_repeats": 2, "holes": True}
SIGNALS = ("responses", "pupil", "running", "gaze")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    return write_sensorium2023(folder, n_neurons=6, frame_shape=(8, 12), dtype="float32", behavior_nan=True, **MADE)


@pytest.fixture(scope="module")
def truth() -> tuple[TrialTruth, ...]:
    return describe_sensorium2023(**MADE)


@pytest.fixture(scope="module")
def store(source: Path) -> Path:
    target = source.with_name("s.zarr")
    sd.convert(source, target)
    return target


@pytest.fixture(scope="module")
def session(store: Path) -> sd.Session:
    return sd.open_session(store)


def published(source: Path, stream: str, trial: TrialTruth) -> Any:
    return np.load(source / "data" / stream / f"{trial.trial_id}.npy")[..., : trial.n_valid]


def test_every_trial_is_what_was_published(source: Path, session: sd.Session, truth: tuple[TrialTruth, ...]) -> None:
    for trial in truth:
        shown = session.trial(trial.trial_id)
        assert shown.attrs["tier"] == trial.tier
        assert shown.attrs["missing"] is trial.missing
        assert shown.attrs["responses_withheld"] is trial.withheld
        if trial.missing:
            assert len(shown.data_vars) == 0
            continue
        assert set(shown.data_vars) == {"video", *SIGNALS} - ({"responses"} if trial.withheld else set())
        behaviour, gaze = published(source, "behavior", trial), published(source, "pupil_center", trial)
        wanted = {"video": np.moveaxis(published(source, "videos", trial), -1, 0).astype(np.uint8)}
        wanted |= {"pupil": behaviour[0], "running": behaviour[1], "gaze": gaze.T}
        if not trial.withheld:
            wanted["responses"] = published(source, "responses", trial).T
        for name, values in wanted.items():
            assert shown[name].dtype == values.dtype
            np.testing.assert_array_equal(shown[name].to_numpy(), values)
        assert shown["video"].dims == ("time", "y", "x")
        assert shown["gaze"].dims == ("time", "axis")
        assert shown["axis"].to_numpy().tolist() == ["x", "y"]
        assert shown.sizes["time"] == trial.n_valid


def test_a_trials_times_are_those_of_the_table(session: sd.Session, truth: tuple[TrialTruth, ...]) -> None:
    for row, trial in enumerate(truth):
        if trial.missing:
            continue
        shown, listed = session.trial(trial.trial_id), session.trials.isel(trial=row)
        assert shown["time"].to_numpy()[0] == listed["start_s"]
        assert shown["time"].to_numpy().tolist() == [k / 30 for k in range(int(listed["start"]), int(listed["stop"]))]


def test_tables_say_what_was_published(source: Path, session: sd.Session, truth: tuple[TrialTruth, ...]) -> None:
    unit_ids = np.load(source / "meta/neurons/unit_ids.npy")
    xyz = np.load(source / "meta/neurons/cell_motor_coordinates.npy")
    np.testing.assert_array_equal(session.neurons["unit_id"].to_numpy(), unit_ids)
    for i, axis in enumerate("xyz"):
        np.testing.assert_array_equal(session.neurons[axis].to_numpy(), xyz[:, i])
        assert session.neurons[axis].attrs["units"] == "um"
    table = session.trials
    assert table["trial_id"].to_numpy().tolist() == [trial.trial_id for trial in truth]
    assert table["tier"].to_numpy().tolist() == [trial.tier for trial in truth]
    assert table["n_valid"].to_numpy().tolist() == [trial.n_valid for trial in truth]
    assert table["missing"].to_numpy().tolist() == [trial.missing for trial in truth]
    assert table["responses_withheld"].to_numpy().tolist() == [trial.withheld for trial in truth]


def test_trials_share_a_stimulus_exactly_when_they_showed_one_film(
    session: sd.Session, truth: tuple[TrialTruth, ...]
) -> None:
    pairs = {
        (trial.film, int(group))
        for trial, group in zip(truth, session.trials["stimulus"], strict=True)
        if not trial.missing
    }
    assert len(pairs) == len({film for film, _ in pairs}) == len({group for _, group in pairs})
    assert set(session.stimuli["group"].to_numpy().tolist()) == {group for _, group in pairs}


def test_signals_are_listed_with_their_times_and_channels(session: sd.Session) -> None:
    assert list(session.signals) == list(SIGNALS)
    for name, signal in session.signals.items():
        assert signal.dims[0] == "time"
        assert signal["time"].attrs["units"] == "s"
        assert (np.diff(signal["time"]) > 0).all()
        np.testing.assert_array_equal(signal.to_numpy(), session[name].to_numpy())
    unit_ids = session["responses"]["unit_id"].to_numpy()
    np.testing.assert_array_equal(unit_ids, session.neurons["unit_id"].to_numpy())


def test_statistics_are_those_of_the_train_tier_and_the_shipped_ones(source: Path, session: sd.Session) -> None:
    tree = session.statistics
    assert set(tree.children) == {"source", "train"}
    train = session.trials["trial_id"].to_numpy()[session.trials["tier"].to_numpy() == "train"]
    values = np.concatenate([session.trial(int(k))["responses"].to_numpy() for k in train]).astype(np.float64)
    np.testing.assert_allclose(tree["train/responses/mean"].to_numpy(), values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(tree["train/responses/std"].to_numpy(), values.std(axis=0), rtol=1e-9)
    shipped = np.load(source / "meta/statistics/responses/all/mean.npy")
    assert np.isin(np.nan_to_num(shipped), np.nan_to_num(tree["source/responses/all/mean"].to_numpy())).all()


def test_opening_and_naming_reads_no_samples(store: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(store, tmp_path / "bare.zarr")
    chunks = [path for path in bare.rglob("c") if path.parent.parent.name != "neurons"]
    assert chunks
    for path in chunks:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    opened = sd.open_session(bare)
    assert opened.document.identity.key == "29515-10-12"
    assert {name: opened[name].shape[1:] for name in SIGNALS} == {
        "responses": (6,),
        "pupil": (),
        "running": (),
        "gaze": (2,),
    }
    assert opened.frames.shape[1:] == (8, 12)
    assert "train" in opened.statistics.children


def test_only_what_is_asked_for_is_read(store: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(store, tmp_path / "bare.zarr")
    shutil.rmtree(bare / "stimuli" / "frames" / "c")
    opened, whole = sd.open_session(bare), sd.open_session(store)
    xr.testing.assert_identical(opened["responses"], whole["responses"])


def test_dask_only_on_request(session: sd.Session) -> None:
    lazy = session["responses"]
    assert lazy.chunks is None
    chunked = lazy.chunk({"time": 40})
    assert chunked.chunks is not None
    np.testing.assert_array_equal((2 * chunked[::-1]).to_numpy(), 2 * lazy.to_numpy()[::-1])


def test_plain_xarray_and_zarr_read_the_store(store: Path, session: sd.Session) -> None:
    with quiet_zarr(), xr.open_datatree(store, engine="zarr") as tree:
        np.testing.assert_array_equal(tree["signals/responses/values"].to_numpy(), session["responses"].to_numpy())
        np.testing.assert_array_equal(tree["stimuli/frames"].to_numpy(), session.frames.to_numpy())
        assert tree["trials/tier"].to_numpy().tolist() == session.trials["tier"].to_numpy().tolist()
        assert tree["signals/gaze/values"].dims == ("time", "axis")
    with quiet_zarr():
        root = zarr.open(store, mode="r")
        assert isinstance(root, zarr.Group)
        np.testing.assert_array_equal(np.asarray(root["signals/pupil/values"]), session["pupil"].to_numpy())


def test_reprs_say_what_how_big_and_from_where(session: sd.Session, store: Path, source: Path) -> None:
    text, page = repr(session), session._repr_html_()
    known = [
        "29515-10-12", "mouse F", str(store), "sensorium2023", source.name, "6: ", "train 3", "withheld", "missing",
        "8×12 uint8", "responses (time", "neuron 6", "30 Hz nominal clock", "CC BY-NC-ND 4.0", "Turishcheva",
    ]  # fmt: skip
    for fact in known:
        assert fact in text
        assert html.escape(fact) in page
    assert "0x" not in text


def test_html_is_escaped(store: Path, tmp_path: Path) -> None:
    sharp = shutil.copytree(store, tmp_path / "<script>&'.zarr")
    page = sd.open_session(sharp)._repr_html_()
    assert "<script>" not in page
    assert html.escape(sharp.name) in page


def test_sessions_and_lazy_signals_pickle(session: sd.Session) -> None:
    again = pickle.loads(pickle.dumps(session))
    assert repr(again) == repr(session)
    xr.testing.assert_identical(
        again.trial(int(session.trials["trial_id"][-1])), session.trial(int(session.trials["trial_id"][-1]))
    )
    lazy = session["gaze"]
    assert len(pickle.dumps(session)) < 1000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy)).to_numpy(), lazy.to_numpy())


def test_another_process_reads_what_it_is_sent(session: sd.Session, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(pickle.dumps((session, session["pupil"])))
    code = (
        "import pickle, sys, pathlib\n"
        "session, pupil = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "print(pupil.to_numpy().tobytes().hex(), session['responses'].to_numpy().tobytes().hex())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "sent")], capture_output=True, text=True, check=True
    )
    sent = [session[name].to_numpy().tobytes().hex() for name in ("pupil", "responses")]
    assert run.stdout.split() == sent


@pytest.mark.parametrize(("name", "near"), [("respones", "`responses`"), ("Pupil", "`pupil`"), ("qqq", "`running`")])
def test_an_unknown_signal_is_answered_with_near_misses(session: sd.Session, name: str, near: str) -> None:
    for ask in (session.__getitem__, session.signals.__getitem__):
        with pytest.raises(NoSuchItem, match=name) as caught:
            ask(name)
        assert caught.value.code == "no-such-signal"
        assert near in caught.value.hint


def test_asking_whether_a_signal_is_there(session: sd.Session) -> None:
    assert "pupil" in session.signals
    assert "respones" not in session.signals
    assert session.signals.get("respones") is None


def test_what_cannot_be_opened_says_why(store: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        sd.open_session(store.with_name("z.zarr"))
    assert "`s.zarr`" in caught.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreInvalid) as broken:
        sd.open_session(tmp_path / "empty")
    assert broken.value.code == "not-a-store"
