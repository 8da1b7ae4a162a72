"""Statistics that came with a recording: kept untouched, large ones in shards like the signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.errors import SourceInvalid
from sensorium_data.schemas import Statistic
from sensorium_data.sources.members import MemberError
from sensorium_data.store.layout import ArraySpec, Paths, codec_for

if TYPE_CHECKING:
    from sensorium_data.schemas import Preset
    from sensorium_data.sources import RawSession, RawStatistic
    from sensorium_data.store.write import StoreWriter

__all__ = ["big_statistics", "keep_small_statistics"]

BIG = 1 << 20  # shipped statistics from 1 MiB on are cut into shards; smaller ones are one chunk, held in the sidecar
SOURCE_DEFINITION = "as shipped with the recording, untouched; time moved to the front"


def _statistic_spec(raw: RawSession, statistic: RawStatistic, preset: Preset) -> ArraySpec:
    from sensorium_data.sources.npy import header_of

    header = header_of(raw.members, statistic.member)
    shape = (header.shape[-1], *header.shape[:-1]) if statistic.framed else header.shape
    dtype = header.dtype.newbyteorder("=")
    big = statistic.framed and header.nbytes >= BIG
    return ArraySpec(
        f"{Paths.source_statistics}/{statistic.path}",
        shape,
        dtype,
        statistic.dims,
        codec_for(preset, dtype) if big or preset != "compact" else "zstd",
        sharded=big,
    )


def big_statistics(raw: RawSession, preset: Preset) -> list[tuple[RawStatistic, ArraySpec]]:
    """Return the shipped statistics that are written in shards."""
    specs = [(statistic, _statistic_spec(raw, statistic, preset)) for statistic in raw.statistics]
    return [(statistic, spec) for statistic, spec in specs if spec.sharded]


def keep_small_statistics(raw: RawSession, preset: Preset, writer: StoreWriter) -> list[Statistic]:
    """Put the small shipped statistics into a store, and return the documents of all of them.

    Raises
    ------
    SourceInvalid
        One cannot be read.
    """
    sets: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for statistic in raw.statistics:
        spec = _statistic_spec(raw, statistic, preset)
        if not spec.sharded:
            try:
                writer.small(spec, raw.statistic(statistic).array)
            except MemberError as error:
                problems = [error.problem(statistic.member)]
                raise SourceInvalid(f"{raw.members.path}: 1 problem", problems=problems) from None
        sets.setdefault((statistic.signal, statistic.dims), []).append(statistic.path.split("/", 1)[-1])
    return [
        Statistic(signal=signal, origin="source", measures=tuple(paths), dims=dims, definition=SOURCE_DEFINITION)
        for (signal, dims), paths in sets.items()
    ]
