"""Which starts are legal: all frames of the window lie in one run, after its burn-in, on valid data of chosen trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.windows.runs import runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.streams import Streams
    from sensorium_data.windows.asked import Asked
    from sensorium_data.windows.runs import Runs

__all__ = ["Starts", "allowed_with", "legal_starts", "needed_by", "true_runs"]


@dataclass(frozen=True, slots=True)
class Starts:
    """The legal starts of a session, as half-open runs of frames of one trial each.

    Attributes
    ----------
    runs : Runs
        The trials they were looked for in.
    trial : (entry,) int64
        Row of `runs`; ascending.
    first, stop : (entry,) int64, frames
        Of the trial.
    n_samples : (entry,) int64, frames
        Of the windows that start there.
    """

    runs: Runs
    trial: NDArray[np.int64]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    n_samples: NDArray[np.int64]


def needed_by(streams: Streams, require: Sequence[str] | None) -> dict[str, NDArray[np.bool_]]:
    """Return for each stream in which trials it is required, (trial,) bool.

    Where no stream is named, each is required wherever it is not absent by design.
    """
    if require is None:
        return {name: ~stream.absent for name, stream in streams.items()}
    return {name: np.ones_like(streams[name].absent) for name in require}


def allowed_with(streams: Streams, chosen: NDArray[np.bool_], row: int) -> NDArray[np.bool_]:
    """Return the trials that a window in a trial may rest on: the chosen ones of its tier, (trial,) bool."""
    tier = streams.handle.trials["tier"]
    allowed: NDArray[np.bool_] = chosen & (tier == tier[row])
    return allowed


def true_runs(good: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where runs of True begin and where each ends, half-open.

    Examples
    --------
    >>> first, stop = true_runs(np.array([True, True, False, True]))
    >>> first.tolist(), stop.tolist()
    ([0, 3], [2, 4])
    """
    padded = np.zeros(len(good) + 2, np.bool_)
    padded[1:-1] = good
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return edges[::2], edges[1::2]


def legal_starts(streams: Streams, chosen: NDArray[np.bool_], asked: Asked) -> Starts:
    """Return the legal starts of a session.

    Parameters
    ----------
    streams : Streams
    chosen : (trial,) bool
    asked : Asked
    """
    needed = needed_by(streams, asked.require)
    runs = runs_of(streams, chosen, needed, through=asked.within == "segment")
    reach = runs.n_frames if asked.window is None else np.minimum(runs.left, runs.n_frames + asked.window - 1)
    low = np.maximum(asked.burn_in - runs.before, 0)
    # Most trials are whole in every stream, and their starts are known for all at once.
    suspects = _suspects(streams, runs, reach, chosen, needed)
    suspect = np.logical_or.reduce([*suspects.values(), np.zeros(len(runs.rows), np.bool_)])
    high = low + 1 if asked.window is None else np.minimum(runs.n_frames, runs.left - asked.window + 1)
    if asked.window is None:
        high[low >= runs.n_frames] = 0
    plain = np.flatnonzero(~suspect & (high > low))
    found = [(plain, low[plain], high[plain])]
    for k in np.flatnonzero(suspect).tolist():
        good = _good(streams, runs, k, int(reach[k]), [n for n in suspects if suspects[n][k]], chosen, asked)
        good[: low[k]] = False
        first, stop = true_runs(good[: runs.n_frames[k]])
        found.append((np.full(len(first), k), first, stop))
    trial, first, stop = (np.concatenate(parts).astype(np.int64) for parts in zip(*found, strict=True))
    order = np.lexsort((first, trial))
    trial, first, stop = trial[order], first[order], stop[order]
    n_samples = runs.n_frames[trial] - first if asked.window is None else np.full(len(trial), asked.window)
    return Starts(runs, trial, first, stop, n_samples.astype(np.int64))


def _suspects(
    streams: Streams,
    runs: Runs,
    reach: NDArray[np.int64],
    chosen: NDArray[np.bool_],
    needed: dict[str, NDArray[np.bool_]],
) -> dict[str, NDArray[np.bool_]]:
    """Return for each stream the trials whose windows may meet a frame that is not usable, (k,) bool.

    What is whole in every trial that the windows go through needs no second look, if these trials' clocks are one.
    """
    within = np.cumsum(runs.n_frames) - runs.n_frames
    last = np.maximum(np.searchsorted(within, within + reach, side="left") - 1, np.arange(len(runs.rows)))
    tiers = list(_tiers(streams, chosen))
    breaks = _counted_before(~runs.joined)
    broken = breaks[last + 1] > breaks[np.arange(len(runs.rows)) + 1]
    suspects = {}
    for name, need in needed.items():
        required = need[runs.rows]
        doubtful = np.zeros(len(runs.rows), np.bool_)
        for allowed in tiers:
            whole = streams[name].whole(allowed)
            doubtful |= allowed[runs.rows] & (True if whole is None else ~whole[runs.rows])
        before = _counted_before(doubtful & required)
        suspects[name] = required & (broken | (before[last + 1] > before[:-1]))
    return suspects


def _tiers(streams: Streams, chosen: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    tier = streams.handle.trials["tier"]
    names = np.unique(tier[chosen])
    for name in names:
        yield chosen if len(names) == 1 else chosen & (tier == name)


def _counted_before(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(flags)])


def _good(
    streams: Streams, runs: Runs, trial: int, reach: int, names: Sequence[str], chosen: NDArray[np.bool_], asked: Asked
) -> NDArray[np.bool_]:
    """Return which of the first frames of a trial begin a window of usable frames."""
    row = int(runs.rows[trial])
    allowed = allowed_with(streams, chosen, row)
    usable = [streams[name].usable(row, reach, allowed) for name in names]
    if asked.window is None:
        good = np.zeros(reach, np.bool_)
        good[asked.burn_in : asked.burn_in + 1] = all(bool(each[asked.burn_in :].any()) for each in usable)
        return good
    if reach < asked.window:
        return np.zeros(0, np.bool_)
    before = _counted_before(np.logical_and.reduce(usable))
    good = before[asked.window :] - before[: -asked.window] == asked.window
    return np.asarray(good)
