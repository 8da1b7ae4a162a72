"""Find the reader for a source: all that are installed are asked, by content."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from sensorium_data.errors import NoSuchItem, SourceInvalid, near_miss
from sensorium_data.sources.members import open_members

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.remote import Location
    from sensorium_data.sources.base import RawSession, Source
    from sensorium_data.sources.members import Members

__all__ = ["GROUP", "installed_sources", "open_source", "reader_version", "source_for"]

GROUP = "sensorium_data.sources"


def installed_sources() -> dict[str, Source]:
    """Return every installed reader by name."""
    return {point.name: point.load()() for point in sorted(entry_points(group=GROUP))}


def reader_version(name: str) -> str:
    """Return the distribution that a reader comes from, with its version; empty where none of that name is installed."""
    found = [point.dist for point in entry_points(group=GROUP, name=name) if point.dist is not None]
    return f"{found[0].name} {found[0].version}" if found else ""


def source_for(members: Members, reader: str | None) -> Source:
    """Return the reader that recognises a source, or the one that was asked for.

    Raises
    ------
    NoSuchItem
        No reader of that name is installed.
    SourceInvalid
        No reader, or more than one, recognises the source.
    """
    known = installed_sources()
    if reader is not None:
        if reader not in known:
            raise NoSuchItem(f"no reader `{reader}`", hint=near_miss(reader, list(known)), code="no-such-reader")
        return known[reader]
    fitting = [source for source in known.values() if source.recognises(members)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(source.name for source in fitting)
        raise SourceInvalid(
            f"{members.path}: {names} all recognise it", hint="choose one with --reader", code="ambiguous"
        )
    looked = "; ".join(f"{source.name} looks for {source.looks_for}" for source in known.values())
    seen = ", ".join(sorted({name.split("/")[0] for name in members.sizes})[:8]) or "no files"
    store = "zarr.json" in members.sizes
    raise SourceInvalid(
        f"{members.path} is {'a Zarr store and no published' if store else 'not a'} session: {looked}; found {seen}",
        hint="give the folder or zip that holds `data/` and `meta/`" + (", as it was published" if store else ""),
        code="not-a-session",
    )


def open_source(path: str | Path | Location, reader: str | None = None) -> tuple[Source, RawSession]:
    """Return the reader that fits and the recording it opened.

    Parameters
    ----------
    path : str, Path or Location
        Folder or zip, of this machine or at a URL.
    reader : str, optional
        Name of a reader; by default the one that recognises the content.
    """
    members = open_members(path)
    source = source_for(members, reader)
    return source, source.open(members)
