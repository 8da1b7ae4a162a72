"""A training run as `run.json` of its folder says it: everything that its numbers follow from, and what has become of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sensorium_data.schemas.base import Digest, Document, FirstVersion, Name, NonNegative, Positive, Text, Timestamp
from sensorium_data.schemas.recipe import Recipe
from sensorium_data.schemas.report import Refusal

__all__ = ["Run", "RunBest", "RunSession", "RunState", "RunVersions", "TrainReport"]

RunState = Literal["running", "interrupted", "failed", "finished"]


class RunSession(Document):
    """A recording that a run is trained on."""

    key: Name
    digest: Digest = Field(description="of the recording as it was published; of one's own, of the store")
    units: Digest = Field(description="of the ids of its neurons, in their order, as little-endian int64")
    store: Text = Field(description="path or URL, without anything that lets one in")
    preset: Name = Field(description="how the store was written")
    precision: Name = Field(description="of its floating-point streams")
    n_neurons: Positive
    n_trials: dict[Name, NonNegative] = Field(description="by tier, of the tiers that are used")


class RunVersions(Document):
    """What a run was computed with."""

    package: Name = Field(description="version of sensorium-data")
    torch: Name
    numpy: Name
    zarr: Name
    python: Name
    platform: Text
    device: Text
    n_threads: Positive = Field(description="that a sum is split over, which changes its last digits")


class RunBest(Document):
    """The epoch whose model is kept."""

    epoch: NonNegative = Field(description="0 is the score before the first step")
    score: float
    preset: Name | None = Field(description="that defines the score; null where all valid samples count")


class Run(Document):
    """One training run."""

    version: FirstVersion = Field(default=1, description="of this document")
    recipe: Recipe
    data: Annotated[tuple[RunSession, ...], Field(min_length=1)]
    seed: NonNegative
    versions: tuple[RunVersions, ...] = Field(
        description="of the process that began it, and of each that went on otherwise"
    )
    created_at: Timestamp
    changed_at: Timestamp
    state: RunState = "running"
    best: RunBest | None = None
    error: Refusal | None = Field(default=None, description="what ended it, where it failed")


class TrainReport(Document):
    """The outcome of `train`."""

    run: str | None = Field(description="its folder; null where none was named, and nothing is written")
    status: Literal["planned", "finished"]
    resumed: bool = Field(default=False, description="gone on with, not begun")
    recipe: Recipe
    data: tuple[RunSession, ...]
    device: Text
    n_parameters: dict[Name, NonNegative] = Field(description="by part of the model, and in all")
    n_batches: NonNegative = Field(description="of an epoch")
    n_steps: NonNegative = Field(description="of an epoch")
    n_epochs: NonNegative = Field(default=0, description="that were trained")
    ended_by: Literal["patience", "max_epochs"] | None = None
    best: RunBest | None = None
    first_score: float | None = Field(default=None, description="before the first step")
    train_s: Annotated[float, Field(ge=0)] = 0.0
    validation_s: Annotated[float, Field(ge=0)] = 0.0
    wait_s: Annotated[float, Field(ge=0)] = Field(default=0.0, description="of train_s, those spent waiting for data")
