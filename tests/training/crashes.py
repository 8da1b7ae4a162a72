"""What a folder looks like at every moment at which a process that writes into it may be killed."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What changes a disk, as it is called by who writes files whole.
CALLS = (
    (os, "open"),
    (os, "fsync"),
    (os, "replace"),
    (os, "rename"),
    (os, "unlink"),
    (Path, "replace"),
    (Path, "unlink"),
)


@contextmanager
def images(folder: Path, into: Path) -> Iterator[list[Path]]:
    """Copy a folder before and after every call that changes a disk; the copies are what a kill would leave."""
    taken: list[Path] = []
    busy = False

    def take() -> None:
        nonlocal busy
        if not busy and folder.is_dir():
            busy = True
            image = into / str(len(taken))
            shutil.copytree(folder, image)
            taken.append(image)
            busy = False

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in CALLS:
            patch.setattr(owner, name, around(getattr(owner, name), take))
        yield taken
        busy = True


def around(call: Callable[..., Any], take: Callable[[], None]) -> Callable[..., Any]:
    def called(*given: Any, **named: Any) -> Any:
        take()
        result = call(*given, **named)
        take()
        return result

    return called
