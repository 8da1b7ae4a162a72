"""What identifies a conversion: the source as it is now, and the options that change the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium_data import __version__
from sensorium_data.sources import RawSession, open_source, reader_version
from sensorium_data.store.layout import LAYOUT

if TYPE_CHECKING:
    from sensorium_data.schemas import ConvertOptions

__all__ = ["Recipe"]

JOURNAL = 2  # of the records of finished tasks; raised whenever what they hold changes


@dataclass(frozen=True, slots=True)
class Recipe:
    """A source, its reader and the options; small and picklable, opened once in each process.

    ``fingerprint`` is cheap (names, sizes, times or checksums); a source that changed is another recipe.
    """

    source: str
    reader: str
    fingerprint: str
    options: ConvertOptions
    scratch: str

    def open(self) -> RawSession:
        """Return the recording, opened at most once in this process."""
        return _opened((self.source, self.reader, self.fingerprint))

    def remember(self, raw: RawSession) -> None:
        """Keep a recording that is open already, so that this process does not open it again."""
        _keep((self.source, self.reader, self.fingerprint), raw)

    def path(self, *parts: str) -> Path:
        """Return a path in the scratch folder."""
        return Path(self.scratch, *parts)

    def document(self) -> dict[str, Any]:
        """Return what must be equal for a partial conversion to be gone on with."""
        return {
            "source": self.source,
            "reader": self.reader,
            "fingerprint": self.fingerprint,
            "options": self.options.model_dump(),
            "reader_version": reader_version(self.reader),
            "layout": LAYOUT,
            "journal": JOURNAL,
            "version": __version__,
        }


_OPEN: dict[tuple[str, str, str], RawSession] = {}
KEPT = 4  # recordings a process keeps open; a recording is its tables and names, a few MB


def _opened(key: tuple[str, str, str]) -> RawSession:
    raw = _OPEN.get(key)
    return _keep(key, open_source(key[0], key[1])[1]) if raw is None else raw


def _keep(key: tuple[str, str, str], raw: RawSession) -> RawSession:
    _OPEN[key] = raw
    while len(_OPEN) > KEPT:
        _OPEN.pop(next(iter(_OPEN), key), None)  # another thread may have done it
    return raw
