"""What a loader has read: bytes and requests of the readers behind its streams, and what came of them."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from sensorium_data.errors import counted
from sensorium_data.spelling import human_bytes
from sensorium_data.streams.films import FilmStream
from sensorium_data.streams.signals import SignalStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sensorium_data.reading import Reader
    from sensorium_data.streams import Streams

__all__ = ["Traffic", "read_by"]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was read, and how many batches and windows were given for it; the difference of two is what came between.

    Parameters
    ----------
    n_batches, n_windows : int
        Given to whoever iterates.
    n_requests : int
        Ranges of bytes that were read: of files, or each a request to a server.
    n_bytes_read : int, bytes
        That came with them.
    n_bytes_kept : int, bytes
        Of remote stores, that came from the cache on this disk instead.
    n_checks : int
        Chunks whose checksum was made.

    Examples
    --------
    >>> Traffic(n_batches=3, n_windows=24, n_requests=12, n_bytes_read=1_500_000) - Traffic(n_batches=1, n_windows=8)
    Traffic: 2 batches of 16 windows; 12 requests, 1.5 MB read, 0 B from the cache on disk, 0 chunks checked
    """

    n_batches: int = 0
    n_windows: int = 0
    n_requests: int = 0
    n_bytes_read: int = 0
    n_bytes_kept: int = 0
    n_checks: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        """Return both together."""
        return Traffic(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, before: Traffic) -> Traffic:
        """Return what came after an earlier one."""
        return Traffic(*(one - two for one, two in zip(astuple(self), astuple(before), strict=True)))

    def __repr__(self) -> str:
        batches = "1 batch" if self.n_batches == 1 else f"{self.n_batches:,} batches"
        return (
            f"Traffic: {batches} of {counted(self.n_windows, 'window')}; {counted(self.n_requests, 'request')}, "
            f"{human_bytes(self.n_bytes_read)} read, {human_bytes(self.n_bytes_kept)} from the cache on disk, "
            f"{counted(self.n_checks, 'chunk')} checked"
        )


def read_by(streams: Iterable[Streams]) -> Traffic:
    """Return what was read for some streams in this process; of views nothing is known.

    Parameters
    ----------
    streams : iterable of Streams
    """
    counters = [reader.counters for reader in _readers(streams)]
    return Traffic(
        n_requests=sum(one.n_requests for one in counters),
        n_bytes_read=sum(one.n_bytes_read for one in counters),
        n_bytes_kept=sum(one.n_bytes_kept for one in counters),
        n_checks=sum(one.n_checks for one in counters),
    )


def _readers(streams: Iterable[Streams]) -> Iterator[Reader]:
    for each in streams:
        for stream in each.values():
            if isinstance(stream, FilmStream):
                yield stream.reader
            elif isinstance(stream, SignalStream):
                yield stream.samples.reader
