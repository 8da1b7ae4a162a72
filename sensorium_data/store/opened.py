"""A store opened for reading its parts: the root once, arrays and tables when they are asked for."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from sensorium_data.errors import NotFound, Problem, StoreInvalid, near_miss
from sensorium_data.schemas import Session
from sensorium_data.store.layout import ATTRIBUTE, LAYOUT, Paths, quiet_zarr

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from sensorium_data.store.sidecar import Sidecar

__all__ = ["OpenStore"]


def _read_root(path: Path) -> dict[str, Any]:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):  # a Path makes one slash of two
        hint = "copy the store to a disk of this machine"
        raise NotFound(f"{path}: this version opens local stores only", hint=hint, code="remote-store")
    if not path.exists():
        siblings = sorted(child.name for child in path.parent.iterdir()) if path.parent.is_dir() else []
        hint = near_miss(path.name, siblings) if siblings else "`sensorium-data convert SOURCE TARGET` makes a store"
        raise NotFound(f"{path}: no such store", hint=hint, code="no-such-store")
    try:
        root = json.loads((path / Paths.root).read_bytes())
    except (OSError, ValueError):
        root = None
    if not isinstance(root, dict):
        hint = "`sensorium-data convert SOURCE TARGET` makes one from a published recording"
        raise StoreInvalid(
            f"{path} is not a session store: it has no readable zarr.json", hint=hint, code="not-a-store"
        )
    return root


def _session(path: Path, root: dict[str, Any]) -> Session:
    attributes = root.get("attributes")
    attributes = attributes.get(ATTRIBUTE) if isinstance(attributes, dict) else None
    if not isinstance(attributes, dict) or "layout" not in attributes:
        what = f"{path} is a Zarr group but no session store: its attributes lack `{ATTRIBUTE}`"
        raise StoreInvalid(what, code="not-a-store")
    if attributes["layout"] != LAYOUT:
        what = f"{path} has layout {attributes['layout']}, this version reads layout {LAYOUT}"
        raise StoreInvalid(what, hint="install a newer sensorium-data", code="layout-unknown")
    try:
        return Session.model_validate_json(json.dumps(attributes.get("session")))
    except ValidationError as error:
        problems = [
            Problem("session-invalid", ".".join(map(str, e["loc"])) or "session", e["msg"]) for e in error.errors()
        ]
        raise StoreInvalid(
            f"{path}: its session document is invalid", problems=problems, code="session-invalid"
        ) from None


class OpenStore:
    """A session store on a disk.

    Parameters
    ----------
    path : Path
        The store.

    Raises
    ------
    NotFound
        Nothing is there.
    StoreInvalid
        It is no session store, of another layout, or its session document is invalid.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = _read_root(path)
        self.session = _session(path, self.root)
        self._tables: dict[str, dict[str, NDArray[Any]]] = {}

    @property
    def metadata(self) -> dict[str, Any]:
        """Return the consolidated metadata of every node, by path."""
        nodes: dict[str, Any] = (self.root.get("consolidated_metadata") or {}).get("metadata", {})
        return nodes

    def array_paths(self, below: str) -> list[str]:
        """Return the paths of the arrays in a group and below it."""
        prefix = below + "/"
        return sorted(p for p, n in self.metadata.items() if p.startswith(prefix) and n["node_type"] == "array")

    def array(self, path: str) -> zarr.Array[Any]:
        """Return an array, lazy.

        Raises
        ------
        StoreInvalid
            The store has no such array.
        """
        import zarr

        try:
            with quiet_zarr():
                return zarr.open_array(self.path / path, mode="r", zarr_format=3)
        except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:  # zarr trusts the metadata's shape
            what = f"{self.path}: no readable array `{path}` ({type(error).__name__})"
            raise StoreInvalid(
                what, hint=f"`sensorium-data check {self.path}` says more", code="array-missing"
            ) from None

    def values(self, path: str) -> NDArray[Any]:
        """Return the values of a small array; strings come as numpy strings."""
        values = self.read(self.array(path), ...)
        return np.array(values.tolist(), np.str_).reshape(values.shape) if values.dtype.kind in "TO" else values

    def read(self, array: zarr.Array[Any], key: Any) -> NDArray[Any]:  # noqa: ANN401  # whatever indexes an array
        """Return some values of an array.

        Raises
        ------
        StoreInvalid
            A chunk is missing or damaged so that it does not decode.
        """
        try:
            with quiet_zarr():
                return np.asarray(array.oindex[key] if isinstance(key, tuple) else array[key])
        except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
            what = f"{self.path}: `{array.path or array.store_path}` does not decode ({type(error).__name__})"
            hint = f"`sensorium-data check {self.path}` finds the chunk; convert the recording again"
            raise StoreInvalid(what, hint=hint, code="array-unreadable") from None

    def table(self, group: str, needed: Iterable[str] = ()) -> dict[str, NDArray[Any]]:
        """Return the columns directly in a group, but not `frames`; read once, not to be changed.

        Raises
        ------
        StoreInvalid
            A needed column is not there, or one does not decode.
        """
        if (columns := self._tables.get(group)) is None:
            paths = [path for path in self.array_paths(group) if path.count("/") == group.count("/") + 1]
            columns = {p.rsplit("/", 1)[-1]: self.values(p) for p in paths if p != Paths.frames}
            self._tables[group] = columns
        if lacking := sorted(set(needed) - columns.keys()):
            what = f"{self.path}: `{group}` lacks {', '.join(lacking)}"
            raise StoreInvalid(what, hint=f"`sensorium-data check {self.path}` says more", code="array-missing")
        return columns

    @cached_property
    def sidecar(self) -> Sidecar:
        """The sidecar.

        Raises
        ------
        StoreInvalid
            It is missing or damaged.
        """
        from sensorium_data.store.sidecar import read_sidecar

        path = self.path / Paths.sidecar / "c" / "0"
        try:
            data = path.read_bytes()
        except OSError:
            raise StoreInvalid(f"{path}: the sidecar is missing", code="sidecar-damaged") from None
        return read_sidecar(data, str(path))
