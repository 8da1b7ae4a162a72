"""Stimuli: each unique film or image once; repeats that differ by a grey level or in length are variants of one group."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sensorium_data.schemas.base import Digest, Document, NonNegative, Positive
from sensorium_data.schemas.signal import Rate, Rounding

__all__ = ["LabelSource", "Stimulus", "StimulusTable"]

LabelSource = Literal["", "facts", "facts+length", "facts+content", "source"]


class Stimulus(Document):
    """One variant: a run of frames in ``stimuli/frames``, and how it differs from the first variant of its group."""

    variant: NonNegative
    group: NonNegative = Field(description="variants of one group show the same film")
    first_frame: NonNegative
    n_frames: Positive
    label: str = Field(default="", description="NaturalVideo, Gabor, …; empty where nothing is known")
    label_source: LabelSource = Field(default="", description="where the label comes from")
    digest: Digest
    max_difference: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="largest difference from the group's first variant over their common frames, grey levels",
    )
    n_different: NonNegative = Field(default=0, description="pixels that differ over the common frames")


class StimulusTable(Document):
    """The films or images of a session."""

    n_variants: NonNegative
    n_groups: NonNegative
    n_frames: NonNegative
    frame_shape: tuple[Positive, ...] = Field(description="(y, x) or (channel, y, x); empty where nothing was kept")
    rate: Rate | None = Field(default=None, description="frames a second from a trial's start; none for images")
    dtype: Literal["uint8", "float32", "float64"]
    integral: bool = Field(description="true when every published pixel was an integer from 0 to 255")
    rounding: Rounding
