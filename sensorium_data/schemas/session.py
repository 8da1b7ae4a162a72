"""The session document: what `zarr.json` of every store says about the recording it holds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sensorium_data.schemas.base import Digest, Document, Name, NonNegative, Text, Timestamp
from sensorium_data.schemas.neuron import NeuronTable
from sensorium_data.schemas.signal import Signal
from sensorium_data.schemas.statistics import Statistic
from sensorium_data.schemas.stimulus import StimulusTable
from sensorium_data.schemas.trial import TrialTable

__all__ = [
    "Citation",
    "ConvertOptions",
    "Existing",
    "Identity",
    "Licence",
    "Note",
    "Precision",
    "Preset",
    "Provenance",
    "Session",
]

Preset = Literal["compact", "fast", "portable"]
Precision = Literal["float32", "source", "float16"]
Existing = Literal["error", "skip", "resume", "replace"]


class Identity(Document):
    """Which recording of which animal."""

    key: Name = Field(description="animal-session-scan, or any name unique in a collection")
    name: Name = Field(description="the published name")
    modality: Literal["dynamic", "static"] = Field(description="films, or images with one sample a trial")
    animal_id: str | None = None
    session: str | None = None
    scan: str | None = None
    mouse: str | None = Field(default=None, description="letter the literature uses, where there is one")
    species: str | None = None

    @property
    def film(self) -> Literal["video", "image"]:
        """What the stimulus of a trial is called: `video` of a dynamic recording, `image` of a static one."""
        return "video" if self.modality == "dynamic" else "image"


class Licence(Document):
    """Terms of the recording, not of this software."""

    name: Name
    url: str | None = None


class Citation(Document):
    """What to cite when the recording is used."""

    text: Text
    doi: str | None = None
    url: str | None = None


class ConvertOptions(Document):
    """Options that change what a store holds."""

    preset: Preset = "compact"
    precision: Precision = "float32"
    allow_nan: bool = False


class Note(Document):
    """Something a reader met and a user should know; not an error."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    text: Text


class Provenance(Document):
    """Where the values come from and what was done to them."""

    source_name: Name
    source_digest: Digest | None = Field(
        description="sha256 over the lines `<sha256 of content>  <member>` of all members, sorted by name"
    )
    source_members: NonNegative
    source_bytes: NonNegative
    reader: Name
    package: Name
    version: Name
    options: ConvertOptions
    codec: Name = Field(description="how the chunks of the responses are stored")
    notes: tuple[Note, ...] = ()
    converted_at: Timestamp


class Session(Document):
    """One recording of one animal.

    Examples
    --------
    >>> sorted(Session.model_fields)[:4]
    ['citations', 'identity', 'licence', 'neurons']
    """

    identity: Identity
    neurons: NeuronTable
    stimuli: StimulusTable
    trials: TrialTable
    signals: tuple[Signal, ...]
    statistics: tuple[Statistic, ...]
    licence: Licence | None = None
    citations: tuple[Citation, ...] = ()
    provenance: Provenance
