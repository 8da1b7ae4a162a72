"""Copy a store: between folders and buckets, verified, the root last."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, get_args

from sensorium_data.copying.buckets import to_bucket
from sensorium_data.copying.carrying import Carrier
from sensorium_data.copying.manifest import Manifest, manifest_of
from sensorium_data.copying.outcome import report_of
from sensorium_data.copying.places import FolderPlace
from sensorium_data.copying.settling import settle_url
from sensorium_data.errors import BadArgument, Problem, StorageFailed, StoreInvalid, TargetExists, near_miss
from sensorium_data.progress import Report, ignore
from sensorium_data.remote import Location, placed
from sensorium_data.schemas import CopyReport, Existing, Verify
from sensorium_data.spelling import human_bytes
from sensorium_data.store.opened import OpenStore
from sensorium_data.store.publish import Scratch, keep_only, settle_target, storage_errors, sweep_scratch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["copy_store", "plan_copy", "two_places"]

COPYING = 1  # of what a copy leaves half done; raised whenever that changes


def copy_store(
    store: str | Path | Location,
    target: str | Path | Location,
    *,
    existing: Existing = "error",
    verify: Verify = "digest",
    storage_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
    report: Report = ignore,
) -> CopyReport:
    """Copy a session store, from or to a disk or a bucket, so that it appears when it is whole and verified.

    Every file is held against the checksums of the store's sidecar while it is read, and again when it has arrived. The
    root is written last: until then nobody can open the copy. An interrupted copy goes on where it stopped when it is
    run again.

    Parameters
    ----------
    store : str, Path or URL
        A session store; read, never written.
    target : str, Path or URL
        Where the copy goes: a path, ``s3://``, ``gs://`` or ``az://``.
    existing : {"error", "skip", "resume", "replace"}
        What to do with a store that is there: fail; leave it; accept it if it is the same, and mend what it lacks; or
        replace it, in a bucket file by file, while which nobody can open it.
    verify : {"digest", "size"}
        Read every file back once it is there, or ask for its size alone.
    storage_options : mapping, optional
        How to get into the bucket of the target, as its fsspec file system takes it; of the source where the target is on
        this machine. Never written down.
    source_options : mapping, optional
        The same for the source.
    report : callable
        Receives `Progress` records of the stage `copy`.

    Returns
    -------
    CopyReport
        How many files there are, and how many were sent.

    Raises
    ------
    NotFound
        There is no such store, or no such bucket.
    StoreInvalid
        The store is damaged; the problems name every file. There is no store at the target.
    TargetExists, TargetBusy
        Something is in the way; nothing is changed.
    StorageFailed
        A place cannot be reached or written to, or lets nobody in; what was done is kept.
    BadArgument
        An option or a place that cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> folder = tempfile.mkdtemp()
    >>> store = make_session(folder, n_neurons=4)
    >>> copy_store(store, folder + "/copy.zarr").status
    'copied'
    """
    _require_known(existing, verify)
    source, goal = two_places(store, target, storage_options, source_options)
    opened = OpenStore(source)
    if isinstance(goal, Location):
        return to_bucket(opened, goal, existing, verify, report)
    return _to_folder(opened, goal, existing, verify, report)


def plan_copy(
    store: str | Path | Location, target: str | Path | Location, *, existing: Existing = "error", verify: Verify = "digest",
    storage_options: Mapping[str, Any] | None = None, source_options: Mapping[str, Any] | None = None,
) -> CopyReport:  # fmt: skip
    """Return what a copy would do, from what root and sidecar say and a look at the target; nothing is written.

    Parameters and errors as `copy_store`.
    """
    _require_known(existing, verify)
    source, goal = two_places(store, target, storage_options, source_options)
    opened = OpenStore(source)
    if isinstance(goal, Location):
        is_left = settle_url(goal, source, existing, dry_run=True).is_left
    else:
        is_left = settle_target(goal, None if isinstance(source, Location) else source, existing)
    if is_left:
        return report_of(opened, goal, "skipped", verify)
    return report_of(opened, goal, "planned", verify, manifest_of(opened))


def two_places(
    source: str | Path | Location, target: str | Path | Location, storage_options: Mapping[str, Any] | None,
    source_options: Mapping[str, Any] | None,
) -> tuple[Path | Location, Path | Location]:  # fmt: skip
    """Return where something comes from and where it goes; options are the target's where it is at a URL.

    Raises
    ------
    BadArgument
        A URL cannot be used, or options are given and there is none.
    """
    if source_options is None and storage_options is not None and not isinstance(placed(target), Location):
        source_options, storage_options = storage_options, None
    return placed(source, source_options), placed(target, storage_options)


def _require_known(existing: str, verify: str) -> None:
    for name, value, kinds in (("existing", existing, Existing), ("verify", verify, Verify)):
        if value not in get_args(kinds):
            raise BadArgument(f"{name} `{value}` is unknown", hint=near_miss(str(value), get_args(kinds)))


def _to_folder(store: OpenStore, target: Path, existing: Existing, verify: Verify, report: Report) -> CopyReport:
    target = target if target.name not in ("", "..") else target.resolve()
    if (done := _nothing_to_do(store, target, existing, verify, report)) is not None:
        sweep_scratch(target)
        return done
    with storage_errors(target), Scratch(target) as scratch:
        # Another process may have finished since, and a replacement that was killed is put back now.
        if (done := _nothing_to_do(store, target, existing, verify, report)) is not None:
            scratch.discard()
            return done
        try:
            manifest = manifest_of(store)
            scratch.begin({"copy": COPYING, "store": manifest.identity})
            keep_only(scratch.store, manifest.keys)
            _require_room(scratch.store, target, manifest)
            carrier = Carrier(store, FolderPlace(scratch.store), verify)
            carrier.carry(manifest.parts, report)
        except StoreInvalid:
            scratch.discard()  # the store must change before this can succeed
            raise
        carrier.bring(manifest.root)
        scratch.publish()
    status = "resumed" if carrier.n_there else "copied"
    return report_of(
        store, target, status, verify, manifest, carrier.n_sent + 1, carrier.sent_bytes + manifest.root.size
    )


def _nothing_to_do(
    store: OpenStore, target: Path, existing: Existing, verify: Verify, report: Report
) -> CopyReport | None:
    """Return the report where the target may stay as it is, else None; raise where it must not be touched."""
    source = None if isinstance(store.path, Location) else store.path
    if settle_target(target, source, existing):
        return report_of(store, target, "skipped", verify)
    if not (target.exists() and existing == "resume"):
        return None
    manifest = manifest_of(store)
    hint = "--existing replace makes it anew"
    there = Carrier(store, FolderPlace(target), "digest")
    if not there.is_there(manifest.root):
        raise TargetExists(f"{target} is another store than {store.path}", hint=hint, code="target-differs")
    if lacking := there.lacking(manifest.parts, report):
        problems = [Problem("digests", part.key, "is missing, or not what was written") for part in lacking]
        raise TargetExists(f"{target} is damaged", hint=hint, problems=problems, code="target-damaged")
    return report_of(store, target, "up-to-date", verify, manifest)


def _require_room(folder: Path, target: Path, manifest: Manifest) -> None:
    """Raise StorageFailed where the disk has not the room for what is to come."""
    place = FolderPlace(folder)
    there = {part.key for part in manifest.parts if (info := place.info(part.key)) and info.size == part.size}
    wanted = sum(part.size for part in manifest.parts if part.key not in there)
    free = shutil.disk_usage(folder).free
    if wanted > free:
        what = f"{target}: {human_bytes(wanted)} are to come and {human_bytes(free)} are free"
        raise StorageFailed(what, hint="make room or choose another target", code="disk-full")
