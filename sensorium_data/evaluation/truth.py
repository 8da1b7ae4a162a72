"""What predictions are held against: the recorded responses of a tier, trial by trial, and no tier that has none.

Withheld responses were published as zeros. A score on them is a number like any other, and means nothing: such tiers
are refused by name before anything is read, and trials that are zeros without a flag are looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.cached import cached_property
from sensorium_data.errors import BadArgument
from sensorium_data.handle import SessionHandle
from sensorium_data.scales import precision
from sensorium_data.shipped import Shipped
from sensorium_data.store.layout import Paths
from sensorium_data.streams import open_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.evaluation.predictions import ResponseScale
    from sensorium_data.scales import Scale

__all__ = ["Recording", "TierTrials", "Trial"]

BLOCK = 20  # frames looked at together; a chunk of a store


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial that can be scored.

    Attributes
    ----------
    trial_id : int
        The published number.
    row : int
        Of the trial table.
    n_frames : int
        Valid samples; 1 for an image.
    stimulus : int
        Group of equal stimuli of the session; below 0, and of this trial alone, where none was kept.
    kind : str
        `NaturalVideo`, `Gabor`, …; empty where it is not known.
    """

    trial_id: int
    row: int
    n_frames: int
    stimulus: int
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class TierTrials:
    """The trials of one tier of one session.

    Attributes
    ----------
    recording : Recording
    tier : str
    trials : mapping of trial_id to Trial
        In the order of the trial table, without those that are missing.
    """

    recording: Recording
    tier: str
    trials: dict[int, Trial]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of stimuli that are known, in the order of their first trial."""
        return tuple(dict.fromkeys(each.kind for each in self.trials.values() if each.kind))

    @property
    def repeated(self) -> bool:
        """Whether any stimulus is shown more than once."""
        shown = [each.stimulus for each in self.trials.values()]
        return len(set(shown)) < len(shown)


class Recording:
    """A session that can be scored.

    Parameters
    ----------
    handle : SessionHandle
        With some of its neurons, if they were selected: those alone are scored.

    Attributes
    ----------
    key : str
    unit_ids : (neuron,) int64

    Raises
    ------
    BadArgument
        It has no responses.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> one = Recording(SessionHandle(make_session(tempfile.mkdtemp(), n_neurons=4)))
    >>> trial = next(iter(one.tier("oracle").trials.values()))
    >>> values, valid = one.responses(trial, 5, 30, "official")
    >>> values.shape, bool(valid.all()), trial.kind
    ((25, 4), True, 'NaturalVideo')
    >>> one.scorable
    ('train', 'oracle')
    """

    def __init__(self, handle: SessionHandle) -> None:
        self.handle, self.key = handle, handle.document.identity.key
        if "responses" not in handle.signals:
            what = f"{self.key}: {handle.where} has no `responses`"
            raise BadArgument(what, hint="name recordings that have them", code="no-responses")
        film = [handle.document.identity.film] if handle.document.stimuli.frame_shape else []
        # Frames are those of the film, as everywhere: responses that were sampled otherwise are resampled.
        self.streams = open_streams(handle, [*film, "responses"])
        self.unit_ids = handle.neurons["unit_id"].astype(np.int64)
        self._scales: dict[ResponseScale, Scale] = {}

    @property
    def modality(self) -> str:
        """`static` for images, `dynamic` for films."""
        return self.handle.document.identity.modality

    @property
    def scorable(self) -> tuple[str, ...]:
        """Names of the tiers none of whose responses are withheld."""
        if self.handle.signal("responses").withheld:
            return ()
        return tuple(
            tier.name
            for tier in self.handle.document.trials.tiers
            if tier.role != "none" and not tier.n_withheld and tier.n_trials > tier.n_missing
        )

    def tier(self, name: str) -> TierTrials:
        """Return the trials of a tier; that their responses are there is asked elsewhere."""
        table = self.handle.trials
        rows = np.flatnonzero((table["tier"] == name) & ~table["missing"].astype(np.bool_)).tolist()
        trials = [self._trial(row) for row in rows]
        return TierTrials(self, name, {each.trial_id: each for each in trials})

    def _trial(self, row: int) -> Trial:
        table = self.handle.trials
        variant = int(table["variant"][row])
        kind = str(self.handle.stimuli["label"][variant]) if variant >= 0 else ""
        n_frames = int(self.streams.n_frames[row])
        group = int(table["stimulus"][row])
        # Where no stimulus was kept nobody knows which trials are repeats: each counts for itself.
        return Trial(int(table["trial_id"][row]), row, n_frames, group if group >= 0 else -1 - row, kind)

    def n_withheld(self, tier: str) -> int:
        """Return how many trials of a tier have withheld responses."""
        table = self.handle.trials
        mine = (table["tier"] == tier) & ~table["missing"].astype(np.bool_)
        if self.handle.signal("responses").withheld:
            return int(mine.sum())
        return int((mine & table["responses_withheld"].astype(np.bool_)).sum())

    def silent(self, trials: TierTrials) -> tuple[int, ...]:
        """Return the numbers of trials in which every response of every recorded neuron is zero.

        Of nearly all trials the first few frames are read, and the first chunk is what tells.
        """
        return tuple(each.trial_id for each in trials.trials.values() if self._whole._is_silent(each))

    @cached_property
    def _whole(self) -> Recording:
        # A neuron that is silent in a trial is nothing odd; that all of them are cannot be seen in a selection.
        return self if self.handle.selected is None else Recording(SessionHandle(self.handle.store.path))

    def _is_silent(self, trial: Trial) -> bool:
        return not any(values.any() for values in self._blocks(trial))

    def _blocks(self, trial: Trial) -> Iterator[NDArray[np.float64]]:
        for first in range(0, trial.n_frames, BLOCK):
            yield self.responses(trial, first, min(first + BLOCK, trial.n_frames))[0]

    def responses(
        self, trial: Trial, first: int, stop: int, scaling: ResponseScale = "raw"
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the responses of some frames of a trial.

        Parameters
        ----------
        trial : Trial
        first, stop : int, frames of the trial
        scaling : {"raw", "per_neuron", "official"}
            What they are to be multiples of.

        Returns
        -------
        values : (time, neuron) float64
        valid : (time,) bool
            False where a neuron has none: there the values are NaN, or of no use.

        Raises
        ------
        BadArgument
            The statistics that the scale needs are not in the store.
        StoreInvalid, StorageFailed
            The responses cannot be read.
        """
        stream, n = self.streams["responses"], max(stop - first, 0)
        values, valid = np.empty((n, len(self.unit_ids)), stream.dtype), np.zeros(n, np.bool_)
        stream.fill(values, valid, trial.row, first)
        return self.rescaled(values.astype(np.float64), first, given="raw", wanted=scaling), valid

    def rescaled(
        self, values: NDArray[np.float64], first: int, *, given: ResponseScale, wanted: ResponseScale
    ) -> NDArray[np.float64]:
        """Return values in another scale.

        Parameters
        ----------
        values : (time, neuron) float64
            Of frames [first, first + time) of a trial.
        first : int
        given, wanted : {"raw", "per_neuron", "official"}

        Raises
        ------
        BadArgument
            The statistics that a scale needs are not in the store.
        """
        if given == wanted:
            return values
        if wanted != "raw":
            values = values * self._gain(wanted, first, len(values))
        return values if given == "raw" else values / self._gain(given, first, len(values))

    def _gain(self, scaling: ResponseScale, first: int, n: int) -> NDArray[np.float64]:
        """Return what raw responses are multiplied by, (time, neuron); NaN where no statistic was published."""
        if scaling not in self._scales:
            self._scales[scaling] = self._official() if scaling == "official" else self._per_neuron()
        gain = np.ones((n, len(self.unit_ids)))
        self._scales[scaling].into(gain, gain.copy(), first)
        return gain

    def require(self, scaling: ResponseScale) -> None:
        """Raise unless the store has the statistics that a scale needs.

        Raises
        ------
        BadArgument
            It has not; the hint says what else there is.
        """
        if scaling != "raw":
            self._gain(scaling, 0, 0)

    def _official(self) -> Scale:
        shipped = Shipped(self.streams)
        if not shipped.has("responses", ("std",)):
            hint = "a preset whose responses are `per_neuron` or `raw` takes the store's own"
            raise BadArgument(f"{self.key}: no shipped statistics of `responses`", hint=hint, code="statistics-missing")
        return shipped.precision()

    def _per_neuron(self) -> Scale:
        path = f"{Paths.train_statistics}/responses/std"
        if path not in self.handle.store.metadata:
            what = f"{self.key}: the store has no statistics of its own of `responses`"
            raise BadArgument(what, hint="none of its training trials has any", code="statistics-missing")
        scale = precision(self.handle.store.values(path)[None])
        return scale if self.handle.selected is None else scale[self.handle.selected]
