"""The page on normalisation is true: its blocks run as they are written, and print what they say they print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import sensorium_data as sd
from sensorium_data.testing import write_sensorium2022, write_sensorium2023

PAGE = (Path(__file__).parents[2] / "docs/normalisation.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    films = write_sensorium2023(folder, n_train=9, n_repeats=1, lengths={"NaturalVideo": 100})
    images = write_sensorium2022(folder, n_neurons=5)
    sd.convert(films, folder / "films.zarr")
    sd.convert(images, folder / "images.zarr")
    return folder


def test_blocks_print_what_they_say(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workplace)
    names: dict[str, Any] = {}
    n_said = 0
    for language, block in BLOCKS:
        assert language == "python"
        exec(block, names)
        printed = capsys.readouterr().out.splitlines()
        said = re.findall(r"(?:print\(.*\)|next\(iter\(loader\)\))  # (.*)$", block, flags=re.MULTILINE)
        assert printed == said
        n_said += len(said)
    assert n_said == 8
