"""Files of a store by key, wherever it is, read past the package that is tested."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import fsspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def files(path: Path) -> dict[str, bytes]:
    """Return every file below a folder of this machine."""
    return {each.relative_to(path).as_posix(): each.read_bytes() for each in path.rglob("*") if each.is_file()}


def objects(url: str, options: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    """Return every object below a URL."""
    fs, base = fsspec.core.url_to_fs(url, **{**(options or {}), "use_listings_cache": False})
    fs.invalidate_cache()
    try:
        found = fs.find(base)
    except FileNotFoundError:
        return {}
    prefix = base.rstrip("/") + "/"
    return {path[len(prefix) :]: fs.cat_file(path) for path in found}


def memory(name: str = "mouse.zarr") -> str:
    """Return a URL in memory that no other test uses."""
    return f"memory://{uuid.uuid4().hex}/{name}"


def put(url: str, data: bytes) -> None:
    """Write an object in memory."""
    fs, path = fsspec.core.url_to_fs(url)
    fs.pipe_file(path, data)


def remove(url: str) -> None:
    """Remove an object in memory."""
    fs, path = fsspec.core.url_to_fs(url)
    fs.rm_file(path)
