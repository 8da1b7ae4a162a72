"""What commands print with `--json`: the outcome of a conversion, of many, and of a check."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sensorium_data.schemas.base import Document, Name, NonNegative, Positive, Text
from sensorium_data.schemas.session import ConvertOptions, Note

__all__ = [
    "CheckReport",
    "CollectionReport",
    "ConvertReport",
    "Equality",
    "Failure",
    "Fault",
    "Finding",
    "Refusal",
    "Severity",
]

Severity = Literal["error", "warning", "note"]
# Exit codes of failures: a bug, storage, data, something in the way, nothing there, a wrong call.
WORST_FIRST = (1, 6, 5, 7, 4, 2)


class Finding(Document):
    """What one check saw."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    severity: Severity
    where: Text
    what: Text
    action: str = Field(default="", description="what the toolkit does about it")


class Equality(Document):
    """How a stored signal compares with its published values."""

    name: Name
    holds: Literal["bit-exact", "rounded-exact", "rounded", "differs"] = Field(
        description="equal as published; equal because rounding changed nothing; equal after the recorded rounding; not"
    )
    n_values: NonNegative
    max_abs_error: Annotated[float, Field(ge=0)] = 0.0


class CheckReport(Document):
    """The outcome of `check`."""

    target: Text
    against: str | None = None
    checks: tuple[Name, ...] = Field(description="codes of the checks that ran")
    findings: tuple[Finding, ...] = ()
    equality: tuple[Equality, ...] = ()

    @property
    def ok(self) -> bool:
        """True when no finding is an error."""
        return not any(finding.severity == "error" for finding in self.findings)


class ConvertReport(Document):
    """The outcome of `convert`."""

    target: Text
    status: Literal["converted", "resumed", "skipped", "up-to-date", "planned"]
    key: Name
    reader: Name
    options: ConvertOptions
    codec: str = ""
    n_neurons: NonNegative = 0
    n_trials: NonNegative = 0
    n_missing: NonNegative = 0
    n_withheld: NonNegative = 0
    n_variants: NonNegative = 0
    n_groups: NonNegative = 0
    source_bytes: NonNegative = 0
    store_bytes: NonNegative = 0
    response_bytes: NonNegative = Field(default=0, description="bytes of the stored responses")
    notes: tuple[Note, ...] = ()
    checks: tuple[Name, ...] = ()


class Fault(Document):
    """One of the things that were wrong."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    where: Text
    what: Text


class Refusal(Document):
    """An error as every command prints it."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    message: Text
    hint: str = ""
    problems: tuple[Fault, ...] = ()


class Failure(Document):
    """A session of a collection that was not converted, and why."""

    source: Text
    key: str = Field(default="", description="of the session; empty where the source could not be opened")
    exit_code: Positive = Field(description="what `convert` of this session alone ends with")
    error: Refusal


class CollectionReport(Document):
    """The outcome of converting several recordings into one folder."""

    folder: Text
    sessions: tuple[ConvertReport, ...] = Field(default=(), description="in the order of the sources")
    failures: tuple[Failure, ...] = Field(default=(), description="in the order of the sources")

    @property
    def ok(self) -> bool:
        """True when no session failed."""
        return not self.failures

    @property
    def exit_code(self) -> int:
        """What the command ends with: 0, or the code of the worst failure."""
        seen = {failure.exit_code for failure in self.failures}
        return next((code for code in WORST_FIRST if code in seen), max(seen, default=0))
