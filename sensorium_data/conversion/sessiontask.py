"""One session of a collection as a task: planned or converted here, or sent to a worker of a cluster."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium_data.conversion.front import convert, plan_only
from sensorium_data.conversion.worker import require_seen, whole_worker
from sensorium_data.errors import NotFound, TargetBusy
from sensorium_data.remote import Location

if TYPE_CHECKING:
    from sensorium_data.progress import Report
    from sensorium_data.schemas import ConvertReport, Existing, Precision, Preset

__all__ = ["SessionTask", "convert_on_worker", "require_written"]

BUSY_S = 20.0  # a worker that was given up may finish its last shard, and hold the lock, for as long as this
PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class SessionTask:
    """The arguments of `convert` for one session, by the same names; small and picklable."""

    source: str | Path | Location
    target: str | Path | Location
    reader: str | None
    preset: Preset
    precision: Precision
    existing: Existing
    allow_nan: bool

    def convert(self, report: Report) -> ConvertReport:
        """Convert the session in this process."""
        return convert(**self._arguments(), report=report)

    def plan(self) -> ConvertReport:
        """Say what `convert` would do."""
        return plan_only(**self._arguments())

    def _arguments(self) -> dict[str, Any]:
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return given | ({} if isinstance(self.source, Location) else {"source": str(self.source)})

    def for_worker(self) -> SessionTask:
        """Return the task as another process understands it, in another folder and perhaps for the second time.

        A worker may die when its store is published and nobody knows yet. The next one must not take that store for one
        that was there before: whether there is one is settled before the task is sent.
        """
        # Not made absolute by Path, which keeps `..`.
        source = self.source if isinstance(self.source, Location) else os.path.abspath(self.source)  # noqa: PTH100
        target = os.path.abspath(str(self.target))  # noqa: PTH100  # clusters build on disks
        existing: Existing = "resume" if self.existing == "error" else self.existing
        return replace(self, source=source, target=target, existing=existing)


def convert_on_worker(task: SessionTask) -> ConvertReport:
    """Convert a session with all threads of the worker that this runs on.

    Raises
    ------
    NotFound
        This worker does not see the source, or the folder of the target.
    """
    paths = [] if isinstance(task.source, Location) else [str(task.source)]
    require_seen(*paths, str(Path(str(task.target)).parent))
    with whole_worker() as report:
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                return task.convert(report)
            except TargetBusy:
                if time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE_S)


def require_written(task: SessionTask) -> None:
    """Raise NotFound where a worker has written a store that this machine does not see."""
    target = Path(str(task.target))
    # The folder is listed, not the store looked for: a network file system remembers for a while what was not there.
    if target.name not in os.listdir(target.parent):  # noqa: PTH208  # names are all that is wanted
        hint = "targets must lie where this machine and every worker see them under the same path"
        raise NotFound(f"{target} was written, but where this machine does not see it", hint=hint, code="not-on-worker")
