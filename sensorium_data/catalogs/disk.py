"""What a disk says, in the words of this package, and writing that is either done or not."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sensorium_data.errors import STORAGE_WORDS, StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["disk_errors", "flush_folder", "free_bytes", "write_whole"]

WORDS = STORAGE_WORDS | {
    errno.EFBIG: "the file system takes no file this large",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EISDIR: "is a folder",
    errno.ENAMETOOLONG: "the name is too long for the file system",
    errno.ELOOP: "is a link, which is not followed",
}
AGAIN = "make room or choose another folder, then run the same command again: it goes on where it stopped"


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a disk into one readable error.

    Raises
    ------
    StorageFailed
        Full, read-only, forbidden or failing storage.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageFailed) or error.errno is None:
            raise
        said = WORDS.get(error.errno) or (error.strerror or type(error).__name__).lower()
        code = "disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
        where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else path
        raise StorageFailed(f"{where}: {said}", hint=AGAIN, code=code) from None


def free_bytes(folder: Path) -> int:
    """Return how much is free on the disk of a folder that need not be there yet."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.is_dir())
    return shutil.disk_usage(there).free


def flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, content: bytes, *, beside: str) -> None:
    """Write a file so that it is there whole, or as it was before.

    Parameters
    ----------
    path : Path
    content : bytes
    beside : str
        Name of the file that it is until it is whole; one writer at a time.
    """
    new = path.with_name(beside)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    flush_folder(path.parent)
