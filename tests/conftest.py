"""The two switches of the test suite, the command line in this process, and rendered files held to the code."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN = 20  # lines of difference in a failure


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="write the rendered files under schemas/ and cli/")
    parser.addoption("--full", action="store_true", help="run the whole of each seeded sweep, not a tenth")


@pytest.fixture(scope="session")
def accept(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--accept"))


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--full"))


@dataclass(frozen=True, slots=True)
class Rendered:
    """Holds a file of the repository to what the code renders, byte for byte; with ``accept`` writes it."""

    root: Path
    accept: bool

    def __call__(self, path: str, text: str) -> None:
        wanted = text.encode()
        if b"\r" in wanted:
            pytest.fail(f"{path}: rendered with a carriage return; rendered files end lines with \\n", pytrace=False)
        file = self.root / path
        held = file.read_bytes() if file.is_file() else None
        if held == wanted:
            return
        if self.accept:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(wanted)
            return
        seen = "does not exist" if held is None else "is not what the code renders"
        lines = (held or b"").decode(errors="replace").splitlines()
        diff = islice(unified_diff(lines, text.splitlines(), path, "rendered", lineterm="", n=1), SHOWN)
        pytest.fail("\n".join([f"{path} {seen}; to write it: pytest --accept", *diff]), pytrace=False)


@pytest.fixture(scope="session")
def rendered(accept: bool) -> Rendered:
    """`rendered("cli/reference.md", text)` compares, or with --accept writes, one file of the repository."""
    return Rendered(Path(__file__).parents[1], accept)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`run("check", store)` runs a command here and returns its exit code, standard output and standard error."""
    from sensorium_data.cli import main

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        code = ended.value.code
        assert isinstance(code, int)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
