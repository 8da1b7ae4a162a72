"""A copy into a bucket: nothing can be renamed there, so the root makes the store, and is the last to come."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sensorium_data.copying.carrying import Carrier
from sensorium_data.copying.journal import Journal
from sensorium_data.copying.manifest import Manifest, manifest_of
from sensorium_data.copying.outcome import report_of
from sensorium_data.copying.places import BucketPlace
from sensorium_data.copying.settling import PARTS, settle_url
from sensorium_data.errors import NotFound, StorageFailed, StoreInvalid, TargetExists
from sensorium_data.remote import Location, open_objects
from sensorium_data.store.layout import Paths
from sensorium_data.store.remoteopen import open_remote

if TYPE_CHECKING:
    from sensorium_data.progress import Report
    from sensorium_data.schemas import CopyReport, Existing, Verify
    from sensorium_data.store.opened import OpenStore

__all__ = ["to_bucket"]


def to_bucket(store: OpenStore, target: Location, existing: Existing, verify: Verify, report: Report) -> CopyReport:
    """Copy a store to a URL; see `copy_store`.

    Parameters
    ----------
    store : OpenStore
    target : Location
    existing, verify, report
        As for `copy_store`.
    """
    with Journal(target) as journal:
        settled = settle_url(target, store.path, existing)
        if settled.is_left:
            return report_of(store, target, "skipped", verify)
        manifest = manifest_of(store)
        same = settled.is_store and _identity(target) == manifest.identity
        if settled.is_store and not same and existing == "resume":
            what = f"{target} is another store than {store.path}"
            raise TargetExists(what, hint="--existing replace makes it anew", code="target-differs")
        place = BucketPlace(target, unlisted=settled.is_unlisted)
        carrier = Carrier(store, place, verify, journal)
        replaces = settled.is_store and not same
        if replaces:
            carrier.inspect(manifest.parts)  # a source that is damaged must not cost the store that is there
            place.delete(Paths.root)
        journal.begin(manifest.identity)
        carrier.carry(manifest.parts, report)
        _sweep(target, manifest)
        n_root = _crown(carrier, manifest)
        journal.forget()
    n_sent = carrier.n_sent + (n_root > 0)
    status = "up-to-date" if not n_sent else "resumed" if carrier.n_there and not replaces else "copied"
    return report_of(store, target, status, verify, manifest, n_sent, carrier.sent_bytes + n_root)


def _identity(target: Location) -> str:
    """Return the identity of the store that is at a target, "" where it is none that can be opened."""
    try:
        return open_remote(target).identity
    except (NotFound, StoreInvalid):
        return ""


def _crown(carrier: Carrier, manifest: Manifest) -> int:
    """Write the root, which makes a store of the rest; where it does not arrive as it was sent, there is none."""
    try:
        return carrier.bring(manifest.root)
    except StorageFailed:
        with suppress(StorageFailed):
            if not carrier.is_there(manifest.root):
                carrier.place.delete(Paths.root)
        raise


def _sweep(target: Location, manifest: Manifest) -> None:
    """Remove what other copies have left, where the bucket tells what it has."""
    objects = open_objects(target)
    try:
        there = list(objects.listing())
    except StorageFailed as error:
        if error.code != "no-listing":
            raise
        return
    for key, _ in there:
        # Beyond the parts of stores nothing was put here by a copy: with a bucket for a target, that is all else in it.
        if key.split("/", 1)[0] in PARTS and key not in manifest.keys:
            objects.delete(key)
