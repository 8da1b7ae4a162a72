"""Make the committed stores of layout 1: `python tests/data/make_layout1.py NEW.zip` packs three like `layout1.zip`.

They were made once, with the version that `provenance.version` names, and stay as they are: a later version that cannot
open them, or reads other numbers from them, has broken the promise that layout 1 opens forever. `expected.json` holds what
they must give, taken from the published files and arrays themselves, not from the stores.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import sensorium_data as sd
from sensorium_data.testing import write_sensorium2022, write_sensorium2023

FEW = {"NaturalVideo": 6, "Gabor": 6, "GaussianDot": 7, "PinkNoise": 8, "RandomDots": 5, "NaturalImages": 7}


def digest(values: Any) -> str:
    """SHA-256 of dtype, shape and bytes."""
    array = np.ascontiguousarray(values)
    return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()


def dynamic(folder: Path, work: Path) -> dict[str, Any]:
    """A film recording with withheld trials, holes and a lost eye; responses rounded from float64."""
    source = write_sensorium2023(
        work, n_neurons=3, n_train=2, n_repeats=2, lengths=FEW, frame_shape=(4, 6), behavior_nan=True, holes=True
    )
    sd.convert(source, folder / "dynamic.zarr")
    tiers = np.load(source / "meta/trials/tiers.npy")
    expected = {}
    for trial in np.flatnonzero(tiers != "none").tolist():
        film = np.load(source / f"data/videos/{trial}.npy")
        n = int((~np.isnan(film[0, 0])).sum())
        responses = np.load(source / f"data/responses/{trial}.npy")[:, :n].T.astype(np.float32)
        expected[str(trial)] = {
            "tier": str(tiers[trial]),
            "film": digest(np.moveaxis(film[..., :n], -1, 0).astype(np.uint8)),
            "responses": digest(responses) if responses.any() else None,
            "gaze": digest(np.load(source / f"data/pupil_center/{trial}.npy")[:, :n].T.astype(np.float32)),
        }
    return expected


def static(folder: Path, work: Path) -> dict[str, Any]:
    """A recording of images with withheld responses and behaviour."""
    source = write_sensorium2022(
        work, kind="s", n_neurons=3, n_train=4, n_validation=1, n_test=2, n_repeats=2, frame_shape=(4, 6)
    )
    sd.convert(source, folder / "static.zarr", preset="portable")
    tiers = np.load(source / "meta/trials/tiers.npy")
    expected = {}
    for trial, tier in enumerate(tiers.tolist()):
        responses = np.load(source / f"data/responses/{trial}.npy")
        image = np.load(source / f"data/images/{trial}.npy")[0].astype(np.uint8)
        shown = digest(responses) if responses.any() else None
        expected[str(trial)] = {"tier": tier, "film": digest(image), "responses": shown, "gaze": None}
    return expected


def own(folder: Path) -> dict[str, Any]:
    """A recording of one's own: two clocks, a gap, jitter, integers, and a film shown twice."""
    rng = np.random.default_rng(1)
    film = rng.integers(0, 256, (5, 4, 6), dtype=np.uint8)
    responses = rng.normal(size=(40, 3)).astype(np.float32)
    sampled_s = np.r_[np.arange(25), np.arange(30, 45)] / 8
    moved_s, moved = np.cumsum(rng.uniform(0.01, 0.1, 90)).round(6), np.arange(90, dtype=np.int16)
    sd.write_session(
        folder / "own.zarr",
        identity="layout-1-own",
        signals=[
            sd.SignalData("responses", responses, unit="a.u.", rate_hz=8, runs=[(0, 25), (3.75, 15)]),
            sd.SignalData("running", moved, unit="1", times_s=moved_s),
        ],
        trials={"start_s": [0.0, 2.5], "stop_s": [2.0, 4.5], "tier": ["train", "test"], "stimulus": ["a", "a"]},
        stimuli={"a": film},
        frame_rate_hz=30,
        preset="fast",
    )
    expected = {}
    for trial, (tier, start, stop) in enumerate((("train", 0.0, 2.0), ("test", 2.5, 4.5))):
        expected[str(trial)] = {
            "tier": tier,
            "film": digest(film),
            "responses": digest(responses[(sampled_s >= start) & (sampled_s < stop)]),
            "running": digest(moved[(moved_s >= start) & (moved_s < stop)]),
        }
    return expected


def main() -> None:
    """Pack the three stores and what they must give; 480 small files are one archive of some kilobytes."""
    target = Path(sys.argv[1])
    if target.exists():
        sys.exit(f"{target} is there already; stores of layout 1 are made once")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "stores")
        folder.mkdir()
        expected = {"dynamic": dynamic(folder, Path(work)), "static": static(folder, Path(work)), "own": own(folder)}
        (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
        shutil.make_archive(str(target.with_suffix("")), "zip", folder)


if __name__ == "__main__":
    main()
