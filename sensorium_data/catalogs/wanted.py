"""The files that names mean: where each comes from, where it goes, and what is known of it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import TypeAdapter, ValidationError

from sensorium_data.catalogs.decide import is_of_another, require_inside
from sensorium_data.catalogs.partial import Expected
from sensorium_data.errors import BadArgument, NotFound, Problem, StorageFailed, TargetExists
from sensorium_data.remote import Location, is_url
from sensorium_data.schemas.catalog import NO_READER, SECRETS, PlainPath
from sensorium_data.schemas.download import Terms
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sensorium_data.catalogs import Catalog
    from sensorium_data.schemas.catalog import CatalogFile, Credentials, Entry
    from sensorium_data.schemas.download import Pin

__all__ = ["Wanted", "downloads_folder", "require_tokens", "wanted_files"]

UNFIT = re.compile(r"[^A-Za-z0-9_.+=-]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file: its places in turn, its folder and name below it, and what is known of it and of its entry."""

    name: str
    folder: Path
    places: tuple[Location, ...]
    expected: Expected
    terms: Terms
    credentials: Credentials | None = None

    @property
    def target(self) -> Path:
        """Where it goes."""
        return self.folder / self.name

    def is_another(self, pin: Pin | None) -> bool:
        """True where what is pinned under its name is something else."""
        return is_of_another(pin, self.terms.entry, [place.url for place in self.places], self.expected)


def downloads_folder() -> Path:
    """Return where downloads go that were given no folder."""
    return settings().cache_folder / "downloads"


def wanted_files(names: str | Iterable[str], to: Path | None, catalog: Catalog) -> tuple[list[Wanted], list[Terms]]:
    """Return the files that are meant, each once, and the terms of their entries.

    Parameters
    ----------
    names : str or iterable of str
        Names and patterns of the catalog, and URLs of files.
    to : Path or None
        Folder for all of them; else each goes to its place in the cache.
    catalog : Catalog

    Raises
    ------
    NoSuchItem
        Nothing has such a name.
    NotFound
        Of none of the entries a file is known, only the homepage.
    BadArgument
        Two different files would have one name, or one would lie outside the folder.
    TargetExists
        The folder is a file.
    """
    asked = [names] if isinstance(names, str) else list(names)
    urls = [name for name in asked if is_url(name)]
    others = [name for name in asked if not is_url(name)]
    entries = catalog.find(*others) if others or not urls else {}
    found = [_of_entry(entry, file, to) for entry in entries.values() for file in entry.files]
    found += [_of_url(url, to) for url in urls]
    terms = [_terms(entry) for entry in entries.values()] + [each.terms for each in found[len(found) - len(urls) :]]
    if not found:
        problems = [Problem("no-files", each.entry, f"see {each.homepage}") for each in terms]
        hint = "fetch them as their homepages say"
        raise NotFound("the catalog names no files of these", hint=hint, problems=problems, code="no-files")
    return _checked(found), terms


def _terms(entry: Entry) -> Terms:
    return Terms(
        entry=entry.name, licence=entry.licence, licence_url=entry.licence_url or "", citation=entry.citation,
        reader="" if entry.reader == NO_READER else entry.reader, homepage=entry.homepage, n_files=len(entry.files),
    )  # fmt: skip


def _of_entry(entry: Entry, file: CatalogFile, to: Path | None) -> Wanted:
    folder = to if to is not None else downloads_folder() / entry.collection
    places = tuple(_place(url, entry.credentials) for url in file.urls)
    expected = Expected(size=file.size, sha256=file.sha256, md5=file.md5)
    return Wanted(_plain(file.name, file.name), folder, places, expected, _terms(entry), entry.credentials)


def _of_url(url: str, to: Path | None) -> Wanted:
    place = Location(url)
    name, called = _plain(UNFIT.sub("_", unquote(place.name)).lstrip(".-+="), place.url), _called(place)
    # One folder for each URL: files of one name from two places are two files.
    apart = downloads_folder() / "by-url" / _digest(called)
    return Wanted(name, to if to is not None else apart, (place,), Expected(), Terms(entry=called, n_files=1))


def _called(place: Location) -> str:
    """Return what a URL is called: itself, and of a query that chooses the file (`?id=7`) a digest; nothing of a signature."""
    query = urlsplit(place.asked()).query
    names = [name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)]
    is_signed = any(SECRETS.search(name) or name == "expires" for name in names)
    return f"{place.url}?…{_digest(query)[:8]}" if query and not is_signed else place.url


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(name: str, what: str) -> str:
    """Return the name of a file, which the schema of catalogs has checked before and this checks once more."""
    try:
        return str(TypeAdapter(PlainPath).validate_python(name))
    except ValidationError:
        hint = "a name has letters, digits and `_.+=-`, and leads nowhere else"
        raise BadArgument(f"{what}: cannot be the name of a file here", hint=hint, code="unfit-name") from None


def _place(url: str, credentials: Credentials | None) -> Location:
    token = os.environ.get(credentials.environment, "").strip() if credentials else ""
    place = Location(url)
    if not (token and credentials and _may_be_told(place, credentials.hosts)):
        return place
    return Location(url, {"headers": {"Authorization": f"Bearer {token}"}})


def _may_be_told(place: Location, hosts: Sequence[str]) -> bool:
    """True where the token may go: to a host that the entry names, though a mirror is set, and where nobody listens."""
    parts = urlsplit(place.asked())
    host = (parts.hostname or "").lower()
    return host in hosts and (parts.scheme == "https" or (parts.scheme == "http" and _is_here(host)))


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_tokens(wanted: Iterable[Wanted]) -> None:
    """Raise StorageFailed where the token of a gated file is missing, before anything is fetched."""
    needed = {
        each.credentials.environment: each.credentials
        for each in wanted
        if each.credentials is not None and not os.environ.get(each.credentials.environment, "").strip()
    }
    if not needed:
        return
    problems = [Problem("token-missing", name, each.how) for name, each in needed.items()]
    names = ", ".join(needed)
    hint = f"set {names} in the environment; the token is sent to {', '.join(next(iter(needed.values())).hosts)} alone"
    what = f"the environment has no {names}, which these files ask for"
    raise StorageFailed(what, hint=hint, problems=problems, code="token-missing")


def _checked(found: list[Wanted]) -> list[Wanted]:
    """Return each file once, of targets that are apart and inside their folders."""
    kept: dict[str, Wanted] = {}
    for each in found:
        if os.path.lexists(each.folder) and not each.folder.is_dir():
            raise TargetExists(
                f"{each.folder} is a file, not a folder", hint="choose another folder", code="not-a-folder"
            )
        require_inside(each.folder, each.target)
        other = kept.setdefault(str(each.target).lower(), each)
        if other is not each and other.places != each.places:
            what = f"{each.target}: is the name of two files, of {other.terms.entry} and of {each.terms.entry}"
            raise BadArgument(what, hint="fetch them into folders of their own", code="same-name")
    return list(kept.values())
