"""All files of a store, known from its root and sidecar alone, each with the checksums that its bytes must have."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from sensorium_data.errors import Problem, StorageFailed, StoreInvalid, counted
from sensorium_data.remote import Location
from sensorium_data.remote.faults import changed
from sensorium_data.remote.requests import Hands
from sensorium_data.remote.streams import streamed_store
from sensorium_data.settings import settings
from sensorium_data.store.layout import CHUNK, SHARD, Paths
from sensorium_data.store.metadata import root_checksum
from sensorium_data.store.remoteopen import SIDECAR
from sensorium_data.store.shards import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sensorium_data.store.opened import OpenStore
    from sensorium_data.store.shards import ShardRecord

__all__ = ["Damaged", "Manifest", "Part", "checked", "manifest_of"]

PIECE = 4 << 20  # bytes that are read at once
INDEX = re.compile(r"(/[0-9]+)*")  # of a chunk, after `c`
UNFIT = re.compile(r"[\x00-\x1f\x7f\\:]")  # in a name: what some system takes for more than a letter


class Damaged(Exception):  # becomes a Problem
    """Bytes that are not those that were written.

    Parameters
    ----------
    key : str
        Of the file.
    what : str
    """

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key

    def problem(self) -> Problem:
        """Return the damage as a problem of the file."""
        return Problem("digests", self.key, str(self))


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a store.

    ``checks`` holds, for stretches that lie end to end, where each stops and the CRC-32C of its bytes. ``data`` are the
    bytes of a small file that was read already.
    """

    key: str
    size: int
    checks: tuple[tuple[int, int], ...]
    data: bytes | None = None

    def ranges(self) -> list[tuple[int, int]]:
        """Return bytes [start, stop) that make up the file, none across two stretches and none large."""
        found: list[tuple[int, int]] = []
        start = 0
        for stop, _ in self.checks:
            found += [(at, min(at + PIECE, stop)) for at in range(start, stop, PIECE)]
            start = stop
        return found


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a store: parts in any order, then the root, without which there is no store.

    ``identity`` is the digest of root and sidecar, which hold a checksum of all the rest.
    """

    parts: tuple[Part, ...]
    root: Part
    identity: str

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(part.size for part in self.parts) + self.root.size

    @property
    def keys(self) -> set[str]:
        """The keys of all files."""
        return {part.key for part in self.parts} | {self.root.key}


def checked(part: Part, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a file as they come; raise Damaged as soon as a stretch is not what it must be.

    Parameters
    ----------
    part : Part
    pieces : iterable of bytes
        Those of its ranges, in order.
    """
    at, crc, n = 0, 0, 0
    for data in pieces:
        at, crc = at + len(data), google_crc32c.extend(crc, data)
        if n < len(part.checks) and at >= part.checks[n][0]:
            stop, wanted = part.checks[n]
            if at != stop or crc != wanted:
                raise Damaged(part.key, f"chunk {n} has CRC-32C {crc:08x}, written as {wanted:08x}")
            n, crc = n + 1, 0
        yield data
    if at != part.size or n != len(part.checks):
        raise Damaged(part.key, f"has {at:,} bytes, written were {part.size:,}")


def manifest_of(store: OpenStore) -> Manifest:
    """Return the files of a store; root and documents are read, and held against each other.

    Raises
    ------
    StoreInvalid
        Its sidecar or its metadata are damaged, or name what is no part of a store.
    StorageFailed
        It cannot be read, or is another one meanwhile.
    """
    sidecar, root = store.sidecar_bytes, _root(store)
    _require_sound(store, sidecar)
    shards = [_shard(record) for records in store.sidecar.shards.values() for record in records]
    singles = [Part(each.key, each.size, ((each.size, each.crc),)) for each in store.sidecar.chunks.values()]
    with Hands(settings().n_requests) as hands:
        documents = list(hands.map(partial(_document, store), store.metadata))
    if problems := [found.problem() for found in documents if isinstance(found, Damaged)]:
        raise _refused(store, problems)
    kept = [found for found in documents if isinstance(found, Part)]
    parts = (*shards, *singles, *kept, whole(SIDECAR, sidecar))
    return Manifest(parts, whole(Paths.root, root), streamed_store(root, sidecar).identity)


def whole(key: str, data: bytes) -> Part:
    """Return a small file whose bytes are here."""
    return Part(key, len(data), ((len(data), google_crc32c.value(data)),), data)


def _shard(record: ShardRecord) -> Part:
    # The index ends the file: filled up to the chunks that a whole shard has, with a checksum of its own.
    index = np.full((SHARD // CHUNK, 2), EMPTY, "<u8")
    index[: len(record.index)] = record.index
    body = index.tobytes()
    tail = body + struct.pack("<I", google_crc32c.value(body))
    stops = (record.index[:, 0] + record.index[:, 1]).tolist()
    checks = tuple(zip(stops, record.crc.tolist(), strict=True))
    return Part(record.key, record.size, (*checks, (record.size, google_crc32c.value(tail))))


def _require_sound(store: OpenStore, sidecar: bytes) -> None:
    """Raise StoreInvalid where the sidecar is not the root's own, or names files that no store has."""
    index, nodes = store.sidecar, store.metadata
    problems = [Problem("unsafe-key", repr(path), "is no name of a part") for path in nodes if not _is_name(path)]
    named = [(path, each.key, _is_shard(each)) for path, records in index.shards.items() for each in records]
    named += [(path, each.key, _is_file(each.size)) for path, each in index.chunks.items()]
    problems += [
        Problem("sidecar", repr(key), f"is no file of `{path}`, or the sidecar contradicts itself on it")
        for path, key, is_sound in named
        if not (is_sound and path in nodes and _is_key(path, key))
    ]
    known = index.shards.keys() | index.chunks.keys() | {Paths.sidecar}
    problems += [
        Problem("sidecar", path, "is an array that the sidecar does not know")
        for path, node in nodes.items()
        if node["node_type"] == "array" and 0 not in node["shape"] and path not in known
    ]
    said = nodes.get(Paths.sidecar, {}).get("attributes", {})
    if said.get("root_crc32c") not in (None, root_checksum(store.root)):
        problems.append(Problem("root", Paths.root, "is not what was written"))
    if said.get("crc32c") not in (None, google_crc32c.value(sidecar)):
        problems.append(Problem("sidecar", SIDECAR, "is not the one that the root speaks of"))
    if problems:
        raise _refused(store, problems)


def _is_name(path: str) -> bool:
    return not UNFIT.search(path) and all(part not in ("", ".", "..") for part in path.split("/"))


def _is_key(path: str, key: object) -> bool:
    """True for the key of one of an array's files: a stranger's sidecar may name any path."""
    return isinstance(key, str) and key.startswith(f"{path}/c") and bool(INDEX.fullmatch(key[len(path) + 2 :]))


def _is_file(size: object) -> bool:
    return isinstance(size, int) and size > 0


def _is_shard(record: ShardRecord) -> bool:
    """True where the chunks lie end to end, with the index behind them."""
    starts = record.index[:, 0]
    stops = starts + record.index[:, 1]
    if not (_is_file(record.size) and 0 < len(stops) == len(record.crc) <= SHARD // CHUNK):
        return False
    is_joined = starts[0] == 0 and np.array_equal(starts[1:], stops[:-1]) and bool((stops > starts).all())
    return is_joined and int(stops[-1]) + SHARD // CHUNK * 16 + 4 == record.size


def _refused(store: OpenStore, problems: list[Problem]) -> StoreInvalid:
    hint = f"`sensorium-data check {store.path}` says more; convert the recording again"
    what = f"{store.path}: {counted(len(problems), 'file')} of it cannot be trusted, and nothing was copied"
    return StoreInvalid(what, hint=hint, problems=problems, code="source-damaged")


def _root(store: OpenStore) -> bytes:
    data = store.parts.read(Paths.root)
    if _as_json(data) != store.root:
        if isinstance(store.path, Location):
            raise changed(store.path)
        raise StoreInvalid(f"{store.path}: was replaced while it was read", hint="run again", code="store-changed")
    if data != _text(store.root) and data != store.parts.read(Paths.root):
        raise changed(str(store.path))
    return data


def _document(store: OpenStore, path: str) -> Part | Damaged:
    """Return the document beside a group or array; it must be what the root says of it."""
    key = f"{path}/{Paths.root}"
    said = {name: value for name, value in store.metadata[path].items() if name != "consolidated_metadata"}
    try:
        for _ in range(2):  # a network may have spoilt the first
            data = store.parts.read(key)
            # What this package writes is compared byte by byte; of another spelling two readings must agree.
            if data == _text(said) or (_same(data, said) and data == store.parts.read(key)):
                return whole(key, data)
    except StorageFailed:
        raise
    except OSError as error:
        return Damaged(key, f"cannot be read ({error.strerror or 'it is not there'})")
    return Damaged(key, "differs from the consolidated metadata")


def _same(data: bytes, said: dict[str, Any]) -> bool:
    found = _as_json(data)
    return isinstance(found, dict) and {k: v for k, v in found.items() if k != "consolidated_metadata"} == said


def _as_json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _text(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=2).encode()
