"""The page on downloads is true: its commands and its code run as they are written, against a mirror in this process."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.catalogs import catalog
from sensorium_data.testing import write_sensorium2023

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.catalogs.publisher import Publisher

PAGE = (Path(__file__).parents[2] / "docs/download.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def mirrored(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: Callable[[str, object], None]
) -> None:
    """Serve a small mouse in the place of the published one, and work in an empty folder."""
    (url,) = catalog().find("mouse-F")["sensorium2023-29515-10-12"].files[0].urls
    site, _, path = url.removeprefix("https://").partition("/")
    made = write_sensorium2023(tmp_path, n_neurons=4, n_train=2, frame_shape=(8, 12), zipped="deflated")
    publisher.files[path] = made.read_bytes()
    setting("mirrors", f"https://{site}={publisher.url}")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def test_the_commands_run(run: Callable[..., tuple[int, str, str]], publisher: Publisher, mirrored: None) -> None:
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    assert len(lines) == 9
    outs = []
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "sensorium-data"
        code, out, err = run(*words)
        assert code == 0, err
        outs.append(out)
    statuses = [out.splitlines()[1].split()[0] for line, out in zip(lines, outs, strict=True) if " download " in line]
    assert statuses == ["planned", "fetched", "have", "have", "have", "have"]
    assert sd.open_session("stores/29515-10-12.zarr").neurons.sizes["neuron"] == 4
    in_place = sd.open_session("mouse-F.zarr").document.provenance
    assert in_place.source_digest == sd.open_session("stores/29515-10-12.zarr").document.provenance.source_digest
    (command,) = re.findall(r"^next: (.*)$", outs[1], re.MULTILINE)
    assert run(*shlex.split(command)[1:])[0] == 0
    assert sd.open_session("sensorium2023-29515-10-12.zarr").neurons.sizes["neuron"] == 4
    assert [one.range for one in publisher.gets()].count("") == 1  # what is read in place is read by ranges


def test_the_code_runs(mirrored: None) -> None:
    names: dict[str, Any] = {}
    (code,) = blocks("python")
    exec(code, names)
    assert Path(names["path"]).is_file()
    assert names["report"].ok


def test_numbers_are_those_of_the_settings() -> None:
    from sensorium_data.settings import load_settings

    said = dict(re.findall(r"`SENSORIUM_DATA_(\w+)`[^`]*?\((\d+)", PAGE))
    defaults = load_settings({})
    assert said == {"TIMEOUT_S": str(defaults.timeout_s), "N_RETRIES": str(defaults.n_retries)}


def test_every_choice_is_explained() -> None:
    from sensorium_data.catalogs.planned import EXISTING

    assert sorted(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE)) == sorted(EXISTING)
