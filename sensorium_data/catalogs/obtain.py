"""One file, under its lock: decided, fetched from the first place that has it, checked, named, pinned."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from sensorium_data.catalogs.blocks import fetch_blocks
from sensorium_data.catalogs.decide import REPLACE, decide, expectations, fault_of, look, require_inside
from sensorium_data.catalogs.disk import disk_errors, flush_folder
from sensorium_data.catalogs.locks import lock_of_file, locked
from sensorium_data.catalogs.looks import HEAD_BYTES, refuse_impostor
from sensorium_data.catalogs.partial import Note, Partial
from sensorium_data.catalogs.pinned import read_pins, write_pin
from sensorium_data.catalogs.sink import Sink, hashed
from sensorium_data.catalogs.streamed import stream
from sensorium_data.errors import DataInvalid, NotFound, Problem, SensoriumError, StorageFailed, TargetExists
from sensorium_data.remote import open_objects
from sensorium_data.remote.faults import not_there
from sensorium_data.remote.faults import offline as is_offline
from sensorium_data.schemas.download import DownloadedFile, Pin

if TYPE_CHECKING:
    from sensorium_data.catalogs.decide import Existing, Local
    from sensorium_data.catalogs.partial import Expected
    from sensorium_data.catalogs.wanted import Wanted
    from sensorium_data.catalogs.watch import Watch
    from sensorium_data.remote import Location, ObjectInfo

    _Said: TypeAlias = Note | ObjectInfo | Pin  # what tells a version from the next

__all__ = ["Obtaining"]

WAIT_S = 0.2  # between looks whether another process is done
HERE = ("storage-failed", "disk-full", "not-a-file")  # codes of what no other mirror would mend


class Obtaining:
    """One file of a download.

    Parameters
    ----------
    wanted : Wanted
    existing : {"skip", "error", "refresh", "replace"}
    offline : bool
        Nothing is asked of the network.
    watch : Watch
    info : ObjectInfo, optional
        What its first place has said of it.
    """

    def __init__(
        self, wanted: Wanted, existing: Existing, watch: Watch, *, offline: bool, info: ObjectInfo | None = None
    ) -> None:
        self.wanted, self.existing, self.watch, self.info = wanted, existing, watch, info
        self.offline = offline
        self.partial = Partial(wanted.target)

    def run(self) -> DownloadedFile:
        """Return what has come of it.

        Raises
        ------
        SensoriumError
            Why it is not there.
        """
        target = self.wanted.target
        require_inside(self.wanted.folder, target)
        if (pin := self._held()) is not None:  # without a lock, which could not be made in a folder that is only read
            return self._outcome("have", pin)
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with locked(lock_of_file(target), self._waiting):
                self.watch.text = ""
                self.partial.tidy()
                pin = read_pins(self.wanted.folder).get(self.wanted.name)
                return self._settled(look(target, pin))

    def _held(self) -> Pin | None:
        """Return what is pinned of a file that is there, and so right that nothing is to be done."""
        target, pin = self.wanted.target, read_pins(self.wanted.folder).get(self.wanted.name)
        if pin is None or self.wanted.is_another(pin):
            return None
        left = self.partial.is_there or lock_of_file(target).exists()
        if left and os.access(target.parent, os.W_OK):  # of a run that was killed: tidied under the lock
            return None
        return pin if decide(self.existing, look(target, pin), self.wanted.expected) == "have" else None

    def _waiting(self) -> None:
        self.watch.text = f"{self.wanted.name}: another process is fetching it"
        self.watch.sleep(WAIT_S)

    def _settled(self, local: Local) -> DownloadedFile:
        action = decide(self.existing, local, self.wanted.expected)
        if self.existing != "replace" and local.pin is not None and self.wanted.is_another(local.pin):
            what = f"{self.wanted.target}: was fetched as {local.pin.entry}, not as {self.wanted.terms.entry}"
            raise TargetExists(what, hint="choose another folder", code="same-name")
        if action == "refuse":
            raise TargetExists(f"{self.wanted.target} is there", hint="`--existing skip` keeps files that are right")
        if action == "have" and local.pin is not None:
            return self._outcome("have", local.pin)
        if action == "hash":
            return self._recognised(local)
        if action == "ask":
            return self._refreshed(local)
        return self._fetched(local)

    def _recognised(self, local: Local) -> DownloadedFile:
        """Find out whether what is there is the right file."""
        size, sha256, md5 = self._hashed(local)
        hint = "`--existing replace` fetches it anew"
        pin = local.pin
        if pin is None and self.info is not None and self.info.size != size:
            what = f"{self.wanted.target}: has {size:,} bytes, and {self.info.size:,} where it is published"
            raise DataInvalid(what, hint=f"is it half of a file? {hint}", code="size-mismatch")
        if fault := fault_of(self.wanted.expected, size, {"sha256": sha256, "md5": md5}):
            raise DataInvalid(f"{self.wanted.target}: {fault}", hint=hint, code="digest-mismatch")
        if pin is not None and pin.sha256 != sha256:
            what = f"{self.wanted.target}: has the sha256 {sha256}, and {pin.sha256} was pinned"
            raise DataInvalid(what, hint=f"it was changed here; {hint}", code="digest-changed")
        return self._outcome("have", self._again(sha256, pin, pin))

    def _hashed(self, local: Local) -> tuple[int, str, str]:
        """Return size, SHA-256 and, where it is asked for, MD5 of what is there."""
        kinds = ("sha256", "md5") if self.wanted.expected.md5 else ("sha256",)
        self.watch.size = local.size
        with self.wanted.target.open("rb") as file:
            refuse_impostor(file.read(HEAD_BYTES), self.wanted.name, str(self.wanted.target))
            file.seek(0)
            digests = hashed(file.fileno(), kinds, self.watch.at)
        return local.size or 0, digests["sha256"], digests.get("md5", "")

    def _refreshed(self, local: Local) -> DownloadedFile:
        """Ask whether the file has changed where it comes from, and whether it has here."""
        if self.offline:
            raise is_offline(self.wanted.places[0])
        there, pin = self._asked(), local.pin
        same = there.size == local.size
        if pin is not None:
            same = Note(url=pin.url, size=pin.size, etag=pin.etag, modified=pin.modified).is_of(there)
        if same:
            size, sha256, md5 = self._hashed(local)
            right = pin is None or pin.sha256 == sha256
            if right and not fault_of(self.wanted.expected, size, {"sha256": sha256, "md5": md5}):
                return self._outcome("have", self._again(sha256, pin, there))
        return self._fetched(local)

    def _asked(self) -> ObjectInfo:
        faults: list[SensoriumError] = []
        for place in self.wanted.places:
            try:
                there = open_objects(place).head()
            except SensoriumError as fault:
                faults.append(fault)
            else:
                if there is not None:
                    return there
                faults.append(not_there(place))
        raise together(faults)

    def _fetched(self, local: Local) -> DownloadedFile:
        if self.offline:
            raise is_offline(self.wanted.places[0])
        expected = expectations(self.wanted.expected, local.pin, self.existing)
        faults: list[SensoriumError] = []
        for n, place in enumerate(self.wanted.places):
            try:
                return self._from(place, expected, self.info if n == 0 else None)
            except SensoriumError as fault:
                if fault.code in HERE:
                    raise
                faults.append(self._explained(fault, expected))
        raise together(faults)

    def _explained(self, fault: SensoriumError, expected: Expected) -> SensoriumError:
        """Return a fault with what led to it: what was pinned, or a token that is not taken."""
        if fault.code in ("size-mismatch", "digest-mismatch") and expected != self.wanted.expected:
            return DataInvalid(
                f"{fault.message}, as was pinned at the first download", hint=REPLACE, code="digest-changed"
            )
        gate = self.wanted.credentials
        if fault.code == "access-denied" and gate is not None:
            hint = f"is the token in {gate.environment} still good, and were the terms accepted? {gate.how}"
            return StorageFailed(fault.message, hint=hint, code=fault.code)
        return fault

    def _from(self, place: Location, expected: Expected, info: ObjectInfo | None) -> DownloadedFile:
        """Fetch from one place; a part that went on to wrong bytes is begun anew once, as it may be to blame itself."""
        kinds = ("sha256", "md5") if expected.md5 else ("sha256",)
        while True:
            with disk_errors(self.partial.path), Sink(self.partial, kinds, self.watch.check) as sink:
                self.watch.at(sink.size)
                if place.scheme in ("http", "https"):
                    stream(place, sink, expected, self.watch, info)
                else:
                    fetch_blocks(place, sink, expected, self.watch)
                digests = sink.end()
            fault = fault_of(expected, sink.size, digests)
            if not fault:
                return self._named(sink, digests["sha256"], place)
            with disk_errors(self.partial.path):
                self.partial.discard()
            if not sink.n_resumed:
                hint = "nothing of it was kept; run again, and ask the publisher if it stays so"
                raise DataInvalid(f"{place}: {fault}", hint=hint, code="digest-mismatch")

    def _named(self, sink: Sink, sha256: str, place: Location) -> DownloadedFile:
        """Give the file its name, now that it is whole, right, and on the disk."""
        target = self.wanted.target
        self.partial.path.replace(target)
        flush_folder(target.parent)
        note = sink.note or Note(url=place.url)
        pin = self._pinned(sha256, note, place.url)
        self.partial.forget()
        return self._outcome("resumed" if sink.n_resumed else "fetched", pin)

    def _pinned(self, sha256: str, said: _Said | None, url: str, since: datetime | None = None) -> Pin:
        """Write down what the file is."""
        found, terms = self.wanted.target.stat(), self.wanted.terms
        pin = Pin(
            name=self.wanted.name, entry=terms.entry, url=url, size=found.st_size, sha256=sha256,
            etag=said.etag if said else "", modified=said.modified if said else "", mtime_ns=found.st_mtime_ns,
            pinned_at=since or datetime.now(UTC).replace(microsecond=0),
            licence=terms.licence, licence_url=terms.licence_url, citation=terms.citation,
        )  # fmt: skip
        write_pin(self.wanted.folder, pin, self._waiting)
        return pin

    def _again(self, sha256: str, pin: Pin | None, said: _Said | None) -> Pin:
        """Write down that the file is as it was."""
        return self._pinned(sha256, said, pin.url if pin else self.wanted.places[0].url, pin.pinned_at if pin else None)

    def _outcome(self, status: str, pin: Pin) -> DownloadedFile:
        return DownloadedFile.model_validate(
            {
                "name": self.wanted.name,
                "entry": self.wanted.terms.entry,
                "status": status,
                "path": os.fsencode(self.wanted.target).decode("utf-8", "backslashreplace"),
                "bytes": pin.size,
                "bytes_fetched": self.watch.n_received,
                "sha256": pin.sha256,
                "url": pin.url,
            }
        )


def together(faults: list[SensoriumError]) -> SensoriumError:
    """Return what several places have answered as one error: the one that says most about the file."""
    if len(faults) == 1:
        return faults[0]
    kinds = (DataInvalid, StorageFailed, NotFound)
    worst = max(faults, key=lambda fault: [isinstance(fault, kind) for kind in kinds])
    problems = [
        Problem(fault.code, fault.message.split(": ", 1)[0], fault.message.split(": ", 1)[-1]) for fault in faults
    ]
    what = f"none of {len(faults)} places has it"
    return type(worst)(
        f"{worst.message.split(': ', 1)[0]}: {what}", hint=worst.hint, problems=problems, code=worst.code
    )
