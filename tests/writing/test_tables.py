"""Tables of one's own come back whole: of lists, numpy, pandas-like and xarray-like tables, with every column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.schemas import Citation, Identity, Licence

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, **given: Any) -> sd.Session:
    signals = [sd.SignalData("responses", np.ones((60, 3)), unit="1", rate_hz=10)]
    sd.write_session(folder / "s", **({"identity": "s", "signals": signals} | given))
    assert check_store(folder / "s").findings == ()
    return sd.open_session(folder / "s")


class Frame:
    """A table as pandas has it: no mapping, of no truth value, text as Python objects."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns

    def __bool__(self) -> bool:
        raise ValueError("The truth value of a DataFrame is ambiguous")

    def items(self) -> Any:
        return self._columns.items()


NEURONS: dict[str, Any] = {
    "unit_id": np.array([7, -1, 12], np.int16),
    "x": [1, 2, 3],
    "y": np.array([0.5, np.nan, 2], np.float32),
    "area": np.array(["V1", "", "LM äé"], object),
    "layer": np.array(["L2/3", "L5", "L5"]),
    "depth": [100.5, 200, 300],
    "is_red": [True, False, True],
    "roi": np.arange(12).reshape(3, 2, 2),
    "snr ratio": [1.0, 2.0, 3.0],
}


@pytest.mark.parametrize("kind", [dict, Frame, "xarray"])
def test_neurons_come_back(tmp_path: Path, kind: Any) -> None:
    table: Any = NEURONS
    if kind == "xarray":
        dims = {n: ("neuron", "a", "b")[: np.ndim(v)] for n, v in NEURONS.items()}
        table = xr.Dataset({n: (dims[n], v) for n, v in NEURONS.items()}).set_coords(["unit_id", "x"])
    elif kind is Frame:
        table = Frame(NEURONS)
    session = write(tmp_path, neurons=table)
    assert set(session.neurons.variables) == set(NEURONS)
    for name, values in NEURONS.items():
        np.testing.assert_array_equal(
            session.neurons[name].to_numpy(), np.array(values, getattr(values, "dtype", None))
        )
    assert session.neurons["x"].attrs["units"] == "um"
    assert session["responses"]["unit_id"].to_numpy().tolist() == [7, -1, 12]


def test_neurons_are_numbered_where_nothing_else_is_known(tmp_path: Path) -> None:
    assert write(tmp_path).neurons["unit_id"].to_numpy().tolist() == [0, 1, 2]


TRIALS: dict[str, Any] = {
    "start_s": [-1.5, 0.1, 2.0, 100.0],
    "stop_s": np.array([0.1, 2.0, 4.0, 101.0]),
    "trial_id": np.array([3, 1, 2**40, 0], np.uint64),
    "tier": np.array(["train", "mine", "oracle", "mine"], object),
    "role": ["", "test", "", "test"],
    "stimulus": [0, 45, 90, 0],
    "correct": [True, True, False, True],
    "note of the day": ["a", "", "ü", "long " * 50],
    "mean_pupil": [0.1, np.nan, 0.3, 0.4],
    "position": np.ones((4, 2)),
}


@pytest.mark.parametrize("kind", [dict, Frame])
def test_trials_come_back(tmp_path: Path, kind: Any) -> None:
    session = write(tmp_path, trials=kind(TRIALS))
    table = session.trials
    for name in set(TRIALS) - {"role", "stimulus"}:
        np.testing.assert_array_equal(table[name].to_numpy(), TRIALS[name])
    assert table["role"].to_numpy().tolist() == ["train", "test", "validation", "test"]
    assert table["stimulus_name"].to_numpy().tolist() == [0, 45, 90, 0]
    assert table["n_valid"].to_numpy().tolist() == [1, 19, 20, 0]
    assert table["segment"].to_numpy().tolist() == [0, 0, 0, 1]  # the first three are end to end
    assert {(tier.name, tier.role, tier.n_trials) for tier in session.document.trials.tiers} == {
        ("train", "train", 1), ("mine", "test", 2), ("oracle", "validation", 1),
    }  # fmt: skip
    assert dict(session.trial(0)) == {}  # its number is 0, and it is long after the recording
    assert session.trial(3)["responses"].shape == (1, 3)


def test_statistics_are_of_the_trials_to_train_on(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((60, 3))
    signals = [
        sd.SignalData("responses", values, unit="1", rate_hz=10),
        sd.SignalData("running", values[:, 0], unit="1", times_s=np.arange(60) / 10),
    ]
    trials = {"start_s": [0, 2, 4], "stop_s": [1, 3, 5], "tier": ["train", "test", "train"]}
    session = write(tmp_path, signals=signals, trials=trials)
    kept = values.astype(np.float32)[[*range(10), *range(40, 50)]]
    np.testing.assert_allclose(session.statistics["train/responses/mean"].to_numpy(), kept.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(session.statistics["train/running/std"].to_numpy(), kept[:, 0].std(), rtol=1e-6)
    (one,) = {statistic.n_trials for statistic in session.document.statistics}
    assert one == 2


def test_empty_tables_and_no_tables_are_the_same(tmp_path: Path) -> None:
    for i, names in enumerate(((), ("neurons", "trials", "stimuli", "citations"))):
        session = write(tmp_path / str(i), **{name: {} for name in names})
        assert (session.document.trials.n, session.document.stimuli.n_variants) == (0, 0)
    session = write(tmp_path / "3", trials={"start_s": [], "stop_s": [], "tier": []})
    assert session.document.trials.n == 0
    assert "trials   0" in repr(session)


def test_behaviour_alone_is_a_recording(tmp_path: Path) -> None:
    running = sd.SignalData("running", np.ones(10), unit="cm/s", rate_hz=10)
    session = write(tmp_path, signals=[running], trials={"start_s": [0], "stop_s": [0.5]})
    assert session.document.neurons.n == 0
    assert session.trial(0)["running"].shape == (5,)
    assert session.trials["n_valid"].to_numpy().tolist() == [0]  # counted of neurons


def test_whole_documents_are_taken_as_they_are(tmp_path: Path) -> None:
    identity = Identity(key="m1-d2", name="mouse 1, day 2", modality="dynamic", animal_id="1", species="Mus musculus")
    licence, citation = Licence(name="MIT", url="https://example.org"), Citation(text="Me", doi="10.1/1")
    session = write(tmp_path, identity=identity, licence=licence, citations=["You", citation])
    document = session.document
    assert (document.identity, document.licence) == (identity, licence)
    assert document.citations == (Citation(text="You"), citation)
    assert document.provenance.reader == "write_session"
    assert document.provenance.source_bytes == 60 * 3 * 8
