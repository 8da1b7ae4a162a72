"""The samples of a signal as they are served: rows into place, and which of them hold a NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.cached import cached_property
from sensorium_data.reading import ResidentReader, open_reader
from sensorium_data.reading.kept import kept
from sensorium_data.store.layout import Paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.handle import SessionHandle
    from sensorium_data.reading import Reader, Verify

__all__ = ["Samples"]

BLOCK = 3000  # rows that are searched for NaN at once


class Samples:
    """Rows of a signal, with the selected neurons alone.

    Parameters
    ----------
    handle : SessionHandle
    name : str
        Of the signal.
    neurons : (selected,) int64, optional
        Columns to keep; None keeps all.
    verify : {"first", "always", "never"}

    Attributes
    ----------
    shape : tuple of int
        (row, …) of what is kept.
    dtype : numpy.dtype
        As stored.
    """

    def __init__(self, handle: SessionHandle, name: str, neurons: NDArray[np.int64] | None, *, verify: Verify) -> None:
        self._store, self._path, self._neurons, self._verify = handle.store, Paths.values(name), neurons, verify
        self._store.dims(self._path)  # says so where there is no such array
        node = self._store.metadata[self._path]
        n_rows, *rest = node["shape"]
        if neurons is not None:
            rest[0] = len(neurons)
        self.shape: tuple[int, ...] = (int(n_rows), *(int(n) for n in rest))
        self.dtype: np.dtype[Any] = np.dtype(node["data_type"])
        # Conversion refuses NaN there, unless it was told to let them in.
        checked = name == "responses" and not handle.document.provenance.options.allow_nan
        self._none = checked or self.dtype.kind != "f"

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what each process opens for itself."""
        return {k: v for k, v in self.__dict__.items() if k not in ("reader", "held")}

    @cached_property
    def reader(self) -> Reader:
        """What reads the rows: from memory, where they are few."""
        return kept(self._open())

    def _open(self) -> Reader:
        return open_reader(self._store, self._path, columns=self._neurons, verify=self._verify)

    @cached_property
    def held(self) -> NDArray[Any] | None:
        """All rows, where they are few enough to stay in memory, not to be changed."""
        return self.reader.values if isinstance(self.reader, ResidentReader) else None

    def read_into(self, out: NDArray[Any], first: int) -> None:
        """Read rows [first, first + len(out)) into place, integers as the floats that hold them."""
        if (held := self.held) is not None:
            out[...] = held[first : first + len(out)]
        elif out.dtype == self.dtype:
            self.reader.read_into(out, first)
        else:
            for at, block in self.reader.pieces(first, len(out)):
                out[at : at + len(block)] = block

    def read_each(self, outs: NDArray[Any], firsts: Sequence[int]) -> None:
        """Read several runs of rows into place, (run, row, …); integers as the floats that hold them."""
        if self.held is None and outs.dtype == self.dtype:
            self.reader.read_each(list(outs), firsts)
            return
        for out, first in zip(outs, firsts, strict=True):
            self.read_into(out, first)

    def read(self, first: int, n: int) -> NDArray[Any]:
        """Return rows [first, first + n)."""
        values = np.empty((n, *self.shape[1:]), self.dtype)
        if n:
            self.reader.read_into(values, first)
        return values

    @property
    def finite(self) -> bool:
        """True where no sample is NaN."""
        return self.holes is None

    @cached_property
    def holes(self) -> NDArray[np.bool_] | None:
        """Which rows hold a NaN, (row,) bool, or None where none does; every value is looked at."""
        if self._none or not self.shape[0]:
            return None
        reader = self._open()  # and let go: what is looked at now may not be served for long
        found = np.zeros(self.shape[0], np.bool_)
        for at in range(0, len(found), BLOCK):
            for into, block in reader.pieces(at, min(BLOCK, len(found) - at)):
                rows = slice(at + into, at + into + len(block))
                found[rows] = np.isnan(block.reshape(len(block), -1)).any(axis=1)
        return found if found.any() else None
