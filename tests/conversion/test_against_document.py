"""What the session document claims is compared with the source, not only the values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def signal(session: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(signal for signal in session["signals"] if signal["name"] == name)
    return found


LIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no rounding": (
        lambda s: signal(s, "responses")["rounding"].update(exact=True, max_abs_error=0.0),
        "responses",
    ),
    "another rounding": (lambda s: signal(s, "gaze")["rounding"].update(exact=False, max_abs_error=1e-9), "gaze"),
    "rounded films": (lambda s: s["stimuli"]["rounding"].update(exact=False, max_abs_error=0.5), "video"),
    "no columns": (lambda s: s["neurons"].update(columns=[]), "neurons.columns"),
    "another licence": (lambda s: s["licence"].update(name="CC0"), "licence"),
    "no citation": (lambda s: s.update(citations=[]), "citations"),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sensorium2023(tmp_path_factory.mktemp("s"), n_neurons=6, n_train=3, n_repeats=2, frame_shape=(8, 12))


@pytest.mark.parametrize("lie", LIES)
def test_a_document_that_lies_is_found_out(tmp_path: Path, source: Path, lie: str) -> None:
    sd.convert(source, tmp_path / "x.zarr")
    root = json.loads((tmp_path / "x.zarr/zarr.json").read_text())
    change, where = LIES[lie]
    change(root["attributes"]["sensorium_data"]["session"])
    (tmp_path / "x.zarr/zarr.json").write_text(json.dumps(root))
    report = check_store(tmp_path / "x.zarr", against=source)
    assert ("against-document", where) in {(finding.code, finding.where) for finding in report.findings}
    assert not report.ok
