"""The nouns of a recording as documents; this package knows pydantic and nothing else.

`schemas/` at the root of the repository holds the same models rendered as JSON Schema.
"""

from __future__ import annotations

from sensorium_data.schemas.base import Document
from sensorium_data.schemas.card import ModelCard, ModelScore, ModelSession, ModelUnits, ModelWeights
from sensorium_data.schemas.catalog import CatalogDocument, CatalogFile, CatalogTier, Credentials, Entry
from sensorium_data.schemas.copy import CopyReport, Verify
from sensorium_data.schemas.download import (
    DownloadedFile,
    DownloadFailure,
    DownloadLock,
    DownloadReport,
    Pin,
    Terms,
)
from sensorium_data.schemas.neuron import Column, Neuron, NeuronTable
from sensorium_data.schemas.recipe import (
    DataPart,
    LossPart,
    ModelPart,
    OptimiserPart,
    Recipe,
    SchedulePart,
    ValidationPart,
)
from sensorium_data.schemas.report import (
    CheckReport,
    CollectionReport,
    ConvertReport,
    Equality,
    Failure,
    Fault,
    Finding,
    Refusal,
    Severity,
)
from sensorium_data.schemas.run import Run, RunBest, RunSession, RunState, RunVersions, TrainReport
from sensorium_data.schemas.score import (
    Bootstrap,
    Measured,
    MeasureName,
    PresetFacts,
    Score,
    ScoredSession,
    ScoreReport,
)
from sensorium_data.schemas.session import (
    Citation,
    ConvertOptions,
    Existing,
    Identity,
    Licence,
    Note,
    Precision,
    Preset,
    Provenance,
    Session,
)
from sensorium_data.schemas.signal import (
    Channel,
    Clock,
    ExplicitClock,
    Rate,
    RegularClock,
    Rounding,
    SegmentedClock,
    Signal,
)
from sensorium_data.schemas.statistics import Statistic
from sensorium_data.schemas.stimulus import Stimulus, StimulusTable
from sensorium_data.schemas.submission import SubmissionFile, SubmissionReport
from sensorium_data.schemas.trial import ROLES, Role, Tier, Trial, TrialTable

__all__ = [
    "DOCUMENTS",
    "ROLES",
    "Bootstrap",
    "CatalogDocument",
    "CatalogFile",
    "CatalogTier",
    "Channel",
    "CheckReport",
    "Citation",
    "Clock",
    "CollectionReport",
    "Column",
    "ConvertOptions",
    "ConvertReport",
    "CopyReport",
    "Credentials",
    "DataPart",
    "Document",
    "DownloadFailure",
    "DownloadLock",
    "DownloadReport",
    "DownloadedFile",
    "Entry",
    "Equality",
    "Existing",
    "ExplicitClock",
    "Failure",
    "Fault",
    "Finding",
    "Identity",
    "Licence",
    "LossPart",
    "MeasureName",
    "Measured",
    "ModelCard",
    "ModelPart",
    "ModelScore",
    "ModelSession",
    "ModelUnits",
    "ModelWeights",
    "Neuron",
    "NeuronTable",
    "Note",
    "OptimiserPart",
    "Pin",
    "Precision",
    "Preset",
    "PresetFacts",
    "Provenance",
    "Rate",
    "Recipe",
    "Refusal",
    "RegularClock",
    "Role",
    "Rounding",
    "Run",
    "RunBest",
    "RunSession",
    "RunState",
    "RunVersions",
    "SchedulePart",
    "Score",
    "ScoreReport",
    "ScoredSession",
    "SegmentedClock",
    "Session",
    "Severity",
    "Signal",
    "Statistic",
    "Stimulus",
    "StimulusTable",
    "SubmissionFile",
    "SubmissionReport",
    "Terms",
    "Tier",
    "TrainReport",
    "Trial",
    "TrialTable",
    "ValidationPart",
    "Verify",
]

# The documents that are rendered under `schemas/` and that `sensorium-data schema NAME` prints.
DOCUMENTS: dict[str, type[Document]] = {
    "session": Session,
    "signal": Signal,
    "neuron": Neuron,
    "stimulus": Stimulus,
    "trial": Trial,
    "statistic": Statistic,
    "provenance": Provenance,
    "check-report": CheckReport,
    "convert-report": ConvertReport,
    "collection-report": CollectionReport,
    "catalog": CatalogDocument,
    "download-report": DownloadReport,
    "download-lock": DownloadLock,
    "copy-report": CopyReport,
    "recipe": Recipe,
    "model-card": ModelCard,
    "score-report": ScoreReport,
    "submission-report": SubmissionReport,
    "run": Run,
    "train-report": TrainReport,
}
