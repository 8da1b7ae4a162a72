"""Sums for each stimulus and for each numbered presentation, taken in from any process in any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, get_args

import numpy as np

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.evaluation.keyedrows import KeyedRows
from sensorium_data.evaluation.samples import NanPolicy, checked, known_policy
from sensorium_data.evaluation.stimulusgroups import as_columns, grouped
from sensorium_data.evaluation.stimulussums import StimulusSums, of_groups
from sensorium_data.evaluation.variances import anscombe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.evaluation.stimulusgroups import Stimulus

__all__ = ["RepeatSums", "Transform"]

Transform: TypeAlias = Literal["none", "anscombe"]


@dataclass(slots=True, eq=False)
class _Held:
    """What has been taken in."""

    stimuli: KeyedRows
    presentations: KeyedRows
    error: NDArray[np.float64]
    predicted: bool
    numbered: bool = True

    @classmethod
    def nothing(cls, n_neurons: int, *, predicted: bool, omit: bool) -> _Held:
        stimuli = KeyedRows(n_neurons, n_further=int(predicted), counted_apart=omit)
        return cls(stimuli, KeyedRows(n_neurons), np.zeros(n_neurons), predicted)


class RepeatSums:
    """What accumulators of repeated stimuli hold, and how it is taken in, merged and moved.

    Parameters
    ----------
    nan : {"propagate", "omit", "raise"}
    transform : {"none", "anscombe"}

    Raises
    ------
    BadArgument
        No such policy or transform.
    """

    def __init__(self, *, nan: NanPolicy = "propagate", transform: Transform = "none") -> None:
        known_policy(nan)
        if transform not in get_args(Transform):
            hint = near_miss(str(transform), get_args(Transform))
            raise BadArgument(f"transform is {transform!r}", hint=hint, code="bad-transform")
        self._nan: NanPolicy = nan
        self._transform: Transform = transform
        self._held: _Held | None = None

    @property
    def n_neurons(self) -> int:
        """Neurons, 0 before the first update."""
        return 0 if self._held is None else len(self._held.error)

    @property
    def n_stimuli(self) -> int:
        """Stimuli met so far."""
        return 0 if self._held is None else len(self._held.stimuli.keys)

    def update(
        self,
        responses: ArrayLike,
        predictions: ArrayLike | None = None,
        *,
        stimulus: Stimulus,
        repeat: ArrayLike | None = None,
    ) -> None:
        """Take in samples.

        Parameters
        ----------
        responses : (sample, neuron) array_like
        predictions : (sample, neuron) array_like, optional
            With every update or with none. Without, there are no scores of predictions.
        stimulus : (sample,) or (sample, 2) array_like, or tuple of two (sample,) array_like
            What each sample answers to; for films (film, frame). Equal ids are the same stimulus in every update.
        repeat : (sample,) array_like, optional
            Which presentation of its stimulus a sample is: for each stimulus the same numbers, each of them once. Only
            the normalised correlation needs it, as here no order tells.

        Raises
        ------
        BadArgument
            Arrays that do not fit together or the earlier ones, are empty or hold infinity. Nothing has been taken in.
        """
        what = "scores of repeats"
        samples = checked(what, responses, predictions, stimulus=stimulus, repeats=True, nan=self._nan)
        numbers = () if repeat is None else as_columns(repeat, len(samples.responses))[:1]
        transform = anscombe if self._transform == "anscombe" else None
        sums = StimulusSums.of(samples, omit=self._nan == "omit", transform=transform)
        held = self._room_for(sums.mean.shape[1], predicted=predictions is not None)
        further = (sums.predicted,) if held.predicted else ()
        held.stimuli.add(sums.keys, sums.n, sums.mean, sums.m2, *further)
        held.error += sums.error
        held.numbered = held.numbered and bool(numbers)
        if held.numbered:
            groups = grouped(numbers)
            n, mean, m2 = of_groups(samples.responses[groups.order].astype(np.float64), groups)
            held.presentations.add(groups.keys, n[:, :1], mean, m2)

    def merge(self, other: Self) -> Self:
        """Take in all that another has seen, and return self; the other stays as it is.

        Raises
        ------
        BadArgument
            Other options, other neurons, or predictions in one of the two alone.
        """
        if (self._nan, self._transform) != (other._nan, other._transform):
            mine, its = (f"nan={one._nan!r}, transform={one._transform!r}" for one in (self, other))
            raise BadArgument(f"an accumulator with {mine} cannot take in one with {its}", code="bad-merge")
        if other._held is None:
            return self
        seen = other._held
        held = self._room_for(other.n_neurons, predicted=seen.predicted)
        for rows, more in ((held.stimuli, seen.stimuli), (held.presentations, seen.presentations)):
            rows.add(more.keys, more.n.copy(), more.mean.copy(), more.m2.copy(), *more.further.copy())
        held.error = held.error + seen.error
        held.numbered = held.numbered and seen.numbered
        return self

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything as plain arrays, options and ids among them, to be gathered from processes or saved."""
        state = {"nan": np.asarray(self._nan), "transform": np.asarray(self._transform)}
        if self._held is None:
            return state
        held = {"stimulus": self._held.stimuli} | ({"repeat": self._held.presentations} if self._held.numbered else {})
        for name, rows in held.items():
            state |= {f"{name}_{part}": np.asarray(ids) for part, ids in enumerate(zip(*rows.keys, strict=True))}
            state |= {f"{name}_n": rows.n.copy(), f"{name}_mean": rows.mean.copy(), f"{name}_m2": rows.m2.copy()}
        return state | {"predicted": self._held.stimuli.further.copy(), "error": self._held.error.copy()}

    @classmethod
    def from_state(cls, state: Mapping[str, ArrayLike]) -> Self:
        """Return the accumulator that a state was taken from.

        Raises
        ------
        BadArgument
            The arrays are not those of such an accumulator.
        """
        known: dict[str, Any] = {name: np.asarray(value) for name, value in state.items()}
        try:
            made = cls(nan=known["nan"].item(), transform=known["transform"].item())
            if "error" in known:
                made._fill(known)
        except (KeyError, ValueError, IndexError) as error:
            if isinstance(error, BadArgument):
                raise
            raise BadArgument(f"no state of a {cls.__name__}: {error}", code="bad-state") from error
        return made

    def _fill(self, state: Mapping[str, NDArray[Any]]) -> None:
        held = self._room_for(len(state["error"]), predicted=len(state["predicted"]) > 0)
        held.error = state["error"].astype(np.float64)
        held.numbered = "repeat_n" in state
        for name, rows in (("stimulus", held.stimuli), ("repeat", held.presentations)):
            if name == "repeat" and not held.numbered:
                continue
            columns = [state[key].tolist() for key in (f"{name}_{part}" for part in range(len(state))) if key in state]
            n, mean, m2 = (state[f"{name}_{part}"] for part in ("n", "mean", "m2"))
            rows.add(list(zip(*columns, strict=True)), n, mean, m2, *(state["predicted"] if name == "stimulus" else ()))

    def _room_for(self, n_neurons: int, *, predicted: bool) -> _Held:
        """Return what is held, which begins with the first neurons it is for."""
        if self._held is None:
            self._held = _Held.nothing(n_neurons, predicted=predicted, omit=self._nan == "omit")
        if n_neurons != self.n_neurons:
            raise BadArgument(f"{n_neurons:,} neurons after {self.n_neurons:,}, expected the same", code="bad-shape")
        if predicted is not self._held.predicted:
            raise BadArgument("predictions come with every update or with none", code="bad-shape")
        return self._held
