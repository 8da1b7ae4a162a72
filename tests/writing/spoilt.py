"""What the tests of bad input share: a sound recording to spoil, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from pathlib import Path

N = 40
ON: dict[str, Any] = {"unit": "1", "rate_hz": 8}
TEN = np.arange(10.0)


def responses(n_neurons: int = 3, **other: Any) -> sd.SignalData:
    return sd.SignalData("responses", np.ones((N, n_neurons)), **(ON | other))


def pupil(values: Any = None, **other: Any) -> sd.SignalData:
    given: dict[str, Any] = ON | other
    if "times_s" in given:
        given.pop("rate_hz")
    return sd.SignalData(given.pop("name", "pupil"), np.ones(10) if values is None else values, **given)


def refused(tmp_path: Path, **given: Any) -> dict[str, str]:
    """Return what was said of each problem, by code and place; nothing may have been written."""
    arguments: dict[str, Any] = {"identity": "m", "signals": [responses()]} | given
    with pytest.raises(BadArgument) as caught:
        sd.write_session(tmp_path / "own.zarr", **arguments)
    assert list(tmp_path.iterdir()) == []
    assert caught.value.code == "recording-invalid"
    assert caught.value.__cause__ is None
    assert "nothing was written" in caught.value.hint
    assert f"{len(caught.value.problems)} problem" in caught.value.message
    return {f"{problem.code} @ {problem.where}": problem.what for problem in caught.value.problems}
