"""What the writers of recordings refuse: names, counts, words and shapes that no recording can have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument, near_miss

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SMALLEST", "at_least", "folder_name", "one_of", "picture_size"]

SMALLEST = (4, 4)  # below this two pictures, or two films of noise, could be the same by chance


def folder_name(name: str) -> None:
    """Raise BadArgument unless a name is that of a folder, without its parents."""
    if name in {"", ".."} or name != Path(name).name:
        raise BadArgument(f"name is {name!r}, expected the name of a folder, without its parents")


def at_least(least: int, **counts: int) -> None:
    """Raise BadArgument if one of several named counts is too small."""
    for name, count in counts.items():
        if count < least:
            raise BadArgument(f"{name} is {count}, expected {least} or more")


def one_of(known: Sequence[str], **words: str) -> None:
    """Raise BadArgument if one of several named words is none of those known."""
    for name, word in words.items():
        if word not in known:
            raise BadArgument(f"{name} `{word}` is unknown", hint=near_miss(word, known))


def picture_size(frame_shape: Sequence[int]) -> None:
    """Raise BadArgument unless this is (y, x), and large enough."""
    if len(frame_shape) != 2 or any(size < least for size, least in zip(frame_shape, SMALLEST, strict=True)):
        raise BadArgument(f"frame_shape is {frame_shape}, expected (y, x) of at least {SMALLEST}")
