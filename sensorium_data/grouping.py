"""Which films are the same film: equal, within one grey level, or one a prefix of the other; by content alone.

Published repeats of one film are not equal to the bit and not equally long, and no identity ships with the 2023
recordings, so the pixels decide. A coarse signature (block means of every tenth frame) finds candidates without missing
any: pixels within one level have block means within one level. Candidates are then compared pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from sensorium_data.candidates import TOLERANCE, candidates

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "EVERY",
    "Difference",
    "FilmReader",
    "Frames",
    "Partition",
    "block_means",
    "difference",
    "group_films",
    "signature",
]

EVERY = 10  # frames between two samples of a signature
BLOCKS = 4  # blocks along each image axis
BLOCK_FRAMES = 60  # frames compared at once: 60 × 36 × 64 float32 stay in the cache

Film: TypeAlias = "NDArray[Any]"


class Frames(Protocol):
    """A film that is cut along time: an array, or what reads one from a store."""

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def __getitem__(self, part: slice, /) -> Film:
        """Return some frames, (time, …, y, x)."""
        ...


FilmReader: TypeAlias = Callable[[int], Frames]


@dataclass(frozen=True, slots=True)
class Difference:
    """Largest difference over the common frames, in grey levels, and how many pixels differ."""

    largest: float
    n_pixels: int


class Partition:
    """Things that are merged two by two into groups, each labelled by its smallest member.

    Examples
    --------
    >>> parts = Partition(4)
    >>> parts.join(3, 1)
    >>> parts.labels()
    array([0, 1, 2, 1])
    """

    def __init__(self, n: int) -> None:
        self._parent = np.arange(n)

    def root(self, i: int) -> int:
        """Return the smallest member of the group of i."""
        parent = self._parent
        while (up := int(parent[i])) != i:
            parent[i] = parent[up]
            i = up
        return i

    def join(self, one: int, other: int) -> None:
        """Make one group of two."""
        a, b = self.root(one), self.root(other)
        self._parent[max(a, b)] = min(a, b)

    def labels(self) -> NDArray[np.int64]:
        """Return the smallest member of the group of each, (n,)."""
        while not np.array_equal(up := self._parent[self._parent], self._parent):
            self._parent = up
        return self._parent.copy()


def signature(film: Film) -> NDArray[np.float32]:
    """Return block means of every tenth frame.

    Parameters
    ----------
    film : (time, …, y, x) uint8 or float, grey levels

    Returns
    -------
    (sampled frame, block) float32
    """
    return block_means(film[::EVERY])


def block_means(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Return the means of 4 × 4 blocks of each frame.

    Parameters
    ----------
    frames : (frame, …, y, x) uint8 or float, grey levels

    Returns
    -------
    (frame, block) float32
    """
    if frames.dtype == np.uint8:
        return _block_means_of_bytes(frames)
    with np.errstate(over="ignore"):
        means: NDArray[np.float32] = frames.reshape(len(frames), -1, *frames.shape[-2:]).astype(np.float32)
    for axis in (3, 2):  # along lines first: what is left is a 64th
        edges, widths = _blocks(means.shape[axis])
        sums = np.add.reduceat(means, edges, axis=axis, dtype=np.float64)
        means = (sums / (widths if axis == 3 else widths[:, None])).astype(np.float32)
    return means.reshape(len(means), -1)


def _block_means_of_bytes(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Return the same for whole grey levels: sums below 2**24 are exact in float32, and products of matrices fast."""
    n_y, n_x = frames.shape[-2:]
    down, across = _members_of_blocks(n_y), _members_of_blocks(n_x)
    sums = down @ (frames.reshape(-1, n_y, n_x).astype(np.float32) @ across.T)
    sizes = down.sum(axis=1)[:, None] * across.sum(axis=1)
    means: NDArray[np.float32] = (sums / sizes).astype(np.float32)
    return means.reshape(len(frames), -1)


@lru_cache(maxsize=16)
def _members_of_blocks(length: int) -> NDArray[np.float32]:
    """Return which places along an axis each block holds, (block, place) of ones and zeros."""
    edges, widths = _blocks(length)
    places = np.arange(length)
    return ((places >= edges[:, None]) & (places < (edges + widths)[:, None])).astype(np.float32)


@lru_cache(maxsize=16)
def _blocks(length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the blocks along an axis begin, and how long they are."""
    edges = np.unique(np.linspace(0, length, BLOCKS, endpoint=False).astype(np.int64))
    return edges, np.diff([*edges, length])


def difference(one: Frames, other: Frames, *, stop_above: float = np.inf) -> Difference:
    """Compare two films over the frames both have.

    Parameters
    ----------
    one, other : (time, …, y, x) uint8 or float, grey levels
    stop_above : float, grey levels
        Stop at the first block of frames that differs by more.
    """
    largest, count = 0.0, 0
    for start in range(0, min(len(one), len(other)), BLOCK_FRAMES):
        stop = min(start + BLOCK_FRAMES, len(one), len(other))
        with np.errstate(over="ignore", invalid="ignore"):
            a, b = one[start:stop].astype(np.float32), other[start:stop].astype(np.float32)
            gap = np.abs(a - b)
        # NaN equals NaN here: films with holes are only let in when the user allowed them.
        gap[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
        gap[np.isnan(gap)] = np.inf
        largest, count = max(largest, float(gap.max(initial=0))), count + int(np.count_nonzero(gap))
        if largest > stop_above:
            break
    return Difference(largest, count)


def group_films(
    signatures: Sequence[NDArray[np.float32]], film: FilmReader, *, known: Partition | None = None
) -> NDArray[np.int64]:
    """Return the group of each film; groups are numbered by their first member.

    Parameters
    ----------
    signatures : sequence of (sampled frame, block) float32
        One for each film, as `signature` returns them.
    film : callable
        Returns the pixels of film i when they are needed.
    known : Partition, optional
        Films already known to be the same; what is found is merged into it.

    Returns
    -------
    (film,) int64
        Films that are the same, directly or through another one, share a number.

    Examples
    --------
    >>> films = [np.zeros((30, 8, 8), np.uint8), np.full((20, 8, 8), 9, np.uint8), np.ones((10, 8, 8), np.uint8)]
    >>> group_films([signature(f) for f in films], films.__getitem__)
    array([0, 1, 0])
    """
    parts = Partition(len(signatures)) if known is None else known
    for ones, others in candidates(signatures, parts.labels):
        for i, j in zip(ones.tolist(), others.tolist(), strict=True):
            if parts.root(i) != parts.root(j) and _same(film(i), film(j)):
                parts.join(i, j)
    return np.unique(parts.labels(), return_inverse=True)[1].astype(np.int64)


def _same(one: Frames, other: Frames) -> bool:
    return difference(one, other, stop_above=TOLERANCE).largest <= TOLERANCE
