"""A trial is named by the integer it was published under, in whatever type that integer comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr

import sensorium_data as sd
from sensorium_data.errors import BadArgument, NoSuchItem
from sensorium_data.store.layout import quiet_zarr
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

MADE: dict[str, Any] = {"n_neurons": 4, "n_train": 3, "n_repeats": 1, "frame_shape": (8, 12)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    folder = tmp_path_factory.mktemp("whole")
    sd.convert(write_sensorium2023(folder, **MADE), folder / "s.zarr")
    return sd.open_session(folder / "s.zarr")


@pytest.fixture
def holed(whole: sd.Session) -> sd.Session:
    session = sd.open_session(whole.handle.where)
    session.handle.trials["trial_id"] = whole.handle.trials["trial_id"] * 2
    return session


@pytest.mark.parametrize("number", [-1, 10_000, 10**30])
def test_an_unknown_trial_is_refused(whole: sd.Session, holed: sd.Session, number: int) -> None:
    last = len(whole.handle.trials["trial_id"]) - 1
    for session, hint in ((whole, f"0 to {last}"), (holed, f"0 to {2 * last}, with holes")):
        with pytest.raises(NoSuchItem, match=f"no trial {number}") as caught:
            session.trial(number)
        assert caught.value.code == "no-such-trial"
        assert caught.value.hint == f"trials are numbered {hint}"


INTEGERS = (np.int64, np.uint8, np.array, xr.DataArray, lambda n: xr.DataArray(n, {"trial_id": n}))


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_of_every_kind_name_a_trial(whole: sd.Session, kind: Any) -> None:
    xr.testing.assert_identical(whole.trial(kind(2)), whole.trial(2))
    assert whole.trial(whole.trials.trial_id[1]).attrs["trial_id"] == int(whole.trials.trial_id[1])


OTHERS = (True, np.True_, 0.0, np.float32(1), "1", None, np.array([1]), np.array(1.0), xr.DataArray(True), [1], 1j)


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_what_is_no_integer_names_no_trial(whole: sd.Session, other: Any) -> None:
    with pytest.raises(BadArgument, match="named by the integer") as caught:
        whole.trial(other)
    assert (caught.value.code, caught.value.exit_code) == ("trial-number", 2)
    assert "trial_id" in caught.value.hint


def test_columns_of_chosen_trials_keep_their_types(whole: sd.Session) -> None:
    """The way that the README shows; `where(..., drop=True)` makes floats of all."""
    train = whole.trials.isel(trial=(whole.trials.tier == "train").values)
    assert {name: column.dtype for name, column in train.variables.items()} == {
        name: column.dtype for name, column in whole.trials.variables.items()
    }
    assert set(train.tier.values) == {"train"}


def test_lazy_arrays_say_how_to_cut_them_for_dask(whole: sd.Session, tmp_path: Path) -> None:
    responses = whole["responses"]
    assert responses.encoding["chunks"] == (20, 4)
    assert responses.encoding["preferred_chunks"] == {"time": 3000, "neuron": 4}
    n = whole["pupil"].sizes["time"]
    assert whole["pupil"].encoding["preferred_chunks"] == {"time": n}
    cut = responses.chunk(responses.encoding["preferred_chunks"])
    np.testing.assert_array_equal(cut.to_numpy(), responses.to_numpy())
    with quiet_zarr():
        cut.to_dataset().to_zarr(tmp_path / "copy.zarr")
        whole.trial(2).to_zarr(tmp_path / "trial.zarr")


@pytest.mark.parametrize(("n_columns", "rows"), [(1, 3000), (36 * 64, 600), (8000, 200), (40_000, 40), (200_000, 20)])
def test_pieces_for_dask_are_a_few_megabytes(n_columns: int, rows: int) -> None:
    from sensorium_data.viewing.lazy import dask_rows

    assert dask_rows(3000, 20, n_columns * 4) == rows
