"""How much of the disk streamed stores may take, for all processes together; what was not used for longest goes first."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from time import sleep, time
from typing import TYPE_CHECKING

from sensorium_data.remote.sparse import HEADER, held_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Quota"]

LOCK = "used"  # the lock, and what is in it: the bytes that are held, as a number
RESTS_S = (
    600  # an object that was used since is not given up for another: at random none is better to have than another
)
TRIES, TRY_S = 250, 0.002  # for the lock
LOOKS_S = 5.0  # between two searches for room where there was none


class Quota:
    """The room for streamed objects below a folder.

    Parameters
    ----------
    folder : Path
    limit : int, bytes
    rests_s : float, seconds, optional
        How long an object was not used before it may be given up.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> quota = Quota(Path(tempfile.mkdtemp()), limit=100)
    >>> with quota.granted(40, Path("x.map")) as granted:
    ...     quota.took(40 * granted)
    >>> quota.used()
    40
    >>> with quota.granted(170, Path("y.map")) as granted:
    ...     print(granted)
    False
    """

    def __init__(self, folder: Path, limit: int, rests_s: float = RESTS_S) -> None:
        self.folder, self.limit, self._rests_s = folder, limit, rests_s
        self._handle = -1
        self._looked = 0.0

    @contextmanager
    def granted(self, n_bytes: int, map_path: Path) -> Iterator[bool]:
        """Hold the room of all processes, and say whether so many bytes more are within the limit.

        Parameters
        ----------
        n_bytes : int
        map_path : Path
            Of the object that they are for, which is not given up.
        """
        if n_bytes > self.limit:
            yield False
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _locked(handle):
                yield False
                return
            self._handle = handle
            if self._noted() is None:
                self._set(sum(held for _, held, _ in self._objects()))
            if self.used() + n_bytes > self.limit:
                self._make_room(n_bytes, map_path)
            yield self.used() + n_bytes <= self.limit
        finally:
            if self._handle == handle:  # else it is that of another thread, which has the lock
                self._handle = -1
            os.close(handle)

    def took(self, n_bytes: int) -> None:
        """Count bytes that were granted and are held now."""
        self._set(self.used() + n_bytes)

    def used(self) -> int:
        """Return the bytes that are held."""
        return self._noted() or 0

    def _noted(self) -> int | None:
        """Return the number that is noted, or None where there is none, or it cannot be."""
        try:
            text = os.pread(self._handle, 32, 0).decode() if self._handle >= 0 else (self.folder / LOCK).read_text()
            noted = int(text)
        except (OSError, ValueError):
            return None
        return noted if noted >= 0 else None

    def _objects(self) -> list[tuple[float, int, Path]]:
        """Return when each object was used, the bytes that are held of it, and its map."""
        found = []
        for path in self.folder.glob("*/*.map"):
            with suppress(OSError):
                found.append((path.stat().st_mtime, held_bytes(path), path))
        return found

    def _set(self, used: int) -> None:
        os.pwrite(self._handle, f"{used:<31}\n".encode(), 0)

    def _make_room(self, n_bytes: int, map_path: Path) -> None:
        """Give up objects that were not used for long, until a tenth is free; and count anew what is held."""
        if time() - self._looked < min(LOOKS_S, self._rests_s):
            return
        self._looked = now = time()
        objects = self._objects()
        used = sum(held for _, held, _ in objects)
        for used_at, held, path in sorted(objects):
            if used + n_bytes <= self.limit * 0.9 or now - used_at < self._rests_s:
                break
            if path != map_path:
                _give_up(path)
                used -= held
        self._set(used)


def _locked(handle: int) -> bool:
    """Lock the room, or give up soon: a process that was stopped while it held it must not stop this one too."""
    for _ in range(TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(TRY_S)
        else:
            return True
    return False


def _give_up(path: Path) -> None:
    """Remove an object; a process that has its map open sees that nothing is there any more."""
    with suppress(OSError), path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        file.write(bytes(HEADER.size)[:size])
        file.seek(HEADER.size)
        file.write(bytes(max(0, size - HEADER.size)))
    path.unlink(missing_ok=True)
    path.with_suffix(".data").unlink(missing_ok=True)
