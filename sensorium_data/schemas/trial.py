"""Trials: labelled half-open intervals of the session, with tier, role and what is missing or withheld."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from sensorium_data.schemas.base import Document, Integer, Name, NonNegative, RowOrMissing
from sensorium_data.schemas.signal import Rate

__all__ = ["ROLES", "Role", "Tier", "Trial", "TrialTable"]

Role = Literal["train", "validation", "test", "none"]

# Tier names exactly as published, with the part they play. `oracle` is what the 2023 organisers validated on.
ROLES: dict[str, Role] = {
    "train": "train",
    "oracle": "validation",
    "validation": "validation",
    "test": "test",
    "final_test": "test",
    "live_test_main": "test",
    "live_test_bonus": "test",
    "final_test_main": "test",
    "final_test_bonus": "test",
    "none": "none",
}


class Trial(Document):
    """One presentation.

    ``start`` and ``stop`` are ticks of the trial table's clock, half-open. ``n_valid`` counts the samples shown or
    recorded: ``stop - start`` on the nominal clock of published trials. ``order`` is the presentation order; for
    published files it is inferred from the file numbers.
    """

    trial_id: NonNegative = Field(description="the published file number")
    tier: Name
    role: Role
    variant: RowOrMissing = Field(description="row of stimuli/, -1 where the trial is missing")
    stimulus: RowOrMissing = Field(description="stimulus group, -1 where the trial is missing")
    start: Integer
    stop: Integer
    n_valid: NonNegative
    responses_withheld: bool = False
    missing: bool = False
    order: NonNegative
    segment: RowOrMissing = Field(description="trials of one segment were shown back to back")

    @model_validator(mode="after")
    def _half_open(self) -> Self:
        if self.stop - self.start < self.n_valid:
            msg = f"[{self.start}, {self.stop}) does not hold {self.n_valid} samples"
            raise ValueError(msg)
        if self.missing and self.n_valid:
            msg = "a missing trial has no valid sample"
            raise ValueError(msg)
        return self


class Tier(Document):
    """How many trials a tier has, and its role."""

    name: Name
    role: Role
    n_trials: NonNegative
    n_withheld: NonNegative = 0
    n_missing: NonNegative = 0


class TrialTable(Document):
    """The trials of a session."""

    n: NonNegative
    tiers: tuple[Tier, ...]
    origin_ns: Integer = Field(default=0, description="time of tick 0 of start and stop")
    rate: Rate | None = Field(default=None, description="ticks a second; where none is given, as the signals' clocks")
    order_inferred: bool = Field(description="true where the presentation order was not published")
    order_basis: str = ""
