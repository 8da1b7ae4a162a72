"""What came instead of the file that was asked for is refused by its first bytes, before the rest is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.errors import DataInvalid
from sensorium_data.remote.lookalikes import HEAD as HEAD_BYTES
from sensorium_data.remote.lookalikes import lookalike

if TYPE_CHECKING:
    from sensorium_data.remote import Location

__all__ = ["HEAD_BYTES", "refuse_impostor"]

TEXTS = (".html", ".htm", ".xml", ".svg", ".txt", ".md", ".json", ".yml", ".yaml", ".csv", ".py", ".sql")
ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_POINTER = "the server has only the pointer to the file: fetch it from another place, or ask the publisher to upload its content"
_HINTS = {
    "annex-pointer": _POINTER,
    "lfs-pointer": _POINTER,
    "html-page": "open the URL in a browser: it may ask for a login, for terms to be accepted, or say what is wrong",
    "xml-error": "is it the right URL, and may anybody read it?",
    "json-answer": "is it the right URL, and may anybody read it?",
}


def refuse_impostor(head: bytes, name: str, place: Location | str) -> None:
    r"""Raise what is wrong with a file that begins so.

    Parameters
    ----------
    head : bytes
        Up to the first 4 KiB.
    name : str
        That the file has; texts may look like texts.
    place : Location or str
        For the message.

    Raises
    ------
    DataInvalid
        Codes ``annex-pointer``, ``lfs-pointer``, ``html-page``, ``xml-error``, ``json-answer`` and ``not-a-zip``.

    Examples
    --------
    >>> refuse_impostor(b"PK\x03\x04...", "mouse.zip", "https://example.org/mouse.zip")
    >>> pointer = b"/annex/objects/MD5E-s1234--d41d8cd98f00b204e9800998ecf8427e.zip"
    >>> refuse_impostor(pointer, "mouse.zip", "https://example.org/mouse.zip")
    Traceback (most recent call last):
    sensorium_data.errors.DataInvalid: https://example.org/mouse.zip: is a git-annex pointer to a file of 1,234 bytes (md5
    d41d8cd98f00b204e9800998ecf8427e), not the file itself
    """
    found, is_text = lookalike(head), name.lower().endswith(TEXTS)
    if found is not None and not (is_text and not found.code.endswith("-pointer")):
        raise DataInvalid(f"{place}: is {found.what}, not the file itself", hint=_HINTS[found.code], code=found.code)
    if name.lower().endswith(".zip") and not head.startswith(ZIPS):
        what = f"{place}: does not begin as a zip does"
        raise DataInvalid(what, hint="is it the right URL? nothing of it was kept", code="not-a-zip")
