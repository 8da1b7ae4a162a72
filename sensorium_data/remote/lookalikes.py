"""What comes instead of a file: pages for people, errors for programs, and texts that only say where it lies."""

from __future__ import annotations

import re

__all__ = ["HEAD", "lookalike"]

HEAD = 1024  # bytes that are enough to tell

_ANNEX = re.compile(rb"\s*(?:[./]+(?:git/)?|/)annex/objects/")
_LFS = b"version https://git-lfs.github.com/spec/"
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")
_CODE = re.compile(rb"<code>\s*([a-z0-9]{1,40})\s*</code>", re.IGNORECASE)


def lookalike(head: bytes) -> str:
    """Return what a file is that was handed out for another one; empty where its beginning shows nothing.

    Parameters
    ----------
    head : bytes
        The first of the file, up to 1,024.

    Examples
    --------
    >>> lookalike(b"<!DOCTYPE html><title>Sign in</title>")
    'a page of HTML'
    >>> lookalike(b"/annex/objects/MD5E-s1200--d41d8cd98f00b204e9800998ecf8427e.zip")
    'a git-annex pointer, the text that stands for a file whose bytes lie elsewhere'
    >>> lookalike(b"PK")
    ''
    """
    head = head[:HEAD]
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(_LFS):
        return "a Git LFS pointer, the text that stands for a file whose bytes lie elsewhere"
    if _ANNEX.match(head):
        return "a git-annex pointer, the text that stands for a file whose bytes lie elsewhere"
    if start.startswith(_HTML) or (start.startswith((b"<?xml", b"<!--")) and b"<html" in start):
        return "a page of HTML"
    if start.startswith((b"<?xml", b"<error")):
        code = _CODE.search(head)
        return f"an error in XML ({code[1].decode()})" if code else "a document in XML"
    return "an answer in JSON" if re.match(rb'\{\s*"', start) else ""
