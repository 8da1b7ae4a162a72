"""Moments of groups that are met again and again: rows found by key, merged in place, room for more doubled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.evaluation.stimulusgroups import Key

__all__ = ["KeyedRows"]


class KeyedRows:
    """Of each key a count, a mean with its squared deviations, and further means over the same samples.

    Parameters
    ----------
    n_neurons : int
    n_further : int
        Further means.
    counted_apart : bool
        Counts differ between neurons; otherwise there is one for all.

    Examples
    --------
    >>> rows = KeyedRows(1)
    >>> for value in (1.0, 3.0):
    ...     rows.add([("cat",)], np.array([[1]]), np.array([[value]]), np.array([[0.0]]))
    >>> rows.mean, rows.m2
    (array([[2.]]), array([[2.]]))
    """

    def __init__(self, n_neurons: int, *, n_further: int = 0, counted_apart: bool = False) -> None:
        self._rows: dict[Key, int] = {}
        self._n = np.zeros((0, n_neurons if counted_apart else 1), np.int64)
        self._values = np.zeros((2 + n_further, 0, n_neurons))

    @property
    def keys(self) -> tuple[Key, ...]:
        """Keys in the order in which they were first met."""
        return tuple(self._rows)

    @property
    def n(self) -> NDArray[np.int64]:
        """Samples of each key, (key, 1) or (key, neuron)."""
        return self._n[: len(self._rows)]

    @property
    def mean(self) -> NDArray[np.float64]:
        """(key, neuron)."""
        return self._values[0, : len(self._rows)]

    @property
    def m2(self) -> NDArray[np.float64]:
        """Sum of squared deviations from the mean, (key, neuron)."""
        return self._values[1, : len(self._rows)]

    @property
    def further(self) -> NDArray[np.float64]:
        """Further means, (further, key, neuron)."""
        return self._values[2:, : len(self._rows)]

    def add(
        self,
        keys: Sequence[Key],
        n: NDArray[np.int64],
        mean: NDArray[np.float64],
        m2: NDArray[np.float64],
        *further: NDArray[np.float64],
    ) -> None:
        """Merge the moments of some keys, each of them given once.

        Raises
        ------
        BadArgument
            Keys that are of more or fewer parts than those before.
        """
        known = next(iter(self._rows), None)
        if known is not None and any(len(key) != len(known) for key in keys):
            raise BadArgument(f"ids of {len(keys[0])} parts after ids of {len(known)}", code="bad-stimulus")
        at = np.array([self._rows.setdefault(key, len(self._rows)) for key in keys], np.intp)
        self._make_room()
        n_before = self._n[at]
        n_now = n_before + n
        share = n / np.maximum(n_now, 1)
        with np.errstate(invalid="ignore", over="ignore"):
            apart = mean - self._values[0, at]
            self._values[1, at] += m2 + apart * apart * (n_before * share)
            self._values[0, at] += apart * share
            for place, means in enumerate(further, start=2):
                self._values[place, at] += (means - self._values[place, at]) * share
        self._n[at] = n_now

    def _make_room(self) -> None:
        wanted, has = len(self._rows), len(self._n)
        if wanted > has:
            # At least as much again: so often as rows come one at a time, each is moved twice at the most.
            more = max(wanted, 2 * has) - has
            self._n = np.concatenate([self._n, np.zeros((more, self._n.shape[1]), np.int64)])
            room = np.zeros((len(self._values), more, self._values.shape[2]))
            self._values = np.concatenate([self._values, room], axis=1)
