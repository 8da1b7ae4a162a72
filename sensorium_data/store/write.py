"""Write the metadata and the small arrays of a session store through zarr-python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.storage import MemoryStore

from sensorium_data.store.layout import ATTRIBUTE, LAYOUT, PCODEC_LEVEL, SHARD, ArraySpec, Paths, chunk_key, quiet_zarr
from sensorium_data.store.shards import BLOSC_LEVEL, ZSTD_LEVEL, ShardRecord
from sensorium_data.store.sidecar import pack_sidecar

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.schemas import Session

__all__ = ["StoreWriter"]


def _codecs(spec: ArraySpec) -> dict[str, Any]:
    if spec.codec == "pcodec":
        from zarr.codecs.numcodecs import PCodec

        return {"serializer": PCodec(level=PCODEC_LEVEL), "compressors": None}
    if spec.codec == "blosc":
        blosc = BloscCodec(cname="zstd", clevel=BLOSC_LEVEL, shuffle="noshuffle", typesize=spec.dtype.itemsize)
        return {"compressors": blosc}
    return {"compressors": ZstdCodec(level=ZSTD_LEVEL) if spec.codec == "zstd" else None}


def _fill(dtype: np.dtype[Any]) -> Any:  # noqa: ANN401  # zarr takes a scalar of any dtype
    if dtype.kind == "f":
        return np.nan
    return "" if dtype.kind in "UTO" else False if dtype.kind == "b" else 0


class StoreWriter:
    """A store under construction: groups, arrays, and at the end the sidecar and the root.

    zarr-python writes to memory, and `finish` puts it all on the disk at once: a third of the time that it takes file by
    file (75 arrays: 0.08 s for 0.18 s), and no file of zarr's own making is left behind by a process that is killed.

    Parameters
    ----------
    root : Path
        A folder of its own; nothing else writes there. The shards lie in it, or come before `finish`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._objects: dict[str, Any] = {}
        self._store = MemoryStore(self._objects)
        with quiet_zarr():
            self._group = zarr.open_group(self._store, mode="a", zarr_format=3)
        self._singles: dict[str, ArraySpec] = {}
        self._sharded: dict[str, tuple[ArraySpec, list[ShardRecord]]] = {}

    def group(self, path: str, attrs: dict[str, Any]) -> None:
        """Write a group and its attributes."""
        self._group.require_group(path).attrs.put(attrs)

    def _create(self, spec: ArraySpec) -> zarr.Array[Any]:
        dtype: Any = str if spec.dtype.kind in "UTO" else spec.dtype
        with quiet_zarr():
            return self._group.create_array(
                spec.path,
                shape=spec.shape,
                dtype=dtype,
                chunks=spec.chunk_shape if spec.shape else "auto",
                shards=(SHARD, *spec.chunk_shape[1:]) if spec.sharded else None,
                filters=None,
                fill_value=_fill(spec.dtype),
                dimension_names=spec.dims,
                attributes=dict(spec.attrs),
                config={"write_empty_chunks": True},
                **_codecs(spec),
            )

    def small(self, spec: ArraySpec, values: NDArray[Any]) -> None:
        """Write an array that is one chunk."""
        array = self._create(spec)
        if values.size:
            with quiet_zarr():
                array[...] = values.astype(object) if spec.dtype.kind in "UT" else values
            self._singles[spec.path] = spec

    def sharded(self, spec: ArraySpec, records: list[ShardRecord]) -> None:
        """Write the metadata of an array whose shards are already in place."""
        self._create(spec)
        self._sharded[spec.path] = (spec, records)

    def finish(self, session: Session) -> None:
        """Add the sidecar, consolidate the metadata, put the session document into the root, and write it all."""
        keys = {path: chunk_key(spec) for path, spec in sorted(self._singles.items())}
        singles = {path: (key, self._objects[key].to_bytes()) for path, key in keys.items()}
        # By path: tasks finish in any order, and the bytes must not depend on it.
        shards = [self._sharded[path] for path in sorted(self._sharded)]
        packed = np.frombuffer(pack_sidecar(shards, singles), np.uint8)
        self.small(ArraySpec(Paths.sidecar, packed.shape, packed.dtype, ("byte",), "raw"), packed)
        document = json.loads(session.model_dump_json())
        self._group.attrs.put({ATTRIBUTE: {"layout": LAYOUT, "session": document}})
        with quiet_zarr():
            zarr.consolidate_metadata(self._store, zarr_format=3)
        self.save()

    def save(self) -> None:
        """Put what was written so far on the disk."""
        # The root last: a folder without it is no store.
        for key in sorted(self._objects, key=lambda key: (key == Paths.root, key)):
            path = self.root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._objects[key].to_bytes())
