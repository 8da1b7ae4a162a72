"""Real traces of another laboratory, 16 Hz and signed, on a clock of 30 Hz with pupil and running, and loaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sensorium_data as sd
from sensorium_data.loaders import make_loader

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT.parent / "shared/real/park_v1_gratings").glob("*.mat"))

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FILES, reason="../shared/real/park_v1_gratings is not beside the checkout"),
]


@pytest.fixture(scope="module")
def park(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that `docs/recordings.md` writes of them."""
    folder = tmp_path_factory.mktemp("park")
    block = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs/recordings.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )[0]
    (wanted,) = set(re.findall(r'loadmat\("(.*?)"\)', block))
    (folder / wanted).symlink_to((FILES[0].parent / wanted).resolve())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(block, {})
    return folder / "park.zarr"


def straight(session: sd.Session, name: str, times_s: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Interpolate with numpy, one trial at a time: no time of a window lies in a gap between two runs."""
    values = session[name].values.reshape(session[name].sizes["time"], -1)
    known_s = session[name]["time"].values
    return np.stack([np.interp(times_s, known_s, column) for column in values.T], axis=-1)


def test_all_streams_on_one_clock(park: Path) -> None:
    session = sd.open_session(park)
    start, stop = float(session.trials["start_s"][7]), float(session.trials["stop_s"][7])
    view = session.resample(rate_hz=30, window=(start, stop))
    assert set(view.data_vars) == {"responses", "pupil", "running"}
    np.testing.assert_array_equal(view["time"], start + np.arange(60) / 30)
    for name in view.data_vars:
        wanted = straight(session, str(name), view["time"].values)
        np.testing.assert_allclose(view[name].values.reshape(60, -1), wanted, rtol=1e-5, atol=1e-5)
        assert view[f"mask_{name}"].all()
    gap = session.resample(rate_hz=30, window=(start - 2, start))
    assert not gap["mask_responses"][:20].all()
    assert gap["responses"].isnull().any()


def test_batches(park: Path) -> None:
    session = sd.open_session(park)
    loader = make_loader(park, window=45, rate_hz=30, batch_size=16, seed=1)
    n_windows = 0
    for batch in loader:
        assert batch["responses"].shape[1:] == (45, session.document.neurons.n)
        assert all(mask.all() for mask in batch["mask"].values())
        for row, (trial_id, first) in enumerate(zip(batch["trial_id"], batch["start_frame"], strict=True)):
            start = float(session.trials["start_s"][int(trial_id)])
            times = start + (int(first) + np.arange(45)) / 30
            for name in ("responses", "pupil", "running"):
                got = batch[name][row].reshape(45, -1).numpy()
                np.testing.assert_allclose(got, straight(session, name, times), rtol=1e-5, atol=1e-5)
        n_windows += len(batch["trial_id"])
    assert n_windows == 128
    assert torch.isfinite(batch["responses"]).all()
    assert (batch["responses"] < 0).any()
