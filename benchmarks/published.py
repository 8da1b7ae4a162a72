"""The published way to a batch of 2023: every trial's files loaded whole, normalised frame by frame, and then cut.

The same steps in the same order as the official loader takes, in our own words: read, normalise, take the neurons
(all of them), cut where the first stream ends, take the window, put behaviour beside the film as planes, make float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Published"]

Floats: TypeAlias = NDArray[np.floating[Any]]

STREAMS = ("videos", "responses", "behavior", "pupil_center")


class Published:
    """A recording in the published layout, read window by window.

    Parameters
    ----------
    root : Path
    n_samples : int
        Of a window.
    """

    def __init__(self, root: Path, n_samples: int) -> None:
        self._data, self._n_samples = root / "data", n_samples
        self._mean = {name: self._statistic(root, name, "mean") for name in ("videos", "pupil_center")}
        std = {name: self._statistic(root, name, "std") for name in STREAMS}
        threshold = 0.01 * np.nanmean(std["responses"])
        std["responses"] = np.where(std["responses"] > threshold, std["responses"], threshold)
        self._gain = {name: 1 / values for name, values in std.items()}

    @staticmethod
    def _statistic(root: Path, stream: str, measure: str) -> Floats:
        values: Floats = np.load(root / "meta" / "statistics" / stream / "all" / f"{measure}.npy")
        return values

    def window(self, trial_id: int, start_frame: int) -> dict[str, Floats]:
        """Return one window: videos (channel, time, y, x), all others (channel, time), float32."""
        whole = {name: self._normalised(name, trial_id) for name in STREAMS}
        whole["responses"] = whole["responses"][np.arange(len(whole["responses"]))]
        n_valid = min(_until_nan(values) for values in whole.values())
        stop = start_frame + self._n_samples
        cut = {name: values[..., :n_valid][..., start_frame:stop] for name, values in whole.items()}
        film = np.moveaxis(cut.pop("videos"), -1, 0)[None]  # (1, time, y, x)
        planes = np.broadcast_to(cut["behavior"][:, :, None, None], (2, *film.shape[1:]))
        cut = {"videos": np.concatenate([film, planes]), **cut}
        return {name: values.astype(np.float32) for name, values in cut.items()}

    def _normalised(self, stream: str, trial_id: int) -> Floats:
        values: Floats = np.load(self._data / stream / f"{trial_id}.npy")
        if stream in self._mean:
            values = values - self._mean[stream]
        return values * self._gain[stream]

    def batch(self, windows: Sequence[tuple[int, int]]) -> dict[str, Floats]:
        """Return several windows, (trial id, start frame) each, stacked."""
        items = [self.window(trial_id, start_frame) for trial_id, start_frame in windows]
        return {name: np.stack([item[name] for item in items]) for name in STREAMS}


def _until_nan(values: Floats) -> int:
    """Return the frames before the first that holds a NaN."""
    bad = np.isnan(values).any(axis=tuple(range(values.ndim - 1)))
    return int(np.argmax(bad)) if bad.any() else values.shape[-1]
