"""What a download tells and keeps: the report of `download`, and the lock file that lies beside what was fetched."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sensorium_data.schemas.base import Digest, Document, NonNegative, Positive, Text, Timestamp
from sensorium_data.schemas.report import WORST_FIRST, Refusal

__all__ = ["DownloadFailure", "DownloadLock", "DownloadReport", "DownloadedFile", "Pin", "Terms"]


class Terms(Document):
    """Under which terms an entry of the catalog was published, and what reads it."""

    entry: Text = Field(description="name in the catalog, or the URL that was named")
    licence: str = Field(default="", description="empty where a URL was named, of which nothing is known")
    licence_url: str = ""
    citation: str = ""
    reader: str = Field(default="", description="what `convert` reads it with; empty where there is none")
    homepage: str = ""
    n_files: NonNegative = Field(default=0, description="0 where the homepage alone is known")


class DownloadedFile(Document):
    """One file, and what has come of it."""

    name: Text = Field(description="below the folder")
    entry: Text
    status: Literal["have", "fetched", "resumed", "planned", "failed"]
    path: Text
    bytes: NonNegative | None = Field(default=None, description="null where it is not known")
    bytes_here: NonNegative = Field(default=0, description="of a file that is not whole yet")
    bytes_fetched: NonNegative = Field(default=0, description="that came over the network")
    sha256: Digest | None = None
    url: str = Field(default="", description="without its query; empty where nothing was asked for")


class DownloadFailure(Document):
    """A file that was not fetched, and why."""

    name: Text
    entry: Text
    exit_code: Positive = Field(description="what `download` of this file alone ends with")
    error: Refusal


class DownloadReport(Document):
    """The outcome of `download`."""

    folder: Text = Field(description="that all files are below")
    free_bytes: NonNegative = Field(default=0, description="on its disk, before anything was fetched")
    terms: tuple[Terms, ...] = ()
    files: tuple[DownloadedFile, ...] = Field(default=(), description="in the order of the names")
    failures: tuple[DownloadFailure, ...] = ()

    @property
    def ok(self) -> bool:
        """True when no file failed."""
        return not self.failures

    @property
    def exit_code(self) -> int:
        """What the command ends with: 0, or the code of the worst failure."""
        seen = {failure.exit_code for failure in self.failures}
        return next((code for code in WORST_FIRST if code in seen), max(seen, default=0))

    @property
    def bytes_to_come(self) -> int:
        """Bytes that a planned download would fetch, as far as sizes are known."""
        return sum(
            (file.bytes or 0) - file.bytes_here for file in self.files if file.status == "planned" and file.bytes
        )

    @property
    def bytes_fetched(self) -> int:
        """Bytes that came over the network."""
        return sum(file.bytes_fetched for file in self.files)


class Pin(Document):
    """What a file was when it was fetched first; a later one must be the same."""

    name: Text = Field(description="below the folder of the lock file")
    entry: Text
    url: Text = Field(description="without its query")
    size: NonNegative
    sha256: Digest
    etag: str = ""
    modified: str = Field(default="", description="as the server wrote it")
    mtime_ns: NonNegative = Field(description="of the file when it was hashed last")
    pinned_at: Timestamp
    licence: str = ""
    licence_url: str = ""
    citation: str = ""


class DownloadLock(Document):
    """The files of a folder and their digests; worth keeping under version control, there is no secret in it."""

    lock: Positive = Field(default=1, description="version of the format")
    files: tuple[Pin, ...] = Field(default=(), description="sorted by name")
