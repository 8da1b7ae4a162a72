"""The catalog: what can be fetched, from where, under which terms; never trusted more than a stranger's file."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, model_validator

from sensorium_data.schemas.base import Digest, Document, NonNegative, Positive

__all__ = ["NO_READER", "CatalogDocument", "CatalogFile", "CatalogTier", "Credentials", "Entry"]

VERSION = 1
NO_READER = "none"  # only the download is offered
LONGEST_PART = 200  # bytes of one part of a file's name: what is written beside the file has longer names
LONGEST_NAME = 1000
# What Windows keeps for devices, whatever the suffix, and what a download keeps beside a file.
DEVICES = frozenset({"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)})
BESIDE = (".part", ".part.json", ".lock")
# What carries a key in the query of a URL: signatures of S3, GCS and Azure, tokens of others.
SECRETS = re.compile(
    r"token|signature|^sig$|credential|password|passwd|secret|accesskey|access_key|api_?key|^key$|^auth(orization)?$"
)
# No control character, and none that turns the direction of writing: texts of strangers are printed on terminals.
LINE = "^[^\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069]+$"


def _version(value: int) -> int:
    if value != VERSION:
        msg = f"this release reads catalogs of version {VERSION}, not {value}; install a newer sensorium-data"
        raise ValueError(msg)
    return value


def _folder_name(value: str) -> str:
    if value in DEVICES:
        msg = f"`{value}` is a device on some systems"
        raise ValueError(msg)
    return value


def _file_name(value: str) -> str:
    parts = value.split("/")
    if any(part.lower().partition(".")[0] in DEVICES for part in parts):
        msg = "a part is the name of a device on some systems"
    elif any(part.endswith(".") for part in parts):
        msg = "a part ends in a dot, which some systems leave out"
    elif any(part.lower().endswith(BESIDE) for part in parts):
        msg = f"names that end in {', '.join(BESIDE)} are for what a download keeps beside its files"
    elif max(map(len, parts)) > LONGEST_PART or len(value) > LONGEST_NAME:
        msg = f"is longer than {LONGEST_NAME} characters, or a part of it than {LONGEST_PART}"
    else:
        return value
    raise ValueError(msg)


def _address(value: str) -> str:
    """Return a URL that names a place and nothing else: no key, no way up, no second URL inside."""
    try:
        url = urlsplit(value)
        user, host, _ = url.username, url.hostname, url.port
    except ValueError as error:
        raise ValueError(f"is no URL ({error})") from None
    if user is not None or "@" in url.netloc or any(SECRETS.search(name.lower()) for name, _ in parse_qsl(url.query)):
        msg = "holds credentials; they come from the environment"
    elif url.scheme != "file" and not host:
        msg = "names no host or bucket"
    elif url.scheme == "file" and url.netloc:
        msg = "names a host; a file is on this machine: file:///…"
    elif "::" in value.replace(url.netloc, "", 1):  # fsspec reads it as a chain of file systems
        msg = "joins several URLs by `::`"
    elif url.fragment or {".", ".."} & set(re.sub("%2[eE]", ".", url.path).split("/")):
        msg = "has a fragment, or leads upwards"
    else:
        return value
    raise ValueError(msg)


def _addresses(values: tuple[str, ...]) -> tuple[str, ...]:
    # Of the whole tuple: pydantic counts items that fail a validator of their own as missing, which JSON Schema does not.
    for i, value in enumerate(values):
        try:
            _address(value)
        except ValueError as error:
            msg = f"URL {i + 1} {error}"
            raise ValueError(msg) from None
    return values


Line = Annotated[str, Field(pattern=LINE)]
Slug = Annotated[
    str, Field(max_length=100, pattern="^[a-z0-9]+(-[a-z0-9]+)*$"), AfterValidator(_folder_name)
]  # also the name of a folder
Word = Annotated[str, Field(pattern="^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$")]
PlainPath = Annotated[
    str, Field(pattern="^[A-Za-z0-9_][A-Za-z0-9_.+=-]*(/[A-Za-z0-9_][A-Za-z0-9_.+=-]*)*$"), AfterValidator(_file_name)
]
Url = Annotated[str, Field(pattern="^(https|http|s3|gs|az|hf|file)://[!-~]+$")]
WebPage = Annotated[str, Field(pattern="^https?://[!-~]+$"), AfterValidator(_address)]
Host = Annotated[str, Field(pattern="^[a-z0-9-]+([.][a-z0-9-]+)+$")]


class CatalogTier(Document):
    """A tier as it is published."""

    name: Word
    n_trials: NonNegative | None = Field(default=None, description="null where it is not known before the download")


class Credentials(Document):
    """What a gated entry asks for, and who may be told."""

    environment: Annotated[str, Field(pattern="^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*_TOKEN$")] = Field(
        description="environment variable that holds the token"
    )
    how: Line = Field(description="how one gets it")
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)] = Field(description="the only hosts it is sent to")


class CatalogFile(Document):
    """One file to fetch. What is not published is null, and pinned at the first download."""

    name: PlainPath = Field(description="plain relative path below the folder of the download")
    urls: Annotated[tuple[Url, ...], Field(min_length=1), AfterValidator(_addresses)] = Field(
        description="the publisher's, then mirrors"
    )
    size: NonNegative | None = Field(default=None, description="bytes")
    sha256: Digest | None = None
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None


class Entry(Document):
    """One thing that can be fetched by name."""

    name: Slug
    title: Line
    collection: Slug
    key: Word | None = Field(default=None, description="key of the session")
    mouse: Word | None = Field(default=None, description="letter the literature uses, where there is one")
    kind: Literal["recording", "checkpoint", "database"]
    reader: Word = Field(description="what `convert` reads it with; `none` where only the download is offered")
    n_neurons: Positive | None = None
    tiers: tuple[CatalogTier, ...] = ()
    licence: Line
    licence_url: WebPage | None = None
    citation: Line
    doi: Annotated[str, Field(pattern="^10[.][0-9]{4,9}/[!-~]+$")] | None = None
    homepage: WebPage
    credentials: Credentials | None = Field(default=None, description="null where anybody may fetch it")
    files: tuple[CatalogFile, ...] = Field(description="empty where the homepage alone is known")
    notes: tuple[Line, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes of all files, None where one of them is not published."""
        sizes = [file.size for file in self.files]
        return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None

    @model_validator(mode="after")
    def _files_apart(self) -> Self:
        names = Counter(file.name.lower() for file in self.files)
        if twice := sorted(name for name, n in names.items() if n > 1):
            msg = f"files that some systems cannot tell apart: {', '.join(twice)}"
            raise ValueError(msg)
        if inside := sorted(name for name in names if any(other.startswith(f"{name}/") for other in names)):
            msg = f"a file and a folder have one name: {', '.join(inside)}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _token_stays_home(self) -> Self:
        hosts = {urlsplit(url).hostname for file in self.files for url in file.urls}
        if self.credentials is not None and (others := sorted(set(self.credentials.hosts) - hosts)):
            msg = f"the token would be sent to hosts that no file is on: {', '.join(others)}"
            raise ValueError(msg)
        return self


class CatalogDocument(Document):
    """What can be fetched: a list of entries.

    Examples
    --------
    >>> CatalogDocument.model_validate_json('{"catalog": 1, "name": "mine", "entries": []}').entries
    ()
    """

    catalog: Annotated[Positive, AfterValidator(_version)] = Field(description="version of the format: 1")
    name: Slug
    entries: tuple[Entry, ...]

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names = Counter(entry.name for entry in self.entries)
        if twice := sorted(name for name, n in names.items() if n > 1):
            msg = f"names that are given twice: {', '.join(twice)}"
            raise ValueError(msg)
        return self
