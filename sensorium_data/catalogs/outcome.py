"""What has come of files that failed, as documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.catalogs.partial import Partial
from sensorium_data.errors import SensoriumError, StorageFailed
from sensorium_data.schemas.download import DownloadedFile, DownloadFailure
from sensorium_data.schemas.report import Fault, Refusal

if TYPE_CHECKING:
    from sensorium_data.catalogs.planned import Step

__all__ = ["failed", "failure_of"]


def failed(step: Step, n_received: int) -> DownloadedFile:
    """Return a file that is not there, or not as it should be.

    Parameters
    ----------
    step : Step
    n_received : int, bytes
        That came over the network.
    """
    return DownloadedFile(
        name=step.wanted.name,
        entry=step.wanted.terms.entry,
        status="failed",
        path=str(step.wanted.target),
        bytes=step.size,
        bytes_here=Partial(step.wanted.target).size,
        bytes_fetched=n_received,
        url=step.wanted.places[0].url,
    )


def failure_of(error: Exception, step: Step) -> DownloadFailure:
    """Return why a file is not there."""
    told = _known(error)
    problems = tuple(Fault(code=each.code, where=each.where or "?", what=each.what) for each in told.problems)
    refusal = Refusal(code=told.code, message=told.message, hint=told.hint, problems=problems)
    return DownloadFailure(
        name=step.wanted.name, entry=step.wanted.terms.entry, exit_code=told.exit_code, error=refusal
    )


def _known(error: Exception) -> SensoriumError:
    if isinstance(error, SensoriumError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        said = (error.strerror or type(error).__name__).lower()
        return StorageFailed(f"{error.filename or 'the system'}: {said}", hint="mend that, then run again")
    first = (str(error).splitlines() or [""])[0]
    hint = "download this file alone with `sensorium-data --debug download`, and report it"
    return SensoriumError(f"{type(error).__name__}: {first}".removesuffix(": "), hint=hint, code="bug")
