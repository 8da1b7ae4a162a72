"""A store opened for reading its parts: the root once, arrays and tables when they are asked for."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from sensorium_data.errors import NotFound, Problem, StoreInvalid, near_miss
from sensorium_data.schemas import Session
from sensorium_data.store.layout import ATTRIBUTE, LAYOUT, Paths, quiet_zarr

if TYPE_CHECKING:
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from sensorium_data.store.sidecar import Sidecar

__all__ = ["OpenStore"]


def _read_root(path: Path) -> dict[str, Any]:
    if "://" in str(path):
        hint = "copy the store to a disk of this machine"
        raise NotFound(f"{path}: this version opens local stores only", hint=hint, code="remote-store")
    if not path.exists():
        siblings = sorted(child.name for child in path.parent.iterdir()) if path.parent.is_dir() else []
        hint = near_miss(path.name, siblings) if siblings else "`sensorium-data convert SOURCE TARGET` makes a store"
        raise NotFound(f"{path}: no such store", hint=hint, code="no-such-store")
    try:
        root: dict[str, Any] = json.loads((path / Paths.root).read_bytes())
    except (OSError, ValueError):
        hint = "`sensorium-data convert SOURCE TARGET` makes one from a published recording"
        raise StoreInvalid(
            f"{path} is not a session store: it has no readable zarr.json", hint=hint, code="not-a-store"
        ) from None
    return root


def _session(path: Path, root: dict[str, Any]) -> Session:
    attributes = root.get("attributes", {}).get(ATTRIBUTE)
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
        except (OSError, KeyError, ValueError) as error:
            what = f"{self.path}: no readable array `{path}` ({type(error).__name__})"
            raise StoreInvalid(
                what, hint=f"`sensorium-data check {self.path}` says more", code="array-missing"
            ) from None

    def values(self, path: str) -> NDArray[Any]:
        """Return the values of a small array; strings come as numpy strings."""
        with quiet_zarr():
            values = np.asarray(self.array(path)[...])
        return np.array(values.tolist(), np.str_).reshape(values.shape) if values.dtype.kind in "TO" else values

    def table(self, group: str) -> dict[str, NDArray[Any]]:
        """Return the columns directly in a group, but not `frames`."""
        paths = [path for path in self.array_paths(group) if path.count("/") == group.count("/") + 1]
        return {p.rsplit("/", 1)[-1]: self.values(p) for p in paths if p != Paths.frames}

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
