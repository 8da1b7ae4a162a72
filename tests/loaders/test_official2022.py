"""The official layout of 2022 has the numbers of the published chain, with every option, of every kind of recording."""

from __future__ import annotations

import pickle
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import sensorium_data as sd
from sensorium_data.errors import BadArgument
from sensorium_data.loaders.transforms.layouts import (
    Official2022,
    Official2022Behavior,
    Official2022Images,
    Official2022PupilCenter,
)
from sensorium_data.loaders.transforms.official2022 import official2022, shrink
from sensorium_data.loaders.transforms.official2023 import official2023
from sensorium_data.testing import make_session, write_sensorium2022
from tests.loaders.chains import chain2022
from tests.loaders.handmade import item_of, streams_of

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.loaders.transforms.layouts import Official
    from sensorium_data.views import Session

PLACES = ("vectors", "channels", None)


def make(folder: Path, **how: Any) -> tuple[Path, Session]:
    source = write_sensorium2022(folder, **{"n_neurons": 6, "frame_shape": (8, 16), "n_train": 8, **how})
    sd.convert(source, folder / "made.zarr")
    return source, sd.open_session(folder / "made.zarr")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Session]:
    return make(tmp_path_factory.mktemp("official"))


def official(session: Session, trial: int, **how: Any) -> Official:
    result: Official = official2022(**how).bind(streams_of(session))(item_of(session, trial))
    return result


def agree(got: Official, wanted: dict[str, Any]) -> None:
    assert got._fields == tuple(wanted)
    for name, values in wanted.items():
        assert got[name].dtype == torch.float32
        assert got[name].shape == values.shape
        np.testing.assert_allclose(got[name], values, rtol=1e-6, atol=1e-6, equal_nan=True, err_msg=name)


@pytest.mark.parametrize("pupil", PLACES)
@pytest.mark.parametrize("behavior", PLACES)
@pytest.mark.parametrize(
    ("scale", "step", "resize"), [(0.25, 4, "published"), (0.5, 2, "area"), (0.25, 4, "area"), (None, 1, "published")]
)
def test_every_option(
    made: tuple[Path, Session], scale: float | None, step: int, resize: str, behavior: str | None, pupil: str | None
) -> None:
    source, session = made
    for trial in (0, 5):
        got = official(session, trial, scale=scale, resize=resize, behavior=behavior, pupil_center=pupil)
        agree(got, chain2022(source, trial, step=step, area=resize == "area", behavior=behavior, pupil=pupil))
        assert all(mask.shape == () and mask for mask in got.mask.values())
        assert tuple(sorted(got.mask)) == tuple(sorted(got._fields))


def test_layouts_by_option(made: tuple[Path, Session]) -> None:
    kinds: dict[tuple[Any, Any], type[Official]] = {
        ("vectors", "channels"): Official2022,
        ("channels", None): Official2022Behavior,
        (None, "vectors"): Official2022PupilCenter,
        (None, None): Official2022Images,
    }
    for (behavior, pupil), kind in kinds.items():
        assert type(official(made[1], 0, behavior=behavior, pupil_center=pupil)) is kind


KINDS = [
    {"kind": "colour"},
    {"axes_of_one": True},
    {"sibling": True},
    {"fractional": True},
    {"kind": "splus"},
    {"kind": "colour", "sibling": True},
]


@pytest.mark.parametrize("how", KINDS, ids=str)
def test_kinds_of_recordings(how: dict[str, Any], tmp_path: Path) -> None:
    source, session = make(tmp_path, **how)
    for row in range(0, len(session.trials["trial_id"]), 3):
        got = official(session, row, behavior="channels", pupil_center="channels")
        wanted = chain2022(source, row, behavior="channels", pupil="channels")
        if bool(session.trials["responses_withheld"][row]):
            wanted["responses"] = np.full(6, np.nan)
        agree(got, wanted)
        assert bool(got.mask["responses"]) is not bool(session.trials["responses_withheld"][row])
        assert got.images.shape == ((7, 2, 4) if how.get("kind") == "colour" else (6, 2, 4))


def test_statistics_of_each_pixel_are_applied_before_shrinking(tmp_path: Path) -> None:
    source = write_sensorium2022(tmp_path, n_neurons=3, frame_shape=(8, 16), n_train=6)
    rng = np.random.default_rng(0)
    for name in ("mean", "std"):
        np.save(source / f"meta/statistics/images/all/{name}.npy", rng.uniform(10, 90, (1, 8, 16)).astype(np.float32))
    sd.convert(source, tmp_path / "made.zarr")
    session = sd.open_session(tmp_path / "made.zarr")
    agree(official(session, 2, behavior=None), chain2022(source, 2, behavior=None, pupil="vectors"))
    agree(official(session, 2, resize="area"), chain2022(source, 2, area=True, behavior="vectors", pupil="vectors"))


def test_withheld_behaviour_is_nan_and_masked(tmp_path: Path) -> None:
    source, session = make(tmp_path, kind="s")
    got = official(session, 0, behavior="channels", pupil_center="vectors")
    assert torch.isnan(got.behavior).all()
    assert torch.isnan(got.pupil_center).all()
    assert torch.isnan(got.images[1:]).all()
    np.testing.assert_allclose(
        got.images[:1], chain2022(source, 0, behavior=None, pupil=None)["images"], rtol=1e-6, atol=1e-6
    )
    assert {name for name, mask in got.mask.items() if mask} <= {"responses"}
    assert official(session, 0, behavior=None, pupil_center=None).mask["images"]


def test_an_eye_that_was_lost(tmp_path: Path) -> None:
    source, session = make(tmp_path, behavior_nan=True)
    tiers = np.load(source / "meta/trials/tiers.npy")
    for trial in np.flatnonzero(tiers == "train").tolist():
        lost = bool(np.isnan(np.load(source / f"data/behavior/{trial}.npy")).any())
        got = official(session, trial, behavior="channels")
        agree(got, chain2022(source, trial, behavior="channels", pupil="vectors"))
        assert [bool(got.mask[name]) for name in got._fields] == [not lost, True, not lost, not lost]


IMAGES = arrays.arrays(np.float64, st.sampled_from([(12, 24), (2, 12, 12)]), elements=st.floats(0, 255))


@given(image=IMAGES, step=st.sampled_from([1, 2, 3, 4, 6]))
def test_shrinking_is_bilinear_interpolation_at_the_centres(image: Any, step: int) -> None:
    zoom = import_module("scipy.ndimage").zoom
    for plane in image.reshape(-1, *image.shape[-2:]):
        wanted = zoom(plane, 1 / step, order=1, mode="mirror", grid_mode=True)
        np.testing.assert_allclose(shrink(plane, step), wanted, rtol=1e-9, atol=1e-9)


@given(image=IMAGES, step=st.sampled_from([1, 2, 3, 4, 6]))
def test_area_keeps_the_mean(image: Any, step: int) -> None:
    np.testing.assert_allclose(shrink(image, step, "area").mean(), image.mean(), rtol=1e-9, atol=1e-9)


def test_recipe() -> None:
    recipe = official2022(scale=None, behavior=None, resize="area")
    assert pickle.loads(pickle.dumps(recipe)) == recipe != official2022()
    assert eval(repr(recipe)) == recipe
    assert official2022(scale=1 / 3).step == 3


@pytest.mark.parametrize("scale", [0.3, 0, -0.25, 2.0, float("nan"), float("inf"), "0.2x"])
def test_other_scales_are_refused(scale: Any) -> None:
    with pytest.raises(BadArgument, match="expected None or one over a whole number") as caught:
        official2022(scale=scale)
    assert caught.value.code == "bad-scale"


def test_other_options_are_refused() -> None:
    for option in ("behavior", "pupil_center", "resize"):
        wrong: dict[str, Any] = {option: "chanels"}
        with pytest.raises(BadArgument, match=f"{option} is 'chanels'"):
            official2022(**wrong)


def test_what_does_not_fit_is_refused(made: tuple[Path, Session], tmp_path: Path) -> None:
    streams = streams_of(made[1])
    with pytest.raises(BadArgument, match="images of 8 × 16 pixels have no whole number of blocks of 5 × 5"):
        official2022(scale=0.2).bind(streams)
    with pytest.raises(BadArgument, match=r"official2023\(\) is for films") as caught:
        official2023().bind(streams)
    assert "official2022" in caught.value.hint
    with pytest.raises(BadArgument, match="gaze is not served"):
        official2022().bind(streams_of(made[1], ["image", "responses", "pupil", "running"]))
    films = sd.open_session(make_session(tmp_path, n_neurons=2, n_train=1))
    with pytest.raises(BadArgument, match=r"official2022\(\) is for images"):
        official2022().bind(streams_of(films))
