"""A score of each film on its own, averaged over films: how ViV1T scores what was shown more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.errors import BadArgument
from sensorium_data.evaluation.stimulusgroups import grouped
from sensorium_data.evaluation.stimulussums import average_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sensorium_data.evaluation.samples import Samples

__all__ = ["averaged_over_films"]


def averaged_over_films(
    samples: Samples, score: Callable[[Samples], NDArray[np.float64]], *, omit: bool
) -> NDArray[np.float64]:
    """Return the mean score of the films that were shown at least twice, NaN where there is none.

    Parameters
    ----------
    samples : Samples
        Their ids are (film, frame).
    score : callable
        Of the samples of one film, to (neuron,).
    omit : bool
        Leave out films without a score.

    Raises
    ------
    BadArgument
        The ids have no part that names the frame.
    """
    if len(samples.columns) < 2:
        message = "`per_film` needs ids of two parts, (film, frame)"
        raise BadArgument(message, hint="pass `stimulus=(films, frames)`", code="bad-stimulus")
    films = grouped(samples.columns[:1])
    parts = (samples[run] for run in np.split(films.order, films.starts[1:]))
    scores = [score(part) for part in parts if part.groups.counts.max() > 1]
    if not scores:
        return np.full(samples.responses.shape[1], np.nan)
    return average_over(np.stack(scores), omit=omit)
