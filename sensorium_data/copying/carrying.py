"""Carry the files of a store to a place: each held against its checksums on the way, and once more when it is there."""

from __future__ import annotations

from concurrent.futures import as_completed
from contextlib import contextmanager
from functools import partial
from threading import Condition, Event
from typing import TYPE_CHECKING

from sensorium_data.copying.manifest import Damaged, Part, checked
from sensorium_data.errors import NotFound, Problem, StorageFailed, StoreInvalid, counted
from sensorium_data.progress import Progress, Report
from sensorium_data.remote import Location
from sensorium_data.remote.faults import changed
from sensorium_data.remote.requests import Hands
from sensorium_data.settings import settings
from sensorium_data.store.remoteopen import is_replaced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from sensorium_data.copying.journal import Journal
    from sensorium_data.copying.places import Place
    from sensorium_data.schemas import Verify
    from sensorium_data.store.opened import OpenStore

__all__ = ["Carrier"]

TRIES = 3  # readings of a source over a network, and sendings, before bytes that are wrong are believed to be so
ROOM = 256 << 20  # bytes of files that are under way at a time
LARGEST = 48 << 20  # bytes that one of them takes of it


class _Room:
    """Memory that files under way take their share of."""

    def __init__(self) -> None:
        self._left, self._changed = ROOM, Condition()

    @contextmanager
    def taken(self, n_bytes: int) -> Iterator[None]:
        n_bytes = min(n_bytes, LARGEST)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= n_bytes)
            self._left -= n_bytes
        try:
            yield
        finally:
            with self._changed:
                self._left += n_bytes
                self._changed.notify_all()


class _Stopped(Exception):  # never leaves this module
    """Another file has failed."""


class Carrier:
    """Copies files from a store to a place.

    Parameters
    ----------
    store : OpenStore
    place : Place
    verify : {"digest", "size"}
        Read each file back when it is there, or ask for its size alone.
    journal : Journal, optional
        Of what was verified at the place before.
    """

    def __init__(self, store: OpenStore, place: Place, verify: Verify, journal: Journal | None = None) -> None:
        self.store, self.place, self.verify, self.journal = store, place, verify, journal
        self.n_sent = self.sent_bytes = self.n_there = 0
        self._room, self._stop = _Room(), Event()

    def carry(self, parts: Sequence[Part], report: Report) -> None:
        """Bring all files that are not at the place yet.

        Raises
        ------
        StoreInvalid
            Files of the store are damaged; all others are there.
        StorageFailed
            One of the two places failed; what was done is kept.
        """
        problems: list[Problem] = []
        with Hands(settings().n_requests) as hands:
            # Large ones first, so that none is left over when all the others are done.
            waiting = [hands.submit(partial(self._bring, part)) for part in sorted(parts, key=lambda part: -part.size)]
            try:
                self._gather(waiting, problems, report)
            finally:
                self._stop.set()
        if problems:
            self._refuse(problems)

    def _gather(self, waiting: list[Future[int | Problem]], problems: list[Problem], report: Report) -> None:
        report(Progress("copy", 0, len(waiting), "files"))
        for done, future in enumerate(as_completed(waiting), start=1):
            try:
                sent = future.result()
            except _Stopped:
                continue  # the failure that stopped it is among the others
            if isinstance(sent, Problem):
                problems.append(sent)
            else:
                self.n_sent += sent > 0
                self.n_there += sent == 0
                self.sent_bytes += sent
            report(Progress("copy", done, len(waiting), "files"))

    def _refuse(self, problems: list[Problem]) -> None:
        path = self.store.path
        if isinstance(path, Location) and is_replaced(path, self.store.identity):
            raise changed(path)
        hint = f"`sensorium-data check {path}` says more; convert the recording again, then copy"
        what = f"{path}: {counted(len(problems), 'file')} of it cannot be trusted, and there is no store at the target"
        raise StoreInvalid(
            what, hint=hint, problems=sorted(problems, key=lambda each: each.where), code="source-damaged"
        )

    def lacking(self, parts: Sequence[Part], report: Report) -> list[Part]:
        """Return the files that are not at the place, or not with the right bytes."""
        found: list[Part] = []
        with Hands(settings().n_requests) as hands:
            for done, (part, there) in enumerate(zip(parts, hands.map(self.is_there, parts), strict=True), start=1):
                report(Progress("copy", done, len(parts), "files"))
                if not there:
                    found.append(part)
        return found

    def inspect(self, parts: Sequence[Part]) -> None:
        """Hold every file of the store against its checksums; nothing is written.

        Raises
        ------
        StoreInvalid
            Some are damaged.
        """
        with Hands(settings().n_requests) as hands:
            found = list(hands.map(self._damage, parts))
        if problems := [problem for problem in found if problem is not None]:
            self._refuse(problems)

    def _damage(self, part: Part) -> Problem | None:
        try:
            for _ in self._read(part):
                pass
        except Damaged as damage:
            return damage.problem()
        return None

    def bring(self, part: Part) -> int:
        """Bring a file that is known to be sound; return the bytes that were sent, 0 where it was there.

        Raises
        ------
        StorageFailed
            The place failed, or spoils what it is given.
        """
        if self.is_there(part):
            return 0
        for _ in range(TRIES):
            self._send(part)
            info = self.place.info(part.key)
            if info is not None and info.size == part.size and (self.verify == "size" or self._fits(part)):
                if self.journal is not None:
                    self.journal.add(part.key, info, self.verify)
                return part.size
        what = f"{part.key}: what arrived is not what was sent, {TRIES} times"
        raise StorageFailed(what, hint="nothing is lost, run again", code="spoilt-on-the-way")

    def _bring(self, part: Part) -> int | Problem:
        if self._stop.is_set():
            raise _Stopped
        try:
            with self._room.taken(part.size):
                return self.bring(part)
        except Damaged as damage:
            return damage.problem()
        except BaseException:
            self._stop.set()
            raise

    def is_there(self, part: Part) -> bool:
        """True where a file is at the place with the right bytes."""
        info = self.place.info(part.key)
        if info is None or info.size != part.size:
            return False
        if self.journal is not None and self.journal.has(part.key, info, self.verify):
            return True
        if self.verify == "size" or not self._fits(part):
            return False
        if self.journal is not None:
            self.journal.add(part.key, info, self.verify)
        return True

    def _fits(self, part: Part) -> bool:
        """Read a file at the place back and hold it against its checksums."""
        try:
            for _ in checked(part, self.place.pieces(part.key, part.ranges())):
                pass
        except (Damaged, FileNotFoundError):
            return False
        return True

    def _send(self, part: Part) -> None:
        local = None if isinstance(self.store.path, Location) or part.data is not None else self.store.path / part.key
        for left in reversed(range(TRIES if isinstance(self.store.path, Location) else 1)):
            try:
                self.place.write(part.key, part.size, self._read(part), local)
            except Damaged:
                if not left:
                    raise
            else:
                return

    def _read(self, part: Part) -> Iterator[bytes]:
        """Yield a file of the store; raise Damaged where it is not what was written."""
        if part.data is not None:
            yield part.data
            return
        # Before anything is asked for: a stranger's sidecar can name any size.
        size = self.store.parts.size(part.key)
        if size != part.size:
            what = "is missing" if size is None else f"has {size:,} bytes, the sidecar says {part.size:,}"
            raise Damaged(part.key, what)
        try:
            for data in checked(part, self.store.parts.pieces(part.key, part.ranges())):
                if self._stop.is_set():
                    raise _Stopped
                yield data
        except NotFound:
            raise Damaged(part.key, "is missing") from None
