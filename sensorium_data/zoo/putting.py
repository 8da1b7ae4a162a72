"""A folder of files is there whole, or as it was: written beside, renamed, and never in the place of anything else."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

from sensorium_data.errors import BadArgument, TargetBusy, TargetExists, listed, near_miss
from sensorium_data.schemas.card import CARD_FORMAT
from sensorium_data.store.publish import Scratch, storage_errors
from sensorium_data.zoo.cards import CARD, PAGE
from sensorium_data.zoo.hub import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Existing", "put", "settle"]

Existing: TypeAlias = Literal["error", "replace"]


def settle(target: Path, existing: Existing) -> None:
    """Decide what becomes of what is there before anything is written: nothing but checkpoints is ever replaced.

    Parameters
    ----------
    target : Path
    existing : {"error", "replace"}
        What becomes of a checkpoint.

    Raises
    ------
    TargetExists
        Something is there that must not, or must not yet, be replaced.
    BadArgument
        `existing` is neither.
    """
    if existing not in ("error", "replace"):
        hint = near_miss(str(existing), ["error", "replace"])
        raise BadArgument(f"existing is {existing!r}", hint=hint, code="bad-existing")
    if not target.exists():
        return
    if not target.is_dir():
        raise TargetExists(f"{target} is a file", hint="name a folder", code="not-a-checkpoint")
    there = sorted(path.name for path in target.iterdir())
    if not there:
        return
    foreign = [name for name in there if name not in (WEIGHTS, CARD, PAGE)]
    if foreign or not _is_card(target / CARD):
        what = f"{target} is no checkpoint alone: it holds {listed(foreign or there, most=4)}"
        raise TargetExists(what, hint="choose a folder of its own for the model", code="not-a-checkpoint")
    if existing == "error":
        hint = 'existing="replace" puts the new one in its place'
        raise TargetExists(f"{target} holds a checkpoint already", hint=hint)


def _is_card(path: Path) -> bool:
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("format") == CARD_FORMAT


def put(target: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder in the place of what is there.

    Parameters
    ----------
    target : Path
    files : mapping of name to bytes

    Raises
    ------
    StorageFailed
        The disk is full, or nothing can be written there; what was there is as it was.
    TargetBusy
        Another process is writing there.
    """
    with storage_errors(target, resumes=False), _scratch(target) as scratch:
        try:
            scratch.forget()  # what a killed one left is no part of this
            scratch.begin({})
            for name, content in files.items():
                (scratch.store / name).write_bytes(content)
        except BaseException:
            scratch.discard()
            raise
        # From here on nothing is discarded: what was there is set aside until the new one is in its place.
        scratch.publish()


@contextmanager
def _scratch(target: Path) -> Iterator[Scratch]:
    scratch = Scratch(target)
    try:
        scratch.__enter__()
    except TargetBusy:
        hint = "wait until it is done; nothing was changed"
        raise TargetBusy(f"another process is saving to {target}", hint=hint) from None
    try:
        yield scratch
    finally:
        scratch.__exit__()
