"""What `evaluate` writes: every score with the preset it was made by, its interval, and how many neurons stand behind it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sensorium_data.errors import NoSuchItem, listed
from sensorium_data.schemas.base import Digest, Document, Name, NonNegative, Positive, Text
from sensorium_data.schemas.session import Note

__all__ = ["Bootstrap", "MeasureName", "Measured", "PresetFacts", "Score", "ScoreReport", "ScoredSession"]

MeasureName = Literal[
    "single_trial_correlation",
    "correlation_to_average",
    "feve",
    "normalized_correlation",
    "poisson_loss",
    "oracle_jackknife",
    "oracle_conservative",
    "explainable_variance",
    "signal_to_noise",
]
Share = Annotated[float, Field(ge=0)]


class PresetFacts(Document):
    """How scores were made: which frames, in which units, and what stands for what is missing."""

    name: Name
    description: str = ""
    skip: NonNegative = Field(description="frames at the beginning of a trial that are not scored")
    limit: NonNegative | None = Field(default=None, description="frames of a trial that are looked at")
    drop_last: NonNegative = Field(description="frames at the end, of those that are looked at, that are not scored")
    scaling: Literal["raw", "per_neuron", "official"] = Field(description="of the responses")
    weighting: Literal["neuron", "mouse"] = Field(description="what counts alike where sessions are taken together")
    nan: Literal["zero", "keep", "omit", "raise"] = Field(description="what becomes of neurons without a correlation")
    per_trial: bool = Field(description="one correlation a trial, averaged, in place of one over all trials")
    eps: Annotated[float, Field(ge=0)] = Field(description="added to standard deviations that are divided by")


class Bootstrap(Document):
    """How intervals were made: percentiles of means over neurons that are drawn again."""

    n: NonNegative = Field(description="draws; 0 where no interval was asked for")
    level: Share = 0.95
    seed: NonNegative = 0


class ScoredSession(Document):
    """A session that was scored."""

    key: Name
    source_digest: Digest | None = Field(default=None, description="of the recording")
    n_neurons: Positive = Field(description="that the session has, or that were selected")
    n_scored: NonNegative = Field(description="neurons that were predicted too")


class Measured(Document):
    """One measure: the mean over neurons, and how sure it is."""

    name: MeasureName
    value: float | None = Field(description="null where it is not defined")
    low: float | None = Field(default=None, description="lower end of the interval")
    high: float | None = Field(default=None, description="upper end of the interval")
    n_neurons: NonNegative = Field(description="that have a value")


class Score(Document):
    """The scores of a tier of a session, or of all sessions, on all its trials or on one kind of stimulus."""

    session: Name | None = Field(description="key; null where sessions are taken together")
    tier: Name
    kind: str = Field(default="", description="NaturalVideo, Gabor, …; empty for all trials of the tier")
    kinds: tuple[Name, ...] = Field(default=(), description="of the trials that went in, as far as they are known")
    preset: Name
    n_trials: NonNegative
    n_frames: NonNegative = Field(description="that were scored, over all trials; of images one a trial")
    n_stimuli: NonNegative = Field(description="different films or images")
    measures: tuple[Measured, ...]

    def measure(self, name: str) -> Measured | None:
        """Return a measure by its name, None where it was not made."""
        return next((each for each in self.measures if each.name == name), None)


class ScoreReport(Document):
    """The outcome of `evaluate`.

    Examples
    --------
    >>> sorted(ScoreReport.model_fields)[:3]
    ['bootstrap', 'notes', 'predictions']
    """

    predictions: Text = Field(description="what was scored: a model or a file")
    preset: PresetFacts
    bootstrap: Bootstrap
    sessions: tuple[ScoredSession, ...]
    scores: tuple[Score, ...]
    notes: tuple[Note, ...] = ()
    version: Name = Field(description="of sensorium-data")

    @model_validator(mode="after")
    def _one_preset(self) -> Self:
        if strange := {score.preset for score in self.scores} - {self.preset.name}:
            msg = f"scores by preset {min(strange)} in a report of {self.preset.name}"
            raise ValueError(msg)
        return self

    def of(self, session: str | None = None, tier: str | None = None, kind: str = "") -> Score:
        """Return one score.

        Parameters
        ----------
        session : str, optional
            Key; by default that of all sessions together, or of the only one.
        tier : str, optional
            By default the first that was scored.
        kind : str
            By default all trials.

        Raises
        ------
        NoSuchItem
            There is no such score; the hint names what was scored.
        """
        only = self.sessions[0].key if len(self.sessions) == 1 else None
        first = self.scores[0].tier if self.scores else ""
        wanted = (session or only, tier or first, kind)
        for score in self.scores:
            if (score.session, score.tier, score.kind) == wanted:
                return score
        there = [_named(score.session, score.tier, score.kind) for score in self.scores]
        raise NoSuchItem(
            f"no score of {_named(*wanted)}", hint=f"scored: {listed(there) if there else 'nothing'}", code="not-scored"
        )


def _named(session: str | None, tier: str, kind: str) -> str:
    return " ".join(filter(None, (session or "all sessions", tier, kind)))
