"""Which windows are dealt together: blocks of several windows of one trial, shuffled as wholes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.windows import Windows

__all__ = ["Blocks", "blocks_of"]


class Blocks:
    """The windows of some sessions, in one row, cut into blocks.

    Parameters
    ----------
    heads : (block,) int64
        The first window of each; ascending, and one at the beginning of each session that has windows.
    sizes : sequence of int
        Windows of each session.

    Examples
    --------
    >>> blocks = Blocks(np.array([0, 2, 4, 5]), [5, 3])
    >>> blocks.count(0, 5), blocks.dealt(0, 5, np.array([1, 2, 0])).tolist()
    (3, [2, 3, 4, 0, 1])
    >>> blocks.dealt(5, 8, np.array([0])).tolist()
    [0, 1, 2]
    """

    def __init__(self, heads: NDArray[np.int64], sizes: Sequence[int]) -> None:
        self._bounds = np.append(heads, sum(sizes))

    def count(self, first: int, stop: int) -> int:
        """Return how many blocks the windows [first, stop) have, which begin and end where sessions do."""
        begin, end = np.searchsorted(self._bounds, (first, stop)).tolist()
        return int(end - begin)

    def dealt(self, first: int, stop: int, order: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
        """Return the windows [first, stop), counted from `first`, in an order of their blocks.

        Parameters
        ----------
        first, stop : int
            Where sessions begin and end.
        order : (block,) unsigned integer
            The blocks, counted from the first one of these windows.

        Returns
        -------
        (window,) unsigned integer
            Those of a block one after another.
        """
        at = int(np.searchsorted(self._bounds, first))
        heads = (self._bounds[at : at + len(order)] - first)[order]
        lengths = np.diff(self._bounds[at : at + len(order) + 1])[order]
        into = np.arange(stop - first) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        # The smallest integers that hold it: an epoch of millions of windows stays in memory for as long as it lasts.
        found: NDArray[np.unsignedinteger] = (np.repeat(heads, lengths) + into).astype(np.min_scalar_type(stop - first))
        return found


def blocks_of(windows: Windows, sizes: Sequence[int], clips_per_block: int) -> Blocks | None:
    """Return the blocks of windows; None where each window is one of its own.

    Windows of one trial that follow each other are a block, up to `clips_per_block` of them; those that are left over
    at the end of a trial are one as well.

    Parameters
    ----------
    windows : Windows
    sizes : sequence of int
        Windows of each session.
    clips_per_block : int
    """
    if clips_per_block == 1:
        return None
    other = (np.diff(windows.session, prepend=-1) != 0) | (np.diff(windows.trial_row, prepend=-1) != 0)
    begins = np.flatnonzero(other)
    into = np.arange(len(other)) - begins[np.cumsum(other) - 1]
    return Blocks(np.flatnonzero(into % clips_per_block == 0), sizes)
