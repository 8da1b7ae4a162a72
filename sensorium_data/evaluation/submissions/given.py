"""What a submission is given: the sessions it is about, opened, and the place it goes to, settled."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sensorium_data.errors import BadArgument, StorageFailed, TargetExists, near_miss
from sensorium_data.evaluation.truth import Recording
from sensorium_data.viewing.opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.viewing.opening import Opened

__all__ = ["Existing", "recordings_of", "settle_file", "static_columns"]

Existing: TypeAlias = Literal["error", "replace"]


def recordings_of(
    sessions: Opened | Iterable[Opened], storage_options: Mapping[str, object] | None = None
) -> list[Recording]:
    """Return the recordings that a submission is about.

    Parameters
    ----------
    sessions : path, pattern, Session, SessionHandle, or several
    storage_options : mapping, optional
        How to get in where they are URLs.

    Raises
    ------
    BadArgument
        No session, one twice, or one without responses.
    NotFound, StoreInvalid, StorageFailed
        One cannot be opened; with several faults all are named.
    """
    return [Recording(session.handle) for session in opened(sessions, storage_options).values()]


def settle_file(target: Path, existing: Existing, *, as_zip: bool) -> Path:
    """Return where a file goes, or raise because it cannot.

    Raises
    ------
    BadArgument
        A zip is to be made whose name says otherwise, or no such way to deal with what is there.
    TargetExists
        Something is there.
    StorageFailed
        No folder can be made for it.
    """
    if existing not in ("error", "replace"):
        raise BadArgument(f"existing is {existing!r}", hint=near_miss(str(existing), ["error", "replace"]))
    if as_zip and target.suffix.lower() != ".zip":
        what = f"{target}: the files of a track go into one zip, whose name ends with .zip"
        raise BadArgument(what, hint=f"{target.with_suffix('.zip')}, for one", code="bad-target")
    there = next(parent for parent in target.absolute().parents if os.path.lexists(parent))
    if not there.is_dir():
        what = f"{there}: a part of the path is a file; {target} cannot be below it"
        raise StorageFailed(what, hint="choose another target")
    if target.is_dir():
        raise TargetExists(f"{target} is a folder", hint="name the file that is to be made", code="is-a-folder")
    if os.path.lexists(target) and existing == "error":
        raise TargetExists(f"{target} exists already", hint="`existing` (--existing) replace writes it anew")
    return target


def static_columns(recording: Recording) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """Return the published `trial_idx` and ids of the images, (trial,) each; None where there are none."""
    table = recording.handle.trials
    ids = next((values for name, values in table.items() if name.endswith("_image_id")), None)
    return table.get("trial_idx"), ids
