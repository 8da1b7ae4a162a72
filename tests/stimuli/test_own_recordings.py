"""Own recordings: labels without films stay their own, films are compared with everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import sensorium_data as sd

if TYPE_CHECKING:
    from pathlib import Path

STARTS_S = np.arange(4.0)


def _written(folder: Path, key: str, **more: Any) -> Path:
    signals = [sd.SignalData("responses", np.ones((80, 3), np.float32), unit="a.u.", rate_hz=16)]
    sd.write_session(folder / f"{key}.zarr", identity=key, signals=signals, **more)
    return folder / f"{key}.zarr"


def test_labels_and_films(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    films = {name: rng.integers(0, 256, (15, 8, 12), np.uint8) for name in ("left", "right")}
    trials = {"start_s": STARTS_S, "stop_s": STARTS_S + 0.9, "stimulus": ["left", "right", "right", "left"]}
    sessions = [
        _written(tmp_path, "labels", trials=trials),
        _written(tmp_path, "more-labels", trials=trials),
        _written(tmp_path, "films", trials=trials, stimuli=films, frame_rate_hz=16),
        _written(tmp_path, "a-film", trials=trials, stimuli={**films, "left": films["left"] ^ 128}, frame_rate_hz=16),
        _written(tmp_path, "nothing"),
    ]
    groups = sd.stimulus_groups(sessions)
    assert groups.shared == (("films", "a-film", 1),)
    shown = {key: groups[key].tolist() for key in groups.keys}
    assert shown.pop("nothing") == []
    assert all(a == d and b == c and a != b for a, b, c, d in shown.values())
    assert shown["films"][1] == shown["a-film"][1]
    assert sorted(groups.identities[group][:12] for group in shown["labels"][:2]) == ["labels/0", "labels/1"]
    assert groups.n_groups == 2 + 2 + 3
