"""Catalogs of the tests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sensorium_data.catalogs import Catalog
from sensorium_data.schemas.catalog import CatalogFile, Credentials, Entry

if TYPE_CHECKING:
    from pathlib import Path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(name: str, *files: CatalogFile, **more: Any) -> Entry:
    least = {"title": "Of the tests", "collection": "lab", "kind": "recording", "reader": "sensorium2023"}
    terms = {
        "licence": "CC0",
        "licence_url": "https://example.org/cc0",
        "citation": "nobody",
        "homepage": "https://example.org/",
    }
    return Entry.model_validate(least | terms | {"name": name, "files": files} | more)


def file(name: str, *urls: str, **known: Any) -> CatalogFile:
    return CatalogFile(name=name, urls=urls, **known)


def gate(host: str = "127.0.0.1") -> Credentials:
    return Credentials(environment="LAB_TOKEN", how="ask the lab", hosts=(host,))


def one(name: str, *urls: str, **known: Any) -> Catalog:
    """Return a catalog of one entry, `mouse`, of one file."""
    return Catalog([entry("mouse", file(name, *urls, **known))])


def names_in(folder: Path) -> list[str]:
    """Return the files below a folder, without what is pinned of them."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.startswith("sensorium-data.lock.json"))
