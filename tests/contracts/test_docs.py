"""The page on own recordings is true: its blocks run as they are written, and give what it says they give."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/recordings.md").read_text("utf-8")
REAL = ROOT.parent / "shared/real/park_v1_gratings"
FILES = sorted(REAL.glob("*.mat"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


PARK, *MADE_UP = blocks("python")
(MESSAGE,) = blocks("text")


def test_the_example_is_short() -> None:
    assert len(PARK.splitlines()) <= 30


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the names of the blocks on made-up data are once they have run, one after another."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec("import numpy as np\nimport sensorium_data as sd", names)
    for block in MADE_UP:
        exec(block, names)
    return names


def test_several_rates(made: dict[str, Any]) -> None:
    from sensorium_data.conversion import check_store

    trial = made["trial"]
    said = dict(re.findall(r'trial\["(\w+)"\].*# (\d+)', "\n".join(MADE_UP)))
    assert said == {"responses": "61", "gaze": "160", "video": "240"}
    assert {name: str(trial.sizes[f"time_{name}"]) for name in said} == said
    assert trial["running"].sizes["time_running"] == 800
    assert "reward" in made["session"].trials
    assert "video" not in made["session"].trial(1)
    assert made["session"].document.stimuli.n_frames == 240
    assert check_store("rates.zarr").findings == ()


def test_the_message_is_as_shown(made: dict[str, Any]) -> None:
    assert made["message"] == MESSAGE.rstrip()
    assert made["codes"] == re.findall(r"\[([a-z-]+)\]$", MESSAGE, re.MULTILINE)
    assert not Path("wrong.zarr").exists()


@pytest.mark.shared
@pytest.mark.skipif(not FILES, reason="../shared/real/park_v1_gratings is not beside the checkout")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name[:6])
def test_the_example_on_real_recordings(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sensorium_data.conversion import check_store

    monkeypatch.chdir(tmp_path)
    wanted = re.findall(r'loadmat\("(.*?)"\)', PARK)
    assert wanted[0] in {known.name for known in FILES}
    Path(wanted[0]).symlink_to(file.resolve())
    names: dict[str, Any] = {}
    exec(PARK, names)

    recorded = import_module("scipy.io").loadmat(file)
    data, direction = recorded["D"][0, 0], recorded["TE"][0, 0]["direction"][0]
    session = names["sd"].open_session("park.zarr")
    streams = {"pupil": ["pupil_zscore"], "running": ["speed"]}
    streams["responses"] = [f"neuron{number}" for number in session.neurons["unit_id"].to_numpy()]
    assert len(streams["responses"]) == sum(name.startswith("neuron") for name in data.dtype.names)
    for number in range(128):
        trial = session.trial(number)
        np.testing.assert_array_equal(trial["time"], 4.0 * number + 1 + np.arange(32) / 16)
        for name, columns in streams.items():
            published = np.stack([data[column][0, number][16:48, 0] for column in columns], axis=1)
            stored = trial[name].to_numpy().reshape(32, -1)
            np.testing.assert_array_equal(stored, published.astype(np.float32))
    # The second before onset and the sample after two seconds are there as well, outside the trials.
    joined = np.concatenate([one[:, 0] for one in data["neuron1"][0]]).astype(np.float32)
    np.testing.assert_array_equal(session["responses"][:, 0], joined)
    assert (session["responses"] < 0).any()
    np.testing.assert_array_equal(session.trials["stimulus_name"], direction)
    assert len(np.unique(session.trials["stimulus"])) == 8
    assert check_store("park.zarr").findings == ()
    assert names["trial"].attrs["trial_id"] == 5
    assert dict(names["trial"].sizes) == {"time": 32, "neuron": len(streams["responses"])}
