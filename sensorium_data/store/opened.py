"""A store opened for reading its parts: the root once, arrays and tables when they are asked for."""

from __future__ import annotations

import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import google_crc32c
import numpy as np

from sensorium_data.cached import cached_property
from sensorium_data.errors import Problem, SensoriumError, StoreInvalid
from sensorium_data.remote import Location
from sensorium_data.store.layout import Paths, quiet_zarr
from sensorium_data.store.nodes import faults_of_nodes
from sensorium_data.store.parts import parts_of
from sensorium_data.store.remoteopen import SIDECAR, open_remote
from sensorium_data.store.root import parsed_root, read_root, session_of
from sensorium_data.store.touched import touched_cells

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from sensorium_data.store.sidecar import ChunkRecord, Sidecar

__all__ = ["OpenStore"]

# What zarr raises on metadata and chunks that are not what it trusts them to be.
DAMAGE = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


class OpenStore:
    """A session store on a disk or at a URL.

    Parameters
    ----------
    path : Path or Location
        The store.

    Attributes
    ----------
    path : Path or Location
    parts : Parts
        Its files.
    identity : str
        Of a store at a URL, the digest of what names all of its bytes; else empty.

    Raises
    ------
    NotFound
        Nothing is there.
    StoreInvalid
        It is no session store, of another layout, or its session document is invalid.
    """

    identity = ""
    _streamed: bytes | None = None  # the sidecar that came with the root

    def __init__(self, path: Path | Location) -> None:
        self.path, self.parts = path, parts_of(path)
        if isinstance(path, Location):
            found = open_remote(path)
            self.root = parsed_root(path, found.root)
            self._streamed, self.identity = found.sidecar, found.identity
        else:
            self.root = read_root(path)
        self.session = session_of(path, self.root)
        self._tables: dict[str, dict[str, NDArray[Any]]] = {}
        self._there: set[str] = set()  # files that were seen; asking again costs more than reading from memory

    def __reduce__(self) -> tuple[type[OpenStore], tuple[Path | Location]]:
        """Pickle as a place, and open the store where it is unpickled."""
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
                found = zarr.open_array(self._zarr, path=path, mode="r", zarr_format=3)
        except DAMAGE as error:
            what = f"{self.path}: no readable array `{path}` ({type(error).__name__})"
            raise StoreInvalid(what, hint=self._check_says_more, code="array-missing") from None
        node = self.metadata.get(path)
        if node is not None and node.get("shape") != list(found.shape):
            what = f"{self.path}: `{path}` has shape {list(found.shape)}, its root says {node.get('shape')}"
            raise StoreInvalid(what, hint=self._check_says_more, code="metadata-damaged")
        return found

    @cached_property
    def _zarr(self) -> Any:  # noqa: ANN401  # whatever zarr opens
        if not isinstance(self.path, Location):
            return self.path
        from sensorium_data.store.zarrstore import RemoteZarr

        held: dict[str, bytes] = {}  # chunks that came with the sidecar, for which no request is made
        with suppress(StoreInvalid):
            held = {
                record.key: bytes(record.data) for record in self.sidecar.chunks.values() if record.data is not None
            }
        self._there |= held.keys()
        return RemoteZarr(self.parts, self.root, self.metadata, held)

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
            if record is None or path not in self.metadata or not self._is_of(record):
                return None
            data = self.parts.read(record.key) if record.data is None else bytes(record.data)
        if data is None or record is None:
            return None
        if record.data is None and google_crc32c.value(data) != record.crc:
            self._unreadable(f"`{path}` is damaged: the checksum of {record.key} is wrong")
        return decode_single(self.metadata[path], data)

    def _is_of(self, record: ChunkRecord) -> bool:
        """True where the sidecar speaks of the file that is there; that of a URL was found to be the root's own."""
        return bool(self.identity) or self.parts.size(record.key) == record.size

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
            if isinstance(error, SensoriumError):
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
            if self.parts.size(file) is None:
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
    def sidecar_bytes(self) -> bytes:
        """The sidecar as it was written.

        Raises
        ------
        StoreInvalid
            It is missing.
        """
        data = self._streamed
        if data is None and not self.identity:
            with suppress(OSError):
                data = self.parts.read(SIDECAR)
        if data is None:
            what = f"{self.path}/{SIDECAR}: the sidecar is missing"
            raise StoreInvalid(what, hint="convert the recording again", code="sidecar-damaged")
        return data

    @cached_property
    def sidecar(self) -> Sidecar:
        """The sidecar.

        Raises
        ------
        StoreInvalid
            It is missing or damaged.
        """
        from sensorium_data.store.sidecar import read_sidecar

        return read_sidecar(self.sidecar_bytes, f"{self.path}/{SIDECAR}")

    @property
    def n_bytes(self) -> int:
        """Bytes of all files; of a store at a URL, of those that the sidecar names, as nothing is asked."""
        if not self.identity:
            return sum(size for key in self.parts.listed() if (size := self.parts.size(key)) is not None)
        sizes = [record.size for records in self.sidecar.shards.values() for record in records]
        sizes += [record.size for record in self.sidecar.chunks.values()]
        return sum(sizes) + len(self.sidecar_bytes)
