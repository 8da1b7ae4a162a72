"""The statistics that are published with a recording: over trials, one number for every element of every sample.

They are computed from the files of the training trials, some rows of all of them at a time: at 8,000 neurons the trials
together are too large for memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["measures_over_trials", "write_statistics"]

BLOCK_BYTES = 32 << 20


def measures_over_trials(trials: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return mean, std, min, max and median over trials, NaN left out.

    Parameters
    ----------
    trials : (trial, …) float

    Returns
    -------
    dict of (…) arrays of the same dtype
        NaN where every trial is NaN; the standard deviation is that of the population (ddof 0).

    Examples
    --------
    >>> {name: float(value[0]) for name, value in measures_over_trials(np.array([[1.0], [np.nan], [4.0]])).items()}
    {'mean': 2.5, 'std': 1.5, 'min': 1.0, 'max': 4.0, 'median': 2.5}
    """
    ordered = np.sort(trials.astype(np.float64), axis=0)  # NaN goes last
    count = (~np.isnan(ordered)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean = np.nansum(ordered, axis=0) / count
        std = np.sqrt(np.nansum((ordered - mean) ** 2, axis=0) / count)
    std[count == 0] = np.nan
    picks = (np.maximum(count - 1, 0) // 2, count // 2)
    low, high = (np.take_along_axis(ordered, np.minimum(at, len(ordered) - 1)[None], axis=0)[0] for at in picks)
    last = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None], axis=0)[0]
    found = {"mean": mean, "std": std, "min": ordered[0], "max": last, "median": (low + high) / 2}
    return {name: value.astype(trials.dtype) for name, value in found.items()}


def write_statistics(folder: Path, stream: str, trial_ids: Sequence[int], n_valid: int) -> None:
    """Write `meta/statistics/<stream>/all/*.npy` of a recording whose trials are written.

    Parameters
    ----------
    folder : Path
        The recording.
    stream : str
        `videos`, `responses`, `behavior` or `pupil_center`.
    trial_ids : sequence of int
        The training trials.
    n_valid : int, samples
        How long those last; from there on the statistics are NaN.
    """
    files = [folder / "data" / stream / f"{i}.npy" for i in trial_ids]
    first = np.load(files[0], mmap_mode="r")
    shape, dtype = first.shape, first.dtype
    whole: dict[str, NDArray[Any]] = {}
    n_rows = max(1, BLOCK_BYTES // (8 * len(files) * int(np.prod(shape[1:]))))
    for start in range(0, shape[0], n_rows):
        rows = np.s_[start : start + n_rows, ..., :n_valid]
        # Mapped anew for each block: what a mapping has read once stays in memory as long as the mapping does.
        block = np.stack([np.load(file, mmap_mode="r")[rows] for file in files])
        for name, values in measures_over_trials(block).items():
            whole.setdefault(name, np.full(shape, np.nan, dtype))[rows] = values
    where = folder / "meta" / "statistics" / stream / "all"
    where.mkdir(parents=True)
    for name, values in whole.items():
        np.save(where / f"{name}.npy", values)
