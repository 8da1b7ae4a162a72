"""What commands print with `--json`: the outcome of a conversion and of a check."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sensorium_data.schemas.base import Document, Name, NonNegative, Text
from sensorium_data.schemas.session import ConvertOptions, Note

__all__ = ["CheckReport", "ConvertReport", "Equality", "Finding", "Severity"]

Severity = Literal["error", "warning", "note"]


class Finding(Document):
    """What one check saw."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    severity: Severity
    where: Text
    what: Text


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
