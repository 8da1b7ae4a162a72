"""The metadata of groups and arrays, spelled out as the Zarr v3 specification has them.

Spelled out here, and not by whichever zarr-python is installed, because the layout is this project's: the same recording
gives the same bytes under every version. A test holds each document against what zarr-python makes of the same array.
Specification: https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html
"""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import google_crc32c

from sensorium_data.store.layout import ATTRIBUTE, BLOSC_LEVEL, PCODEC_LEVEL, SHARD, ZSTD_LEVEL, ArraySpec, Paths

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["array_document", "group_document", "root_checksum", "root_document"]


def _codecs(spec: ArraySpec) -> list[dict[str, Any]]:
    if spec.codec == "pcodec":
        return [{"name": "numcodecs.pcodec", "configuration": {"level": PCODEC_LEVEL}}]
    if spec.text:
        first: dict[str, Any] = {"name": "vlen-utf8", "configuration": {}}
    else:
        first = {"name": "bytes"} if spec.dtype.itemsize == 1 else _little("bytes")
    if spec.codec == "zstd":
        return [first, {"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": False}}]
    if spec.codec == "blosc":
        packing = {
            "typesize": spec.dtype.itemsize,
            "cname": "zstd",
            "clevel": BLOSC_LEVEL,
            "shuffle": "noshuffle",
            "blocksize": 0,
        }
        return [first, {"name": "blosc", "configuration": packing}]
    return [first]


def _little(name: str) -> dict[str, Any]:
    return {"name": name, "configuration": {"endian": "little"}}


def _sharding(spec: ArraySpec) -> list[dict[str, Any]]:
    configuration = {
        "chunk_shape": list(spec.chunk_shape),
        "codecs": _codecs(spec),
        "index_codecs": [_little("bytes"), {"name": "crc32c"}],
        "index_location": "end",
    }
    return [{"name": "sharding_indexed", "configuration": configuration}]


def _fill(spec: ArraySpec) -> str | bool | int:
    if spec.text:
        return ""
    return "NaN" if spec.dtype.kind == "f" else False if spec.dtype.kind == "b" else 0


def array_document(spec: ArraySpec) -> dict[str, Any]:
    """Return the `zarr.json` of an array.

    Examples
    --------
    >>> import numpy as np
    >>> array_document(ArraySpec("trials/start", (7,), np.dtype("int64"), ("trial",), "zstd"))["data_type"]
    'int64'
    """
    file = (SHARD, *spec.chunk_shape[1:]) if spec.sharded else spec.chunk_shape
    document = {
        "shape": list(spec.shape),
        "data_type": "string" if spec.text else spec.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(file)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": _fill(spec),
        "codecs": _sharding(spec) if spec.sharded else _codecs(spec),
        "attributes": dict(spec.attrs),
        "dimension_names": list(spec.dims),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
    if not spec.dims:
        del document["dimension_names"]
    return document


def group_document(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `zarr.json` of a group."""
    return {"attributes": dict(attrs), "zarr_format": 3, "node_type": "group"}


def _consolidated(nodes: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {"kind": "inline", "must_understand": False, "metadata": dict(sorted(nodes.items()))}


def root_document(attrs: Mapping[str, Any], nodes: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the `zarr.json` of the root, which holds those of all nodes, as zarr-python consolidates them."""
    nested = {"consolidated_metadata": _consolidated({})}
    known = {path: node | nested if node["node_type"] == "group" else node for path, node in nodes.items()}
    return group_document(attrs) | {"consolidated_metadata": _consolidated(known)}


def root_checksum(root: Mapping[str, Any]) -> int:
    """Return the CRC-32C of what the root says, however it is spelled.

    It is kept in the attributes of the sidecar's array, beside that of the sidecar. Left out of it are these attributes, when
    the recording was converted, and what its source was called: conversions of one recording differ in these alone.

    Parameters
    ----------
    root : mapping
        The document of the root.

    Examples
    --------
    >>> root_checksum({"zarr_format": 3, "node_type": "group"}) == root_checksum({"node_type": "group", "zarr_format": 3})
    True
    """
    bare = copy.deepcopy(dict(root))
    with suppress(KeyError, TypeError, AttributeError):
        provenance = bare["attributes"][ATTRIBUTE]["session"]["provenance"]
        for name in ("converted_at", "source_name"):
            provenance.pop(name, None)
    with suppress(KeyError, TypeError, AttributeError):
        bare["consolidated_metadata"]["metadata"][Paths.sidecar].pop("attributes", None)
    return int(google_crc32c.value(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode()))
