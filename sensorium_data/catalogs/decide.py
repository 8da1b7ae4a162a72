"""What is to be done about a file, decided before anything is."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from sensorium_data.catalogs.disk import disk_errors
from sensorium_data.catalogs.partial import Expected, Partial
from sensorium_data.errors import BadArgument, DataInvalid, StorageFailed
from sensorium_data.remote import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sensorium_data.schemas.download import Pin

__all__ = [
    "Action",
    "Existing",
    "Local",
    "decide",
    "expectations",
    "fault_of",
    "is_of_another",
    "look",
    "require_inside",
]

Existing: TypeAlias = Literal["skip", "error", "refresh", "replace"]
Action: TypeAlias = Literal["have", "hash", "ask", "resume", "fetch", "refuse"]
REPLACE = "`--existing replace` takes it as it is now; ask the publisher why it is another one"


@dataclass(frozen=True, slots=True)
class Local:
    """What there is of a file here; sizes in bytes, `size` None where there is none, `n_part` 0 where no part is."""

    size: int | None = None
    mtime_ns: int = 0
    n_part: int = 0
    pin: Pin | None = None


def look(target: Path, pin: Pin | None) -> Local:
    """Return what there is of a file.

    Raises
    ------
    StorageFailed
        Something that is no file has its name.
    """
    with disk_errors(target):
        n_part = Partial(target).size
        if not os.path.lexists(target):
            return Local(n_part=n_part, pin=pin)
        found = target.stat()
    if not stat.S_ISREG(found.st_mode):
        raise StorageFailed(f"{target}: is no file", hint="move it out of the way", code="not-a-file")
    return Local(found.st_size, found.st_mtime_ns, n_part, pin)


def decide(existing: Existing, local: Local, expected: Expected) -> Action:
    """Return what is to be done; nothing is done here.

    Parameters
    ----------
    existing : {"skip", "error", "refresh", "replace"}
    local : Local
    expected : Expected
        By the catalog.

    Returns
    -------
    str
        ``have``: nothing. ``hash``: look whether it is the right one. ``ask``: ask the server whether it has changed.
        ``resume`` or ``fetch``. ``refuse``: it must not be there.

    Examples
    --------
    >>> decide("skip", Local(), Expected()), decide("skip", Local(n_part=7), Expected())
    ('fetch', 'resume')
    >>> decide("skip", Local(size=7), Expected()), decide("error", Local(size=7), Expected())
    ('hash', 'refuse')
    """
    if local.size is not None and existing == "error":
        return "refuse"
    if local.size is None or existing == "replace":
        return "resume" if local.n_part else "fetch"
    if existing == "refresh":
        return "ask"
    pin = local.pin
    known = pin is not None and (pin.size, pin.mtime_ns) == (local.size, local.mtime_ns)
    return "have" if known and pin is not None and expected.sha256 in (None, pin.sha256) else "hash"


def expectations(expected: Expected, pin: Pin | None, existing: Existing) -> Expected:
    """Return what a file must be: what the catalog says, and what was pinned unless it may be replaced.

    Raises
    ------
    DataInvalid
        They contradict each other.
    """
    if pin is None or existing in ("refresh", "replace"):
        return expected
    for mine, its in ((expected.sha256, pin.sha256), (expected.size, pin.size)):
        if mine not in (None, its):
            what = f"{pin.name}: the catalog says {mine} now, and {its} was pinned on {pin.pinned_at:%Y-%m-%d}"
            raise DataInvalid(what, hint=REPLACE, code="digest-changed")
    return expected.model_copy(update={"sha256": pin.sha256, "size": pin.size})


def fault_of(expected: Expected, size: int, digests: dict[str, str]) -> str:
    """Return what is wrong with bytes that were fetched, or "".

    Examples
    --------
    >>> fault_of(Expected(size=3, md5="0cc175b9c0f1b6a831c399e269772661"), 1, {})
    'has 1 bytes, expected 3'
    """
    if expected.size not in (None, size):
        return f"has {size:,} bytes, expected {expected.size:,}"
    for kind, wanted in (("sha256", expected.sha256), ("md5", expected.md5)):
        if wanted and digests.get(kind) not in (None, wanted):
            return f"has the {kind} {digests[kind]}, expected {wanted}"
    return ""


def is_of_another(pin: Pin | None, entry: str, urls: Iterable[str], expected: Expected) -> bool:
    """True where a file of this name was fetched as something else: it would be taken for what is asked for now.

    Parameters
    ----------
    pin : Pin or None
    entry : str
        Name in the catalog, or the URL that was named.
    urls : iterable of str
        Where it is published.
    expected : Expected
        By the catalog.
    """
    if pin is None or entry in (pin.entry, pin.url) or (pin.url in urls and not is_url(entry)):
        return False
    return pin.sha256 != expected.sha256


def require_inside(folder: Path, target: Path) -> None:
    """Raise BadArgument where a file would lie outside its folder, by its name or by a link on the way."""
    within = folder.resolve()
    ends = [target.parent.resolve(), *([target.resolve()] if target.is_symlink() else [])]
    if target.name in ("", "..") or not all(end == within or within in end.parents for end in ends):
        what = f"{target}: would be written outside {folder}"
        raise BadArgument(what, hint="choose another folder, or remove the link", code="target-outside")
