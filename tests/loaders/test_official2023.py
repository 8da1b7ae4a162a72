"""The official layout of 2023 has the numbers of the published chain, frame by frame, whatever the window."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.errors import BadArgument
from sensorium_data.handle import SessionHandle
from sensorium_data.loaders.transforms.official2023 import official2023
from sensorium_data.testing import write_sensorium2023
from tests.loaders.chains import chain2023
from tests.loaders.handmade import item_of, streams_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sensorium_data.loaders.transforms.layouts import Official
    from sensorium_data.views import Session

FIELDS = ("videos", "responses", "behavior", "pupil_center")
TOLERANCE = {"source": 1e-6, "float32": 4e-6}
QUIET, MUTE, FADING = 2, 3, 5  # neurons whose standard deviations are below the floor, NaN, and NaN in one frame


@dataclass
class Made:
    source: Path
    session: Session
    tolerance: float

    def of_tier(self, tier: str) -> list[int]:
        trials = self.session.handle.trials
        return [int(number) for number in trials["trial_id"][trials["tier"] == tier]]


@pytest.fixture(scope="module", params=["source", "float32"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("official")
    source = write_sensorium2023(folder, n_neurons=8, n_train=24, frame_shape=(6, 9), behavior_nan=True)
    file = source / "meta/statistics/responses/all/std.npy"
    std = np.load(file)
    std[QUIET, ::2], std[MUTE], std[FADING, 4] = 1e-9, np.nan, np.nan
    np.save(file, std)
    sd.convert(source, folder / "made.zarr", precision=request.param)
    return Made(source, sd.open_session(folder / "made.zarr"), TOLERANCE[request.param])


def official(made: Made, trial: int, start: int, n: int, *, pupil: bool = False) -> Official:
    transform = official2023(pupil_center_channels=pupil).bind(streams_of(made.session))
    result: Official = transform(item_of(made.session, trial, start, n))
    return result


def agree(made: Made, got: Official, wanted: dict[str, Any], fields: Sequence[str] = FIELDS) -> None:
    for name in fields:
        assert got[name].dtype == torch.float32
        tolerance = made.tolerance
        np.testing.assert_allclose(
            got[name], wanted[name], rtol=tolerance, atol=tolerance, equal_nan=True, err_msg=name
        )


@pytest.mark.parametrize("pupil", [False, True])
@pytest.mark.parametrize(("start", "n"), [(0, 30), (0, 7), (13, 10), (29, 1)])
def test_windows_of_training_trials(made: Made, start: int, n: int, pupil: bool) -> None:
    for trial in made.of_tier("train")[:6]:
        got = official(made, trial, start, n, pupil=pupil)
        agree(made, got, chain2023(made.source, trial, start, n, pupil=pupil))
        assert got.videos.shape == (5 if pupil else 3, n, 6, 9)
        assert got.responses.shape == (8, n)


def test_every_frame_is_divided_by_its_own_number(made: Made) -> None:
    trial = made.of_tier("train")[1]
    whole, part = official(made, trial, 0, 30), official(made, trial, 11, 5)
    for name in FIELDS:
        axis = 1
        torch.testing.assert_close(whole[name].narrow(axis, 11, 5), part[name], rtol=0, atol=0, equal_nan=True)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_window_is_a_part_of_its_trial(made: Made, data: st.DataObject) -> None:
    trial = data.draw(st.sampled_from(made.of_tier("train")[:3] + made.of_tier("live_test_bonus")))
    length = _lengths(made)[trial]
    start = data.draw(st.integers(0, length - 1))
    n = data.draw(st.integers(1, length - start + 6))
    whole, part = official(made, trial, 0, length), official(made, trial, start, n)
    n_own = min(n, length - start)
    for name in FIELDS:
        wanted = whole[name].narrow(1, start, n_own)
        torch.testing.assert_close(part[name].narrow(1, 0, n_own), wanted, rtol=0, atol=0, equal_nan=True)
        assert part.mask[name][:n_own].equal(whole.mask[name][start : start + n_own])
        assert torch.isnan(part[name].narrow(1, n_own, n - n_own)).all()
        assert not part.mask[name][n_own:].any()


def test_floor_of_one_percent(made: Made) -> None:
    trial = made.of_tier("train")[0]
    std = np.load(made.source / "meta/statistics/responses/all/std.npy")
    raw = np.load(made.source / f"data/responses/{trial}.npy")
    got = official(made, trial, 0, 30).responses.numpy()
    threshold = 0.01 * np.nanmean(std)
    for neuron, frames in ((QUIET, slice(0, 30, 2)), (MUTE, slice(0, 30)), (FADING, slice(4, 5))):
        expected = raw[neuron, frames] / threshold
        np.testing.assert_allclose(got[neuron, frames], expected, rtol=made.tolerance, atol=made.tolerance)


def test_frames_without_shipped_statistics(made: Made) -> None:
    longer = {number: n for number, n in _lengths(made).items() if n > 30 and number in made.of_tier("oracle")}
    assert not longer  # clips of oracle are as long as those of train
    longer = {number: n for number, n in _lengths(made).items() if n > 30}
    assert longer
    for trial, n in longer.items():
        got = official(made, trial, 20, n - 20)
        wanted = chain2023(made.source, trial, 20, n - 20)
        agree(made, got, wanted, ("videos", "behavior", "pupil_center"))
        for name in FIELDS:
            assert torch.isnan(got[name][:, 10:]).all()
            assert not got.mask[name][10:].any()


def finite(values: Any) -> Any:
    """Where every channel of a field has a finite number; of few clips some pixels never vary, and have a std of 0."""
    return np.isfinite(values).all(axis=tuple(axis for axis in range(values.ndim) if axis != 1))


def test_masks_say_where_there_are_numbers(made: Made) -> None:
    cut = set()
    for trial in made.of_tier("train") + made.of_tier("oracle"):
        n = _lengths(made)[trial]
        wanted = chain2023(made.source, trial, 0, n)
        got = official(made, trial, 0, n)
        for name in FIELDS:
            np.testing.assert_array_equal(got.mask[name], finite(wanted[name]), err_msg=name)
        if (kept := wanted["kept"]) < n:  # where the published loader would cut the trial
            assert not torch.stack(list(got.mask.values())).all(0)[kept]
        cut.add(kept < n)
    assert cut == {True, False}


def test_withheld_responses_are_nan_and_masked(made: Made) -> None:
    trial = made.of_tier("live_test_main")[0]
    got = official(made, trial, 0, 20)
    assert torch.isnan(got.responses).all()
    assert not got.mask["responses"].any()
    wanted = chain2023(made.source, trial, 0, 20)
    agree(made, got, wanted, FIELDS[:1] + FIELDS[2:])
    np.testing.assert_array_equal(got.mask["videos"], finite(wanted["videos"]))
    assert got.mask["videos"].any()


def test_padding_is_nan_and_masked(made: Made) -> None:
    trial = made.of_tier("oracle")[-1]
    n = _lengths(made)[trial]
    got = official(made, trial, n - 4, 9, pupil=True)
    agree(made, got, chain2023(made.source, trial, n - 4, 4, pupil=True) | _padded(made, trial, n))
    assert all(not mask[4:].any() for mask in got.mask.values())


def _padded(made: Made, trial: int, n: int) -> dict[str, Any]:
    fields = chain2023(made.source, trial, n - 4, 4, pupil=True)
    return {
        name: np.concatenate([fields[name], np.full((len(fields[name]), 5, *fields[name].shape[2:]), np.nan)], axis=1)
        for name in FIELDS
    }


def _lengths(made: Made) -> dict[int, int]:
    trials = made.session.handle.trials
    return dict(zip(trials["trial_id"].tolist(), trials["n_valid"].tolist(), strict=True))


def test_threshold_is_that_of_all_neurons(made: Made) -> None:
    trial = made.of_tier("train")[0]
    for rows in ([QUIET], [7, QUIET, 0]):
        handle = made.session.handle.select(np.array(rows))
        item = item_of(made.session, trial, 3, 12, rows)
        got = official2023().bind(streams_of(handle))(item)
        whole = official(made, trial, 3, 12)
        torch.testing.assert_close(got.responses, whole.responses[rows], rtol=0, atol=0, equal_nan=True)


def test_the_item_is_left_alone_and_the_rest_rides_along(made: Made) -> None:
    trial = made.of_tier("train")[0]
    item = item_of(made.session, trial, 3, 12) | {"start_s": 0.1}
    before = {name: value.clone() for name, value in item.items() if isinstance(value, torch.Tensor)}
    got = official2023().bind(streams_of(made.session))(item)
    for name, value in before.items():
        torch.testing.assert_close(item[name], value, rtol=0, atol=0, equal_nan=True)
    key = made.session.document.identity.key
    assert (got.session, got.trial_id, got.start_frame, got["start_s"]) == (key, trial, 3, 0.1)
    assert tuple(got.mask) == FIELDS


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_out_as_float32(made: Made, dtype: torch.dtype) -> None:
    trial = made.of_tier("train")[0]
    item = item_of(made.session, trial, 0, 12)
    item["responses"] = item["responses"].to(dtype)
    got = official2023().bind(streams_of(made.session))(item)
    wanted = chain2023(made.source, trial, 0, 12)["responses"]
    np.testing.assert_allclose(got.responses, wanted, rtol=1e-2, atol=1e-5)


def test_recipe(made: Made) -> None:
    recipe = official2023(pupil_center_channels=True)
    assert pickle.loads(pickle.dumps(recipe)) == recipe != official2023()
    assert eval(repr(recipe)) == recipe
    with pytest.raises(BadArgument, match="not bound to a session") as caught:
        recipe({})
    assert "make_loader" in caught.value.hint
    assert recipe.bind(streams_of(SessionHandle(made.session.handle.where))) is not None


def test_another_rate_is_refused(made: Made) -> None:
    with pytest.raises(BadArgument, match="frames at 30 Hz, not at 60 Hz") as caught:
        official2023().bind(streams_of(made.session, rate=Fraction(60)))
    assert caught.value.code == "statistics-rate"
    assert "per_neuron" in caught.value.hint


def test_windows_across_trials_are_refused(made: Made) -> None:
    trial = made.of_tier("train")[0]
    n = _lengths(made)[trial]
    item = item_of(made.session, trial, n - 4, 9)
    item["mask"]["video"][:] = True  # as of a window that goes on into the trial after it
    with pytest.raises(
        BadArgument, match=f"9 frames from frame {n - 4} of trial {trial} goes on into the next"
    ) as caught:
        official2023().bind(streams_of(made.session))(item)
    assert caught.value.code == "statistics-crossing"


def test_missing_streams_and_statistics_are_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="running, gaze is not served"):
        official2023().bind(streams_of(made.session, ["video", "responses", "pupil"]))
    source = write_sensorium2023(tmp_path, n_neurons=3, n_train=2, frame_shape=(4, 4))
    for file in (source / "meta/statistics/pupil_center/all").glob("*.npy"):
        file.unlink()
    sd.convert(source, tmp_path / "bare.zarr")
    with pytest.raises(BadArgument, match="no shipped statistics of `pupil_center`") as caught:
        official2023().bind(streams_of(sd.open_session(tmp_path / "bare.zarr")))
    assert "fit_statistics" in caught.value.hint
