"""Statistics as JSON: every number to the last bit, and what it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from sensorium_data.loaders.measures import Measures, SessionStatistics
from sensorium_data.schemas.base import Digest, Document, Name, NonNegative, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["StatisticsFile"]

Numbers = tuple[float | None, ...]  # None where nothing was seen: JSON has no NaN
MEASURED = ("mean", "std", "min", "max")


class _Measures(Document):
    shape: tuple[NonNegative, ...]
    mean: Numbers
    std: Numbers
    min: Numbers
    max: Numbers
    n: tuple[NonNegative, ...]

    @classmethod
    def of(cls, known: Measures) -> _Measures:
        numbers = {name: _numbers(getattr(known, name)) for name in MEASURED}
        return cls(shape=known.n.shape, n=tuple(known.n.ravel().tolist()), **numbers)

    def value(self) -> Measures:
        """Return the measures.

        Raises
        ------
        ValueError
            Not as many numbers as the shape says.
        """
        arrays = {name: np.array(getattr(self, name), np.float64).reshape(self.shape) for name in MEASURED}
        return Measures(**arrays, n=np.array(self.n, np.int64).reshape(self.shape))


def _numbers(values: NDArray[np.float64]) -> Numbers:
    return tuple(None if np.isnan(value) else value for value in values.ravel().tolist())


class _Session(Document):
    digest: Digest = Field(description="tells the recording")
    n_trials: NonNegative
    rows: tuple[NonNegative, ...] | None = Field(description="of the neuron table, where not all of it went in")
    streams: dict[Name, _Measures]

    @classmethod
    def of(cls, session: SessionStatistics) -> _Session:
        rows = None if session.rows is None else tuple(session.rows.tolist())
        streams = {name: _Measures.of(known) for name, known in session.streams.items()}
        return cls(digest=session.digest, n_trials=session.n_trials, rows=rows, streams=streams)

    def value(self) -> SessionStatistics:
        rows = None if self.rows is None else np.array(self.rows, np.int64)
        streams = {name: known.value() for name, known in self.streams.items()}
        return SessionStatistics(self.digest, self.n_trials, rows, streams)


class StatisticsFile(Document):
    """What a file of statistics says."""

    format: Literal["sensorium-data statistics"] = "sensorium-data statistics"
    version: Literal[1] = 1
    definition: Text
    tier: Text = Field(description="the trials that went in, as they were asked for")
    sessions: dict[Name, _Session]

    @classmethod
    def of(cls, definition: str, tier: str, sessions: Mapping[str, SessionStatistics]) -> StatisticsFile:
        """Return the document of statistics."""
        return cls(definition=definition, tier=tier, sessions={key: _Session.of(one) for key, one in sessions.items()})

    def values(self) -> dict[str, SessionStatistics]:
        """Return the statistics of each session.

        Raises
        ------
        ValueError
            Some have not as many numbers as their shape says.
        """
        return {key: one.value() for key, one in self.sessions.items()}
