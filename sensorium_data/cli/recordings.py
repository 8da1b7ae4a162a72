"""A recording by its name in the catalog: the file that was downloaded, or else the place it is published at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.cli.entries import one_meant
from sensorium_data.conversion.patterns import is_pattern
from sensorium_data.errors import BadArgument, StorageFailed

if TYPE_CHECKING:
    from sensorium_data.schemas import Entry

__all__ = ["source_meant"]


def source_meant(word: str | Path) -> str | Path:
    """Return where the recording is that a word of the command line means.

    Parameters
    ----------
    word : str or Path
        A path, a URL, or a name in the catalog.

    Returns
    -------
    str or Path
        Of a name: the file in the downloads, where it is whole; else the URL it is published at, to be read in place.

    Raises
    ------
    NoSuchItem
        It is neither; the hint names near misses.
    BadArgument
        It means several entries, or one that no reader converts.
    """
    if is_pattern(word):  # of files that are here
        return word
    entry = one_meant(str(word))
    return word if entry is None else _published(entry)


def _published(entry: Entry) -> str | Path:
    from sensorium_data.catalogs.fetch import download

    if entry.reader == "none" or not entry.files:
        hint = f"`sensorium-data info {entry.name}` says what there is"
        raise BadArgument(f"{entry.name}: no reader converts it", hint=hint, code="no-reader")
    try:
        return Path(download(entry.name, offline=True).files[0].path)
    except StorageFailed as error:
        if error.code != "offline":
            raise
    return entry.files[0].urls[0]
