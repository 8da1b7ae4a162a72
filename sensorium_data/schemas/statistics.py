"""Statistics: the ones that were published, untouched, and the store's own, each with its definition."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sensorium_data.schemas.base import Document, Name, NonNegative, Text

__all__ = ["Measure", "Statistic"]

Measure = Literal["mean", "std", "min", "max", "median", "n"]


class Statistic(Document):
    """A set of measures of one signal.

    ``origin`` is ``source`` for arrays shipped with the recording (kept as they are) and ``train`` for the store's own:
    over the valid samples of the train tier, one number a channel, accumulated in float64, population standard
    deviation (ddof 0), NaN and infinity left out.
    """

    signal: Name
    origin: Literal["source", "train"]
    measures: tuple[Name, ...]
    dims: tuple[Name, ...]
    definition: Text
    n_trials: NonNegative | None = Field(default=None, description="trials that went in, where it is known")
