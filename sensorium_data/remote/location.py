"""A place at a URL, and how to get in; what lets one in is never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from sensorium_data.errors import BadArgument
from sensorium_data.settings import settings

__all__ = ["Location", "is_url", "mirrored", "placed"]

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
SAFE = "/:@!$&'()*+,;=~-._%"  # in a path; `%` as it may be quoted already
WEB = ("http", "https")
SIGNED = re.compile(r"[?&](sig|signature|x-amz-signature|x-goog-signature|[a-z_-]*token)=", re.IGNORECASE)


def is_url(where: object) -> bool:
    """True for text that begins as a URL does.

    Examples
    --------
    >>> is_url("s3://bucket/mouse.zarr"), is_url("stores/mouse.zarr"), is_url("c:/stores")
    (True, False, False)
    """
    return isinstance(where, str) and bool(URL.match(where))


class Location:
    """A folder or an object at a URL.

    Its text is the URL without anything that lets one in: the signature of a signed URL and the storage options travel with
    it, also to other processes, and are never printed.

    Parameters
    ----------
    url : str
        ``s3://``, ``gs://``, ``az://``, ``https://`` and whatever else fsspec knows.
    options : mapping, optional
        Storage options as the fsspec file system of the scheme takes them; of http: ``headers`` alone.

    Attributes
    ----------
    url : str
        Without the query.
    options : dict

    Raises
    ------
    BadArgument
        It is no URL, or has a password in it.

    Examples
    --------
    >>> place = Location("https://example.org/stores/mouse.zarr/?signature=secret")
    >>> place / "zarr.json"
    Location('https://example.org/stores/mouse.zarr/zarr.json?…')
    >>> place.name
    'mouse.zarr'
    """

    __slots__ = ("_query", "options", "url")

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        if not is_url(url):
            raise BadArgument(f"{url!r} is no URL", hint="a URL begins with s3://, gs://, az:// or https://")
        scheme, rest = url.split("://", 1)
        rest, _, self._query = rest.partition("?") if scheme.lower() in WEB else (rest, "", "")
        self.url = f"{scheme.lower()}://{rest.rstrip('/')}"
        _refuse_secrets(scheme.lower(), rest)
        if not rest.strip("/") or (scheme.lower() in WEB and not _has_host(self.url)):
            raise BadArgument(f"{self.url} names no place", hint="s3://BUCKET/STORE.zarr names a store")
        if options is not None and not isinstance(options, Mapping):
            kind = type(options).__name__
            raise BadArgument(f"storage_options is a {kind}, expected a mapping", code="storage-options")
        self.options = dict(options or {})

    @property
    def scheme(self) -> str:
        """What comes before ``://``."""
        return self.url.split("://", 1)[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def parent(self) -> Location:
        """The folder it lies in; the place itself where there is none above it."""
        above = self.url.rsplit("/", 1)[0]
        return self if above.endswith("/") else self._at(above)

    def asked(self) -> str:
        """Return the URL that is asked for: of the mirror where one is set, quoted, with its query. Not to be shown."""
        scheme, rest = mirrored(self.url).split("://", 1)
        if scheme in WEB:
            host, slash, path = rest.partition("/")
            rest = f"{host}{slash}{quote(path, SAFE)}"
        return f"{scheme}://{rest}?{self._query}" if self._query else f"{scheme}://{rest}"

    def __truediv__(self, key: str) -> Location:
        if ".." in key.split("/"):
            raise BadArgument(f"{self.url}: {key!r} is no key, it leads out of the folder", code="outside")
        if self.scheme in WEB:  # in a key these mean themselves, in a URL something else
            key = key.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
        return self._at(f"{self.url}/{key}")

    def _at(self, url: str) -> Location:
        return _rebuilt(url, self.options, self._query)

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        hidden = ", options=…" if self.options else ""
        return f"Location({self.url + ('?…' if self._query else '')!r}{hidden})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Location) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self.url)

    def _key(self) -> tuple[str, str, dict[str, Any]]:
        return self.url, self._query, self.options

    def __reduce__(self) -> tuple[object, tuple[str, dict[str, Any], str]]:
        """Go to another process with everything that is needed to get in there as well."""
        return _rebuilt, (self.url, self.options, self._query)


def _rebuilt(url: str, options: dict[str, Any], query: str) -> Location:
    location = object.__new__(Location)
    location.url, location.options, location._query = url, options, query
    return location


def _refuse_secrets(scheme: str, rest: str) -> None:
    """Raise BadArgument for a URL that would have to be hidden."""
    user, at, host = rest.split("/", 1)[0].rpartition("@")
    shown, what = f"{scheme}://…", ""
    if at and (scheme not in ("abfs", "abfss", "hf") or ":" in user):
        what, shown = "a name or password", f"{scheme}://…@{host}"
    elif scheme not in WEB and SIGNED.search(rest):
        what, shown = "a signature", f"{scheme}://{rest.split('?', 1)[0]}"
    if what:
        hint = "give credentials by a profile, the environment or storage_options, never in a URL"
        raise BadArgument(f"{shown}: the URL has {what} in it", hint=hint, code="credentials-in-url")


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def mirrored(url: str) -> str:
    """Return where to look for a URL: the setting `mirrors` may name another place for its beginning.

    Raises
    ------
    BadArgument
        The setting cannot be read.
    """
    for n, pair in enumerate(settings().mirrors.split(), 1):
        begins, _, instead = pair.partition("=")
        if not (is_url(begins) and is_url(instead) and _is_same_kind(begins, instead)):
            hint = (
                "expected FROM=TO, two beginnings of URLs, several pairs with spaces between them; "
                "of a web server another one, of a bucket one that is reached in the same way"
            )
            raise BadArgument(f"SENSORIUM_DATA_MIRRORS: pair {n:,} is none", hint=hint, code="bad-setting")
        # Where it ends inside a name it is another place: https://example.org is not https://example.org.net.
        rest = url.removeprefix(begins)
        if url.startswith(begins) and (not rest or rest[0] in "/?" or begins.endswith("/")):
            return instead + rest
    return url


def _is_same_kind(begins: str, instead: str) -> bool:
    schemes = [url.split(":", 1)[0] for url in (begins, instead)]
    return schemes[0] == schemes[1] or all(scheme in WEB for scheme in schemes)


def placed(where: str | Path | Location, options: Mapping[str, Any] | None = None) -> Path | Location:
    """Return the location that a URL names, or the path of this machine.

    Parameters
    ----------
    where : str, Path or Location
        ``file://`` is a path as well.
    options : mapping, optional
        Storage options, of a URL alone.

    Raises
    ------
    BadArgument
        As `Location`; or storage options are given for a path.

    Examples
    --------
    >>> placed("s3://bucket/mouse.zarr"), placed("file:///stores/mouse.zarr")
    (Location('s3://bucket/mouse.zarr'), PosixPath('/stores/mouse.zarr'))
    """
    if isinstance(where, Location):
        return where
    if isinstance(where, str) and is_url(where):
        if not where.lower().startswith("file://"):
            return Location(where, options)
        where = unquote(where[7:].removeprefix("localhost") if where[7:17] == "localhost/" else where[7:])
    if options:
        hint = "storage_options say how to get into a bucket: s3://BUCKET/STORE.zarr"
        raise BadArgument(
            f"{where} is on this machine; storage_options mean nothing there", hint=hint, code="storage-options"
        )
    return Path(where)
