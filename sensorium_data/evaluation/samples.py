"""What every metric takes, (sample, neuron) and an id a sample, checked together: all that is wrong is said at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from sensorium_data.errors import BadArgument, Problem, counted, near_miss
from sensorium_data.evaluation.stimulusgroups import Stimulus, StimulusGroups, as_columns, grouped

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["NanPolicy", "Samples", "blocks_of", "checked", "known_policy", "refuse_eps"]

# NaN makes the neuron's score NaN, as in the published code; or leaves the sample out for that neuron; or is refused.
NanPolicy: TypeAlias = Literal["propagate", "omit", "raise"]
Test: TypeAlias = Callable[["NDArray[Any]"], "NDArray[np.bool_]"]

AT_ONCE = 1 << 19  # numbers that are made float64 at once, 4 MB, instead of a copy of everything
LEAST_WIDE = 64  # neurons, the same for very many samples: short rows of a block are slow to read
ROWS = 1 << 20  # numbers looked at together in search of infinity


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Checked arrays.

    Attributes
    ----------
    responses : (sample, neuron)
    predictions : (sample, neuron)
        The responses once more where a metric has no predictions.
    columns : tuple of (sample,)
        The parts of the ids; none where there are no ids.
    """

    responses: NDArray[Any]
    predictions: NDArray[Any]
    columns: tuple[NDArray[Any], ...]

    @property
    def groups(self) -> StimulusGroups:
        """The samples by stimulus."""
        return grouped(self.columns)

    def __getitem__(self, samples: NDArray[Any]) -> Samples:
        """Return some of the samples."""
        columns = tuple(column[samples] for column in self.columns)
        return Samples(self.responses[samples], self.predictions[samples], columns)


def blocks_of(n_samples: int, n_neurons: int) -> list[slice]:
    """Return runs of neurons that are worked on one after the other, so that float64 copies stay small."""
    width = max(LEAST_WIDE, AT_ONCE // max(1, n_samples))
    return [slice(start, start + width) for start in range(0, n_neurons, width)]


def refuse_eps(eps: float) -> None:
    """Refuse what cannot be added to a deviation."""
    if not 0 <= eps < np.inf:
        raise BadArgument(f"eps is {eps!r}, expected a number of 0 or more", code="bad-eps")


def known_policy(nan: str) -> None:
    """Refuse a policy for NaN that there is none of."""
    if nan not in get_args(NanPolicy):
        raise BadArgument(f"nan is {nan!r}", hint=near_miss(str(nan), get_args(NanPolicy)), code="bad-policy")


def checked(
    what: str,
    responses: ArrayLike,
    predictions: ArrayLike | None = None,
    *,
    stimulus: Stimulus | None = None,
    repeats: bool = False,
    nan: NanPolicy = "propagate",
) -> Samples:
    """Return what a metric was given, as arrays that fit together.

    Parameters
    ----------
    what : str
        The metric, for messages.
    responses, predictions : (sample, neuron) array_like
        Numbers of any kind; finite, or NaN.
    stimulus : (sample,) or (sample, 2) array_like, or tuple of two (sample,) array_like, optional
    repeats : bool
        The metric needs the ids.
    nan : {"propagate", "omit", "raise"}

    Raises
    ------
    BadArgument
        Its problems are all that is wrong: shapes, kinds, lengths, infinite values, ids; NaN where it is refused; or
        there is no such policy.

    Examples
    --------
    >>> checked("correlation", [[1.0], [2.0]], [[1.0], [2.0], [np.inf]])
    Traceback (most recent call last):
    sensorium_data.errors.BadArgument: correlation cannot be computed from what was given
      predictions: 1 infinite value, the first is sample 2 of neuron 0 [infinite]
      predictions: shape (3, 1), expected that of the responses, (2, 1) [bad-shape]
    """
    known_policy(nan)
    refuse_nan = nan == "raise"
    problems: list[Problem] = []
    first = _array("responses", responses, problems, refuse_nan=refuse_nan)
    second = first if predictions is None else _array("predictions", predictions, problems, refuse_nan=refuse_nan)
    if first is not None and second is not None and first.shape != second.shape:
        what_seen = f"shape {second.shape}, expected that of the responses, {first.shape}"
        problems.append(Problem("bad-shape", "predictions", what_seen))
    columns: tuple[NDArray[Any], ...] = ()
    if stimulus is not None and first is not None:
        try:
            columns = as_columns(stimulus, len(first))
        except BadArgument as error:
            problems.append(Problem("bad-stimulus", "stimulus", error.message))
    elif stimulus is None and repeats:
        problems.append(Problem("no-stimulus", "stimulus", "missing, expected an id a sample: equal ids are repeats"))
    if problems or first is None or second is None:
        message = f"{what} cannot be computed from what was given"
        raise BadArgument(message, problems=problems, code="bad-samples", hint=HINT if _flat(problems) else "")
    return Samples(first, second, columns)


HINT = "arrays are (sample, neuron); one neuron is `values[:, None]`, trials of films are laid end to end"


def _flat(problems: list[Problem]) -> bool:
    return any(problem.code == "bad-shape" for problem in problems)


def _array(name: str, values: ArrayLike, problems: list[Problem], *, refuse_nan: bool) -> NDArray[Any] | None:
    """Return numbers (sample, neuron), or None where they are none; what is wrong is added to the problems."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError):
        problems.append(Problem("bad-shape", name, "ragged, expected (sample, neuron)"))
        return None
    if array.dtype.kind not in "fiub":
        problems.append(Problem("bad-dtype", name, f"{array.dtype}, expected real numbers"))
        return None
    if array.ndim != 2 or not array.size:
        problems.append(
            Problem("bad-shape", name, f"shape {array.shape}, expected (sample, neuron), neither of them 0")
        )
        return None
    if array.dtype.kind == "f":
        _look(name, array, np.isinf, "infinite", problems)
        if refuse_nan:
            _look(name, array, np.isnan, "NaN", problems)
    return array


def _look(name: str, values: NDArray[Any], test: Test, word: str, problems: list[Problem]) -> None:
    step = max(1, ROWS // values.shape[1])
    n, first = 0, ""
    for start in range(0, len(values), step):
        found = test(values[start : start + step])
        n_here = int(np.count_nonzero(found))
        if n_here and not n:
            sample, neuron = np.unravel_index(int(found.argmax()), found.shape)
            first = f"sample {start + int(sample):,} of neuron {int(neuron):,}"
        n += n_here
    if n:
        what = f"{counted(n, f'{word} value')}, the first is {first}"
        problems.append(Problem(word.lower(), name, what))
