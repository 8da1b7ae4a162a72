"""Which pairs of films may be the same, by their signatures alone: none is missed, and hardly another one is named.

Films that are the same have block means within one level of each other. A grid over the few block means that tell most
films apart finds the pairs that are near; 50,000 images take half a second where comparing all pairs takes minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Pairs: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.int64]]"

__all__ = ["TOLERANCE", "candidates"]

TOLERANCE = 1.0  # grey levels
# A hair above one level, as block means are rounded to float32; the pixels decide anyway.
REACH = TOLERANCE + 1e-3
CELL = 2.5 * REACH  # what is within reach of a value is in two neighbouring cells at most
LIMIT = 1000.0  # block means beyond are taken for it: no two come further apart, and cells stay countable
NO_MEAN = 3 * LIMIT  # of a block with NaN: the same film has NaN there too
RADIX = 4096  # more cells than there are between -LIMIT and NO_MEAN
N_KEYS = 4  # block means that a film is looked up by
N_SAMPLE, N_COLUMNS = 128, 512  # films and block means that the keys are chosen from
N_PAIRS = 1 << 16  # pairs of films that are looked at together
N_AT_ONCE = 16  # marks of a pair compared at once: those of one frame


def candidates(signatures: Sequence[NDArray[np.float32]], labels: Callable[[], NDArray[np.int64]]) -> Iterator[Pairs]:
    """Yield pairs of films whose signatures are within one level over the frames both have, a block of pairs at a time.

    Parameters
    ----------
    signatures : sequence of (sampled frame, block) float32
    labels : callable
        Returns a label for each film, (film,) int64; pairs that share one when their block is looked at are left out.

    Yields
    ------
    (pair,) int64, (pair,) int64
        No pair twice, and none that could be the same film is missing.
    """
    if not len(signatures):
        return
    marks = _Marks.of(signatures)
    lengths = marks.lengths
    # The shorter film of a pair decides what can be compared, so each is looked up among those that are not shorter.
    for n_marks in np.unique(lengths):
        for ones, others in _neighbours(marks, np.flatnonzero(lengths >= n_marks), int(n_marks)):
            now = labels()
            apart = now[ones] != now[others]
            alike = _alike(marks, (ones[apart], others[apart]), int(n_marks))
            if len(alike[0]):
                yield alike


@dataclass(frozen=True, slots=True)
class _Marks:
    """The block means of all films in one run, made comparable: none is NaN, none beyond the limit."""

    values: NDArray[np.float32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, signatures: Sequence[NDArray[np.float32]]) -> _Marks:
        values = np.concatenate([np.ravel(each) for each in signatures]).clip(-LIMIT, LIMIT)
        values[np.isnan(values)] = NO_MEAN
        lengths = np.array([each.size for each in signatures])
        return cls(values, np.cumsum(lengths) - lengths, lengths)

    def at(self, films: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return some block means of some films, (film, column)."""
        found: NDArray[np.float32] = self.values[self.starts[films, None] + columns]
        return found


def _alike(marks: _Marks, pairs: Pairs, n_marks: int) -> Pairs:
    """Return the pairs that are within reach in each of their first marks."""
    ones, others = pairs
    for start in range(0, n_marks, N_AT_ONCE):
        columns = np.arange(start, min(start + N_AT_ONCE, n_marks))
        near = (np.abs(marks.at(ones, columns) - marks.at(others, columns)) <= REACH).all(axis=1)
        ones, others = ones[near], others[near]
    return ones, others


def _keys(marks: _Marks, films: NDArray[np.int64], n_marks: int) -> NDArray[np.int64]:
    """Return the few marks that tell most of these films apart, judged by a sample: films may all begin with grey."""
    sample = films[np.linspace(0, len(films) - 1, min(len(films), N_SAMPLE)).astype(int)]
    columns = np.linspace(0, n_marks - 1, min(n_marks, N_COLUMNS)).astype(int)
    values = marks.at(sample, columns)
    one, other = np.triu_indices(len(sample), 1)
    close = np.abs(values[one] - values[other]) <= REACH  # (pair, column)
    keys: list[int] = []
    while len(keys) < N_KEYS and (len(close) or not keys):
        best = int(close.sum(axis=0).argmin())
        keys.append(int(columns[best]))
        close = close[close[:, best]]
    return np.array(keys)


def _neighbours(marks: _Marks, films: NDArray[np.int64], n_marks: int) -> Iterator[Pairs]:
    """Yield pairs, one of each among the shortest films, whose keys may be within reach: by a grid of cells."""
    values = marks.at(films, _keys(marks, films, n_marks)).astype(np.float64)
    radix = RADIX ** np.arange(values.shape[1])
    cells = np.floor(values / CELL).astype(np.int64) @ radix
    order = np.argsort(cells, kind="stable")
    films, cells = films[order], cells[order]
    shortest = marks.lengths[films] == n_marks
    low, high = (np.floor((values[order][shortest] + by) / CELL).astype(np.int64) for by in (-REACH, REACH))
    for corner in product((False, True), repeat=values.shape[1]):
        once = (~np.array(corner) | (high != low)).all(axis=1)
        sought, mine = np.where(corner, high, low)[once] @ radix, films[shortest][once]
        first = np.searchsorted(cells, sought, "left")
        for i, at in _spread(first, np.searchsorted(cells, sought, "right") - first):
            one, other = mine[i], films[at]
            # Two of the shortest find each other.
            keep = (one < other) | (marks.lengths[other] > n_marks)
            yield one[keep], other[keep]


def _spread(first: NDArray[np.int64], n: NDArray[np.int64]) -> Iterator[Pairs]:
    """Yield (i, position) for every position in [first[i], first[i] + n[i]), in blocks."""
    held = np.flatnonzero(n)
    first, n = first[held], n[held]
    ends = np.cumsum(n)
    start = 0
    while start < len(held):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + N_PAIRS, "right")))
        count = n[start:stop]
        shift = np.repeat(first[start:stop] - (ends[start:stop] - count), count)
        yield np.repeat(held[start:stop], count), shift + np.arange(done, int(ends[stop - 1]))
        start = stop
