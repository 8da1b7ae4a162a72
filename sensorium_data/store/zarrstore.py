"""A store at a URL as zarr-python wants it: metadata from the root that is open, chunks by exact ranges."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store

from sensorium_data.errors import NotFound
from sensorium_data.remote.requests import submitted
from sensorium_data.store.layout import Paths

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

    from sensorium_data.store.parts import Parts

__all__ = ["RemoteZarr"]


class RemoteZarr(Store):
    """The objects of a remote store, for reading.

    Parameters
    ----------
    parts : Parts
    root : mapping
        The document of the root.
    nodes : mapping of path to document
        Those of all groups and arrays: no request is made for them.
    held : mapping of key to bytes, optional
        Chunks that are at hand already.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(
        self, parts: Parts, root: Mapping[str, Any], nodes: Mapping[str, Any], held: Mapping[str, bytes] | None = None
    ) -> None:
        super().__init__(read_only=True)
        self._parts, self._held = parts, dict(held or {})
        self._tails: dict[tuple[str, int], bytes] = {}  # indexes of shards, of which each read begins with one
        self._documents = {Paths.root: root} | {f"{path}/{Paths.root}": node for path, node in nodes.items()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteZarr) and other._parts is self._parts

    def __hash__(self) -> int:
        return id(self._parts)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return an object, or a range of it; None where it is not there."""
        if key in self._documents:
            return prototype.buffer.from_bytes(json.dumps(self._documents[key]).encode())
        if key.endswith((Paths.root, ".zarray", ".zgroup", ".zattrs", ".zmetadata")):
            return None
        if byte_range is None and key in self._held:
            return prototype.buffer.from_bytes(self._held[key])
        try:
            # Not by `to_thread`, whose threads the end of the process would wait for.
            data = await asyncio.wrap_future(submitted(partial(self._read, key, byte_range)))
        except NotFound:
            return None
        return prototype.buffer.from_bytes(data)

    def _read(self, key: str, wanted: ByteRequest | None) -> bytes:
        if wanted is None:
            return self._parts.read(key)
        if isinstance(wanted, RangeByteRequest):
            return b"".join(self._parts.pieces(key, [(wanted.start, wanted.end)]))
        if isinstance(wanted, OffsetByteRequest):
            return self._from(key, wanted.offset)
        if (key, wanted.suffix) not in self._tails:
            self._tails[key, wanted.suffix] = self._from(key, -wanted.suffix)
        return self._tails[key, wanted.suffix]

    def _from(self, key: str, start: int) -> bytes:
        """Return the end of an object, from an offset on, or so many bytes where that is negative."""
        size = self._parts.size(key)
        if size is None:
            raise NotFound(f"{key}: is not there")
        return b"".join(self._parts.pieces(key, [(max(0, start if start >= 0 else size + start), size)]))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return several ranges, asked for side by side."""
        return list(await asyncio.gather(*(self.get(key, prototype, wanted) for key, wanted in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Return whether an object is there."""
        if key in self._documents or key in self._held:
            return True
        return await asyncio.wrap_future(submitted(partial(self._parts.size, key))) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: a store that is open is not written to."""
        raise NotImplementedError(key)

    async def delete(self, key: str) -> None:
        """Refuse: a store that is open is not written to."""
        raise NotImplementedError(key)

    async def list(self) -> AsyncIterator[str]:
        """Yield the keys that are known without asking."""
        for key in self._documents:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the known keys that begin so."""
        for key in self._documents:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the known names directly below a prefix."""
        below = prefix.rstrip("/") + "/" if prefix else ""
        for name in sorted({key[len(below) :].split("/")[0] for key in self._documents if key.startswith(below)}):
            yield name
