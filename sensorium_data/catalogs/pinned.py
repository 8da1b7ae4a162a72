"""Trust on first use: what a file was when it came first is written down beside it, and later ones are held to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from sensorium_data.catalogs.disk import disk_errors, write_whole
from sensorium_data.catalogs.locks import lock_of_file, locked
from sensorium_data.errors import DataInvalid
from sensorium_data.schemas.download import DownloadLock, Pin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["LOCK_FILE", "read_pins", "write_pin"]

LOCK_FILE = "sensorium-data.lock.json"
VERSION = 1
MOST_BYTES = 64 << 20


def read_pins(folder: Path) -> dict[str, Pin]:
    """Return what is pinned in a folder, by name.

    Raises
    ------
    DataInvalid
        The lock file is damaged.
    """
    path = folder / LOCK_FILE
    try:
        with disk_errors(path):
            if not path.exists():
                return {}
            if path.stat().st_size > MOST_BYTES:
                raise _damaged(path)
            found = DownloadLock.model_validate_json(path.read_bytes())
    except ValidationError:
        raise _damaged(path) from None
    if found.lock != VERSION:
        hint = "install a newer sensorium-data"
        raise DataInvalid(
            f"{path}: is of version {found.lock}, this release reads {VERSION}", hint=hint, code="lock-version"
        )
    return {pin.name: pin for pin in found.files}


def write_pin(folder: Path, pin: Pin, waiting: Callable[[], object]) -> None:
    """Write down what a file is, in place of what was known of it before.

    Parameters
    ----------
    folder : Path
    pin : Pin
    waiting : callable
        As `locked`: another process may be writing down another file.

    Raises
    ------
    StorageFailed
        The disk does not take it.
    """
    path = folder / LOCK_FILE
    with disk_errors(path), locked(lock_of_file(path), waiting):
        pins = read_pins(folder) | {pin.name: pin}
        document = DownloadLock(files=tuple(pins[name] for name in sorted(pins)))
        write_whole(path, document.model_dump_json(indent=1).encode() + b"\n", beside=f"{LOCK_FILE}.part")


def _damaged(path: Path) -> DataInvalid:
    hint = "bring it back from a copy, or delete it: what is there is then trusted as it is"
    return DataInvalid(f"{path}: is no lock file of downloads", hint=hint, code="lock-damaged")
