"""Where a run may begin, who may write to it, and its document read back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sensorium_data.catalogs.locks import locked
from sensorium_data.errors import DataInvalid, NotFound, Problem, StorageFailed, TargetBusy, TargetExists
from sensorium_data.schemas.run import Run
from sensorium_data.zoo.runs.files import PART, run_disk

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

__all__ = ["DOCUMENT", "LOCK", "hold", "read_document", "refuse_contents", "require_place"]

DOCUMENT, LOCK = "run.json", "run.lock"
LEFT = {LOCK, DOCUMENT + PART}  # what a process that was killed as it began may have left: no run
ELSEWHERE = "get access, or choose another folder: `--run DIR`"
MOST_BYTES = 64_000_000  # of run.json: ids of sessions and a recipe are far less


def hold(stack: ExitStack, path: Path) -> None:
    """Make the folder of a run and hold its lock.

    Parameters
    ----------
    stack : ExitStack
        Lets go of it as it is closed.
    path : Path

    Raises
    ------
    TargetBusy
        Another process holds it.
    StorageFailed
        The folder cannot be made.
    """

    def busy() -> None:
        what = f"another process writes to the run {path}"
        raise TargetBusy(what, hint="wait until it is done, or choose another folder: `--run DIR`")

    require_place(path)
    try:
        with run_disk(path):
            path.mkdir(parents=True, exist_ok=True)
    except StorageFailed as error:
        raise StorageFailed(f"{error.message}: no folder can be made", hint=ELSEWHERE, code=error.code) from None
    with run_disk(path):
        stack.enter_context(locked(path / LOCK, busy))


def require_place(path: Path) -> None:
    """Raise unless a folder is, or can be made, at a path; nothing is made.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StorageFailed
        A file is there, or what holds it lets nobody write.
    """
    there = next(each for each in (path.absolute(), *path.absolute().parents) if os.path.lexists(each))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        seen = "cannot be written" if there.is_dir() else "is no folder"
        raise StorageFailed(f"{there}: {seen}", hint=ELSEWHERE)


def refuse_contents(path: Path) -> None:
    """Raise unless a folder, which is held, is one that a run may begin in.

    Parameters
    ----------
    path : Path

    Raises
    ------
    TargetExists
        It holds something, perhaps a run.
    """
    with run_disk(path):
        there = sorted(each.name for each in path.iterdir() if each.name not in LEFT)
    if not there:
        return
    if DOCUMENT in there:
        raise TargetExists(f"{path} holds a run already", hint="`--resume` goes on with it; `--run DIR` begins another")
    what = f"{path} holds {there[0]}{' and more' if len(there) > 1 else ''}, and a run begins in an empty folder"
    raise TargetExists(what, hint="choose another folder: `--run DIR`")


def read_document(path: Path) -> Run:
    """Return the document of a run.

    Parameters
    ----------
    path : Path
        Its folder.

    Raises
    ------
    NotFound
        No run is there.
    DataInvalid
        The file is no such document, or of a later version.
    StorageFailed
        It cannot be read.
    """
    file = path / DOCUMENT
    hint = "`sensorium-data train RECIPE STORE... --run DIR` begins one"
    if not file.is_file():
        seen = f"no {DOCUMENT} in it" if path.is_dir() else "no such folder"
        raise NotFound(f"{path}: no training run, {seen}", hint=hint)
    with run_disk(file), file.open("rb") as opened:
        content = opened.read(MOST_BYTES)
    try:
        return Run.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        problems = [Problem("document-invalid", ".".join(map(str, one["loc"])) or "run", one["msg"]) for one in found]
        what = f"{file} is not the document of a run"
        hint = "it is damaged, or of a later version of sensorium-data; begin again in another folder"
        raise DataInvalid(what, hint=hint, problems=problems, code="run-invalid") from None
