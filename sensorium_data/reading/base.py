"""What every reader of an array can do, however it comes by the bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from sensorium_data.errors import BadArgument
from sensorium_data.reading.columns import columns_of
from sensorium_data.reading.transport import Counters
from sensorium_data.reading.verify import check_verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.reading.verify import Verify
    from sensorium_data.store.opened import OpenStore

__all__ = ["Reader"]


class Reader(ABC):
    """Rows of one array of a store; any number of threads may read at once.

    Pickles as a recipe, and opens the store anew where it is unpickled.

    Attributes
    ----------
    store : OpenStore
    path : str
        Of the array.
    shape : tuple of int
        Rows, kept columns, and further dims.
    dtype : numpy.dtype
    columns : Columns or None
        Those that are kept, None for all.
    verify : {"first", "always", "never"}
    counters : Counters
        What was read so far in this process.
    reach : int
        Wanted rows that are no further apart are better read in one go, with what lies between them.
    announced : bool
        Whether there is nothing left to `prefetch`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    reach: int
    announced: bool = True

    def __init__(
        self,
        store: OpenStore,
        path: str,
        stored: tuple[int, ...],
        dtype: np.dtype[Any],
        columns: ArrayLike | None,
        verify: Verify,
    ) -> None:
        self.store, self.path, self.dtype = store, path, dtype
        self.verify = check_verify(verify)
        self.columns = columns_of(columns, stored, path)
        self.shape = stored if self.columns is None else (stored[0], len(self.columns.kept), *stored[2:])
        self.counters = Counters()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.store.path)!r}, {self.path!r}, shape={self.shape}, dtype={self.dtype})"

    def __reduce__(self) -> tuple[Callable[..., Reader], tuple[object, ...]]:
        """Pickle as a recipe: no open file crosses a process."""
        from sensorium_data.reading.opening import reopened

        kept = None if self.columns is None else self.columns.kept
        return reopened, (self.store.path, self.path, kept, self.verify)

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def read_into(self, out: NDArray[Any], first: int) -> None:
        """Write rows [first, first + len(out)) into an array.

        Parameters
        ----------
        out : (row, column, …) array of the reader's dtype
            Written straight into where it is C-contiguous; what it holds after an error is not to be used.
        first : int

        Raises
        ------
        BadArgument
            The rows are not there, or the array is of another shape or dtype.
        StoreInvalid
            The store is damaged there, or was changed or removed since the reader was made.
        StorageFailed
            The system does not let it be read.
        """

    def read_each(self, outs: Sequence[NDArray[Any]], firsts: Sequence[int]) -> None:
        """Write several runs of rows, each into its array; faster than one by one where they are many.

        Parameters
        ----------
        outs : sequence of (row, column, …) arrays of the reader's dtype
        firsts : sequence of int
            The first row of each.

        Raises
        ------
        BadArgument, StoreInvalid, StorageFailed
            As `read_into` raises them; what the arrays hold then is not to be used.
        """
        for out, first in zip(outs, firsts, strict=True):
            self.read_into(out, first)

    @abstractmethod
    def pieces(self, first: int, n: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield rows [first, first + n) block by block, for whoever casts them on the way to their place.

        Parameters
        ----------
        first, n : int

        Yields
        ------
        at : int
            Where in the run the block begins.
        block : (row, column, …) array
            Valid until the next one; not to be kept.

        Raises
        ------
        BadArgument, StoreInvalid, StorageFailed
            As `read_into` raises them, with the first block or with a later one.
        """

    def prefetch(self, first: int, n: int) -> None:  # noqa: B027  # readers for which there is nothing to do need not say so
        """Ask the system to have rows [first, first + n) at hand soon; returns at once, and never fails.

        Whoever knows what is read next, as a loader does, asks for all of it before reading any: a disk is several times
        as fast when it has many requests before it. Each chunk is asked for once; after that it is in memory, or no
        longer wanted there.

        Parameters
        ----------
        first, n : int
            Rows that are not there are left out.
        """

    def prefetch_each(self, runs: Sequence[tuple[int, int]]) -> None:
        """Ask for several runs of rows, which may come together; see `prefetch`.

        Parameters
        ----------
        runs : sequence of (first, n)
        """
        for first, n in runs:
            self.prefetch(first, n)

    def _refuse_rows(self, first: int, n: int) -> None:
        if not 0 <= first <= first + n <= self.shape[0]:
            what = f"`{self.path}` has rows 0 to {self.shape[0]}, asked for {first} to {first + n}"
            raise BadArgument(what, code="rows-outside")

    def _refuse_out(self, out: NDArray[Any]) -> None:
        if out.shape[1:] != self.shape[1:] or out.dtype != self.dtype or not out.ndim:
            what = f"rows of `{self.path}` are {self.dtype} of shape {self.shape[1:]}"
            raise BadArgument(f"{what}, the array for them is {out.dtype} of shape {out.shape}", code="bad-out")
        if not out.flags.writeable:
            raise BadArgument(f"the array for rows of `{self.path}` cannot be written to", code="bad-out")
