"""The statistics that are published with a recording of images: over pixels and trials at once, or over trials.

Grey levels are counted while the pictures are written: 5,000 of them are too large to sort.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.testing.statistics2023 import measures_over_trials

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["GreyLevels", "measures_by_blocks", "write_statistics"]

STEPS = 4  # a fractional picture has quarters of a level
TOP = 255
BLOCK_BYTES = 32 << 20


class GreyLevels:
    """How often each quarter of a grey level occurs in the pictures that were added.

    Examples
    --------
    >>> levels = GreyLevels()
    >>> levels.add(np.array([[0.0, 1.0], [1.25, 255.0]]))
    >>> levels.measures()["median"].tolist()
    1.125
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = np.zeros(TOP * STEPS + 1, np.int64)

    def add(self, picture: NDArray[Any]) -> None:
        """Count the pixels of a picture of any shape, in quarters of a grey level from 0 to 255."""
        steps = np.rint(picture.ravel() * STEPS).astype(np.int64)
        self._counts += np.bincount(steps, minlength=len(self._counts))

    def measures(self) -> dict[str, NDArray[np.float32]]:
        """Return mean, std, min, max and median, each of shape ()."""
        levels, n = np.arange(len(self._counts)) / STEPS, int(self._counts.sum())
        mean = float(levels @ self._counts) / n
        up_to = np.cumsum(self._counts)
        low, high = levels[np.searchsorted(up_to, [(n - 1) // 2, n // 2], side="right")]
        found = {
            "mean": mean,
            "std": np.sqrt((levels - mean) ** 2 @ self._counts / n),
            "min": levels[self._counts > 0][0],
            "max": levels[self._counts > 0][-1],
            "median": (low + high) / 2,
        }
        return {name: np.asarray(value, np.float32) for name, value in found.items()}


def measures_by_blocks(trials: Sequence[NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    """Return mean, std, min, max and median over trials, NaN left out, some columns at a time.

    Parameters
    ----------
    trials : sequence of (…, column) float32, all of one shape

    Returns
    -------
    dict of (…, column) float32
    """
    n_columns = trials[0].shape[-1]
    width = max(1, BLOCK_BYTES // (8 * len(trials)))
    blocks = [
        measures_over_trials(np.stack([trial[..., start : start + width] for trial in trials]))
        for start in range(0, n_columns, width)
    ]
    return {name: np.concatenate([block[name] for block in blocks], axis=-1) for name in blocks[0]}


def write_statistics(folder: Path, stream: str, measures: Mapping[str, NDArray[Any]]) -> None:
    """Write `meta/statistics/<stream>/{all,stimulus_frame}/*.npy`.

    Parameters
    ----------
    folder : Path
        The recording.
    stream : str
        `images`, `responses`, `behavior` or `pupil_center`.
    measures : mapping of str to array
        The same in both folders: every trial shows a frame.
    """
    for trials in ("all", "stimulus_frame"):
        where = folder / "meta" / "statistics" / stream / trials
        where.mkdir(parents=True)
        for name, values in measures.items():
            np.save(where / f"{name}.npy", values)
