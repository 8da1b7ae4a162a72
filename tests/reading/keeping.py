"""A stored array whose chunks are kept, small enough to read again and again, under budgets in chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensorium_data.reading import ArrayReader
from sensorium_data.reading.budget import Budget
from sensorium_data.reading.kept import KeptReader
from sensorium_data.store.layout import CHUNK, SHARD
from tests.reading.made import PATH, folder_of, make_store, reader_of, values_of

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas import Session

N = SHARD + 95  # the last chunk of the last shard is short
VALUES = values_of((N, 4), "float32")
PACKED: list[Any] = ["pcodec", "zstd", "blosc"]
CODECS: list[Any] = [*PACKED, "raw"]
CHUNK_BYTES = CHUNK * 4 * 4
ALL = VALUES.nbytes


def make_stores(folder: Path, document: Session) -> dict[str, Path]:
    """Write the array by each codec, and one of few rows beside it."""
    small = {"signals/small/values": VALUES[:50]}
    return {c: folder_of(make_store(folder / f"{c}.zarr", document, {PATH: (VALUES, c)}, small)) for c in CODECS}


def keeping(root: Path, most: int | Budget = ALL, **options: Any) -> KeptReader:
    """Return a reader of the array that keeps so many bytes at most, or what a budget grants."""
    reader = reader_of(root, **options)
    assert isinstance(reader, ArrayReader)
    return KeptReader(reader, most if isinstance(most, Budget) else Budget(most))
