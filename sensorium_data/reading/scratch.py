"""Memory of each thread that is used again and again: fresh from the system it costs a fault for each 4 kB."""

from __future__ import annotations

from contextlib import contextmanager
from threading import local
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["borrowed"]

KEPT = 4  # buffers of a thread: one for what is read, one for what is decoded, and those of one more reader


class _Free(local):
    def __init__(self) -> None:
        self.buffers: list[NDArray[np.uint8]] = []


_FREE = _Free()


@contextmanager
def borrowed(n_bytes: int) -> Iterator[NDArray[np.uint8]]:
    """Lend a buffer of so many bytes; nobody else has it until it is given back.

    Examples
    --------
    >>> with borrowed(1000) as buffer:
    ...     len(buffer)
    1000
    """
    free = _FREE.buffers
    buffer = free.pop() if free else None
    if buffer is None or len(buffer) < n_bytes:
        buffer = np.empty(n_bytes, np.uint8)
    try:
        yield buffer[:n_bytes]
    finally:
        # A generator that is collected may give it back in another thread than took it; either may have it.
        if len(_FREE.buffers) < KEPT:
            _FREE.buffers.append(buffer)
