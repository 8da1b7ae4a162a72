"""The one way to a reader: by plan where that can be, from memory where an array is small, else through zarr-python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.errors import StoreInvalid
from sensorium_data.reading.fallback import ZarrReader, warn_once
from sensorium_data.reading.reader import ArrayReader
from sensorium_data.reading.resident import ResidentReader, one_chunk
from sensorium_data.store.opened import OpenStore

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

    from sensorium_data.reading.base import Reader
    from sensorium_data.reading.verify import Verify
    from sensorium_data.remote import Location

__all__ = ["open_reader", "planned_reader", "reopened"]


def open_reader(store: OpenStore, path: str, *, columns: ArrayLike | None = None, verify: Verify = "first") -> Reader:
    """Return a reader of an array's rows.

    Parameters
    ----------
    store : OpenStore
    path : str
        Of the array.
    columns : (column,) int, optional
        Positions along the second axis to keep, in any order.
    verify : {"first", "always", "never"}, optional
        When to hold a chunk against its CRC-32C.

    Returns
    -------
    Reader
        An `ArrayReader`; for an array of one chunk a `ResidentReader`; for what neither can read a `ZarrReader`, with one
        `SlowReadWarning` for each store and process.

    Raises
    ------
    BadArgument
        The columns are not there, `verify` is none of the three, or the array holds text.
    StoreInvalid
        The store has no such array.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sensorium_data.testing import make_session
    >>> folder = tempfile.TemporaryDirectory()
    >>> session = make_session(Path(folder.name) / "mouse.zarr", n_neurons=5)
    >>> open_reader(OpenStore(session), "signals/responses/values").dtype
    dtype('float32')
    >>> folder.cleanup()
    """
    found = _planned(store, path, columns, verify)
    if not isinstance(found, str):
        return found
    reader = ZarrReader(store, path, columns=columns, verify=verify)
    warn_once(store, found)
    return reader


def planned_reader(store: OpenStore, path: str, *, verify: Verify = "first") -> Reader | None:
    """Return a reader that holds what it reads against its checksums, or None where none can.

    Parameters
    ----------
    store : OpenStore
    path : str
        Of the array.
    verify : {"first", "always", "never"}, optional
        When to hold a chunk against its CRC-32C.

    Raises
    ------
    BadArgument
        `verify` is none of the three.
    """
    found = _planned(store, path, None, verify)
    return None if isinstance(found, str) else found


def _planned(store: OpenStore, path: str, columns: ArrayLike | None, verify: Verify) -> Reader | str:
    """Return a reader that does without zarr-python, or why there is none."""
    try:
        kind = ResidentReader if one_chunk(store, path) else ArrayReader
        return kind(store, path, columns=columns, verify=verify)
    except StoreInvalid as error:
        if error.code != "outside-grammar":
            raise
        return error.message.removeprefix(f"{store.path}: ")


def reopened(where: Path | Location, path: str, columns: ArrayLike | None, verify: Verify) -> Reader:
    """Return the reader that a pickled one was, in this process."""
    return open_reader(OpenStore(where), path, columns=columns, verify=verify)
