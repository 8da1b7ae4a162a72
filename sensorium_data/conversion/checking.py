"""Check a store from the outside: what `sensorium-data check` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensorium_data.conversion.against import AGAINST_CODES, check_against
from sensorium_data.copying.front import two_places
from sensorium_data.progress import Report, ignore
from sensorium_data.schemas import CheckReport, Equality
from sensorium_data.store.check import check_codes, run_checks
from sensorium_data.store.opened import OpenStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sensorium_data.remote import Location

__all__ = ["check_store"]


def check_store(
    store: str | Path | Location,
    *,
    against: str | Path | Location | None = None,
    codes: list[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
    report: Report = ignore,
) -> CheckReport:
    """Check a store, and with a source prove every value equal to what was published.

    Parameters
    ----------
    store : str, Path or URL
        The store.
    against : str, Path or URL, optional
        Folder or zip of the same recording.
    codes : list of str, optional
        Only these checks; all by default.
    storage_options : mapping, optional
        How to get into the bucket of the store, as its fsspec file system takes it; of the source where the store is on
        this machine.
    source_options : mapping, optional
        The same for the source.
    report : callable
        Receives `Progress` records.

    Returns
    -------
    CheckReport
        What ran, what was found, and which kind of equality holds for each signal.

    Raises
    ------
    NotFound, StoreInvalid, SourceInvalid
        The store or the source cannot be read at all.
    StorageFailed
        A URL cannot be reached, or lets nobody in.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> check_store(make_session(tempfile.mkdtemp(), n_neurons=4)).ok
    True
    """
    source, place = two_places(store if against is None else against, store, storage_options, source_options)
    opened = OpenStore(place)
    chosen = codes if codes is not None else check_codes()
    findings = run_checks(opened, chosen, report)
    equality: list[Equality] = []
    if against is not None:
        more, equality = check_against(opened, source, report)
        findings += more
        chosen = [*chosen, *AGAINST_CODES]
    return CheckReport(
        target=str(store),
        against=None if against is None else str(against),
        checks=tuple(chosen),
        findings=tuple(findings),
        equality=tuple(equality),
    )
