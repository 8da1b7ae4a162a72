"""Predictions meet responses by the names of session, trial and neuron, never by their order.

One trial at a time: what does not fit is noted and passed over, so that at the end everything that is wrong is told at
once, and nothing is scored that was not joined.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from sensorium_data.errors import BadArgument, DataInvalid, Problem, counted, listed, near_miss
from sensorium_data.evaluation.predictions import TrialPrediction
from sensorium_data.schemas.session import Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.evaluation.presets import Preset
    from sensorium_data.evaluation.truth import Recording, TierTrials, Trial

__all__ = ["Join", "Joined", "Neurons"]

Neurons: TypeAlias = Literal["all", "common"]
HINTS = {
    "no-such-session": "name all sessions that were predicted, or leave the others out of the predictions",
    "frames-lacking": "predict whole trials; of films the first frames that a model has no answer to may lack",
    "neurons-lacking": 'neurons="common" scores those that were predicted',
    "neurons-unknown": 'neurons="common" scores those that the session has',
    "trials-lacking": "predict every trial of the tier: a score on some of them is another score",
}


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Responses and predictions of the frames of a trial that are scored.

    Attributes
    ----------
    tier : TierTrials
    trial : Trial
    frames : (time,) int64
        Of the trial, in order; without those that have no valid response.
    responses, predictions : (time, neuron) float64
        In units of the preset.
    """

    tier: TierTrials
    trial: Trial
    frames: NDArray[np.int64]
    responses: NDArray[np.float64]
    predictions: NDArray[np.float64]


@dataclass(slots=True)
class Join:
    """Pairs predictions with the responses of some tiers.

    Parameters
    ----------
    tiers : sequence of TierTrials
    preset : Preset
        Which frames are scored, and in which units.
    neurons : {"all", "common"}
        Whether every neuron of a session must be predicted, and no other.

    Attributes
    ----------
    n_elsewhere : int
        Predictions of trials of other tiers; they are passed over.
    n_invalid : int
        Frames within the window that were left out for want of a valid response.
    """

    tiers: Sequence[TierTrials]
    preset: Preset
    neurons: Neurons = "all"
    n_elsewhere: int = 0
    n_invalid: int = 0
    _problems: list[Problem] = field(default_factory=list)
    _seen: set[tuple[str, int]] = field(default_factory=set)
    _matches: dict[str, _Match] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a word that is none."""
        if self.neurons not in ("all", "common"):
            hint = near_miss(str(self.neurons), ["all", "common"])
            raise BadArgument(f"neurons is {self.neurons!r}", hint=hint, code="bad-neurons")

    def __call__(self, predictions: Iterable[TrialPrediction]) -> Iterator[Joined]:
        """Return joined trials, one at a time, in the order of the predictions.

        Raises
        ------
        DataInvalid
            At the end, where any prediction does not fit or one lacks; all that is wrong is named.
        """
        of_trial = {(each.recording.key, trial): each for each in self.tiers for trial in each.trials}
        sessions = {each.recording.key: each.recording for each in self.tiers}
        for given in predictions:
            if not isinstance(given, TrialPrediction):
                what = f"a prediction is a TrialPrediction, not {type(given).__name__}"
                raise BadArgument(what, hint="`TrialPrediction` names what it is about", code="bad-prediction")
            tier = of_trial.get((given.session, given.trial_id))
            if tier is None:
                self._strange(given, sessions)
            elif self._fits(given, tier):
                yield self._joined(given, tier)
        self._close()

    def columns(self, recording: Recording) -> NDArray[np.int64]:
        """Return which neurons of a session are scored, as columns of its responses."""
        match = self._matches.get(recording.key)
        return np.arange(len(recording.unit_ids)) if match is None else match.columns

    def notes(self) -> list[Note]:
        """Return what was passed over or left out."""
        found = []
        if self.n_elsewhere:
            what = f"{counted(self.n_elsewhere, 'prediction')} of other tiers passed over"
            found.append(Note(code="other-tiers", text=what))
        if self.n_invalid:
            what = f"{counted(self.n_invalid, 'frame')} without a valid response of every neuron left out"
            found.append(Note(code="invalid-frames", text=what))
        for each in {id(tier.recording): tier.recording for tier in self.tiers}.values():
            n, of = len(self.columns(each)), len(each.unit_ids)
            if n < of:
                found.append(Note(code="common-neurons", text=f"{each.key}: {n:,} of {counted(of, 'neuron')} scored"))
        return found

    # -- does it fit

    def _strange(self, given: TrialPrediction, sessions: dict[str, Recording]) -> None:
        """Note a prediction of a session or trial that is not there; a trial of another tier is only counted."""
        if given.session not in sessions:
            if not any(one.code == "no-such-session" and one.where == given.session for one in self._problems):
                what = f"predicted, but not among the sessions; {near_miss(given.session, list(sessions))}"
                self._note("no-such-session", given.session, what)
        elif given.trial_id in sessions[given.session].handle.trials["trial_id"]:
            self.n_elsewhere += 1
        else:
            self._note("no-such-trial", _where(given), "the session has no such trial")

    def _fits(self, given: TrialPrediction, tier: TierTrials) -> bool:
        """Note all that keeps a prediction from being scored."""
        before = len(self._problems)
        name, trial = (given.session, given.trial_id), tier.trials[given.trial_id]
        if name in self._seen:
            self._note("trial-twice", _where(given), "was predicted before")
        self._seen.add(name)
        if lacking := self._frames_lacking(given, trial):
            self._note("frames-lacking", _where(given), lacking)
        if given.stop_frame > trial.n_frames:
            what = f"ends with frame {given.stop_frame - 1}, the trial with {trial.n_frames - 1}"
            self._note("frames-beyond", _where(given), what)
        elif not lacking and np.isinf(given.values).any():
            self._note("infinite", _where(given), f"has {counted(int(np.isinf(given.values).sum()), 'infinite value')}")
        self._match(given, tier.recording)
        return len(self._problems) == before

    def _frames_lacking(self, given: TrialPrediction, trial: Trial) -> str:
        start, stop = self.preset.window(trial.n_frames)
        ends = ((start, min(given.first_frame, stop)), (max(given.stop_frame, start), stop))
        lacking = [f"{first} to {last - 1}" if last - first > 1 else f"{first}" for first, last in ends if first < last]
        if not lacking:
            return ""
        seen = f"has frames {given.first_frame} to {given.stop_frame - 1}"
        return f"{seen}; preset {self.preset.name} scores {start} to {stop - 1}: {' and '.join(lacking)} lack"

    def _match(self, given: TrialPrediction, recording: Recording) -> None:
        """Find the neurons of a prediction in the session, or note why they are none of it."""
        known = self._matches.get(given.session)
        if known is not None and np.array_equal(known.given, given.unit_ids):
            return
        match = _Match.of(given.unit_ids, recording.unit_ids)
        if (twice := given.unit_ids.size - len(np.unique(given.unit_ids))) > 0:
            self._note("neurons-twice", _where(given), f"names {counted(twice, 'neuron')} twice")
        elif self.neurons == "all" and (n := len(recording.unit_ids) - len(match.columns)):
            lacking = np.delete(recording.unit_ids, match.columns)
            self._note("neurons-lacking", _where(given), f"lacks {counted(n, 'neuron')} ({listed(lacking.tolist())})")
        elif self.neurons == "all" and (n := given.unit_ids.size - len(match.columns)):
            strange = np.delete(given.unit_ids, match.order).tolist()
            self._note(
                "neurons-unknown",
                _where(given),
                f"names {counted(n, 'neuron')} that the session has not ({listed(strange)})",
            )
        elif not len(match.columns):
            self._note("neurons-lacking", _where(given), "no neuron of the session was predicted")
        elif known is not None and not np.array_equal(known.columns, match.columns):
            self._note("neurons-differ", _where(given), "other neurons were predicted than in the trials before")
        else:
            self._matches[given.session] = match

    def _note(self, code: str, where: str, what: str) -> None:
        self._problems.append(Problem(code, where, what))

    # -- joined

    def _joined(self, given: TrialPrediction, tier: TierTrials) -> Joined:
        recording, trial, match = tier.recording, tier.trials[given.trial_id], self._matches[given.session]
        start, stop = self.preset.window(trial.n_frames)
        rows = slice(start - given.first_frame, stop - given.first_frame)
        predicted = np.full((stop - start, len(recording.unit_ids)), np.nan)
        predicted[:, match.columns] = given.values[rows][:, match.order]
        predicted = recording.rescaled(predicted, start, given=given.scaling, wanted=self.preset.scaling)
        responses, valid = recording.responses(trial, start, stop, self.preset.scaling)
        # Where nothing was published to scale by there is no response either.
        valid = valid & ~np.isnan(responses).all(axis=1)
        self.n_invalid += int(len(valid) - valid.sum())
        frames = np.arange(start, stop)
        if not valid.all():
            frames, responses, predicted = frames[valid], responses[valid], predicted[valid]
        return Joined(tier, trial, frames, responses[:, match.columns], predicted[:, match.columns])

    def _close(self) -> None:
        """Note what was not predicted, and raise where anything is wrong."""
        for each in self.tiers:
            lacking = [trial for trial in each.trials if (each.recording.key, trial) not in self._seen]
            if lacking:
                what = (
                    f"{len(lacking):,} of {counted(len(each.trials), 'trial')} have no prediction ({listed(lacking)})"
                )
                self._note("trials-lacking", f"{each.recording.key}, tier {each.tier}", what)
        if not self._problems:
            return
        codes = Counter(problem.code for problem in self._problems)
        code = codes.most_common(1)[0][0]
        hint = HINTS.get(code, "a prediction names its session, trial, frames and neurons as the store does")
        if len(self._problems) == 1:
            only = self._problems[0]
            raise DataInvalid(f"{only.where}: {only.what}", hint=hint, code=code)
        what = f"the predictions do not fit the recordings: {counted(len(self._problems), 'problem')}"
        one = code if len(codes) == 1 else "predictions-unfit"
        raise DataInvalid(what, hint=hint, problems=self._problems, code=one)


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """Where the neurons of a prediction are among those of a session.

    Attributes
    ----------
    given : (predicted,) int
        Unit ids of the prediction.
    columns : (common,) int64
        Of the session's responses, ascending.
    order : (common,) int64
        The column of the prediction that belongs to each.
    """

    given: NDArray[np.integer]
    columns: NDArray[np.int64]
    order: NDArray[np.int64]

    @classmethod
    def of(cls, given: NDArray[np.integer], known: NDArray[np.int64]) -> _Match:
        _, columns, order = np.intersect1d(known, given.astype(np.int64), return_indices=True)
        by_column = np.argsort(columns)
        return cls(given.copy(), columns[by_column], order[by_column])


def _where(given: TrialPrediction) -> str:
    return f"{given.session}, trial {given.trial_id}"
