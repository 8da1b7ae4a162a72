"""The comparison of rendered files, which every other contract leans on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def test_drift_fails_and_names_the_file_and_the_way_out(rendered: Any, tmp_path: Path) -> None:
    held = replace(rendered, root=tmp_path, accept=False)
    with pytest.raises(pytest.fail.Exception, match=r"cli/a\.md does not exist; to write it: pytest --accept"):
        held("cli/a.md", "one\n")
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "a.md").write_bytes(b"one\r\n")
    with pytest.raises(pytest.fail.Exception, match="is not what the code renders"):
        held("cli/a.md", "one\n")
    assert (tmp_path / "cli" / "a.md").read_bytes() == b"one\r\n"


def test_accept_writes_the_bytes_and_then_they_hold(rendered: Any, tmp_path: Path) -> None:
    replace(rendered, root=tmp_path, accept=True)("cli/a.md", "µ\n")
    assert (tmp_path / "cli" / "a.md").read_bytes() == "µ\n".encode()
    replace(rendered, root=tmp_path, accept=False)("cli/a.md", "µ\n")


def test_carriage_returns_are_never_rendered(rendered: Any, tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="carriage return"):
        replace(rendered, root=tmp_path, accept=True)("a.md", "one\r\n")
    assert list(tmp_path.iterdir()) == []
