"""Sessions assembled from real recorded parts, in the official layouts: the numbers are those of the published chains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.loaders import WindowDataset
from sensorium_data.loaders.transforms import official2022, official2023
from tests.loaders.chains import chain2022, chain2023
from tests.shared.test_assembled import ASSEMBLE as FILMS
from tests.shared.test_assembled import _assemble as assemble_films
from tests.shared.test_assembled_static import ASSEMBLE as IMAGES
from tests.shared.test_assembled_static import _assemble as assemble_images

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.loaders.transforms import Official

TOLERANCE = {"source": 1e-6, "float32": 4e-6}
FIELDS = ("videos", "responses", "behavior", "pupil_center")

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not (FILMS.is_file() and IMAGES.is_file()), reason="the real recorded parts are not beside this checkout"
    ),
]


def agree(got: Official, wanted: dict[str, Any], tolerance: float, **where: object) -> None:
    for name in got._fields:
        np.testing.assert_allclose(
            got[name], wanted[name], rtol=tolerance, atol=tolerance, equal_nan=True, err_msg=f"{name} {where}"
        )


@pytest.mark.parametrize("precision", ["source", "float32"])
@pytest.mark.parametrize("key", ["29515-10-12", "29156-11-10"])  # published in float64, and in float32
def test_films(tmp_path: Path, key: str, precision: Any, full: bool) -> None:
    source = assemble_films(tmp_path, key, full=full)
    sd.convert(source, tmp_path / "made.zarr", precision=precision)
    seen = 0
    for tier, window, pupil in (("train", 80, False), ("oracle", 71, True), ("train", "trial", True)):
        transform = official2023(pupil_center_channels=pupil)
        how: dict[str, Any] = {"window": window, "seed": 3, "transform": transform}
        data = WindowDataset(tmp_path / "made.zarr", tier=tier, **how)
        for index in range(0, len(data), 1 if full else 4):
            at, got = data.windows[index], data[index]
            wanted = chain2023(source, at.trial_id, at.start_frame, at.n_samples, pupil=pupil)
            agree(got, wanted, TOLERANCE[precision], trial=at.trial_id, start=at.start_frame)
            for name in FIELDS:
                axes = tuple(axis for axis in range(got[name].ndim) if axis != 1)
                np.testing.assert_array_equal(got.mask[name], np.isfinite(wanted[name]).all(axis=axes))
            seen += 1
    assert seen >= 15


def test_films_longer_than_the_training_clips(tmp_path: Path, full: bool) -> None:
    source = assemble_films(tmp_path, "29156-11-10", full=full)
    sd.convert(source, tmp_path / "made.zarr")
    data = WindowDataset(tmp_path / "made.zarr", tier=None, window="trial", transform=official2023())
    longer = [index for index, at in enumerate(data.windows) if at.n_samples > 300]
    assert longer
    for index in longer if full else longer[:3]:
        at, got = data.windows[index], data[index]
        wanted = chain2023(source, at.trial_id, 0, at.n_samples)
        assert wanted["kept"] == 300
        wanted["responses"][:, 300:] = np.nan  # 1 / threshold in the published chain, which cuts the trial there
        agree(got, wanted, 4e-6, trial=at.trial_id)
        assert [mask.sum() for mask in got.mask.values()] == [300] * 4


@pytest.mark.parametrize("kind", ["pretrain", "s", "colour"])
def test_images(tmp_path: Path, kind: str, full: bool) -> None:
    source = assemble_images(tmp_path, kind, full=full)
    for precision, tolerance in TOLERANCE.items():
        target = tmp_path / f"{precision}.zarr"
        sd.convert(source, target, precision=precision)  # type: ignore[arg-type]
        behavior, pupil = (None, None) if kind == "s" else ("channels", "channels")
        for scale, resize, step in ((0.25, "published", 4), (None, "published", 1), (0.5, "area", 2)):
            transform = official2022(scale=scale, behavior=behavior, pupil_center=pupil, resize=resize)  # type: ignore[arg-type]
            data = WindowDataset(target, tier="validation", transform=transform)
            for index in range(0, len(data), 1 if full else 3):
                trial = data.windows[index].trial_id
                how: dict[str, Any] = {"step": step, "area": resize == "area", "behavior": behavior, "pupil": pupil}
                agree(data[index], chain2022(source, trial, **how), tolerance, trial=trial, scale=scale)
