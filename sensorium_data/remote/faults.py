"""What a server or a client of one says, in the words of this package; nothing that lets one in is ever part of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.errors import NotFound, StorageFailed

if TYPE_CHECKING:
    from sensorium_data.remote.location import Location

__all__ = ["Passing", "changed", "denied", "no_listing", "not_there", "offline", "unreachable"]


class Passing(Exception):  # no failure yet
    """Something that may be otherwise when it is asked again.

    Parameters
    ----------
    what : str
        What was seen, for the message when it stays so.
    after_s : float, seconds, optional
        When the server wants to be asked again.
    code : str
        Of the error that it becomes.
    """

    def __init__(self, what: str, *, after_s: float | None = None, code: str = "unreachable") -> None:
        super().__init__(what)
        self.what, self.after_s, self.code = what, after_s, code


def unreachable(place: Location | str, what: str, *, code: str = "unreachable") -> StorageFailed:
    """Return the error of a place that did not answer as it should, however often it was asked."""
    hint = "is the network up, and the URL right? nothing is lost, run again"
    if code == "ranges-ignored":
        hint = "download it whole, or serve it by something that answers ranges"
    return StorageFailed(f"{place}: {what}", hint=hint, code=code)


def not_there(place: Location | str, what: str = "is not there") -> NotFound:
    """Return the error of an object that does not exist."""
    return NotFound(f"{place}: {what}", hint="is the URL spelled right?", code="no-such-object")


def denied(place: Location | str, what: str = "access was denied") -> StorageFailed:
    """Return the error of credentials that are missing, wrong or have run out."""
    hint = (
        "credentials come from a profile, the environment or storage_options; are they right, and not run out? "
        "a bucket that may not be listed answers so for what is not there as well"
    )
    return StorageFailed(f"{place}: {what}", hint=hint, code="access-denied")


def no_listing(place: Location | str) -> StorageFailed:
    """Return the error of a place whose objects cannot be listed."""
    hint = "name the store itself; what is in it is known without listing"
    return StorageFailed(f"{place}: its objects cannot be listed", hint=hint, code="no-listing")


def changed(place: Location | str) -> StorageFailed:
    """Return the error of an object that became another one while it was read."""
    hint = "run again: it is begun anew"
    return StorageFailed(f"{place}: was replaced while it was read", hint=hint, code="changed-remote")


def offline(place: Location | str) -> StorageFailed:
    """Return the error of what would have to be asked for while nothing may be."""
    hint = "unset SENSORIUM_DATA_OFFLINE, or leave out --offline"
    return StorageFailed(f"{place}: is not in the cache, and the network is switched off", hint=hint, code="offline")
