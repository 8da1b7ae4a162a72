"""What `pip install` brings: one import name, typed, with completions and manual pages where shells look for them."""

from __future__ import annotations

import re
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

from sensorium_data import __version__

ROOT = Path(__file__).parents[2]
SHARED = {
    "share/bash-completion/completions/sensorium-data": "cli/completions/sensorium-data.bash",
    "share/zsh/site-functions/_sensorium-data": "cli/completions/_sensorium-data",
    "share/fish/vendor_completions.d/sensorium-data.fish": "cli/completions/sensorium-data.fish",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    with ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _one(wheel: dict[str, bytes], suffix: str) -> bytes:
    (name,) = [name for name in wheel if name.endswith(suffix)]
    return wheel[name]


def test_wheel_installs_one_name(wheel: dict[str, bytes]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    stem = f"sensorium_data-{__version__}"
    assert tops == {"sensorium_data", f"{stem}.dist-info", f"{stem}.data"}


def test_wheel_holds_the_whole_package_and_its_mark_of_types(wheel: dict[str, bytes]) -> None:
    assert wheel["sensorium_data/py.typed"] == b""
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sensorium_data").rglob("*.py")}
    assert modules == {name for name in wheel if name.startswith("sensorium_data/") and name.endswith(".py")}


@pytest.mark.parametrize("installed", SHARED)
def test_wheel_carries_shell_completions(wheel: dict[str, bytes], installed: str) -> None:
    assert _one(wheel, f".data/data/{installed}") == (ROOT / SHARED[installed]).read_bytes()


def test_wheel_carries_every_manual_page(wheel: dict[str, bytes]) -> None:
    pages = {name.rpartition("/")[2] for name in wheel if ".data/data/share/man/man1/" in name}
    assert "sensorium-data.1" in pages
    assert pages == {path.name for path in (ROOT / "cli" / "man").iterdir()}


def test_wheel_names_its_command_and_its_reader(wheel: dict[str, bytes]) -> None:
    points = _one(wheel, ".dist-info/entry_points.txt").decode()
    assert "sensorium-data = sensorium_data.cli:main" in points
    assert "[sensorium_data.sources]" in points


def test_requirements_are_floors(wheel: dict[str, bytes]) -> None:
    """A library that pins or caps a version cannot live beside another."""
    headers = message_from_bytes(_one(wheel, ".dist-info/METADATA"))
    requirements = [text.partition(";")[0] for text in headers.get_all("Requires-Dist", [])]
    assert requirements
    assert [text for text in requirements if re.search(r"==|<|~=", text)] == []
    assert headers["Requires-Python"] == ">=3.11"
