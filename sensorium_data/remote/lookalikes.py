"""What comes instead of a file: pages for people, errors for programs, and texts that only say where it lies."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["HEAD", "Lookalike", "lookalike"]

HEAD = 4096  # bytes that are enough to tell

_ANNEX = re.compile(rb"\s*(?:[./]+(?:git/)?|/)annex/objects/(?:\S*?([A-Z0-9_]+)-s([0-9]+)(?:-\S*?)?--([0-9a-f]+))?")
_LFS = re.compile(rb"version https?://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/")
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body", b"<title")


class Lookalike(NamedTuple):
    """What was handed out for a file: a stable code, and what it is in words."""

    code: str
    what: str


def lookalike(head: bytes) -> Lookalike | None:
    """Return what a file is that was handed out for another one, or None where its beginning shows nothing.

    Parameters
    ----------
    head : bytes
        The first of the file, up to 4,096.

    Examples
    --------
    >>> lookalike(b"<!DOCTYPE html><title>Sign in</title>")
    Lookalike(code='html-page', what='a page of HTML, titled “Sign in”')
    >>> lookalike(b"/annex/objects/MD5E-s1200--d41d8cd98f00b204e9800998ecf8427e.zip").what
    'a git-annex pointer to a file of 1,200 bytes (md5 d41d8cd98f00b204e9800998ecf8427e)'
    >>> lookalike(b"PK")
    """
    head = head[:HEAD]
    return _pointer(head) or _page(head.removeprefix(b"\xef\xbb\xbf").lstrip())


def _pointer(head: bytes) -> Lookalike | None:
    if found := _ANNEX.match(head):
        if not found[1]:
            return Lookalike("annex-pointer", "a git-annex pointer to a file that lies elsewhere")
        kind = "md5" if found[1].startswith(b"MD5") else found[1].decode().lower().removesuffix("e")
        told = f"a file of {int(found[2][:18]):,} bytes ({kind} {found[3].decode()})"
        return Lookalike("annex-pointer", f"a git-annex pointer to {told}")
    if _LFS.match(head):
        size, oid = re.search(rb"\nsize ([0-9]{1,18})", head), re.search(rb"\noid sha256:([0-9a-f]{64})", head)
        told = f" to a file of {int(size[1]):,} bytes" if size else ""
        return Lookalike("lfs-pointer", f"a git-LFS pointer{told}" + (f" (sha256 {oid[1].decode()})" if oid else ""))
    return None


def _page(head: bytes) -> Lookalike | None:
    start = head[:200].lower()
    if start.startswith(_HTML) or (start.startswith((b"<?xml", b"<!--")) and b"<html" in start):
        title = _between(head, "title")
        return Lookalike("html-page", f"a page of HTML{f', titled “{title}”' if title else ''}")
    if start.startswith((b"<?xml", b"<error")):
        said = ", ".join(filter(None, (_between(head, "Code"), _between(head, "Message"))))
        return Lookalike("xml-error", f"a message in XML{f' ({said})' if said else ''}")
    return Lookalike("json-answer", "an answer in JSON") if re.match(rb'\{\s*"', start) else None


def _between(head: bytes, tag: str) -> str:
    """Return the text of an element on one line, of characters that can be printed, cut where it is long."""
    found = re.search(rf"<{tag}[^>]*>([^<]*)".encode(), head, re.IGNORECASE)
    if found is None:
        return ""
    words = " ".join(found[1].decode("utf-8", "replace").split())
    return "".join(letter for letter in words if letter.isprintable())[:80]
