"""What was sent to a URL and verified there, noted on this disk, so that the next run need not read it back.

Below the cache folder, `copies/<digest of the URL>.jsonl` begins with the identity of the store that is copied; a line
for each object follows. A line is believed only where the object that is there now has the size and the etag that it
names. The file is locked while a copy runs: two of one target at once would verify each other's objects.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from sensorium_data.errors import TargetBusy
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.remote import Location, ObjectInfo
    from sensorium_data.schemas import Verify

__all__ = ["Journal"]

TRIES = 100  # times that another process may remove the file between our opening it and our lock


class Journal:
    """The objects at a target that were verified; locked for as long as it is open.

    Where nothing can be written below the cache folder it is kept in memory, and nothing is locked.

    Parameters
    ----------
    target : Location
    """

    def __init__(self, target: Location) -> None:
        digest = hashlib.sha256(target.url.encode()).hexdigest()[:32]
        self.target = target
        self.path: Path = settings().cache_folder / "copies" / f"{digest}.jsonl"
        self._file: int | None = None
        self._known: dict[str, list[str]] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        """Open and lock the file.

        Raises
        ------
        TargetBusy
            Another process of this machine writes to the same target.
        """
        try:
            self._file = self._opened()
        except BlockingIOError:
            what = f"another process is writing to {self.target}"
            raise TargetBusy(what, hint="wait until it is done; nothing was changed") from None
        except OSError:
            self._file = None
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock; what was noted stays for the next run."""
        if self._file is not None:
            with suppress(OSError):
                if not os.fstat(self._file).st_size:  # refused before anything was begun
                    self.path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def begin(self, identity: str) -> None:
        """Read what was noted of a store; what was noted of another one is forgotten."""
        lines = self._lines()
        if lines[:1] == [{"store": identity}]:
            with suppress(KeyError, TypeError):
                for line in lines[1:]:
                    self._known[str(line["key"])] = [str(line[name]) for name in ("size", "seen", "verify")]
            return
        if self._file is not None:
            with suppress(OSError):
                os.truncate(self._file, 0)
        self._write({"store": identity})

    def has(self, key: str, info: ObjectInfo, verify: Verify) -> bool:
        """True where the object that is there now was verified, at least so well."""
        size, seen, how = self._known.get(key, ("", "", ""))
        return bool(seen) and (size, seen) == (str(info.size), _seen(info)) and how in (verify, "digest")

    def add(self, key: str, info: ObjectInfo, verify: Verify) -> None:
        """Note an object that was verified; one of which nothing tells that it is the same cannot be noted."""
        if _seen(info):
            self._write({"key": key, "size": info.size, "seen": _seen(info), "verify": verify})

    def forget(self) -> None:
        """Remove the file: all is done."""
        if self._file is not None:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _opened(self) -> int:
        import fcntl

        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in range(TRIES):
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(handle).st_ino == self.path.stat().st_ino:
                    return handle
            except BlockingIOError:
                os.close(handle)
                raise
            except OSError:
                pass
            os.close(handle)  # the other process was done, and has removed it
        raise OSError

    def _lines(self) -> list[Any]:
        found: list[Any] = []
        if self._file is not None:
            with suppress(OSError, ValueError):  # the last line of a run that was killed may be a part of one
                for line in self.path.read_text("utf-8").splitlines():
                    found.append(json.loads(line))  # noqa: PERF401  # those before the bad one are kept
        return found

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            with self._lock, suppress(OSError):
                os.write(self._file, json.dumps(line).encode() + b"\n")


def _seen(info: ObjectInfo) -> str:
    """Return what changes when an object is replaced: the etag, and where there is none when it was written."""
    return info.etag or info.modified
