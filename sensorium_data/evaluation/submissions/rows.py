"""Predictions become rows by the names of session, trial and neuron: cut to the window, in the scale that was scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.errors import BadArgument, DataInvalid, Problem, counted, listed, near_miss
from sensorium_data.evaluation.predictions import TrialPrediction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.evaluation.submissions.plan import Expected, Part, Plan

__all__ = ["Row", "Rows"]

MOST = 20  # problems; after so many nothing more is predicted, which may take hours
HINT = "predictions must hold every trial of the tiers once, whole, with all neurons of the session"


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One row of a submission.

    Attributes
    ----------
    part : Part
        The file.
    expected : Expected
        Session and trial.
    values : (neuron, time) float32
        In the order of the session's neurons, contiguous.
    """

    part: Part
    expected: Expected
    values: NDArray[np.float32]


class Rows:
    """Makes rows of predictions, and keeps what is wrong with them.

    Parameters
    ----------
    plan : Plan
        Which trials are expected, and which of their frames.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._problems: list[Problem] = []
        self._seen: set[tuple[str, int]] = set()
        self._orders: dict[tuple[str, bytes], NDArray[np.int64] | None] = {}
        self._unscaled: set[str] = set()  # sessions whose statistics were found to be lacking

    def __call__(self, predictions: Iterable[TrialPrediction]) -> Iterator[Row]:
        """Yield a row for each prediction that has nothing wrong with it.

        Raises
        ------
        DataInvalid
            At the end, where any had: with all that was found; before it, once that is much.
        """
        for each in predictions:
            if not isinstance(each, TrialPrediction):
                what = f"predictions hold {type(each).__name__}, expected TrialPrediction"
                raise BadArgument(what, hint="sensorium_data.evaluation.TrialPrediction", code="bad-prediction")
            if (row := self._row(each)) is not None:
                yield row
            if len(self._problems) >= MOST:
                raise self._refused(f"{len(self._problems)} problems, and the rest was not looked at")
        self._problems += self._missing()
        if self._problems:
            raise self._refused(counted(len(self._problems), "problem"))

    def _refused(self, count: str) -> DataInvalid:
        what = f"{self._plan.target.name} was not written: {count}"
        return DataInvalid(what, hint=HINT, problems=self._problems, code="bad-predictions")

    def _missing(self) -> Iterator[Problem]:
        for part in self._plan.parts:
            lacking: dict[str, list[int]] = {}
            for name in part.trials.keys() - self._seen:
                lacking.setdefault(name[0], []).append(name[1])
            for key in (key for key in self._plan.recordings if key in lacking):
                what = f"{counted(len(lacking[key]), 'trial')} not predicted: {listed(sorted(lacking[key]))}"
                yield Problem("trials-missing", f"{key}, tier {part.tier}", what)

    def _row(self, prediction: TrialPrediction) -> Row | None:
        name = (prediction.session, prediction.trial_id)
        where = f"{prediction.session}, trial {prediction.trial_id}"
        if name not in self._plan.expected:
            self._add("trial-unknown", where, self._why_not(prediction))
            return None
        if name in self._seen:
            self._add("trial-twice", where, "is predicted twice")
            return None
        self._seen.add(name)
        part, expected = self._plan.expected[name]
        order, sound = self._order(prediction, where), self._spans(prediction, expected, where)
        if order is None or not sound:
            return None
        values = self._scaled(prediction, expected, order, where)
        return None if values is None else Row(part, expected, values)

    def _why_not(self, prediction: TrialPrediction) -> str:
        found = self._plan.recordings.get(prediction.session)
        if found is None:
            return f"no such session was given; {near_miss(prediction.session, list(self._plan.recordings))}"
        table = found.handle.trials
        rows = np.flatnonzero(table["trial_id"] == prediction.trial_id)
        tiers = listed([part.tier for part in self._plan.parts])
        if not len(rows):
            return "the session has no such trial"
        return f"is of tier {table['tier'][rows[0]]}, expected {tiers}"

    def _add(self, code: str, where: str, what: str) -> None:
        self._problems.append(Problem(code, where, what))

    def _order(self, prediction: TrialPrediction, where: str) -> NDArray[np.int64] | None:
        """Return the columns of the session's neurons, or None where they are not its neurons."""
        ids = np.ascontiguousarray(prediction.unit_ids, np.int64)
        key = (prediction.session, ids.tobytes())
        if key not in self._orders:
            wanted = self._plan.recordings[prediction.session].unit_ids
            self._orders = {key: self._columns(ids, wanted, where)}  # of one session at a time
        return self._orders[key]

    def _columns(self, ids: NDArray[np.int64], wanted: NDArray[np.int64], where: str) -> NDArray[np.int64] | None:
        order = np.argsort(ids, kind="stable")
        before = len(self._problems)
        if len(twice := ids[order][1:][np.diff(ids[order]) == 0]):
            self._add("neurons-twice", where, f"unit ids {_few(np.unique(twice))} come twice")
        if len(unknown := np.setdiff1d(ids, wanted)):
            self._add("neurons-unknown", where, f"the session has no unit ids {_few(unknown)}")
        if len(lacking := np.setdiff1d(wanted, ids)):
            self._add(
                "neurons-missing", where, f"{counted(len(lacking), 'neuron')} of the session lack: {_few(lacking)}"
            )
        if len(self._problems) > before:
            return None
        found: NDArray[np.int64] = order[np.searchsorted(ids[order], wanted)]
        return found

    def _spans(self, prediction: TrialPrediction, expected: Expected, where: str) -> bool:
        """Return whether the frames that are sent were predicted."""
        before = len(self._problems)
        if prediction.first_frame > expected.start:
            what = f"begins with frame {prediction.first_frame}, expected {expected.start} or before"
            self._add("frames-late", where, what)
        if prediction.stop_frame < expected.stop:
            what = f"ends before frame {prediction.stop_frame}, expected {expected.stop} or later"
            self._add("frames-lacking", where, what)
        return len(self._problems) == before

    def _scaled(
        self, prediction: TrialPrediction, expected: Expected, order: NDArray[np.int64], where: str
    ) -> NDArray[np.float32] | None:
        """Return (neuron, time) in the scale that was scored, or None where that is not finite."""
        rows = slice(expected.start - prediction.first_frame, expected.stop - prediction.first_frame)
        values = prediction.values[rows]
        if not np.array_equal(order, np.arange(len(order))):
            values = values[:, order]
        if bad := _not_finite(values):
            self._add("not-finite", where, f"{bad} within frames [{expected.start}, {expected.stop})")
            return None
        if prediction.scaling != "official":
            rescaled = self._official(prediction, expected, values)
            if rescaled is None:
                return None
            values = rescaled
        with np.errstate(over="ignore"):  # what is too large for float32 is named below
            made = np.ascontiguousarray(values.T, dtype=np.float32)
        if bad := _not_finite(made):
            self._add("no-precision", where, f"{bad} once scaled as published: is there a statistic of every frame?")
            return None
        return made

    def _official(
        self, prediction: TrialPrediction, expected: Expected, values: NDArray[np.floating]
    ) -> NDArray[np.float64] | None:
        if prediction.session in self._unscaled:
            return None
        try:
            return expected.recording.rescaled(
                values.astype(np.float64), expected.start, given=prediction.scaling, wanted="official"
            )
        except BadArgument as error:  # the same for every trial of the session
            self._unscaled.add(prediction.session)
            self._add(error.code, prediction.session, error.message.removeprefix(f"{prediction.session}: "))
            return None


def _not_finite(values: NDArray[np.floating]) -> str:
    """Return what is not finite, in words; empty where everything is."""
    if np.isfinite(values).all():
        return ""
    n_nan = int(np.isnan(values).sum())
    n_inf = int(np.isinf(values).sum())
    return " and ".join(f"{n:,} {word}" for n, word in ((n_nan, "NaN"), (n_inf, "infinite")) if n)


def _few(ids: Sequence[int] | NDArray[np.int64]) -> str:
    return listed(np.asarray(ids)[:9].tolist())
