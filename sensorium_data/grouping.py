"""Which films are the same film: equal, within one grey level, or one a prefix of the other; by content alone.

Published repeats of one film are not equal to the bit and not equally long, and no identity ships with the 2023
recordings, so the pixels decide. A coarse signature (block means of every tenth frame) finds candidates without missing
any: pixels within one level have block means within one level. Candidates are then compared pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Difference", "FilmReader", "difference", "group_films", "signature"]

EVERY = 10  # frames between two samples of a signature
BLOCKS = 4  # blocks along each image axis
TOLERANCE = 1.0  # grey levels
BLOCK_FRAMES = 60  # frames compared at once: 60 × 36 × 64 float32 stay in the cache

Film: TypeAlias = "NDArray[Any]"
FilmReader: TypeAlias = Callable[[int], Film]


@dataclass(frozen=True, slots=True)
class Difference:
    """Largest difference over the common frames, in grey levels, and how many pixels differ."""

    largest: float
    n_pixels: int


def signature(film: Film) -> NDArray[np.float32]:
    """Return block means of every tenth frame.

    Parameters
    ----------
    film : (time, …, y, x) uint8 or float, grey levels

    Returns
    -------
    (sampled frame, block) float32
    """
    with np.errstate(over="ignore"):
        frames = film[::EVERY].reshape(len(film[::EVERY]), -1, *film.shape[-2:]).astype(np.float32)
    for axis in (2, 3):
        edges = np.unique(np.linspace(0, frames.shape[axis], BLOCKS, endpoint=False).astype(int))
        widths = np.diff([*edges, frames.shape[axis]])
        shape = [1, 1, 1, 1]
        shape[axis] = len(widths)
        frames = (np.add.reduceat(frames, edges, axis=axis) / widths.reshape(shape)).astype(np.float32)
    return frames.reshape(len(frames), -1)


def difference(one: Film, other: Film, *, stop_above: float = np.inf) -> Difference:
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


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    n = min(len(one), len(other))
    # A hair above one level, as block means are rounded to float32; the pixels decide anyway.
    return bool((np.abs(one[:n] - other[:n]) <= TOLERANCE + 1e-3).all())


def group_films(signatures: Sequence[NDArray[np.float32]], film: FilmReader) -> NDArray[np.int64]:
    """Return the group of each film; groups are numbered by their first member.

    Parameters
    ----------
    signatures : sequence of (sampled frame, block) float32
        One for each film, as `signature` returns them.
    film : callable
        Returns the pixels of film i when they are needed.

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
    parent = list(range(len(signatures)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    if not signatures:
        return np.zeros(0, np.int64)
    # Sorted by the first block of the first frame, only neighbours within one level can be the same film.
    first = np.nan_to_num(np.array([s[0, 0] for s in signatures], np.float64), nan=-1.0)
    order = np.argsort(first, kind="stable")
    for position, i in enumerate(order):
        for j in order[position + 1 :]:
            if first[j] - first[i] > TOLERANCE + 1e-3:
                break
            a, b = root(int(i)), root(int(j))
            if a != b and _alike_or_gappy(signatures[i], signatures[j]) and _same(film(int(i)), film(int(j))):
                parent[max(a, b)] = min(a, b)
    roots = np.array([root(i) for i in range(len(signatures))])
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def _alike_or_gappy(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    n = min(len(one), len(other))
    if np.isnan(one[:n]).any() or np.isnan(other[:n]).any():
        return True
    return _alike(one, other)


def _same(one: Film, other: Film) -> bool:
    return difference(one, other, stop_above=TOLERANCE).largest <= TOLERANCE
