"""A selection of neurons is the session with these neurons alone: everything sees it, and nothing else changes."""

from __future__ import annotations

import pickle
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import BadArgument, NoSuchItem
from sensorium_data.handle import SessionHandle
from sensorium_data.reading import ArrayReader
from sensorium_data.testing import make_session
from sensorium_data.viewing.lazy import StoreArray
from tests.views.test_lazy_indexing import KEYS, fitted, orthogonal

if TYPE_CHECKING:
    from pathlib import Path

N = 12
RNG = np.random.default_rng(5)
AREAS = np.array(["V1", "LM", "V1", "AL", "LM", "V1"])
DEPTHS = np.array([100.0, 150.0, 200.0, 250.0, np.nan, 300.0])


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    return sd.open_session(make_session(tmp_path_factory.mktemp("select"), n_neurons=N, n_train=3))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    """Six neurons with areas, layers and depths; `face` has channels, and no neurons."""
    place = tmp_path_factory.mktemp("own") / "s.zarr"
    neurons = {
        "unit_id": [3, 5, 9, 10, 40, 41], "area": AREAS, "layer": ["L2/3"] * 3 + ["L4"] * 3,
        "depth": DEPTHS, "z": -np.arange(6.0), "place": RNG.random((6, 2)),
    }  # fmt: skip
    signals = [
        sd.SignalData("responses", RNG.random((90, 6)), unit="1", rate_hz=30),
        sd.SignalData("face", RNG.random((90, 2)), unit="1", rate_hz=30, channels=("a", "b")),
    ]
    trials = {"start_s": [0, 1], "stop_s": [1, 3]}
    sd.write_session(place, identity="own", signals=signals, neurons=neurons, trials=trials)
    return sd.open_session(place)


ROWS = st.lists(st.integers(0, N - 1), min_size=1, max_size=N, unique=True)


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, drawn=st.tuples(KEYS, KEYS))
def test_a_selection_is_the_whole_indexed(session: sd.Session, rows: list[int], drawn: tuple[Any, Any]) -> None:
    values = session["responses"].to_numpy()[:, rows]
    key = tuple(fitted(part, n) for part, n in zip(drawn, values.shape, strict=True))
    found = session.select(rows)["responses"]
    assert found.shape == values.shape
    np.testing.assert_array_equal(found[key].to_numpy(), orthogonal(values, list(key)))


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, data=st.data())
def test_a_selection_of_a_selection_counts_in_the_first(
    session: sd.Session, rows: list[int], data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, unique=True))
    ids = session.neurons["unit_id"].to_numpy()
    for twice in (
        session.select(rows).select(places),
        session.select(rows).select(unit_ids=ids[np.array(rows)[places]]),
    ):
        assert twice.neurons["unit_id"].to_numpy().tolist() == ids[np.array(rows)[places]].tolist()
        wanted = session["responses"][40:60].to_numpy()[:, np.array(rows)[places]]
        np.testing.assert_array_equal(twice["responses"][40:60].to_numpy(), wanted)


def test_everything_sees_it(session: sd.Session) -> None:
    rows = [7, 0, 3]
    some = session.select(rows)
    xr.testing.assert_identical(some.neurons, session.neurons.isel(neuron=rows))
    xr.testing.assert_identical(some["responses"].load(), session["responses"].isel(neuron=rows).load())
    xr.testing.assert_identical(some["pupil"].load(), session["pupil"].load())
    xr.testing.assert_identical(some.trials, session.trials)
    number = int(session.trials["trial_id"][session.trials["tier"] == "train"][0])
    xr.testing.assert_identical(some.trial(number), session.trial(number).isel(neuron=rows))
    for node in ("source/responses/all", "train/responses"):
        xr.testing.assert_identical(
            some.statistics[node].to_dataset()["mean"].load(),
            session.statistics[node].to_dataset()["mean"].isel(neuron=rows).load(),
        )
    assert session["responses"].sizes["neuron"] == N  # the session itself is as it was


def test_its_text_says_so(session: sd.Session) -> None:
    some = session.select([4, 2])
    for text in (repr(some), some._repr_html_()):
        assert f"2 of {N} neurons: " in text
        assert "neuron 2)" in text
    assert " of 12 neurons" not in repr(session)
    assert repr(session.select(slice(None))) == repr(session)


def test_rows_not_asked_for_are_not_decoded(session: sd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    plain = ArrayReader.pieces

    def noted(self: ArrayReader, first: int, n: int) -> Any:
        asked.append((self.path, first, n))
        return plain(self, first, n)

    monkeypatch.setattr(ArrayReader, "pieces", noted)
    assert session.select([5, 1])["responses"][45:50].to_numpy().shape == (5, 2)
    assert asked == [("signals/responses/values", 45, 5)]


def test_it_is_cut_for_dask_as_it_is(session: sd.Session, tmp_path: Path) -> None:
    some = session.select([4, 2, 9])["responses"]
    cut = some.encoding["preferred_chunks"]
    assert cut["neuron"] == 3
    np.testing.assert_array_equal(some.chunk(cut).to_numpy(), some.to_numpy())
    assert StoreArray(session.handle.store, "signals/responses/values").row_bytes == N * 4


def test_a_selection_pickles_as_a_recipe(session: sd.Session) -> None:
    some = session.select([4, 2, 9])
    again = pickle.loads(pickle.dumps(some))
    assert len(pickle.dumps(some)) < 1000
    assert again.handle.selected.tolist() == [4, 2, 9]
    assert not again.handle.selected.flags.writeable
    xr.testing.assert_identical(again["responses"].load(), some["responses"].load())
    lazy = pickle.loads(pickle.dumps(some["responses"]))
    np.testing.assert_array_equal(lazy.to_numpy(), some["responses"].to_numpy())


def test_the_store_is_opened_once(session: sd.Session) -> None:
    some = session.select([4, 2])
    assert some.handle.store is session.handle.store
    assert session.handle.selected is None
    assert some.handle.n_neurons == 2


# -- criteria


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ({"neurons": 2}, [9]),
        ({"neurons": [-1, 0]}, [41, 3]),
        ({"neurons": slice(None, None, -2)}, [41, 10, 5]),
        ({"neurons": np.array([4, 1], np.uint8)}, [40, 5]),
        ({"neurons": range(2)}, [3, 5]),
        ({"unit_ids": [41, 3]}, [41, 3]),
        ({"unit_ids": 9}, [9]),
        ({"area": "LM"}, [5, 40]),
        ({"area": ("AL", "LM")}, [5, 10, 40]),
        ({"layer": "L4"}, [10, 40, 41]),
        ({"depth": (100, 200)}, [3, 5]),
        ({"depth": (150, np.inf)}, [5, 9, 10, 41]),
        ({"mask": AREAS == "V1"}, [3, 9, 41]),
        ({"area": "V1", "depth": (0, 250), "layer": "L2/3"}, [3, 9]),
        ({"unit_ids": [41, 40, 9], "area": "V1"}, [41, 9]),
        ({"neurons": [5, 4, 3, 2], "mask": AREAS != "AL", "depth": (0, 1000)}, [41, 9]),
        ({}, [3, 5, 9, 10, 40, 41]),
    ],
)  # fmt: skip
def test_criteria_are_all_held_to(own: sd.Session, how: dict[str, Any], ids: list[int]) -> None:
    some = own.select(**how)
    assert some.neurons["unit_id"].to_numpy().tolist() == ids
    assert some["responses"]["unit_id"].to_numpy().tolist() == ids
    assert some["face"].sizes["channel"] == 2
    assert some.neurons["place"].shape == (len(ids), 2)


def test_columns_of_the_session_may_be_the_criteria(own: sd.Session) -> None:
    table = own.neurons
    some = own.select(mask=table["depth"] > 160, unit_ids=table["unit_id"][::-1])
    assert some.neurons["unit_id"].to_numpy().tolist() == [41, 10, 9]


def test_without_a_depth_z_is_meant(session: sd.Session) -> None:
    z = session.neurons["z"].to_numpy()
    low, high = float(np.sort(z)[3]), float(np.sort(z)[-1])
    found = session.select(depth=(low, high)).neurons["z"].to_numpy()
    np.testing.assert_array_equal(found, z[(z >= low) & (z < high)])


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ({"unit_ids": [9, 7, 100]}, "no-such-neuron", "7, 100 (2 of 3)"),
        ({"area": "LN"}, "no-such-area", "`LN`"),
        ({"area": ["V1", "v1"]}, "no-such-area", "`v1`"),
        ({"layer": "L5"}, "no-such-layer", "`L5`"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is_near(
    own: sd.Session, how: dict[str, Any], code: str, said: str
) -> None:
    with pytest.raises(NoSuchItem) as caught:
        own.select(**how)
    assert caught.value.code == code
    assert said in caught.value.message
    assert caught.value.message.startswith("own: ")
    assert {"no-such-neuron": "near 7 there are 3, 5, 9, 10;", "no-such-area": "`LM`", "no-such-layer": "`L4`"}[
        code
    ] in caught.value.hint.replace("`V1`", "`LM`")


def test_a_table_without_the_column_says_what_it_has(session: sd.Session) -> None:
    with pytest.raises(NoSuchItem, match="no column `area`") as caught:
        session.select(area="V1")
    assert caught.value.code == "no-such-column"
    assert "unit_id, x, y, z" in caught.value.hint


def test_depth_needs_a_column(tmp_path: Path) -> None:
    signal = sd.SignalData("responses", RNG.random((30, 2)), unit="1", rate_hz=30)
    sd.write_session(tmp_path / "s", identity="m", signals=[signal])
    with pytest.raises(NoSuchItem, match="no column `depth` or `z`"):
        sd.open_session(tmp_path / "s").select(depth=(0, 1))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"neurons": [0, 6]}, "neurons 6 outside 6 neurons"),
        ({"neurons": [-7]}, "neurons -7 outside"),
        ({"neurons": [0, -6]}, "neurons name 0 more than once"),
        ({"unit_ids": [3, 3]}, "unit_ids name 3 more than once"),
        ({"neurons": [True] * 6}, "true and false"),
        ({"neurons": [0.0]}, "float64"),
        ({"neurons": [[1], [2, 3]]}, "differing length"),
        ({"unit_ids": ["3"]}, "expected a list of integers"),
        ({"neurons": [0], "unit_ids": [3]}, "both name neurons"),
        ({"mask": [True]}, "bool of shape (6,)"),
        ({"mask": np.ones(6)}, "expected bool"),
        ({"depth": (2, 1)}, "expected (from, to)"),
        ({"depth": (1, 1)}, "expected (from, to)"),
        ({"depth": 3}, "expected (from, to)"),
        ({"depth": (np.nan, 1)}, "expected (from, to)"),
        ({"area": 3}, "expected a name or several"),
    ],
)
def test_criteria_without_sense_are_refused(own: sd.Session, how: dict[str, Any], said: str) -> None:
    with pytest.raises(BadArgument) as caught:
        own.select(**how)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"depth": (400, 500)}, "of 6, depth keeps 0"),
        ({"area": "AL", "layer": "L2/3"}, "of 6, area keeps 1, layer leaves 0"),
        ({"area": []}, "of 6, area keeps 0"),
        ({"neurons": []}, "of 6, neurons keeps 0"),
        (
            {"unit_ids": [3, 9], "area": "V1", "depth": (150, 180), "mask": np.ones(6, bool)},
            "area leaves 2, depth leaves 0",
        ),
    ],
)
def test_a_selection_of_nothing_says_what_took_the_last(own: sd.Session, how: dict[str, Any], said: str) -> None:
    with pytest.raises(BadArgument) as caught:
        own.select(**how)
    assert caught.value.code == "nothing-selected"
    assert caught.value.message.endswith(said)
    if "depth" in how:
        assert caught.value.hint == "`depth` goes from 100 to 300 um"


@pytest.mark.parametrize("rows", [[0, 0], [12], [-1], [], [0.5], [[1]]])
def test_a_handle_takes_rows_of_the_table_alone(session: sd.Session, rows: Any) -> None:
    for ask in (session.handle.select, lambda rows: SessionHandle(session.handle.where, rows)):
        with pytest.raises(BadArgument) as caught:
            ask(np.array(rows))
        assert caught.value.code == "neuron-rows"


def test_a_session_copied_elsewhere_keeps_its_selection(session: sd.Session, tmp_path: Path) -> None:
    copied = shutil.copytree(session.handle.where, tmp_path / "copy.zarr")
    selected = session.select([3, 1]).handle.selected
    assert (
        SessionHandle(copied, selected).neurons["unit_id"].tolist()
        == session.neurons["unit_id"][[3, 1]].to_numpy().tolist()
    )
