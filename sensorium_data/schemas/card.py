"""The card of a model: what its numbers are of, so that nobody needs to ask who trained it on what."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sensorium_data.schemas.base import (
    Digest,
    Document,
    FirstVersion,
    Name,
    NonNegative,
    Options,
    Positive,
    Text,
    Timestamp,
)
from sensorium_data.schemas.session import Citation, Licence

__all__ = ["CARD_FORMAT", "CARD_VERSION", "ModelCard", "ModelScore", "ModelSession", "ModelUnits", "ModelWeights"]

CARD_FORMAT: Literal["sensorium-data model"] = "sensorium-data model"
CARD_VERSION: Literal[1] = 1


class ModelSession(Document):
    """A recording whose neurons a model answers for; ids and places of the neurons lie with the weights."""

    key: Name
    n_neurons: Positive
    unit_ids_digest: Digest = Field(
        description="SHA-256 of the ids as little-endian int64, in the order of the answers"
    )
    image_shape: tuple[Positive, Positive, Positive] = Field(description="channel, y, x of what the model sees")
    n_behavior: NonNegative = 0
    n_pupil_center: NonNegative = 0
    source_digest: str = Field(default="", description="tells the recording; empty where it is not known")
    licence: Licence | None = Field(default=None, description="of the recording, not of the model")
    citations: tuple[Citation, ...] = ()


class ModelUnits(Document):
    """What a model's normalisation is beside its tensors."""

    scaling: Literal["raw", "per_neuron", "official"] = Field(description="what the answers are multiples of")
    step: Positive = Field(description="pixels of a side of a stored image that become one")


class ModelScore(Document):
    """How good a model was found to be."""

    preset: Name = Field(description="which frames, which scaling, which weighting: a score is none without it")
    metric: Name
    tier: Name
    session: Name | None = Field(default=None, description="null over all sessions")
    value: float | None = Field(description="null where it is not defined")


class ModelWeights(Document):
    """The file that the weights are in."""

    bytes: Positive
    sha256: Digest


class ModelCard(Document):
    """What `config.json` beside the weights of a model says.

    Examples
    --------
    >>> sorted(ModelCard.model_fields)[:4]
    ['config', 'created_at', 'format', 'modality']
    """

    format: Literal["sensorium-data model"] = CARD_FORMAT
    version: FirstVersion = CARD_VERSION
    model: Name = Field(description="name of the architecture")
    modality: Literal["static", "dynamic"]
    config: Options = Field(description="everything that it is built from beside the sessions")
    sessions: tuple[ModelSession, ...] = Field(min_length=1)
    normalisation: ModelUnits
    weights: ModelWeights
    n_parameters: dict[str, NonNegative] = Field(default_factory=dict, description="trained ones, by part and in all")
    recipe: Options | None = Field(default=None, description="what it was trained by")
    scores: tuple[ModelScore, ...] = ()
    package_version: Text
    torch_version: Text
    created_at: Timestamp
