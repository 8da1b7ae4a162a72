"""Write the metadata and the small arrays of a session store; the shards are written by their own tasks."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from sensorium_data.store.layout import ATTRIBUTE, LAYOUT, ArraySpec, Paths, chunk_key
from sensorium_data.store.metadata import array_document, group_document, root_checksum, root_document
from sensorium_data.store.shards import ShardRecord, encode
from sensorium_data.store.sidecar import pack_sidecar

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.schemas import Session

__all__ = ["StoreWriter"]

WRITERS = 4  # threads that put small files on the disk; more gain nothing on a local one


class StoreWriter:
    """A store under construction: groups, arrays, and at the end the sidecar and the root.

    All is kept in memory until `save`: a third of the time that zarr-python takes to write the same 75 arrays one after
    another, and nothing half-written to clean up.

    Parameters
    ----------
    root : Path
        A folder of its own; nothing else writes there. The shards lie in it, or come before `finish`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._nodes: dict[str, dict[str, Any]] = {}
        self._singles: dict[str, tuple[str, bytes]] = {}
        self._sharded: dict[str, tuple[ArraySpec, list[ShardRecord]]] = {}

    def group(self, path: str, attrs: dict[str, Any]) -> None:
        """Add a group with attributes; groups without any come with their arrays."""
        self._nodes[path] = group_document(attrs)

    def _array(self, spec: ArraySpec) -> None:
        for parent in [parent.as_posix() for parent in PurePosixPath(spec.path).parents][:-1]:
            self._nodes.setdefault(parent, group_document({}))
        self._nodes[spec.path] = array_document(spec)

    def small(self, spec: ArraySpec, values: NDArray[Any]) -> None:
        """Add an array that is one chunk."""
        self._array(spec)
        if values.size:
            self._singles[spec.path] = chunk_key(spec), encode(spec, values.reshape(spec.chunk_shape))

    def sharded(self, spec: ArraySpec, records: list[ShardRecord]) -> None:
        """Add an array whose shards are already in place."""
        self._array(spec)
        self._sharded[spec.path] = (spec, records)

    def finish(self, session: Session) -> None:
        """Add the sidecar and the root with the session's document, and save."""
        # By path: tasks finish in any order, and the bytes must not depend on it.
        shards = [self._sharded[path] for path in sorted(self._sharded)]
        packed = np.frombuffer(pack_sidecar(shards, dict(sorted(self._singles.items()))), np.uint8)
        # So that whoever reads both over a network knows that they are of one store.
        said = {"crc32c": google_crc32c.value(packed)}
        self.small(ArraySpec(Paths.sidecar, packed.shape, packed.dtype, ("byte",), "raw", attrs=said), packed)
        attrs = {ATTRIBUTE: {"layout": LAYOUT, "session": json.loads(session.model_dump_json())}}
        self._nodes[Paths.sidecar]["attributes"]["root_crc32c"] = root_checksum(root_document(attrs, self._nodes))
        self.save(attrs)

    def save(self, attrs: dict[str, Any]) -> None:
        """Put everything on the disk; the root, with its attributes, last: a folder without it is no store."""
        files = dict(self._singles.values())
        files |= {f"{path}/{Paths.root}": _text(node) for path, node in self._nodes.items()}
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(self._put, files.keys(), files.values()))
        self._put(Paths.root, _text(root_document(attrs, self._nodes)))

    def _put(self, key: str, data: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _text(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=2, allow_nan=False).encode()
