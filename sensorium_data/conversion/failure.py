"""What ended the conversion of one session of a collection, as a document."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sensorium_data.errors import DataInvalid, Problem, SensoriumError, StorageFailed
from sensorium_data.schemas import Failure, Fault, Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.remote import Location

__all__ = ["as_text", "failure_of", "known"]

REPORT = "convert this session alone with `sensorium-data --debug convert`, which shows where, and report it"


def as_text(path: Path | Location) -> str:
    """Return a path or a URL as text that any document can hold; bytes that are no UTF-8 are spelled out."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")


def known(error: Exception) -> SensoriumError:
    """Return whatever was raised as an error of this package."""
    if isinstance(error, SensoriumError):
        return error
    if isinstance(error, ValidationError):
        problems = [
            Problem("document-invalid", ".".join(map(str, found["loc"])) or error.title, found["msg"])
            for found in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        text = f"{error.title} cannot be recorded"
        return DataInvalid(text, hint=REPORT, problems=problems, code="document-invalid")
    if isinstance(error, OSError):
        said = (error.strerror or type(error).__name__).lower()
        hint = "make room or get access, then run the same command again"
        return StorageFailed(f"{error.filename or 'the system'}: {said}", hint=hint)
    first = (str(error).splitlines() or [""])[0]
    return SensoriumError(f"{type(error).__name__}: {first}".removesuffix(": "), hint=REPORT, code="bug")


def failure_of(error: Exception, source: Path | Location, key: str) -> Failure:
    """Return the failure of a session.

    Parameters
    ----------
    error : Exception
        What was raised.
    source : Path or Location
    key : str
        Of the session; empty where it is not known.
    """
    told = known(error)
    where = as_text(source)
    problems = tuple(Fault(code=each.code, where=each.where or where, what=each.what) for each in told.problems)
    refusal = Refusal(code=told.code, message=told.message, hint=told.hint, problems=problems)
    return Failure(source=where, key=key, exit_code=told.exit_code, error=refusal)
