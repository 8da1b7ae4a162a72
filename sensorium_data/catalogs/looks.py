"""What came instead of the file that was asked for: a page, a pointer, an error; told by the first bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensorium_data.errors import DataInvalid

if TYPE_CHECKING:
    from sensorium_data.remote import Location

__all__ = ["HEAD_BYTES", "refuse_impostor"]

HEAD_BYTES = 4096  # that are looked at
TEXTS = (".html", ".htm", ".xml", ".svg", ".txt", ".md", ".json", ".yml", ".yaml", ".csv", ".py", ".sql")
ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
ANNEX = re.compile(rb"(?:\.\./)*(?:/annex|\.git/annex)/objects/\S*?([A-Z0-9_]+)-s([0-9]+)(?:-\S*?)?--([0-9a-f]+)")
LFS = re.compile(rb"version https?://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/")
POINTER_HINT = "the server has only the pointer to the file: fetch it from another place, or ask the publisher to upload its content"


def refuse_impostor(head: bytes, name: str, place: Location | str) -> None:
    r"""Raise what is wrong with a file that begins so, before the rest of it is fetched.

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
        Codes ``annex-pointer``, ``lfs-pointer``, ``html-page``, ``xml-error`` and ``not-a-zip``.

    Examples
    --------
    >>> refuse_impostor(b"PK\x03\x04...", "mouse.zip", "https://example.org/mouse.zip")
    >>> pointer = b"/annex/objects/MD5E-s1234--d41d8cd98f00b204e9800998ecf8427e.zip"
    >>> refuse_impostor(pointer, "mouse.zip", "https://example.org/mouse.zip")
    Traceback (most recent call last):
    sensorium_data.errors.DataInvalid: https://example.org/mouse.zip: is a git-annex pointer to a file of 1,234 bytes (md5
    d41d8cd98f00b204e9800998ecf8427e), not the file itself
    """
    _refuse_pointer(head, place)
    if name.lower().endswith(TEXTS):
        return
    _refuse_page(head, place)
    if name.lower().endswith(".zip") and not head.startswith(ZIPS):
        what = f"{place}: does not begin as a zip does"
        raise DataInvalid(what, hint="is it the right URL? nothing of it was kept", code="not-a-zip")


def _refuse_pointer(head: bytes, place: Location | str) -> None:
    if found := ANNEX.match(head.lstrip()):
        kind = "md5" if found[1].startswith(b"MD5") else found[1].decode().lower().removesuffix("e")
        size, digest = int(found[2]), found[3].decode()
        what = f"{place}: is a git-annex pointer to a file of {size:,} bytes ({kind} {digest}), not the file itself"
        raise DataInvalid(what, hint=POINTER_HINT, code="annex-pointer")
    if LFS.match(head):
        size_of, oid = re.search(rb"\nsize ([0-9]+)", head), re.search(rb"\noid sha256:([0-9a-f]{64})", head)
        told = f" to a file of {int(size_of[1]):,} bytes" if size_of else ""
        told += f" (sha256 {oid[1].decode()})" if oid else ""
        raise DataInvalid(
            f"{place}: is a git-LFS pointer{told}, not the file itself", hint=POINTER_HINT, code="lfs-pointer"
        )


def _refuse_page(head: bytes, place: Location | str) -> None:
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:HEAD_BYTES]
    small = begins[:200].lower()
    if small.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<title")) or b"<html" in small:
        said = _between(begins, "title")
        what = f"{place}: is a page of HTML{f', titled “{said}”' if said else ''}, not the file"
        hint = "open the URL in a browser: it may ask for a login, for terms to be accepted, or say what is wrong"
        raise DataInvalid(what, hint=hint, code="html-page")
    if small.startswith((b"<?xml", b"<error")):
        said = ", ".join(filter(None, (_between(begins, "Code"), _between(begins, "Message"))))
        what = f"{place}: is a message in XML{f' ({said})' if said else ''}, not the file"
        raise DataInvalid(what, hint="is it the right URL, and may anybody read it?", code="xml-error")


def _between(head: bytes, tag: str) -> str:
    """Return the text of an element on one line, of characters that can be printed, cut where it is long."""
    found = re.search(rf"<{tag}[^>]*>([^<]*)".encode(), head, re.IGNORECASE)
    if found is None:
        return ""
    words = " ".join(found[1].decode("utf-8", "replace").split())
    return "".join(letter for letter in words if letter.isprintable())[:80]
