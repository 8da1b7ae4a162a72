"""The root of a store, read and held against what a session store of this layout says in it."""

from __future__ import annotations

import json
import os.path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sensorium_data.errors import NotFound, Problem, StoreInvalid, near_miss
from sensorium_data.schemas import Session
from sensorium_data.store.layout import ATTRIBUTE, LAYOUT, Paths
from sensorium_data.store.nodes import largest_integer
from sensorium_data.store.target import is_store

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.remote import Location

__all__ = ["parsed_root", "read_root", "session_of"]


def _stores_beside(path: Path) -> list[str]:
    try:
        beside = sorted(child for child in path.parent.iterdir() if not child.name.startswith("."))
    except OSError:
        return []
    return [child.name for child in beside if is_store(child)]


def read_root(path: Path) -> dict[str, Any]:
    """Return the root of a store on this machine.

    Raises
    ------
    NotFound
        Nothing is there.
    StoreInvalid
        It has no readable root.
    """
    if not os.path.exists(path):  # noqa: PTH110  # Path.exists raises where a folder is closed or a name too long
        stores = _stores_beside(path)
        hint = near_miss(path.name, stores) if stores else "`sensorium-data convert SOURCE TARGET` makes a store"
        raise NotFound(f"{path}: no such store", hint=hint, code="no-such-store")
    try:
        data = (path / Paths.root).read_bytes()
    except OSError:
        data = b""
    return parsed_root(path, data)


def parsed_root(place: Path | Location, data: bytes) -> dict[str, Any]:
    """Return the root of a store from its bytes.

    Raises
    ------
    StoreInvalid
        They are no JSON object.
    """
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        root = None
    if not isinstance(root, dict):
        hint = "`sensorium-data convert SOURCE TARGET` makes one from a published recording"
        raise StoreInvalid(
            f"{place} is not a session store: it has no readable zarr.json", hint=hint, code="not-a-store"
        )
    return root


def session_of(path: Path | Location, root: dict[str, Any]) -> Session:
    """Return the session document in the root of a store.

    Raises
    ------
    StoreInvalid
        It is no session store, of another layout, or its document is invalid.
    """
    attributes = root.get("attributes")
    attributes = attributes.get(ATTRIBUTE) if isinstance(attributes, dict) else None
    if not isinstance(attributes, dict) or "layout" not in attributes:
        what = f"{path} is a Zarr group but no session store: its attributes lack `{ATTRIBUTE}`"
        raise StoreInvalid(what, code="not-a-store")
    if attributes["layout"] != LAYOUT:
        what = f"{path} has layout {attributes['layout']!r}, this version reads layout {LAYOUT}"
        raise StoreInvalid(what, hint="install a newer sensorium-data", code="layout-unknown")
    try:
        session = Session.model_validate_json(json.dumps(attributes.get("session")))
    except (ValidationError, RecursionError) as error:
        faults = error.errors() if isinstance(error, ValidationError) else []
        problems = [Problem("session-invalid", ".".join(map(str, e["loc"])) or "session", e["msg"]) for e in faults]
    else:
        problems = [
            Problem("session-invalid", f"signals.{signal.name}.clock", "counts beyond 64 bits")
            for signal in session.signals
            if largest_integer(signal.clock.model_dump()) >= 2**63
        ]
        if not problems:
            return session
    what = f"{path}: its session document is invalid"
    raise StoreInvalid(what, problems=problems, code="session-invalid")
