"""What is known of the streams of a session: mean, spread, extremes, and how many values went in."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sensorium_data.moments import Moments

__all__ = ["Measures", "SessionStatistics"]


@dataclass(frozen=True, slots=True)
class Measures:
    """What is known of a stream, each of the shape of its channels: (neuron,), (channel,) or (); of a film ().

    Attributes
    ----------
    mean, std, min, max : float64
        The population's standard deviation (ddof 0). NaN where nothing was seen.
    n : int64
        Values that went in: neither NaN nor infinite.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    n: NDArray[np.int64]

    @classmethod
    def of(cls, moments: Moments, shape: tuple[int, ...]) -> Measures:
        """Return what moments say, of the shape of the channels."""
        return cls(**{name: np.reshape(values, shape) for name, values in moments.measures().items()})

    @classmethod
    def nothing(cls, shape: tuple[int, ...]) -> Measures:
        """Return what is known of a stream that was never seen."""
        mean, std, low, high = (np.full(shape, np.nan) for _ in range(4))
        return cls(mean, std, low, high, np.zeros(shape, np.int64))

    def __getitem__(self, channels: NDArray[np.int64]) -> Measures:
        """Return the measures of some channels."""
        return Measures(*(getattr(self, part.name)[channels] for part in fields(self)))


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """The statistics of one session.

    Attributes
    ----------
    digest : str
        Tells the recording.
    n_trials : int
        Trials that went in.
    rows : (neuron,) int64 or None
        Of the neuron table, where not all of it went in.
    streams : mapping of str to Measures
    """

    digest: str
    n_trials: int
    rows: NDArray[np.int64] | None
    streams: Mapping[str, Measures]
