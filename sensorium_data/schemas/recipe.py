"""Recipes: all that a training run rests on beside the recordings, so that one file repeats it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from sensorium_data.schemas.base import Document, Name, NonNegative, Options, Positive, Text

__all__ = [
    "DataPart",
    "LossPart",
    "ModelPart",
    "OptimiserPart",
    "Recipe",
    "SchedulePart",
    "ValidationPart",
]

Fraction: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
AboveZero: TypeAlias = Annotated[float, Field(gt=0)]
NotBelowZero: TypeAlias = Annotated[float, Field(ge=0)]


class ModelPart(Document):
    """Which model, and how it is built."""

    name: Name = Field(description="in the registry of models")
    config: Options = Field(default_factory=dict, description="held against what the model takes")


class DataPart(Document):
    """What is trained on, and in which units."""

    tiers: tuple[Name, ...] = Field(default=("train",), min_length=1)
    window: Positive | Literal["trial"] | None = Field(
        default=None, description="samples; by default 80 of a film and one presentation of images"
    )
    batch_size: Positive = Field(default=8, description="windows, all of one session")
    order: Literal["round_robin", "proportional", "longest", "shortest"] = Field(
        default="longest", description="how sessions follow each other; longest is what was published, LongCycler"
    )
    rate_hz: AboveZero | None = Field(default=None, description="by default that of the films")
    signals: tuple[Name, ...] | None = Field(
        default=None, description="beside images and responses: pupil, running, gaze; by default all that there are"
    )
    normalisation: Literal["official", "fitted"] = Field(
        default="official", description="as published and scored, a number per frame; or one per channel"
    )
    step: Positive = Field(default=1, description="pixels of a side of an image that become one; 4 is a scale of 0.25")
    missing: Literal["fill", "skip", "raise"] = Field(
        default="fill",
        description="pupil, running or gaze that are NaN: mean of the training trials, no window that has any, an error",
    )
    drop_last: bool = Field(default=False, description="leave out batches that are not full")


class LossPart(Document):
    """What is minimised, beside the model's own regulariser."""

    name: Literal["poisson"] = "poisson"
    eps: AboveZero = Field(default=1e-8, description="added to the rate within the logarithm")
    reduction: Literal["sum", "mean"] = Field(default="sum", description="over windows, samples and neurons of a batch")
    scale_by: Literal["all-tiers", "tier", "none"] = Field(
        default="all-tiers",
        description="times the square root of trials per window of a batch; as published, those of all tiers are counted",
    )


class OptimiserPart(Document):
    """How steps are made."""

    name: Literal["adam", "adamw"] = "adamw"
    learning_rate: AboveZero = 0.005
    weight_decay: NotBelowZero = Field(default=0.0, description="published runs with AdamW left it at 0.01")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    eps: AboveZero = 1e-8


class SchedulePart(Document):
    """When the learning rate falls, and when training ends."""

    name: Literal["plateau"] = "plateau"
    max_epochs: Positive = 200
    patience: Positive = Field(default=5, description="epochs without a better score before the best state is restored")
    tolerance: NotBelowZero = Field(default=1e-6, description="by which a score must be better, absolute")
    n_rounds: Positive = Field(
        default=4, description="how often patience may run out: the rate falls each time, the last time training ends"
    )
    decay: Fraction = Field(default=0.3, description="what the learning rate is multiplied by")
    min_learning_rate: NotBelowZero = 1e-4
    decay_at: Literal["restore", "published"] = Field(
        default="restore",
        description="the rate falls as the best state is restored; or, as published, by a count of its own that asks for "
        "one epoch more without a better score",
    )


class ValidationPart(Document):
    """What the schedule watches: the correlation of responses and predictions, on trials that are not trained on."""

    tier: Name = "oracle"
    preset: Name | None = Field(
        default=None, description="of sensorium_data.evaluation; which samples of a trial count"
    )
    window: Positive | Literal["trial"] = Field(default="trial", description="samples; whole trials")
    batch_size: Positive = Field(default=1, description="windows; whole trials of films of one length at a time")


class Recipe(Document):
    """A training run."""

    name: Name
    description: Text
    seed: NonNegative = 0
    model: ModelPart
    data: DataPart = DataPart()
    loss: LossPart = LossPart()
    optimiser: OptimiserPart = OptimiserPart()
    schedule: SchedulePart = SchedulePart()
    validation: ValidationPart = ValidationPart()
    accumulate: Positive | Literal["sessions"] = Field(
        default="sessions", description="batches to a step of the optimiser; one of each session as published"
    )
    clip_norm: AboveZero | None = Field(default=None, description="of all gradients together")
    precision: Literal["float32", "bfloat16", "float16"] = Field(default="float32", description="of the forward pass")
    n_threads: Positive | None = Field(
        default=None, description="that torch computes with; the same number gives the same bits"
    )
    save_every_steps: Positive | None = Field(
        default=None, description="steps after which the state is saved as well; it always is after an epoch"
    )

    @model_validator(mode="after")
    def _rates_fall(self) -> Recipe:
        if self.schedule.min_learning_rate > self.optimiser.learning_rate:
            message = "schedule.min_learning_rate is above optimiser.learning_rate: the rate can only fall"
            raise ValueError(message)
        return self
