"""What a conversion cannot go below: read, digest, transpose and encode the same arrays on the same threads, keeping nothing.

Written with numpy, hashlib and numcodecs alone. One task a member, buffers reused by each thread, no check of any value,
no plan, no statistics of its own, nothing written.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, local
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Limit"]

Encoder: TypeAlias = "Callable[[NDArray[Any]], object]"

CHUNK = 20  # rows in a chunk of a store
BIG = 1 << 20  # bytes from which shipped statistics are cut into chunks
BLOCK = 64  # neurons transposed at once: as much of them as the first caches hold


def _encoders(preset: str) -> tuple[Encoder, Encoder]:
    """Return the encoder of floating-point arrays and that of films, as a preset has them."""
    from numcodecs.blosc import Blosc
    from numcodecs.pcodec import PCodec
    from numcodecs.zstd import Zstd

    if preset == "compact":
        return PCodec(level=8).encode, Zstd(level=1).encode
    if preset == "portable":
        blosc = Blosc(cname="zstd", clevel=3, shuffle=0).encode
        return blosc, blosc
    return np.ndarray.tobytes, np.ndarray.tobytes


def _buffer(store: local, name: str, n_bytes: int) -> NDArray[np.uint8]:
    """Return a buffer of this thread that is at least so long; memory fresh from the system costs a fault a page."""
    found: NDArray[np.uint8] | None = getattr(store, name, None)
    if found is None or len(found) < n_bytes:
        found = np.empty(n_bytes, np.uint8)
        setattr(store, name, found)
    return found[:n_bytes]


class Limit:
    """The least work that yields the encoded arrays of a recording in the published layout.

    Parameters
    ----------
    source : Path
        A recording's folder.
    preset : {"compact", "fast", "portable"}
    n_threads : int
    n_valid : int
        Frames before the padding, the same in every trial.
    """

    def __init__(self, source: Path, preset: str, n_threads: int, n_valid: int) -> None:
        self.source, self.n_threads, self.n_valid = source, n_threads, n_valid
        self.floats, self.films = _encoders(preset)
        self._local, self._lock = local(), Lock()
        self._seen: set[str] = set()

    def run(self) -> int:
        """Do the work once and return how many members were read."""
        self._seen.clear()
        # The largest first, so that no thread is left waiting at the end.
        names = sorted(self.source.rglob("*.npy"), key=lambda p: p.stat().st_size, reverse=True)
        with ThreadPoolExecutor(self.n_threads) as pool:
            return len(list(pool.map(self._member, names)))

    def _member(self, path: Path) -> str:
        raw = _buffer(self._local, "raw", path.stat().st_size)
        with path.open("rb", buffering=0) as file:
            at = 0
            while n := file.readinto(raw.data[at:]):
                at += n
        digest = hashlib.sha256(raw.data).hexdigest()
        folder = path.relative_to(self.source).parts
        if folder[:2] == ("data", "responses"):
            self._chunks(self._transposed(_values(path, raw)[:, : self.n_valid], np.float32), self.floats)
        elif folder[:2] == ("data", "videos") and self._first(digest):
            film = _values(path, raw)[..., : self.n_valid].astype(np.uint8)
            self._chunks(np.ascontiguousarray(film.reshape(-1, self.n_valid).T), self.films)
        elif folder[:2] == ("meta", "statistics") and len(raw) >= BIG:
            values = _values(path, raw)
            self._chunks(self._transposed(values.reshape(-1, values.shape[-1]), values.dtype), self.floats)
        return digest

    def _first(self, digest: str) -> bool:
        with self._lock:
            seen = digest in self._seen
            self._seen.add(digest)
        return not seen

    def _transposed(self, values: NDArray[Any], dtype: Any) -> NDArray[Any]:
        buffer = _buffer(self._local, "rows", values.size * np.dtype(dtype).itemsize)
        rows: NDArray[Any] = buffer.view(dtype).reshape(values.shape[::-1])
        for start in range(0, len(values), BLOCK):
            rows[:, start : start + BLOCK] = values[start : start + BLOCK].T
        return rows

    def _chunks(self, rows: NDArray[Any], encode: Encoder) -> None:
        for start in range(0, len(rows), CHUNK):
            encode(rows[start : start + CHUNK])


def _values(path: Path, raw: NDArray[np.uint8]) -> NDArray[Any]:
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        values: NDArray[Any] = raw[file.tell() :].view(dtype).reshape(shape)
    return values
