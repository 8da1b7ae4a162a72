"""Sources as people name many of them: paths, and patterns that stand for whatever lies there."""

from __future__ import annotations

import os
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument, NotFound, Problem
from sensorium_data.remote import Location, is_url
from sensorium_data.sources.members import is_litter, located
from sensorium_data.store.target import is_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["expand", "is_pattern"]

SHOWN = 8  # names of what lies there instead


def is_pattern(source: str | Path | Location) -> bool:
    """True for a name with `*`, `?` or `[…]` that is not simply there; a URL is taken as it is.

    Examples
    --------
    >>> is_pattern("in/*.zip"), is_pattern("in/a.zip"), is_pattern("s3://bucket/a.zip?versionId=1")
    (True, False, False)
    """
    if isinstance(source, Location) or is_url(source):
        return False
    return has_magic(str(source)) and not os.path.lexists(source)


def expand(
    sources: str | Path | Iterable[str | Path], folder: Path | Location, options: Mapping[str, Any] | None = None
) -> list[Path | Location]:
    """Return the sources that paths, URLs and patterns name, each once; those of a pattern sorted.

    A pattern stands for neither hidden files, nor session stores, nor the folder that the stores go into.

    Parameters
    ----------
    sources : str, Path, or iterable of them
    folder : Path or Location
        Where the stores go.
    options : mapping, optional
        Storage options of the sources that are URLs.

    Raises
    ------
    BadArgument
        There is no source at all, or storage options and no URL.
    NotFound
        A pattern matches nothing; the hint says what is there.
    """
    listed = [sources] if isinstance(sources, str | Path) else list(sources)
    if not listed:
        raise BadArgument("no source is given", hint="name recordings, or a pattern such as 'in/*.zip'")
    found: dict[str | Location, Path | Location] = {}
    unmatched: list[str] = []
    for source in listed:
        if is_pattern(source):
            places: list[Path | Location] = [*_matches(str(source), folder)]
        else:
            places = [located(source, options if is_url(source) else None)]
        if not places:
            unmatched.append(str(source))
        for place in places:
            found.setdefault(place if isinstance(place, Location) else os.path.abspath(place), place)  # noqa: PTH100  # Path.absolute keeps `..`
    if options and not any(isinstance(place, Location) for place in found.values()):
        hint = "storage_options say how to get into a bucket: s3://BUCKET/mouse.zip"
        raise BadArgument("every source is on this machine; storage_options mean nothing there", hint=hint)
    if unmatched:
        raise _no_match(unmatched)
    return list(found.values())


def _matches(pattern: str, folder: Path | Location) -> list[Path]:
    paths = sorted(Path(name) for name in glob(pattern, recursive=True))  # noqa: PTH207  # the pattern may be absolute
    target = folder.resolve() if isinstance(folder, Path) else None
    return [p for p in paths if not is_litter(p.name) and not is_store(p) and p.resolve() != target]


def _no_match(patterns: list[str]) -> NotFound:
    if len(patterns) == 1:
        return NotFound(f"{patterns[0]} matches no recording", hint=_instead(patterns[0]), code="no-match")
    problems = [Problem("no-match", pattern, f"matches no recording; {_instead(pattern)}") for pattern in patterns]
    return NotFound(f"{len(patterns)} patterns match no recording", problems=problems, code="no-match")


def _instead(pattern: str) -> str:
    """Return what is there, in the folder whose contents the pattern is about."""
    if left_out := sorted(Path(name).name for name in glob(pattern, recursive=True)):  # noqa: PTH207
        shown = ", ".join(left_out[:SHOWN])
        return f"{shown} matches, and is a session store, a hidden file, or the folder that the stores go into"
    plain = [*Path(pattern).parents][::-1]
    folder = [parent for parent in plain if not has_magic(str(parent))][-1]
    if not folder.is_dir():
        return f"there is no folder {folder}"
    names = sorted(child.name for child in folder.iterdir() if not child.name.startswith("."))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{folder} holds {', '.join(names[:SHOWN])}{more}" if names else f"{folder} is empty"
