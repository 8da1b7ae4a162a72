"""Files of a run: each is there whole, or as it was before; and what a disk refuses is said with the way to go on."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sensorium_data.catalogs.disk import disk_errors, write_whole
from sensorium_data.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["PART", "replace_file", "run_disk"]

PART = ".part"  # ends the name of a file until it is whole
AGAIN = "make room or get access, then go on with `--resume`: what was saved before is whole"


@contextmanager
def run_disk(path: Path) -> Iterator[None]:
    """Turn what the operating system says about the disk of a run into one readable error.

    Parameters
    ----------
    path : Path
        Named where the system does not say which file it means.

    Raises
    ------
    StorageFailed
        Full, read-only, forbidden or failing storage.

    Examples
    --------
    >>> import errno
    >>> from pathlib import Path
    >>> with run_disk(Path("run")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
        ...
    sensorium_data.errors.StorageFailed: run: the disk is full
    """
    try:
        with disk_errors(path):
            yield
    except StorageFailed as error:
        raise StorageFailed(error.message, hint=AGAIN, problems=error.problems, code=error.code) from None


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole, in place of the one that is there.

    Parameters
    ----------
    path : Path
    content : bytes

    Raises
    ------
    StorageFailed
        It could not be; the file that was there is as it was.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp(), "run.json")
    >>> replace_file(path, b"{}")
    >>> path.read_bytes(), len(list(path.parent.iterdir()))
    (b'{}', 1)
    """
    part = path.name + PART
    try:
        with run_disk(path):
            write_whole(path, content, beside=part)
    except BaseException:
        with suppress(OSError):  # on a full disk, what was begun takes the room that the user needs
            path.with_name(part).unlink(missing_ok=True)
        raise
