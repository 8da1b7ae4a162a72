"""One number from the scores of many neurons: every neuron the same weight, or every mouse, and what becomes of NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from sensorium_data.errors import BadArgument, Problem, counted, near_miss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["MeanScore", "ScoreNan", "Weighting", "mean_score"]

Weighting: TypeAlias = Literal["neuron", "mouse"]
# NaN counts as 0, as where the published code averages correlations; makes the mean NaN; is left out, as neurons without
# a FEVE are; or is refused.
ScoreNan: TypeAlias = Literal["zero", "keep", "omit", "raise"]


class MeanScore(NamedTuple):
    """A mean over neurons, and how many of them had no score.

    Attributes
    ----------
    value : float
    n_neurons : int
        All that were given.
    n_nan : int
        Of these, how many are NaN.
    note : str
        What became of NaN, empty where there was none.
    """

    value: float
    n_neurons: int
    n_nan: int
    note: str


def mean_score(
    scores: Mapping[str, ArrayLike], *, weighting: Weighting = "neuron", nan: ScoreNan = "zero"
) -> MeanScore:
    """Mean score of all neurons of some sessions.

    Parameters
    ----------
    scores : mapping of session to (neuron,) array_like
    weighting : {"neuron", "mouse"}
        "neuron" pools the neurons of all sessions, as the official scores do; "mouse" is the mean over sessions of each
        session's mean. They differ by as much as the numbers of neurons do.
    nan : {"zero", "keep", "omit", "raise"}
        A neuron without a score: counts as 0; makes the mean NaN; is left out, and so is a session where none is left;
        or is refused.

    Returns
    -------
    MeanScore
        NaN where nothing is left.

    Raises
    ------
    BadArgument
        No session, scores that are no (neuron,) numbers or hold infinity, NaN where it is refused, or no such option.

    Notes
    -----
    Sensorium 2023, scores: NaN set to 0, neurons of all mice stacked. The first and third entries of 2023 averaged over
    mice. The official FEVE of 2022 leaves neurons out: ``nan="omit"``.

    Examples
    --------
    >>> scores = {"one": [0.1, 0.3, float("nan")], "two": [0.5]}
    >>> mean_score(scores).value, mean_score(scores, weighting="mouse", nan="omit").value
    (0.225, 0.35)
    >>> mean_score(scores).note
    '1 neuron of 4 without a score counts as 0'
    """
    _check_options(weighting, nan)
    arrays = _arrays(scores)
    n_nan = sum(int(np.isnan(values).sum()) for values in arrays.values())
    n_neurons = sum(map(len, arrays.values()))
    if n_nan and nan == "raise":
        problems = [
            Problem("nan", session, f"{counted(n, 'neuron')} of {len(values):,} without a score")
            for session, values in arrays.items()
            if (n := int(np.isnan(values).sum()))
        ]
        raise BadArgument("neurons have no score", problems=problems, code="nan-scores")
    parts = [_treated(values, nan) for values in arrays.values()]
    if weighting == "neuron":
        parts = [np.concatenate(parts)]
    means = [float(part.mean()) for part in parts if part.size]
    value = float(np.mean(means)) if means else float("nan")
    return MeanScore(value, n_neurons, n_nan, _note(n_nan, n_neurons, nan))


def _treated(values: NDArray[np.float64], nan: ScoreNan) -> NDArray[np.float64]:
    if nan == "zero":
        return np.where(np.isnan(values), 0, values)
    return values[~np.isnan(values)] if nan == "omit" else values


def _note(n_nan: int, n_neurons: int, nan: ScoreNan) -> str:
    if not n_nan:
        return ""
    fate = {"zero": "counts as 0", "omit": "is left out"}.get(nan, "makes the mean NaN")
    if n_nan > 1:
        fate = {"zero": "count as 0", "omit": "are left out"}.get(nan, "make the mean NaN")
    return f"{counted(n_nan, 'neuron')} of {n_neurons:,} without a score {fate}"


def _check_options(weighting: str, nan: str) -> None:
    for name, value, known in (("weighting", weighting, get_args(Weighting)), ("nan", nan, get_args(ScoreNan))):
        if value not in known:
            raise BadArgument(f"{name} is {value!r}", hint=near_miss(str(value), known), code="bad-option")


def _arrays(scores: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    problems: list[Problem] = []
    arrays: dict[str, NDArray[np.float64]] = {}
    for session, values in scores.items():
        array = np.asarray(values)
        if array.ndim != 1 or not array.size or array.dtype.kind not in "fiu":
            what = f"{array.dtype} of shape {array.shape}, expected numbers (neuron,)"
            problems.append(Problem("bad-shape", session, what))
        elif np.isinf(array).any():
            problems.append(Problem("infinite", session, "a score is infinite"))
        else:
            arrays[session] = array.astype(np.float64)
    if problems or not arrays:
        message = "scores have no mean" if problems else "no session has scores"
        raise BadArgument(message, problems=problems, code="bad-scores")
    return arrays
