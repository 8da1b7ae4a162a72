"""What identifies a conversion: the source as it is now, and the options that change the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium_data import __version__
from sensorium_data.remote import Location
from sensorium_data.remote.faults import changed
from sensorium_data.sources import RawSession, open_source, reader_version
from sensorium_data.store.layout import LAYOUT

if TYPE_CHECKING:
    from sensorium_data.schemas import ConvertOptions

__all__ = ["Recipe"]

JOURNAL = 2  # of the records of finished tasks; raised whenever what they hold changes


@dataclass(frozen=True, slots=True)
class Recipe:
    """A source, its reader and the options; small and picklable, opened once in each process.

    ``fingerprint`` is cheap (names, sizes, times or checksums); a source that changed is another recipe. What lets one in
    at a URL travels with the location to every process, and is no part of the document.
    """

    source: str | Location
    reader: str
    fingerprint: str
    options: ConvertOptions
    scratch: str

    def open(self) -> RawSession:
        """Return the recording, opened at most once in this process.

        Raises
        ------
        StorageFailed
            There is another one at the URL now.
        """
        raw = _OPEN.get(self._key)
        if raw is not None:
            return raw
        raw = open_source(self.source, self.reader)[1]
        if isinstance(self.source, Location) and raw.members.fingerprint() != self.fingerprint:
            raise changed(self.source)
        self.remember(raw)
        return raw

    def remember(self, raw: RawSession) -> None:
        """Keep a recording that is open already, so that this process does not open it again."""
        _OPEN[self._key] = raw
        while len(_OPEN) > KEPT:
            _OPEN.pop(next(iter(_OPEN), self._key), None)  # another thread may have done it

    @property
    def _key(self) -> tuple[str | Location, str, str]:
        return self.source, self.reader, self.fingerprint

    def path(self, *parts: str) -> Path:
        """Return a path in the scratch folder."""
        return Path(self.scratch, *parts)

    def document(self) -> dict[str, Any]:
        """Return what must be equal for a partial conversion to be gone on with."""
        return {
            "source": str(self.source),
            "reader": self.reader,
            "fingerprint": self.fingerprint,
            "options": self.options.model_dump(),
            "reader_version": reader_version(self.reader),
            "layout": LAYOUT,
            "journal": JOURNAL,
            "version": __version__,
        }


_OPEN: dict[tuple[str | Location, str, str], RawSession] = {}
KEPT = 4  # recordings a process keeps open; a recording is its tables and names, a few MB
