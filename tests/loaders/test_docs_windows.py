"""The page on windows is true: its blocks run as they are written, and give what it says they give."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.testing import REAL_LENGTHS, write_sensorium2023

PAGE = (Path(__file__).parents[2] / "docs/windows.md").read_text("utf-8")
MICE = {"A": "dynamic29156-11-10-Video-x", "F": "dynamic29515-10-12-Video-x"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `mouse-A.zarr` and `mouse-F.zarr`, trials as long as real ones; not to be changed."""
    folder = tmp_path_factory.mktemp("page")
    for letter, name in MICE.items():
        source = write_sensorium2023(
            folder, name=name, n_neurons=2, n_train=6, frame_shape=(8, 12), lengths=REAL_LENGTHS, dtype="float32"
        )  # fmt: skip
        sd.convert(source, folder / f"mouse-{letter}.zarr")
    return folder


@pytest.fixture
def run(stores: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], str]:
    """What the names of the blocks are once they have run one after another, and what was printed."""
    pytest.importorskip("torch")
    monkeypatch.chdir(stores)
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks("python"):
            exec(block, names)
    return names, printed.getvalue()


def test_the_page_is_true(run: tuple[dict[str, Any], str]) -> None:
    names, printed = run
    assert printed == blocks("text")[0]
    first = blocks("python")[0]
    assert repr(names["dataset"].windows) in first
    assert repr(names["dataset"].windows[1]).partition("start_s=")[0] in first
    assert names["told"].legal is False
    assert names["dense"].windows.n_samples.tolist() == [80] * len(names["dense"])
    assert len({window.n_samples for window in names["whole"].windows}) >= 1
    films: dict[str, set[int]] = {}
    for side in ("train", "validation"):
        windows = names[side].windows
        films[side] = {
            int(names["groups"][windows.keys[session]][row])
            for session, row in zip(windows.session.tolist(), windows.trial_row.tolist(), strict=True)
        }
    assert films["train"]
    assert films["validation"]
    assert not films["train"] & films["validation"]


def test_strides_after_a_hole() -> None:
    from sensorium_data.windows import legal_windows
    from tests.windows.made import MadeTrial, made

    assert "start at frames 0, 110 and 190" in PAGE.replace("\n", " ")
    streams = made([MadeTrial(300, tier="oracle")], {"pupil": np.arange(100, 110).tolist()})
    assert legal_windows([streams], tier="oracle").start_frame.tolist() == [0, 110, 190]
