"""What every refused conversion must leave behind: the source as it was, and nothing beside the target."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

import sensorium_data as sd
from sensorium_data.errors import SourceInvalid

if TYPE_CHECKING:
    from pathlib import Path


def digest(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refused(source: Path, target: Path, **how: Any) -> SourceInvalid:
    """Convert, and hold the failure to what every failure must be."""
    before, beside = digest(source), sorted(target.parent.iterdir())
    with pytest.raises(SourceInvalid) as caught:
        sd.convert(source, target, **how)
    assert digest(source) == before, "the source is never written to"
    assert sorted(target.parent.iterdir()) == beside, "no target and no litter"
    assert caught.value.exit_code == 5
    assert caught.value.hint
    return caught.value
