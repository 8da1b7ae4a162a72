"""What is at a URL already, and whether a store may go there: decided before anything is written."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from sensorium_data.errors import BadArgument, NotFound, StorageFailed, TargetExists, listed
from sensorium_data.remote import Location, open_objects
from sensorium_data.store.layout import ATTRIBUTE, Paths

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas import Existing

__all__ = ["PARTS", "Settled", "settle_url"]

# What a store has beside its root; leftovers of a copy that was interrupted are of these.
PARTS = frozenset({Paths.neurons, Paths.trials, Paths.stimuli, Paths.signals, Paths.statistics, "sidecar"})
PROBE = ".sensorium-data-probe"


class Settled(NamedTuple):
    """What was found at a target: whether a store is there, whether it stays as it is, whether the bucket can be listed."""

    is_store: bool
    is_left: bool
    is_unlisted: bool


def settle_url(
    target: Location, source: Path | Location | None, existing: Existing, *, dry_run: bool = False
) -> Settled:
    """Decide what becomes of a target at a URL.

    Parameters
    ----------
    target : Location
    source : Path or Location, optional
        What is copied or converted there.
    existing : {"error", "skip", "resume", "replace"}
    dry_run : bool
        Nothing is written, not even to learn whether one may.

    Raises
    ------
    BadArgument
        The target is the source, lies inside it or around it, or lies inside a session store.
    TargetExists
        Something is there that must not, or must not yet, be replaced.
    StorageFailed
        The place cannot be reached or written to, or lets nobody in.
    """
    if target.scheme in ("http", "https"):
        what = f"{target}: a web server is not written to"
        raise StorageFailed(what, hint="write to a disk or a bucket: s3://, gs://, az://", code="read-only")
    _refuse_nesting(target, source)
    try:
        root, unlisted = _root(target), _denies_listing(target)
    except StorageFailed as error:
        # A bucket that may not be listed denies what is not there. Only writing tells whether that is all.
        if error.code != "access-denied" or dry_run:
            raise
        root, unlisted = None, _is_unlisted(target)
    _refuse_inside(target)
    if root is None:
        _refuse_others(target, unlisted=unlisted)
        return Settled(is_store=False, is_left=False, is_unlisted=unlisted)
    if not _is_store(root):
        raise _no_store(target, "its zarr.json is of something else")
    if existing == "error":
        hint = "--existing skip, resume or replace says what to do with it"
        raise TargetExists(f"{target} exists already", hint=hint)
    return Settled(is_store=True, is_left=existing == "skip", is_unlisted=unlisted)


def _root(target: Location) -> bytes | None:
    try:
        return open_objects(target).read(Paths.root)
    except NotFound:
        return None


def _is_store(root: bytes) -> bool:
    try:
        return isinstance(json.loads(root)["attributes"][ATTRIBUTE], dict)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _is_unlisted(target: Location) -> bool:
    """Write a small object and look at it: raises where that is denied, too, else the bucket may not be listed."""
    objects = open_objects(target)
    objects.put(PROBE, b"")
    try:
        objects.head(PROBE)
    finally:
        with suppress(StorageFailed):
            objects.delete(PROBE)
    return True


def _denies_listing(target: Location) -> bool:
    """True where what is not there is denied."""
    try:
        open_objects(target).head(PROBE)
    except StorageFailed as error:
        if error.code != "access-denied":
            raise
        return True
    return False


def _refuse_nesting(target: Location, source: Path | Location | None) -> None:
    # Other options may mean another server, where the same name is another place.
    if not isinstance(source, Location) or source.options != target.options:
        return
    if source.url == target.url or target.url.startswith(source.url + "/"):
        raise BadArgument(
            f"{target} is inside the source {source}; sources are never written to",
            hint="choose a target outside it",
            code="target-inside-source",
        )
    if source.url.startswith(target.url + "/"):
        raise BadArgument(
            f"the source {source} is inside the target {target}; replacing the target would delete it",
            hint="choose a target that does not hold the source",
            code="source-inside-target",
        )


def _refuse_inside(target: Location) -> None:
    """Raise BadArgument where a folder above the target is a session store."""
    above = target
    while above.parent.url != above.url:
        above, root = above.parent, None
        with suppress(StorageFailed):  # what may not be looked at may not be a store either
            root = _root(above)
        if root is not None and _is_store(root):
            raise BadArgument(
                f"{target} is inside the session store {above}; a store holds nothing but its own parts",
                hint=f"choose a target outside it, beside it for one: {above.parent}/{target.name}",
                code="target-inside-store",
            )


def _refuse_others(target: Location, *, unlisted: bool) -> None:
    """Raise TargetExists where objects lie at the target that no interrupted copy has left, as far as can be seen."""
    if unlisted:
        return
    if open_objects(target).head() is not None:
        raise _no_store(target, "it is an object itself")
    try:
        others = [key for key, _ in open_objects(target).listing() if key and key.split("/", 1)[0] not in PARTS]
    except StorageFailed as error:
        if error.code != "no-listing":
            raise
        return
    if others := [key for key in others if key != PROBE]:
        raise _no_store(target, f"it holds {listed(others, most=3)}")


def _no_store(target: Location, what: str) -> TargetExists:
    hint = "choose another target; --existing replace replaces session stores only"
    return TargetExists(f"{target} exists and is not a session store: {what}", hint=hint, code="not-a-store")
