"""Catalogs of others, by file or URL: the same form, and less trust."""

from __future__ import annotations

import stat
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import ValidationError

from sensorium_data.errors import DataInvalid, NotFound, Problem, StorageFailed
from sensorium_data.schemas.catalog import CatalogDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MOST_BYTES", "read_catalog"]

MOST_BYTES = 8 << 20  # some 20,000 entries


def read_catalog(where: str | Path) -> CatalogDocument:
    """Return a catalog that did not come with the package.

    It may name files and nothing else: credentials are refused, for a stranger's catalog that asks for a token would be given
    one; so are addresses of this link (where clouds keep keys of their machines), and files of this machine where the catalog
    itself came from another.

    Parameters
    ----------
    where : str or Path
        A JSON file, or its URL; 8 MiB at most.

    Raises
    ------
    NotFound
        Nothing is there.
    DataInvalid
        It is no catalog, too long, or asks for what it must not; all problems are named.
    StorageFailed
        It cannot be read, or cannot be reached.
    """
    from sensorium_data.remote import Location, is_url

    remote = is_url(where)
    place = Location(str(where)).url if remote else str(where)  # without its query, which may hold a signature
    document = _parsed(_fetched(str(where)) if remote else _loaded(Path(where)), place)
    problems = list(_trespasses(document, remote=remote))
    if problems:
        hint = "the catalog must be mended by who made it; nothing of it was used"
        raise DataInvalid(f"{place}: this catalog is not used", hint=hint, problems=problems, code="catalog-untrusted")
    return document


def _loaded(path: Path) -> bytes:
    try:
        content = b""
        if regular := stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        hint = "name a JSON file or its URL, here or in the setting `catalogs`"
        raise NotFound(f"{path}: no such catalog", hint=hint, code="no-such-catalog") from None
    except OSError as error:
        raise StorageFailed(f"{path}: {(error.strerror or type(error).__name__).lower()}") from None
    if not regular:
        raise NotFound(f"{path}: is no file", hint="name a JSON file or its URL", code="no-such-catalog")
    _check_length(len(content), str(path))
    return content


def _fetched(url: str) -> bytes:
    from sensorium_data.remote import Location, open_objects

    place = Location(url)
    objects = open_objects(place)
    info = objects.head()
    if info is None:
        hint = "is the URL right, here or in the setting `catalogs`?"
        raise NotFound(f"{place}: no such catalog", hint=hint, code="no-such-catalog")
    _check_length(info.size, place.url)
    return objects.read(start=0, stop=info.size)


def _check_length(n_bytes: int, place: str) -> None:
    if n_bytes > MOST_BYTES:
        what = f"{place}: is longer than a catalog may be, {MOST_BYTES >> 20} MiB"
        raise DataInvalid(what, hint="is it the right file?", code="catalog-too-long")


def _parsed(content: bytes, place: str) -> CatalogDocument:
    try:
        return CatalogDocument.model_validate_json(content)
    except (ValidationError, RecursionError) as error:
        faults = error.errors(include_url=False, include_input=False) if isinstance(error, ValidationError) else []
        problems = [Problem("catalog-invalid", ".".join(map(str, e["loc"])) or "catalog", e["msg"]) for e in faults]
        hint = "`sensorium-data schema catalog` prints what a catalog is"
        raise DataInvalid(f"{place}: is no catalog", hint=hint, problems=problems, code="catalog-invalid") from None


def _trespasses(document: CatalogDocument, *, remote: bool) -> Iterator[Problem]:
    """Yield what no catalog may ask for that did not come with the package."""
    for entry in document.entries:
        if entry.credentials is not None:
            what = "only the catalog of the package may ask for a token: who else names one would be sent it"
            yield Problem("catalog-credentials", entry.name, what)
        for url in (url for file in entry.files for url in file.urls):
            if remote and urlsplit(url).scheme in ("file", "local"):
                yield Problem("catalog-local-file", entry.name, "a catalog from elsewhere names a file of this machine")
            elif _is_link_local(urlsplit(url).hostname or ""):
                yield Problem("catalog-link-local", entry.name, "an address of this link is no place for recordings")


def _is_link_local(host: str) -> bool:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool(address.is_link_local or (mapped is not None and mapped.is_link_local))
