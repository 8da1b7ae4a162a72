"""The definitions of the scores, one neuron and one sample at a time, and random recordings to hold them against.

Written from the formats page and the papers, with loops and textbook formulas, and nothing of the package in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

EPS = 1e-8


@dataclass(frozen=True)
class Recorded:
    """Responses and predictions, (sample, neuron), and what each sample answers to."""

    responses: NDArray[Any]
    predictions: NDArray[Any]
    stimulus: NDArray[Any]


# Quarters of small integers: sums and means of a few are exact, so what is constant is constant to the bit in any order.
NUMBERS = st.integers(-8, 400).map(lambda n: n / 4)


@st.composite
def recordings(draw: st.DrawFn, *, least: int = 1, most: int = 5) -> Recorded:
    """Return a recording of ragged repeats in random order; some neurons are constant."""
    counts = draw(st.lists(st.integers(least, most), min_size=1, max_size=5))
    stimulus = np.repeat(np.arange(len(counts)) * 3, counts)
    stimulus = stimulus[draw(st.permutations(range(len(stimulus))))]
    n_neurons = draw(st.integers(1, 3))
    shape = (len(stimulus), n_neurons)
    values = st.lists(NUMBERS, min_size=math.prod(shape), max_size=math.prod(shape))
    responses, predictions = (np.array(draw(values)).reshape(shape) for _ in range(2))
    for array in (responses, predictions):
        if draw(st.booleans()):
            array[:, draw(st.integers(0, n_neurons - 1))] = 0.1  # no sum of tenths is exact
    return Recorded(responses, predictions, stimulus)


def each_neuron(score: Callable[..., float], recorded: Recorded, *, alone: bool = False) -> NDArray[np.float64]:
    """Return a score of each neuron: of lists of responses, predictions unless alone, and ids."""
    ids = recorded.stimulus.tolist()
    columns = zip(recorded.responses.T.tolist(), recorded.predictions.T.tolist(), strict=True)
    return np.array([score(x, ids) if alone else score(x, y, ids) for x, y in columns])


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def variance(values: list[float], ddof: int) -> float:
    if len(values) <= ddof:
        return math.nan
    centre = values[0] + mean([value - values[0] for value in values])
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - ddof)


def repeats(values: list[float], ids: list[Any]) -> list[list[float]]:
    return [[value for value, its in zip(values, ids, strict=True) if its == one] for one in sorted(set(ids))]


def correlated(x: list[float], y: list[float]) -> float:
    std_x, std_y = math.sqrt(variance(x, 0)) + EPS, math.sqrt(variance(y, 0)) + EPS
    mean_x, mean_y = mean(x), mean(y)
    return mean([(a - mean_x) / std_x * (b - mean_y) / std_y for a, b in zip(x, y, strict=True)])


def correlation(x: list[float], y: list[float], ids: list[Any]) -> float:
    return correlated(x, y)


def correlation_to_average(x: list[float], y: list[float], ids: list[Any]) -> float:
    return correlated([mean(part) for part in repeats(x, ids)], [mean(part) for part in repeats(y, ids)])


def total_and_noise(x: list[float], ids: list[Any]) -> tuple[float, float]:
    within = [variance(part, 1) for part in repeats(x, ids)]
    return variance(x, 1), mean(within)


def explainable_variance(x: list[float], ids: list[Any]) -> float:
    total, noise = total_and_noise(x, ids)
    return (total - noise) / (total + 1e-9)


def feve(x: list[float], y: list[float], ids: list[Any]) -> float:
    total, noise = total_and_noise(x, ids)
    error = mean([(a - b) ** 2 for a, b in zip(x, y, strict=True)])
    if not total > 0 or not (total - noise) / total >= 0.15:
        return math.nan
    return 1 - (error - noise) / (total - noise)


def near_threshold(x: list[float], ids: list[Any]) -> float:
    total, noise = total_and_noise(x, ids)
    return abs((total - noise) / total - 0.15) if total > 0 else 1.0


def oracle_jackknife(x: list[float], ids: list[Any]) -> float:
    recorded, predicted = [], []
    for part in repeats(x, ids):
        for place, value in enumerate(part):
            others = part[:place] + part[place + 1 :]
            recorded.append(value)
            predicted.append(mean(others) if others else 0.0)
    return correlated(recorded, predicted)


def oracle_conservative(x: list[float], ids: list[Any]) -> float:
    parts = repeats(x, ids)
    signal = variance([mean(part) for part in parts], 0)
    noise = mean([variance(part, 0) for part in parts])
    # Means of tenths differ in the last bit: 0 is meant.
    return signal / math.sqrt(signal * (signal + noise)) if signal > 1e-25 else math.nan


def signal_to_noise(x: list[float], ids: list[Any]) -> float:
    parts = repeats([2 * math.sqrt(value + 3 / 8) if value >= -3 / 8 else math.nan for value in x], ids)
    signal, noise = variance([mean(part) for part in parts], 0), mean([variance(part, 1) for part in parts])
    if noise == 0:
        return math.inf if signal > 0 else math.nan
    return signal / noise


def poisson_loss(x: list[float], y: list[float], ids: list[Any]) -> float:
    return mean([b - a * math.log(b + EPS) if b + EPS > 0 else math.nan for a, b in zip(x, y, strict=True)])


def normalized_correlation(x: list[float], y: list[float], ids: list[Any]) -> float:
    """Schoppe et al. 2016, eq. for the signal power, with the k-th response to each stimulus as the k-th repeat."""
    parts, predicted = repeats(x, ids), [mean(part) for part in repeats(y, ids)]
    n = len(parts[0])
    rows = [[part[k] for part in parts] for k in range(n)]  # (repeat, stimulus)
    summed = [math.fsum(part) for part in parts]
    power = (variance(summed, 1) - math.fsum(variance(row, 1) for row in rows)) / (n * (n - 1))
    means = [value / n for value in summed]
    pairs = zip(means, predicted, strict=True)
    covariance = math.fsum((a - mean(means)) * (b - mean(predicted)) for a, b in pairs) / (len(means) - 1)
    if not power > 1e-4:
        return math.nan
    return covariance / (math.sqrt(variance(predicted, 1) * power) + EPS)
