"""What `submit` says of a file of predictions: what is in it, and everything that is wrong with it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sensorium_data.schemas.base import Document, Name, NonNegative, Text
from sensorium_data.schemas.report import Finding

__all__ = ["SubmissionFile", "SubmissionReport"]


class SubmissionFile(Document):
    """One file of predictions, by itself or in a zip."""

    name: Name
    tier: str = Field(default="", description="empty where nothing tells which it is")
    mice: tuple[str, ...] = Field(default=(), description="as the file names them, in its order")
    n_rows: NonNegative = Field(default=0, description="trials")
    n_bytes: NonNegative = 0


class SubmissionReport(Document):
    """The outcome of `submit`.

    An error is a fault of the file; a warning says what a server would not take or score, although the file can be scored
    here; a note is a remark.

    Examples
    --------
    >>> SubmissionReport(path="main.zip", status="checked").ok
    True
    """

    path: Text
    status: Literal["planned", "written", "replaced", "checked"]
    track: Literal["main", "bonus", "2022", ""] = Field(default="", description="empty for a single tier, or unknown")
    window: str = Field(default="", description="frames that are sent, as a preset of the scores names them")
    files: tuple[SubmissionFile, ...] = ()
    n_values: NonNegative = Field(default=0, description="numbers in all predictions together")
    n_bytes: NonNegative = 0
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """True when no finding is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def taken(self) -> bool:
        """True when no finding is an error or a warning: as far as can be told, the server would take it."""
        return all(finding.severity == "note" for finding in self.findings)
