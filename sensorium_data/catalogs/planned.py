"""A download before anything is fetched: what is here, what would come, whether there is room for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.catalogs.decide import decide, look
from sensorium_data.catalogs.disk import free_bytes
from sensorium_data.catalogs.merged import Catalog, catalog
from sensorium_data.catalogs.partial import Expected, Partial
from sensorium_data.catalogs.pinned import read_pins
from sensorium_data.catalogs.wanted import downloads_folder, require_tokens, wanted_files
from sensorium_data.errors import BadArgument, Problem, SensoriumError, StorageFailed, TargetExists, counted, near_miss
from sensorium_data.remote import Location, is_url, open_objects, placed
from sensorium_data.remote.faults import Passing
from sensorium_data.remote.faults import offline as offline_error
from sensorium_data.remote.http import info_of, requested
from sensorium_data.remote.patience import Deadline
from sensorium_data.remote.requests import in_order
from sensorium_data.schemas.download import DownloadedFile, DownloadReport
from sensorium_data.settings import settings
from sensorium_data.spelling import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensorium_data.catalogs.decide import Action, Existing, Local
    from sensorium_data.catalogs.wanted import Wanted
    from sensorium_data.remote import ObjectInfo
    from sensorium_data.schemas.download import Pin, Terms

__all__ = ["Plan", "Step", "plan_download"]

EXISTING = ("skip", "error", "refresh", "replace")
MISSING: tuple[Action, ...] = ("resume", "fetch", "ask")
MOST_JOBS = 32
PROBES = 8  # files that are asked about at the same time


@dataclass(slots=True)
class Step:
    """One file of a download: what is here of it, what is to be done, what its server has said of it."""

    wanted: Wanted
    local: Local
    action: Action
    info: ObjectInfo | None = None

    @property
    def size(self) -> int | None:
        """Bytes that it will have, None where nobody has said so."""
        if self.action in ("have", "hash"):
            return self.local.size
        said = [self.wanted.expected.size, self.info.size if self.info else None]
        note = Partial(self.wanted.target).note() if self.action == "resume" else None
        return next((size for size in [*said, note.size if note else None] if size is not None), None)

    @property
    def trusts(self) -> bool:
        """True where a file is there of which nothing at all is known: it may be half of one, by another program."""
        return self.action == "hash" and self.local.pin is None and self.wanted.expected == Expected()

    @property
    def n_here(self) -> int:
        """Bytes of a part that is gone on with."""
        return min(self.local.n_part, self.size or 0) if self.action == "resume" else 0


@dataclass(slots=True)
class Plan:
    """What a download would do; made by `plan_download`."""

    steps: list[Step]
    terms: list[Terms]
    folder: Path
    existing: Existing
    offline: bool
    jobs: int

    def report(self) -> DownloadReport:
        """Return it as a report in which what is to come is ``planned``."""
        return DownloadReport(
            folder=str(self.folder),
            free_bytes=free_bytes(self.folder),
            terms=tuple(self.terms),
            files=tuple(_planned(step) for step in self.steps),
        )


def _planned(step: Step) -> DownloadedFile:
    pin = step.local.pin
    there = step.action in ("have", "hash")
    return DownloadedFile(
        name=step.wanted.name,
        entry=step.wanted.terms.entry,
        status="have" if there else "planned",
        path=str(step.wanted.target),
        bytes=step.size,
        bytes_here=step.n_here,
        sha256=pin.sha256 if pin and there else step.wanted.expected.sha256,
        url=step.wanted.places[0].url,
    )


def plan_download(
    names: str | Iterable[str], to: str | Path | None = None, *, existing: Existing = "skip", jobs: int = 4,
    offline: bool | None = None, catalog: Catalog | str | Path | None = None,
) -> Plan:  # fmt: skip
    """Return what `download` would do; sizes that nobody has published are asked for, nothing is fetched.

    Parameters and errors as `download`.
    """
    _check(existing, jobs)
    is_offline = settings().offline if offline is None else offline
    folder = None if to is None else _folder(to)
    if is_offline and is_url(catalog):
        raise offline_error(str(Location(str(catalog))))
    wanted, terms = wanted_files(names, folder, _catalog(catalog))
    pins = {each.folder: read_pins(each.folder) for each in wanted}
    steps = [_step(each, pins[each.folder], existing) for each in wanted]
    _refuse_existing(steps)
    if existing != "replace":
        _refuse_others(steps)
    missing = [step for step in steps if step.action in MISSING]
    if is_offline:
        _refuse_offline(missing)
    else:
        require_tokens(step.wanted for step in missing)
        unknown = [step for step in missing if step.size is None or step.action != "resume"]
        unknown += [step for step in steps if step.trusts]
        found = in_order((partial(_probe, step.wanted.places) for step in unknown), PROBES)
        for step, info in zip(unknown, found, strict=True):
            step.info = info
    _require_room(missing)
    common = folder or Path(os.path.commonpath([downloads_folder(), *(each.folder for each in wanted)]))
    return Plan(steps, terms, common, existing, is_offline, jobs)


def _folder(to: str | Path) -> Path:
    place = placed(to)
    if isinstance(place, Location):
        hint = "`convert NAME URL` makes a store in a bucket of what is published; nothing lies on the disk then"
        raise BadArgument(f"{place}: downloads go to a folder of this machine", hint=hint, code="not-a-folder")
    return place.expanduser()


def _check(existing: str, jobs: int) -> None:
    if existing not in EXISTING:
        raise BadArgument(f"existing is {existing!r}", hint=near_miss(str(existing), EXISTING))
    if jobs not in range(1, MOST_JOBS + 1):
        raise BadArgument(f"jobs is {jobs!r}, expected 1 to {MOST_JOBS}")


def _catalog(given: Catalog | str | Path | None) -> Catalog:
    if isinstance(given, Catalog):
        return given
    return catalog() if given is None else catalog(given)


def _step(wanted: Wanted, pins: dict[str, Pin], existing: Existing) -> Step:
    local = look(wanted.target, pins.get(wanted.name))
    return Step(wanted, local, decide(existing, local, wanted.expected))


def _refuse_existing(steps: list[Step]) -> None:
    there = [step for step in steps if step.action == "refuse"]
    if there:
        problems = [Problem("target-exists", str(step.wanted.target), "is there") for step in there]
        hint = "`--existing skip` keeps those that are right, `replace` fetches them anew"
        what = f"{len(there):,} of the files are there; nothing was fetched"
        raise TargetExists(what, hint=hint, problems=problems)


def _refuse_others(steps: list[Step]) -> None:
    """Raise TargetExists where names are those of files that were fetched as something else."""
    problems = [
        Problem("same-name", str(step.wanted.target), f"was fetched as {pin.entry}, not as {step.wanted.terms.entry}")
        for step in steps
        if (pin := step.local.pin) is not None and step.wanted.is_another(pin)
    ]
    if problems:
        hint = "choose another folder; `--existing replace` fetches what is asked for now in their place"
        what = f"{counted(len(problems), 'file')} of something else would be taken for what is asked for"
        raise TargetExists(what, hint=hint, problems=problems, code="same-name")


def _refuse_offline(missing: list[Step]) -> None:
    if missing:
        problems = [Problem("offline", step.wanted.name, _lacks(step)) for step in missing]
        hint = "unset SENSORIUM_DATA_OFFLINE, or leave out --offline"
        what = f"the network is switched off, and {len(missing):,} of the files would have to be asked for"
        raise StorageFailed(what, hint=hint, problems=problems, code="offline")


def _lacks(step: Step) -> str:
    if step.action == "ask":
        return "is here; whether it has changed cannot be asked"
    return f"is here up to byte {step.local.n_part:,}" if step.local.n_part else "is not here"


def _probe(places: tuple[Location, ...]) -> ObjectInfo | None:
    """Return what the first place says of a file, if it says anything: who asks for the file itself is told more."""
    place = places[0]
    try:
        if place.scheme not in ("http", "https"):
            return open_objects(place).head()
        headers = place.options.get("headers") or {}
        with requested(place, "HEAD", headers=headers, deadline=Deadline(max(1, settings().timeout_s))) as answer:
            return info_of(answer) if answer.status == 200 else None
    except (SensoriumError, Passing):
        return None


def _require_room(missing: list[Step]) -> None:
    """Raise StorageFailed where what is to come would not fit, as far as sizes are known."""
    needed: dict[int, int] = {}
    rooms: dict[int, Path] = {}
    for step in missing:
        folder = step.wanted.folder.absolute()
        there = next(each for each in (folder, *folder.parents) if each.is_dir())
        disk = there.stat().st_dev
        rooms[disk] = there
        needed[disk] = needed.get(disk, 0) + (step.size or 0) - step.n_here
    for disk, folder in rooms.items():
        free = free_bytes(folder)
        if needed[disk] > free:
            what = f"{folder}: {human_bytes(needed[disk])} are to come, and {human_bytes(free)} are free"
            hint = "make room, choose another folder with --to, or set SENSORIUM_DATA_CACHE"
            raise StorageFailed(what, hint=hint, code="no-room")
