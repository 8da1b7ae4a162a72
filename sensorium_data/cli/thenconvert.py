"""`sensorium-data download NAME... --convert DIR`: the files that came, converted one after the other into a folder of stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.cli.output import progress_bars, say
from sensorium_data.errors import counted
from sensorium_data.remote import is_url

if TYPE_CHECKING:
    from sensorium_data.schemas import CollectionReport
    from sensorium_data.schemas.download import DownloadReport

__all__ = ["converted", "convertible"]

THERE = ("have", "fetched", "resumed")


def convertible(report: DownloadReport, *, planned: bool = False) -> list[Path]:
    """Return the files that are there, or are to come, and that a reader converts."""
    readers = {each.entry: each.reader for each in report.terms}
    states = (*THERE, "planned") if planned else THERE
    there = (file for file in report.files if file.status in states)
    # What a zip is whose URL was named is seen when it is opened.
    return [
        Path(file.path)
        for file in there
        if readers.get(file.entry) or (is_url(file.entry) and file.name.lower().endswith(".zip"))
    ]


def converted(report: DownloadReport, folder: str | Path, *, quiet: bool) -> CollectionReport | None:
    """Convert the files that came; return what has come of it, or None where there is nothing to convert.

    Parameters
    ----------
    report : DownloadReport
    folder : str or Path
        Of the stores, here or in a bucket; each is named after the key of its session.
    quiet : bool
    """
    from sensorium_data.conversion import convert_all

    sources = convertible(report)
    if not sources:
        say("nothing to convert: no file is there that a reader knows")
        return None
    say(f"convert {counted(len(sources), 'recording')} into {folder}")
    with progress_bars(quiet=quiet, sessions=True) as draw:
        return convert_all(sources, folder, report=draw)
