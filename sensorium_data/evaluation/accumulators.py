"""The same scores from parts: trial by trial, and over ranks, without ever holding all of them.

An accumulator is updated with samples, merged with others in any order, turned into plain arrays for another process and
back, and asked for its value, which is that of the function on everything at once up to rounding (1e-10 and better).
Each holds a few numbers a neuron, however many samples it has seen. Those for repeated stimuli, which hold as many for
each stimulus, are in `repeataccumulator`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from sensorium_data.errors import BadArgument
from sensorium_data.evaluation.correlations import EPS
from sensorium_data.evaluation.likelihood import Reduction, check_options, losses_of, reduced
from sensorium_data.evaluation.pairmoments import Means, PairMoments
from sensorium_data.evaluation.samples import NanPolicy, Samples, checked, known_policy, refuse_eps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.evaluation.stimulusgroups import Stimulus

__all__ = ["CorrelationAccumulator", "PoissonAccumulator", "TrialCorrelationAccumulator"]

PartT = TypeVar("PartT", PairMoments, Means)


class _Accumulator(ABC, Generic[PartT]):
    """Moments that are merged, and the options of the score."""

    what: ClassVar[str]
    _kind: ClassVar[type[Any]]
    _option_names: ClassVar[tuple[str, ...]] = ("eps", "nan")

    def __init__(self, options: Mapping[str, object]) -> None:
        self._options = dict(options)
        self._part: PartT | None = None

    @property
    def n_neurons(self) -> int:
        """Neurons, 0 before the first update."""
        return 0 if self._part is None else len(self._part.n)

    def update(self, responses: ArrayLike, predictions: ArrayLike, *, stimulus: Stimulus | None = None) -> None:
        """Take in samples.

        Parameters
        ----------
        responses, predictions : (sample, neuron) array_like
        stimulus : (sample,) or (sample, 2) array_like, optional
            Checked, and of no effect.

        Raises
        ------
        BadArgument
            Arrays that do not fit together, are empty or hold infinity, or have other neurons than those before.
            Nothing has been taken in.
        """
        nan: Any = self._options["nan"]
        samples = checked(self.what, responses, predictions, stimulus=stimulus, nan=nan)
        self._take(self._of(samples, omit=nan == "omit"))

    def merge(self, other: Self) -> Self:
        """Take in all that another has seen, and return self; the other stays as it is.

        Raises
        ------
        BadArgument
            Another kind, other options or other neurons.
        """
        if type(self) is not type(other) or self._options != other._options:
            mine, its = (f"{type(one).__name__} {one._options}" for one in (self, other))
            raise BadArgument(f"{mine} cannot be merged with {its}", code="bad-merge")
        if other._part is not None:
            self._take(other._part)
        return self

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything as plain arrays, options among them, to be gathered from other processes or saved."""
        options = {name: np.asarray(value) for name, value in self._options.items()}
        part = {} if self._part is None else {field.name: getattr(self._part, field.name) for field in self._fields()}
        return options | {name: values.copy() for name, values in part.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, ArrayLike]) -> Self:
        """Return the accumulator that a state was taken from.

        Raises
        ------
        BadArgument
            The arrays are not those of such an accumulator.
        """
        known = {name: np.asarray(value) for name, value in state.items()}
        names, options = {field.name for field in cls._fields()}, set(cls._option_names)
        has = set(known) - options
        if options - set(known) or (has and has != names):
            wrong = ", ".join(sorted((options | names) ^ set(known)))
            raise BadArgument(f"no state of a {cls.__name__}, look at: {wrong}", code="bad-state")
        make: Any = cls
        made: Self = make(**{name: known[name].item() for name in options})
        if has:
            if len({known[name].shape for name in names}) != 1 or known["n"].ndim != 1:
                raise BadArgument(f"no state of a {cls.__name__}: its arrays differ in shape", code="bad-state")
            made._part = cls._kind(**{name: known[name].copy() for name in names})
        return made

    @abstractmethod
    def value(self) -> NDArray[np.float64]:
        """Return the score of each neuron."""

    @abstractmethod
    def _of(self, samples: Samples, *, omit: bool) -> PartT:
        """Return the moments of some samples."""

    @classmethod
    def _fields(cls) -> tuple[Any, ...]:
        return fields(cls._kind)

    def _take(self, part: PartT) -> None:
        if self._part is not None and len(part.n) != self.n_neurons:
            seen = f"{len(part.n):,} neurons after {self.n_neurons:,}"
            raise BadArgument(f"{self.what}: {seen}, expected the same", code="bad-shape")
        self._part = part if self._part is None else self._part.merge(part)

    def _seen(self) -> PartT:
        if self._part is None:
            raise BadArgument(f"{self.what}: no sample yet", hint="call `update` first", code="no-samples")
        return self._part


class CorrelationAccumulator(_Accumulator[PairMoments]):
    """`correlation`, and so `single_trial_correlation`, from parts; 48 bytes a neuron.

    Parameters
    ----------
    eps : float, 0 or more, unit of the responses
    nan : {"propagate", "omit", "raise"}
        As for `correlation`.

    Raises
    ------
    BadArgument
        A negative eps, or no such policy.

    Examples
    --------
    >>> trials = CorrelationAccumulator()
    >>> trials.update([[1.0], [2.0]], [[10.0], [30.0]])
    >>> elsewhere = CorrelationAccumulator()
    >>> elsewhere.update([[3.0]], [[20.0]])
    >>> trials.merge(CorrelationAccumulator.from_state(elsewhere.state())).value().round(6)
    array([0.5])
    """

    what = "correlation"
    _kind = PairMoments

    def __init__(self, *, eps: float = EPS, nan: NanPolicy = "propagate") -> None:
        refuse_eps(eps)
        known_policy(nan)
        super().__init__({"eps": eps, "nan": nan})
        self._eps = eps

    def value(self) -> NDArray[np.float64]:
        """Return the correlation of all samples, (neuron,) float64.

        Raises
        ------
        BadArgument
            No sample yet.
        """
        return self._seen().correlation(self._eps)

    def _of(self, samples: Samples, *, omit: bool) -> PairMoments:
        return PairMoments.of(samples.responses, samples.predictions, omit=omit)


class TrialCorrelationAccumulator(_Accumulator[Means]):
    """`correlation_per_trial` from trials: every update is one whole trial; 16 bytes a neuron.

    Parameters
    ----------
    eps : float, 0 or more, unit of the responses
    nan : {"propagate", "omit", "raise"}
        As for `correlation_per_trial`.

    Raises
    ------
    BadArgument
        A negative eps, or no such policy.

    Examples
    --------
    >>> trials = TrialCorrelationAccumulator()
    >>> trials.update([[1.0], [2.0]], [[3.0], [4.0]])
    >>> trials.update([[7.0], [8.0]], [[2.0], [1.0]])
    >>> trials.value().round(6)
    array([0.])
    """

    what = "correlation per trial"
    _kind = Means

    def __init__(self, *, eps: float = EPS, nan: NanPolicy = "propagate") -> None:
        refuse_eps(eps)
        known_policy(nan)
        super().__init__({"eps": eps, "nan": nan})
        self._eps = eps

    def value(self) -> NDArray[np.float64]:
        """Return the mean correlation of all trials, (neuron,) float64.

        Raises
        ------
        BadArgument
            No trial yet.
        """
        return self._seen().known()

    def _of(self, samples: Samples, *, omit: bool) -> Means:
        trial = PairMoments.of(samples.responses, samples.predictions, omit=omit).correlation(self._eps)
        return Means.of(trial[None], omit=omit)


class PoissonAccumulator(_Accumulator[Means]):
    """`poisson_loss` from parts; 16 bytes a neuron.

    Parameters
    ----------
    eps : float, 0 or more, unit of the responses
    reduction : {"mean", "sum"}
    nan : {"propagate", "omit", "raise"}
        As for `poisson_loss`.

    Raises
    ------
    BadArgument
        A negative eps, no such reduction or policy.

    Examples
    --------
    >>> loss = PoissonAccumulator()
    >>> loss.update([[0.0]], [[1.0]])
    >>> loss.update([[2.0]], [[1.0]])
    >>> loss.value().round(6)
    array([1.])
    """

    what = "Poisson loss"
    _kind = Means
    _option_names = ("eps", "reduction", "nan")

    def __init__(self, *, eps: float = EPS, reduction: Reduction = "mean", nan: NanPolicy = "propagate") -> None:
        check_options(eps, reduction)
        known_policy(nan)
        super().__init__({"eps": eps, "reduction": reduction, "nan": nan})
        self._eps = eps
        self._reduction = reduction

    def value(self) -> NDArray[np.float64]:
        """Return the loss over all samples, (neuron,) float64.

        Raises
        ------
        BadArgument
            No sample yet.
        """
        return reduced(self._seen(), self._reduction)

    def _of(self, samples: Samples, *, omit: bool) -> Means:
        return losses_of(samples, self._eps, omit=omit)
