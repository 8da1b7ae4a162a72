"""Which samples answer to the same stimulus: an id for each sample, of one part or of two (film, frame)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Key", "Stimulus", "StimulusGroups", "as_columns", "grouped", "occurrences"]

# Ids of samples: (sample,), or two columns of them, (sample, 2) or a tuple of two (sample,), for films and their frames.
Stimulus: TypeAlias = "ArrayLike | tuple[ArrayLike, ...]"
Key: TypeAlias = tuple[Any, ...]

KINDS = "iufbUST"  # integers, whole or measured numbers, truth values, text


@dataclass(frozen=True, slots=True, eq=False)
class StimulusGroups:
    """Samples sorted by what they answer to, each group a run.

    Attributes
    ----------
    order : (sample,) int
        Sorts samples by group; inside a group they keep their order.
    starts : (group,) int
        Where each run begins among the sorted samples.
    counts : (group,) int
        Samples of each group.
    keys : tuple
        The id of each group, a tuple of as many parts as it has columns.
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    counts: NDArray[np.intp]
    keys: tuple[Key, ...]

    def each(self, of_groups: NDArray[Any]) -> NDArray[Any]:
        """Return what belongs to each group once for every sorted sample of it."""
        return np.repeat(of_groups, self.counts, axis=0)


def as_columns(stimulus: Stimulus, n_samples: int) -> tuple[NDArray[Any], ...]:
    """Return the parts of the ids.

    A tuple of arrays as long as there are samples is one array a part; all else is one id a sample.

    Parameters
    ----------
    stimulus : (sample,) or (sample, part) array_like, or tuple of (sample,) array_like
        Integers, text, or numbers without NaN.
    n_samples : int

    Returns
    -------
    tuple of (sample,) array

    Raises
    ------
    BadArgument
        Not one id a sample; the message says what was seen.

    Examples
    --------
    >>> as_columns((["dots", "dots"], [0, 1]), 2)
    (array(['dots', 'dots'], dtype='<U4'), array([0, 1]))
    """
    try:
        if isinstance(stimulus, tuple) and stimulus and all(np.shape(part) == (n_samples,) for part in stimulus):
            columns = tuple(_plain(part) for part in stimulus)
        else:
            ids = _plain(stimulus)
            columns = tuple(ids.T) if ids.ndim == 2 else (ids,)
    except ValueError as error:
        raise BadArgument("the ids are ragged, expected one a sample") from error
    if not columns or any(column.shape != (n_samples,) for column in columns):
        seen = ", ".join(str(column.shape) for column in columns) or "no column"
        raise BadArgument(f"ids of shape {seen}, expected {n_samples:,}, one a sample")
    for column in columns:
        if column.dtype.kind not in KINDS:
            raise BadArgument(f"ids are {column.dtype}, expected integers or text")
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise BadArgument("ids hold NaN or infinity, expected integers or text")
    return columns


def _plain(ids: object) -> NDArray[Any]:
    """Return ids as an array of numbers or text; what pandas calls objects are looked at one by one."""
    made = np.asarray(ids)
    return np.asarray(made.tolist()) if made.dtype == object else made


def grouped(columns: tuple[NDArray[Any], ...]) -> StimulusGroups:
    """Return the groups of samples whose ids are equal in all parts.

    Examples
    --------
    >>> groups = grouped((np.array([7, 3, 7]),))
    >>> groups.keys, groups.counts, groups.order
    (((3,), (7,)), array([1, 2]), array([1, 0, 2]))
    """
    codes = np.zeros(len(columns[0]), np.intp)
    for column in columns:
        known, part = np.unique(column, return_inverse=True)
        # Numbered anew after each part, so that products of counts stay small.
        codes = np.unique(codes * len(known) + part, return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    starts = np.cumsum(counts) - counts
    firsts = order[starts]
    keys = tuple(zip(*(column[firsts].tolist() for column in columns), strict=True))
    return StimulusGroups(order, starts, counts, keys)


def occurrences(groups: StimulusGroups) -> NDArray[np.intp]:
    """Return of each sample how often its stimulus was shown before, (sample,): the first presentation is 0.

    Examples
    --------
    >>> occurrences(grouped((np.array([7, 3, 7, 7, 3]),)))
    array([0, 0, 1, 2, 1])
    """
    n_before = np.empty(len(groups.order), np.intp)
    n_before[groups.order] = np.arange(len(groups.order)) - groups.each(groups.starts)
    return n_before
