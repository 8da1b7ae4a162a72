"""Convert one recording, to a path or to a URL: the function that users call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensorium_data.conversion.heap import young_heap
from sensorium_data.conversion.pipeline import convert_here, nothing_to_do, options_of
from sensorium_data.conversion.remotetarget import ToUrl
from sensorium_data.conversion.remotetarget import nothing_to_do as nothing_to_do_there
from sensorium_data.copying.front import two_places
from sensorium_data.errors import BadArgument
from sensorium_data.progress import Report, ignore
from sensorium_data.remote import Location
from sensorium_data.schemas import ConvertReport, Existing, Precision, Preset
from sensorium_data.sources import open_source
from sensorium_data.sources.members import located, named

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["convert", "plan_only"]


def convert(
    source: str | Path | Location,
    target: str | Path | Location,
    *,
    reader: str | None = None,
    preset: Preset = "compact",
    precision: Precision = "float32",
    existing: Existing = "error",
    allow_nan: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
    client: Any = None,  # noqa: ANN401  # a dask.distributed.Client, which is not a dependency
    report: Report = ignore,
) -> ConvertReport:
    """Turn a published recording into a session store, checked before anyone sees it.

    The store is built beside the target and renamed at the end; one for a URL is built below the cache folder and sent
    when it is whole, its root last. An interrupted conversion goes on where it stopped when it is run again.

    Parameters
    ----------
    source : str, Path or URL
        Folder or zip of one recording; read, never written. A zip at a URL is read in place, as is a folder of a bucket.
    target : str, Path or URL
        Where the store goes: a path, ``s3://``, ``gs://`` or ``az://``.
    reader : str, optional
        Name of a reader; by default the one that recognises the content.
    preset : {"compact", "fast", "portable"}
        Smallest; uncompressed; or codecs that every implementation of Zarr reads.
    precision : {"float32", "source", "float16"}
        How floating-point streams are stored; float16 concerns responses alone.
    existing : {"error", "skip", "resume", "replace"}
        What to do with a store that is there: fail; leave it; accept it if it is the same recording with the same
        options; or replace it once the new one is whole.
    allow_nan : bool
        Let NaN in the valid part of film and responses, and infinity, through.
    storage_options : mapping, optional
        How to get into the bucket of the target, as its fsspec file system takes it; of the source where the target is on
        this machine. Never written down, and given again when an interrupted conversion is run again.
    source_options : mapping, optional
        The same for the source.
    client : dask.distributed.Client, optional
        Run the tasks on a cluster instead of on threads of this process.
    report : callable
        Receives `Progress` records.

    Returns
    -------
    ConvertReport
        What was converted, how big it is, and everything worth knowing that is no error.

    Raises
    ------
    NotFound, SourceInvalid, ArchiveUnsafe
        The source is missing, breaks its format, or is an archive not to be trusted; nothing is written.
    TargetExists, TargetBusy
        Something is in the way; nothing is changed.
    StorageFailed
        Storage is full, read-only or forbidden, or the server of a URL cannot be reached or has another object there
        now; what was done is kept.

    Examples
    --------
    >>> import tempfile, sensorium_data as sd
    >>> from sensorium_data.testing import write_sensorium2023
    >>> folder = tempfile.mkdtemp()
    >>> source = write_sensorium2023(folder, n_neurons=5, n_train=3)
    >>> sd.convert(source, folder + "/mouse.zarr").n_neurons
    5
    """
    options = options_of(preset, precision, allow_nan, existing)
    place, goal = two_places(source, target, storage_options, source_options)
    place = located(place)
    with young_heap():
        if not isinstance(goal, Location):
            return convert_here(place, named(goal), reader, options, existing, client, report)
        if client is not None:
            hint = "convert to a folder that all workers see, then copy the store"
            raise BadArgument(f"{goal}: a cluster builds stores on disks", hint=hint, code="cluster-to-url")

        def build(path: Path) -> ConvertReport:
            return convert_here(place, path, reader, options, "replace", None, report)

        return ToUrl(place, goal, reader, options, existing, build).run(report)


def plan_only(
    source: str | Path | Location, target: str | Path | Location, *, reader: str | None = None,
    preset: Preset = "compact", precision: Precision = "float32", existing: Existing = "error", allow_nan: bool = False,
    storage_options: Mapping[str, Any] | None = None, source_options: Mapping[str, Any] | None = None,
) -> ConvertReport:  # fmt: skip
    """Return what a conversion would do, from names, headers and tables alone; nothing is written.

    Parameters and errors as `convert`.
    """
    options = options_of(preset, precision, allow_nan, existing)
    place, goal = two_places(source, target, storage_options, source_options)
    place = located(place)
    found, raw = open_source(place, reader)
    if isinstance(goal, Location):
        done = nothing_to_do_there(place, goal, raw, found.name, options, existing, dry_run=True)
    else:
        goal = named(goal)
        done = nothing_to_do(place, goal, raw, found.name, options, existing, thorough=False)
    if done is not None:
        return done
    return ConvertReport(
        target=str(goal),
        status="planned",
        key=raw.identity.key,
        reader=found.name,
        options=options,
        n_neurons=raw.n_neurons,
        n_trials=len(raw.trials),
        n_missing=sum(trial.missing for trial in raw.trials),
        source_bytes=sum(raw.members.sizes.values()),
        notes=raw.notes,
    )
