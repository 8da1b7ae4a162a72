"""A store opened for reading its parts: the root once, arrays and tables when they are asked for."""

from __future__ import annotations

import json
import os.path
import re
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import google_crc32c
import numpy as np
from pydantic import ValidationError

from sensorium_data.cached import cached_property
from sensorium_data.errors import NotFound, Problem, StoreInvalid, near_miss
from sensorium_data.schemas import Session
from sensorium_data.store.layout import ATTRIBUTE, LAYOUT, Paths, quiet_zarr
from sensorium_data.store.nodes import faults_of_nodes, largest_integer
from sensorium_data.store.target import is_store
from sensorium_data.store.touched import touched_cells

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from sensorium_data.store.sidecar import Sidecar

__all__ = ["OpenStore"]

# What zarr raises on metadata and chunks that are not what it trusts them to be.
DAMAGE = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def _stores_beside(path: Path) -> list[str]:
    try:
        beside = sorted(child for child in path.parent.iterdir() if not child.name.startswith("."))
    except OSError:
        return []
    return [child.name for child in beside if is_store(child)]


def _read_root(path: Path) -> dict[str, Any]:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):  # a Path makes one slash of two
        hint = "copy the store to a disk of this machine"
        raise NotFound(f"{path}: this version opens local stores only", hint=hint, code="remote-store")
    if not os.path.exists(path):  # noqa: PTH110  # Path.exists raises where a folder is closed or a name too long
        stores = _stores_beside(path)
        hint = near_miss(path.name, stores) if stores else "`sensorium-data convert SOURCE TARGET` makes a store"
        raise NotFound(f"{path}: no such store", hint=hint, code="no-such-store")
    try:
        root = json.loads((path / Paths.root).read_bytes())
    except (OSError, ValueError, RecursionError):
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
        self._there: set[str] = set()  # files that were seen; asking again costs more than reading from memory

    def __reduce__(self) -> tuple[type[OpenStore], tuple[Path]]:
        """Pickle as a path, and open the store where it is unpickled."""
        return type(self), (self.path,)

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The consolidated metadata of every node, by path: arrays have a shape, and a name for each dim or none.

        Raises
        ------
        StoreInvalid
            They are not what Zarr says they are.
        """
        problems = [Problem("metadata-damaged", where, what) for where, what in faults_of_nodes(self.root)]
        if problems:
            first = problems[0]
            what = f"{self.path / Paths.root}: the consolidated metadata are damaged: {first.where} {first.what}"
            hint = "convert the recording again, or put back the zarr.json it was written with"
            raise StoreInvalid(what, hint=hint, problems=problems[1:], code="metadata-damaged")
        nodes: dict[str, Any] = (self.root.get("consolidated_metadata") or {}).get("metadata", {})
        return nodes

    @property
    def _check_says_more(self) -> str:
        return f"`sensorium-data check {shlex.quote(str(self.path))}` says more"

    def array_paths(self, below: str) -> list[str]:
        """Return the paths of the arrays in a group and below it."""
        prefix = below + "/"
        return sorted(p for p, n in self.metadata.items() if p.startswith(prefix) and n["node_type"] == "array")

    def dims(self, path: str) -> tuple[str, ...]:
        """Return the names of an array's dims.

        Raises
        ------
        StoreInvalid
            The store has no such array, or its dims have no names.
        """
        node = self.metadata.get(path, {"node_type": "group"})
        names = tuple(node.get("dimension_names") or ())
        if node["node_type"] != "array" or len(names) != len(node["shape"]):
            what = f"{self.path}: no array `{path}` whose dims have names"
            raise StoreInvalid(what, hint=self._check_says_more, code="array-missing")
        return names

    def array(self, path: str) -> zarr.Array[Any]:
        """Return an array, lazy.

        Raises
        ------
        StoreInvalid
            The store has no such array, or another one than its root says.
        """
        import zarr

        try:
            with quiet_zarr():
                found = zarr.open_array(self.path, path=path, mode="r", zarr_format=3)
        except DAMAGE as error:
            what = f"{self.path}: no readable array `{path}` ({type(error).__name__})"
            raise StoreInvalid(what, hint=self._check_says_more, code="array-missing") from None
        node = self.metadata.get(path)
        if node is not None and node.get("shape") != list(found.shape):
            what = f"{self.path}: `{path}` has shape {list(found.shape)}, its root says {node.get('shape')}"
            raise StoreInvalid(what, hint=self._check_says_more, code="metadata-damaged")
        return found

    def values(self, path: str) -> NDArray[Any]:
        """Return the values of a small array; strings come as numpy strings."""
        if (packed := self._from_sidecar(path)) is not None:
            return packed
        values = self.read(self.array(path), ...)
        return np.array(values.tolist(), np.str_).reshape(values.shape) if values.dtype.kind in "TO" else values

    def _from_sidecar(self, path: str) -> NDArray[Any] | None:
        """Return the values of an array of one chunk where the sidecar is sound and speaks of the file that is there."""
        from sensorium_data.store.decode import decode_single

        record, data = None, None
        with suppress(StoreInvalid, OSError):
            record = self.sidecar.chunks.get(path)
            if record is None or path not in self.metadata:
                return None
            file = f"{self.path}/{record.key}"
            if os.stat(file).st_size != record.size:  # noqa: PTH116  # half the time of Path.stat
                return None
            data = (self.path / record.key).read_bytes() if record.data is None else bytes(record.data)
        if data is None or record is None:
            return None
        if record.data is None and google_crc32c.value(data) != record.crc:
            self._unreadable(f"`{path}` is damaged: the checksum of {record.key} is wrong")
        return decode_single(self.metadata[path], data)

    def read(self, array: zarr.Array[Any], key: Any) -> NDArray[Any]:  # noqa: ANN401  # whatever indexes an array
        """Return some values of an array.

        Raises
        ------
        StoreInvalid
            A file with some of them is missing, or damaged so that it does not decode.
        """
        try:
            if (lacking := self._first_missing(array, key)) is not None:
                self._unreadable(f"`{array.path}` has lost its file {lacking}")
            with quiet_zarr():
                return np.asarray(array.oindex[key] if isinstance(key, tuple) else array[key])
        except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
            if isinstance(error, StoreInvalid):
                raise
            self._unreadable(f"`{array.path}` does not decode ({type(error).__name__})")

    def _unreadable(self, what: str) -> NoReturn:
        check = f"`sensorium-data check {shlex.quote(str(self.path))}`"
        hint = f"{check} finds the chunk; convert the recording again"
        raise StoreInvalid(f"{self.path}: {what}", hint=hint, code="array-unreadable") from None

    def _first_missing(self, array: zarr.Array[Any], key: Any) -> str | None:  # noqa: ANN401  # whatever indexes an array
        # Zarr takes a file that is not there for fill values. Here every shard and chunk is written, so it was lost.
        for cell in touched_cells(array.shape, array.shards or array.chunks, key):
            file = f"{array.path}/{array.metadata.encode_chunk_key(cell)}"
            if file in self._there:
                continue
            if not os.path.exists(f"{self.path}/{file}"):  # noqa: PTH110  # half the time of Path.exists
                return file
            self._there.add(file)
        return None

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
            raise StoreInvalid(what, hint=self._check_says_more, code="array-missing")
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
            hint = "convert the recording again"
            raise StoreInvalid(f"{path}: the sidecar is missing", hint=hint, code="sidecar-damaged") from None
        return read_sidecar(data, str(path))
