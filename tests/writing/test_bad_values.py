"""Values that only show when they are read: what was written so far is gone, and the arrays are as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.errors import BadArgument
from tests.writing.spoilt import ON, responses

if TYPE_CHECKING:
    from pathlib import Path


def value_cases() -> list[tuple[str, Any, dict[str, Any], str, str]]:
    def spoilt(value: float, dtype: str = "f8") -> Any:
        values = np.ones((4000, 2), dtype)
        values[3500, 1] = value
        return values

    return [
        ("responses", spoilt(np.nan), {}, "nan-in-valid", "signal `responses`, samples 3300 to 3600"),
        ("responses", spoilt(np.inf), {}, "infinite", "signal `responses`, samples 3300 to 3600"),
        ("responses", spoilt(1e39), {}, "overflow", "signal `responses`, samples 3300 to 3600"),
        ("responses", spoilt(1e5), {"precision": "float16"}, "overflow", "signal `responses`, samples 3300 to 3600"),
        ("responses", da.from_array(spoilt(np.nan)), {}, "nan-in-valid", "signal `responses`, samples 3000 to 4000"),
        ("running", spoilt(-np.inf)[:, 1], {}, "infinite", "signal `running`"),
        ("running", spoilt(1e300)[:, 1], {}, "overflow", "signal `running`"),
    ]


@pytest.mark.parametrize(("name", "values", "options", "code", "where"), value_cases())
def test_values_that_cannot_be_kept(
    tmp_path: Path, name: str, values: Any, options: dict[str, Any], code: str, where: str
) -> None:
    signals = [sd.SignalData(name, values, **ON)]
    with pytest.raises(BadArgument, match="values that cannot be kept") as caught:
        sd.write_session(tmp_path / "own.zarr", identity="m", signals=signals, **options)
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [(code, where)]
    advice = {"overflow": 'precision="source" keeps them'}.get(code, "allow_nan=True lets them in")
    assert advice in str(caught.value)  # as Python spells it
    assert "--" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_array_that_is_not_what_it_says(tmp_path: Path) -> None:
    class Lying:
        shape, dtype = (10, 2), np.dtype("f8")

        def __getitem__(self, key: slice) -> Any:
            return np.ones((10, 3))[key]

    with pytest.raises(BadArgument, match=r"rows 0 to 10 are float64 \(10, 3\), announced float64 \(10, 2\)") as caught:
        sd.write_session(tmp_path / "s", identity="m", signals=[sd.SignalData("responses", Lying(), **ON)])
    assert caught.value.code == "array-changed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"preset": "small"}, "preset `small` is unknown"),
        ({"precision": "double"}, "precision `double` is unknown"),
        ({"existing": "overwrite"}, "existing `overwrite` is unknown"),
        ({"existing": "resume"}, "for published recordings"),
    ],
)
def test_options_that_there_are_not(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadArgument, match=said):
        sd.write_session(tmp_path / "s", identity="m", signals=[responses()], **options)
    assert list(tmp_path.iterdir()) == []
