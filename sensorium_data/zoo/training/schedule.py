"""When the learning rate falls and training ends: the published rule as a pure function of the scores, one by one.

The score is looked at before the first step, then after every epoch. After `patience` epochs without a better one the best
state is restored; the learning rate falls, and a new round begins. The last round ends training, and the best state is
what it gives (formats page, 6.1).

What was published keeps two counts that are not one. The rounds are ended by one; the rate falls by torch's
`ReduceLROnPlateau` of the same patience, which waits for one epoch more than that, goes on counting through a restored
state, begins again at its own fall, and has not seen the score before the first step. So rates fall one epoch into the
next round, then two, and not at all where that epoch was better. ``decay_at="published"`` does exactly this.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from sensorium_data.errors import DataInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensorium_data.schemas.recipe import SchedulePart

__all__ = ["PlateauSchedule", "Verdict"]

LEAST_FALL = 1e-8  # torch leaves a rate that would fall by less as it is


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a score.

    Attributes
    ----------
    is_best : bool
        The state that it is of is to be kept.
    restore : bool
        The best state is to be put back.
    done : bool
        Training ends, with the best state.
    """

    is_best: bool
    restore: bool
    done: bool


@dataclass(frozen=True, slots=True)
class _Counts:
    """All that a schedule remembers."""

    learning_rate: float
    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    n_worse: int = 0
    n_rounds: int = 0
    rate_best: float | None = None
    rate_n_worse: int = 0


class PlateauSchedule:
    """The published schedule.

    Parameters
    ----------
    part : SchedulePart
        Of the recipe.
    learning_rate : float
        To begin with.

    Examples
    --------
    >>> from sensorium_data.schemas.recipe import SchedulePart
    >>> schedule = PlateauSchedule(SchedulePart(patience=2, n_rounds=2, tolerance=0), 0.1)
    >>> schedule.begin(0.0)
    >>> [schedule.judge(score).restore for score in (0.2, 0.1, 0.2)], round(schedule.learning_rate, 3)
    ([False, False, True], 0.03)
    >>> [schedule.judge(score).done for score in (0.3, 0.3, 0.3)], schedule.best, schedule.best_epoch
    ([False, False, True], 0.3, 4)
    """

    def __init__(self, part: SchedulePart, learning_rate: float) -> None:
        self._part = part
        self._now = _Counts(learning_rate)

    @property
    def learning_rate(self) -> float:
        """Of the steps to come."""
        return self._now.learning_rate

    @property
    def epoch(self) -> int:
        """Epochs that were judged."""
        return self._now.epoch

    @property
    def best(self) -> float | None:
        """The best score, None before the first one."""
        return self._now.best

    @property
    def best_epoch(self) -> int:
        """The epoch after which the best score was seen; 0 is before the first step."""
        return self._now.best_epoch

    @property
    def done(self) -> bool:
        """Training has ended."""
        return self._now.epoch >= self._part.max_epochs or self.out_of_patience

    @property
    def out_of_patience(self) -> bool:
        """Training has ended since scores got no better, and not since epochs were used up."""
        return self._now.n_rounds >= self._part.n_rounds

    def begin(self, score: float) -> None:
        """Take the score of the model before its first step."""
        self._now = replace(self._now, best=score)

    def judge(self, score: float) -> Verdict:
        """Take the score after an epoch, and say what follows.

        Parameters
        ----------
        score : float
            Larger is better.
        """
        now, part = self._now, self._part
        now = self._watched(replace(now, epoch=now.epoch + 1), score)
        is_best = now.best is None or score > now.best + part.tolerance
        if is_best:
            now = replace(now, best=score, best_epoch=now.epoch, n_worse=0)
        else:
            now = replace(now, n_worse=now.n_worse + 1)
        if restore := now.n_worse >= part.patience:
            now = replace(now, n_worse=0, n_rounds=now.n_rounds + 1)
            if part.decay_at == "restore" and now.n_rounds < part.n_rounds:
                now = self._fallen(now)
        self._now = now
        return Verdict(is_best, restore or self.done, self.done)

    def _watched(self, now: _Counts, score: float) -> _Counts:
        """Return the counts after torch's `ReduceLROnPlateau` saw a score, where it is what rates fall by."""
        if self._part.decay_at != "published":
            return now
        if now.rate_best is None or score > now.rate_best + self._part.tolerance:
            return replace(now, rate_best=score, rate_n_worse=0)
        now = replace(now, rate_n_worse=now.rate_n_worse + 1)
        return self._fallen(replace(now, rate_n_worse=0)) if now.rate_n_worse > self._part.patience else now

    def _fallen(self, now: _Counts) -> _Counts:
        rate = max(now.learning_rate * self._part.decay, self._part.min_learning_rate)
        return replace(now, learning_rate=rate) if now.learning_rate - rate > LEAST_FALL else now

    def state_dict(self) -> dict[str, Any]:
        """Return where it stands as plain numbers."""
        return asdict(self._now)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a schedule of the same recipe stood.

        Raises
        ------
        DataInvalid
            That is no state of a schedule.
        """
        if set(state) != {field.name for field in fields(_Counts)}:
            raise DataInvalid(f"a state of a schedule has not the parts {sorted(state)}", code="state-invalid")
        self._now = _Counts(**state)
