"""Several sessions as one: found by key and place, their tables joined, faults of all told at once."""

from __future__ import annotations

import html
import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr

import sensorium_data as sd
from sensorium_data.errors import BadArgument, NoSuchItem, NotFound, SensoriumError, StoreInvalid
from sensorium_data.sessionset import SessionSet, open_sessions
from sensorium_data.store.opened import OpenStore
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ("29156-11-10", "29515-10-12")
RNG = np.random.default_rng(2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`a.zarr` and `b.zarr` of two mice that saw the same films, `own.zarr` with areas, and a file that is none."""
    folder = tmp_path_factory.mktemp("set")
    for name, key in zip("ab", KEYS, strict=True):
        source = write_sensorium2023(
            folder,
            name=f"dynamic{key}-Video-x",
            n_neurons=4 + (name == "b"),
            n_train=2,
            n_repeats=2,
            frame_shape=(8, 12),
        )
        sd.convert(source, folder / f"{name}.zarr")
    sd.write_session(
        folder / "own.zarr",
        identity="own",
        signals=[sd.SignalData("responses", RNG.random((60, 3)), unit="1", rate_hz=30)],
        neurons={"unit_id": [7, 8, 9], "area": ["V1", "LM", "V1"], "good": [True, False, True]},
        trials={"start_s": [0.0, 1.0], "stop_s": [1.0, 2.0], "score": [1, 2]},
    )
    (folder / "notes.zarr").write_text("none")
    return folder


@pytest.fixture
def sessions(folder: Path) -> SessionSet:
    return open_sessions([folder / "b.zarr", folder / "own.zarr", folder / "a.zarr"])


def test_a_pattern_stands_for_the_stores_it_matches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_sessions(f"{folder}/*.zarr").keys == (*KEYS, "own")
    monkeypatch.chdir(folder)
    assert open_sessions(["own.zarr", "[ab].zarr"]).keys == ("own", *KEYS)


def test_sessions_that_are_open_stay_what_they_are(folder: Path) -> None:
    some = sd.open_session(folder / "a.zarr").select([1, 2])
    handle = sd.open_session(folder / "b.zarr").handle
    found = open_sessions([some, handle])
    assert found[0] is some
    assert found[1].handle is handle
    assert open_sessions(found).keys == found.keys


def test_by_key_and_by_place(sessions: SessionSet) -> None:
    assert sessions.keys == (KEYS[1], "own", KEYS[0])
    assert len(sessions) == 3
    assert [session.document.identity.key for session in sessions] == list(sessions.keys)
    assert sessions["own"] is sessions[1] is sessions[-2]
    assert sessions[1:].keys == ("own", KEYS[0])
    assert sessions[::-1].keys == sessions.keys[::-1]
    inside: list[object] = ["own", sessions[0], "other", sd.open_session(sessions[0].handle.where)]
    assert [one in sessions for one in inside] == [True, True, False, False]
    assert next(reversed(sessions)) is sessions[2]
    with pytest.raises(IndexError):
        _ = sessions[3]


def test_a_key_that_is_not_there_is_answered_with_near_ones(sessions: SessionSet) -> None:
    asked: list[Any] = [
        lambda: sessions["29515-10-1"],
        lambda: sessions.select(neurons={"29515-10-1": [0]}),
        lambda: sessions.resample(window={"29515-10-1": (0, 1)}),
    ]
    for ask in asked:
        with pytest.raises(NoSuchItem) as caught:
            ask()
        assert caught.value.code == "no-such-session"
        assert "`29515-10-12`" in caught.value.hint


def test_nothing_but_roots_is_read(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.zarr").mkdir()
        (tmp_path / f"{name}.zarr" / "zarr.json").write_bytes((folder / f"{name}.zarr" / "zarr.json").read_bytes())
    found = open_sessions(f"{tmp_path}/*.zarr")
    assert KEYS[0] in repr(found)
    assert KEYS[0] in found._repr_html_()


def test_many_fit_in_memory(folder: Path, tmp_path: Path) -> None:
    text = (folder / "b.zarr" / "zarr.json").read_text("utf-8")
    for i in range(100):
        (tmp_path / f"{i:03}.zarr").mkdir()
        root = json.loads(text)
        root["attributes"]["sensorium_data"]["session"]["identity"]["key"] = f"k{i}"
        (tmp_path / f"{i:03}.zarr" / "zarr.json").write_text(json.dumps(root), "utf-8")
    code = (
        "import sys, psutil, sensorium_data.sessionset as s\n"
        "found = s.open_sessions(sys.argv[1])\n"
        "print(len(found), psutil.Process().memory_info().rss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"{tmp_path}/*.zarr"], capture_output=True, text=True, check=True
    )
    n, size = map(int, done.stdout.split())
    assert n == 100
    assert size < 200e6


# -- tables


def test_tables_are_joined_row_by_row(sessions: SessionSet) -> None:
    neurons, trials = sessions.neurons, sessions.trials
    assert neurons.sizes == {"neuron": 12}
    assert neurons["session"].to_numpy().tolist() == [KEYS[1]] * 5 + ["own"] * 3 + [KEYS[0]] * 4
    for key in sessions.keys:
        mine = neurons.isel(neuron=neurons["session"].to_numpy() == key)
        for name, column in sessions[key].neurons.items():
            np.testing.assert_array_equal(mine[name], column)
        shown = trials.isel(trial=trials["session"].to_numpy() == key)
        for name, variable in sessions[key].trials.variables.items():
            np.testing.assert_array_equal(shown[name], variable)
    assert neurons["unit_id"].dtype == np.int64
    assert neurons["x"].attrs["units"] == "um"
    assert "trial_id" in trials.coords
    assert trials["start_s"].attrs["units"] == "s"


def test_what_a_session_lacks_is_missing(sessions: SessionSet) -> None:
    neurons = sessions.neurons
    assert neurons["area"].to_numpy().tolist() == [""] * 5 + ["V1", "LM", "V1"] + [""] * 4
    np.testing.assert_array_equal(neurons["good"], [np.nan] * 5 + [1, 0, 1] + [np.nan] * 4)
    assert np.isnan(neurons["x"][5:8]).all()
    score = sessions.trials["score"].to_numpy()
    assert score[~np.isnan(score)].tolist() == [1, 2]


def test_columns_that_do_not_fit_are_named(folder: Path, tmp_path: Path) -> None:
    signal = sd.SignalData("responses", RNG.random((30, 2)), unit="1", rate_hz=30)
    for name, width in (("one", 2), ("two", 3)):
        neurons = {"unit_id": [1, 2], "place": np.zeros((2, width))}
        sd.write_session(tmp_path / name, identity=name, signals=[signal], neurons=neurons)
    table = open_sessions([tmp_path / "one", tmp_path / "two"]).neurons
    assert table.attrs["left_out"] == ["place"]
    assert list(table.data_vars) == ["unit_id"]


def test_tables_see_a_selection(sessions: SessionSet) -> None:
    some = sessions.select(neurons={"own": [2, 0]}, unit_ids={KEYS[0]: sessions[KEYS[0]].neurons["unit_id"][[3]]})
    assert [session.handle.n_neurons for session in some] == [5, 2, 1]
    assert some.neurons["unit_id"].to_numpy()[5:7].tolist() == [9, 7]
    assert "8 neurons" in repr(some).splitlines()[0]


# -- selecting


def test_a_selection_is_made_in_each(sessions: SessionSet) -> None:
    deep = sessions[[key != "own" for key in sessions.keys].index(True)]
    low = float(np.median(deep.neurons["z"]))
    found = sessions[::2].select(depth=(low, np.inf))
    for key in found.keys:
        z = sessions[key].neurons["z"].to_numpy()
        np.testing.assert_array_equal(found[key].neurons["z"], z[z >= low])


def test_an_area_may_be_in_some_only(folder: Path, tmp_path: Path) -> None:
    signal = sd.SignalData("responses", RNG.random((30, 2)), unit="1", rate_hz=30)
    for name, areas in (("one", ["V1", "LM"]), ("two", ["V1", "AL"])):
        sd.write_session(tmp_path / name, identity=name, signals=[signal], neurons={"area": areas})
    both = open_sessions([tmp_path / "one", tmp_path / "two"])
    assert [s.neurons["area"].to_numpy().tolist() for s in both.select(area=["V1", "LM"])] == [["V1", "LM"], ["V1"]]
    with pytest.raises(NoSuchItem, match="area `VV`"):
        both.select(area="VV")
    with pytest.raises(BadArgument) as caught:
        both.select(area="AL")
    assert caught.value.code == "nothing-selected"
    assert caught.value.message.startswith("one: no neuron is selected")


def test_all_sessions_that_object_are_named(sessions: SessionSet) -> None:
    with pytest.raises(NoSuchItem) as caught:
        sessions.select(area="V1")
    assert caught.value.code == "no-such-column"
    assert [problem.where for problem in caught.value.problems] == [KEYS[1], KEYS[0]]
    with pytest.raises(BadArgument) as mixed:
        sessions.select(depth=(1e6, 2e6))
    assert [problem.code for problem in mixed.value.problems] == [
        "nothing-selected",
        "no-such-column",
        "nothing-selected",
    ]


def test_names_of_one_sessions_neurons_need_its_key(sessions: SessionSet) -> None:
    with pytest.raises(BadArgument, match="by session key"):
        sessions.select(unit_ids=[1, 2])  # type: ignore[arg-type]


# -- what is asked of all


def test_groups_are_those_of_the_function(sessions: SessionSet) -> None:
    groups = sessions.stimulus_groups()
    assert groups.keys == sessions.keys
    assert groups.occurrences == sd.stimulus_groups(list(sessions)).occurrences


def test_it_pickles(sessions: SessionSet) -> None:
    some = pickle.loads(pickle.dumps(sessions.select(neurons={"own": [1]})))
    assert some.keys == sessions.keys
    xr.testing.assert_identical(some["own"]["responses"].load(), sessions["own"]["responses"][:, [1]].load())


def test_its_text(sessions: SessionSet, folder: Path) -> None:
    first, *lines = repr(sessions).splitlines()
    n_trials = sum(session.document.trials.n for session in sessions)
    assert first == f"SessionSet: 3 sessions, 12 neurons, {n_trials:,} trials"
    assert [line.split()[0] for line in lines] == list(sessions.keys)
    assert lines[1].split() == ["own", "3", "neurons", "2", "trials:", "train", "2"]
    page = sessions._repr_html_()
    assert html.escape(str(folder / "own.zarr")) in page
    assert len(repr(SessionSet({str(i): sessions[0] for i in range(30)})).splitlines()) == 22


# -- what cannot be opened


def told(wheres: Any) -> SensoriumError:
    with pytest.raises(SensoriumError) as caught:
        open_sessions(wheres)
    return caught.value


def test_all_that_cannot_be_opened_is_told_at_once(folder: Path) -> None:
    error = told([folder / "c.zarr", folder / "a.zarr", folder / "notes.zarr", f"{folder}/*.zip"])
    assert isinstance(error, StoreInvalid)
    assert error.message == "3 of 4 sessions cannot be opened"
    assert [problem.code for problem in error.problems] == ["no-such-store", "not-a-store", "no-match"]
    assert str(folder / "c.zarr") == error.problems[0].where
    assert error.problems[0].what == "no such store"


def test_one_that_cannot_be_opened_is_told_as_itself(folder: Path) -> None:
    error = told([folder / "c.zarr"])
    assert (type(error), error.code) == (NotFound, "no-such-store")
    assert isinstance(told([folder / "c.zarr", folder / "d.zarr"]), NotFound)
    error = told(folder)
    assert error.code == "not-a-store"
    assert error.hint == f"'{folder}/*.zarr' stands for the stores in it"
    error = told(f"{folder}/*ideo-x")
    assert error.code == "no-match"
    assert "dynamic29156-11-10-Video-x" in error.hint


@pytest.mark.parametrize("wheres", [3, None, [3], [None]])
def test_what_is_no_session_is_refused(wheres: Any) -> None:
    assert told(wheres).code == "no-session"


def test_each_is_given_once(folder: Path, tmp_path: Path) -> None:
    assert told([]).code == "no-sessions"
    assert told([folder / "a.zarr", f"{folder}/*.zarr"]).code == "store-twice"
    (tmp_path / "link.zarr").symlink_to(folder / "a.zarr")
    assert told([folder / "a.zarr", tmp_path / "link.zarr"]).code == "store-twice"
    (tmp_path / "copy.zarr").mkdir()
    (tmp_path / "copy.zarr" / "zarr.json").write_bytes((folder / "a.zarr" / "zarr.json").read_bytes())
    error = told([folder / "a.zarr", tmp_path / "copy.zarr"])
    assert (type(error), error.code) == (BadArgument, "key-twice")


def test_a_set_is_opened_without_its_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(OpenStore, "values", refused)
    monkeypatch.setattr(OpenStore, "read", refused)
    assert len(repr(open_sessions(f"{folder}/*.zarr"))) > 0
