"""What is at a target already, and whether a conversion may go there: decided before anything is read or written."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from sensorium_data.errors import BadArgument, TargetExists
from sensorium_data.store.layout import ATTRIBUTE, Paths

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas import Existing

__all__ = ["is_store", "root_attributes", "settle_target"]


def root_attributes(path: Path) -> dict[str, Any] | None:
    """Return what the root of a store says about its session, or None where there is no store."""
    try:
        root = json.loads((path / Paths.root).read_bytes())
        attributes = root["attributes"][ATTRIBUTE]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return attributes if isinstance(attributes, dict) else None


def is_store(path: Path) -> bool:
    """True when a folder is a session store of any layout."""
    return root_attributes(path) is not None


def settle_target(target: Path, source: Path | None, existing: Existing) -> bool:
    """Decide what becomes of a target before anything is read; True when there is nothing to do.

    Raises
    ------
    BadArgument
        The target is the source, lies inside it or around it, or lies inside a session store.
    TargetExists
        Something is there that must not, or must not yet, be replaced.
    """
    _refuse_nesting(target, source)
    if not os.path.lexists(target):
        return False
    if not is_store(target):
        hint = "choose another target; --existing replace replaces session stores only"
        raise TargetExists(f"{target} exists and is not a session store", hint=hint, code="not-a-store")
    if existing == "error":
        hint = "--existing skip, resume or replace says what to do with it"
        raise TargetExists(f"{target} exists already", hint=hint)
    return existing == "skip"


def _refuse_nesting(target: Path, source: Path | None) -> None:
    # A target that is a link counts where the link lies, for there it is replaced, and where it leads.
    places = {target.resolve(), target.parent.resolve() / target.name}
    parents = {parent for place in places for parent in place.parents}
    there = source.resolve() if source is not None else None
    if there in places or there in parents:
        raise BadArgument(
            f"{target} is inside the source {source}; sources are never written to",
            hint="choose a target outside it",
            code="target-inside-source",
        )
    if there is not None and places & set(there.parents):
        raise BadArgument(
            f"the source {source} is inside the target {target}; replacing the target would delete it",
            hint="choose a target that does not hold the source",
            code="source-inside-target",
        )
    if store := next((parent for parent in sorted(parents) if is_store(parent)), None):
        raise BadArgument(
            f"{target} is inside the session store {store}; a store holds nothing but its own parts",
            hint=f"choose a target outside it, beside it for one: {store.with_name(target.name)}",
            code="target-inside-store",
        )
