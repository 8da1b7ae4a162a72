"""Rows of films as Parquet: one row group a trial, built from the memory that the predictions lie in.

Columns `mouse`, `trial_indices`, `prediction` (for each neuron a list of frames) and `neuron_ids`, packed by brotli, as
the competition of 2023 took them ("Sensorium 2023, submission": sensorium_2023, submission.py and README).
"""

from __future__ import annotations

from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from sensorium_data.evaluation.submissions.facts import folder_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    import pyarrow as pa

    from sensorium_data.evaluation.submissions.rows import Row

__all__ = ["COLUMNS", "ParquetRows", "pyarrow_parts"]

COLUMNS = ("mouse", "trial_indices", "prediction", "neuron_ids")
# Predictions are noise to a packer: level 8, Arrow's own choice, takes 12 times as long as 1 for 1 % fewer bytes.
LEVEL = 1


def pyarrow_parts() -> tuple[Any, Any]:
    """Return the modules `pyarrow` and `pyarrow.parquet`.

    Raises
    ------
    ImportError
        They are not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        what = "submissions of films need pyarrow: pip install 'sensorium-data[submit]'"
        raise ImportError(what) from error
    modules: tuple[ModuleType, ModuleType] = (pa, pq)
    return modules


def _schema(arrow: Any) -> pa.Schema:  # noqa: ANN401  # the module
    return arrow.schema(
        [
            ("mouse", arrow.string()),
            ("trial_indices", arrow.int64()),
            ("prediction", arrow.list_(arrow.list_(arrow.float32()))),
            ("neuron_ids", arrow.list_(arrow.uint32())),
        ]
    )


class ParquetRows:
    """Takes rows as they come, and writes them in the order they are wanted in.

    Parameters
    ----------
    spool : file object
        Empty; gets the rows.
    """

    def __init__(self, spool: IO[bytes]) -> None:
        self._arrow, self._parquet = pyarrow_parts()
        self._spool, self._n = spool, 0
        self._writer = self._open(spool)
        self._ids: dict[str, Any] = {}  # the neuron ids of each session

    def _open(self, file: IO[bytes]) -> pa.parquet.ParquetWriter:
        return self._parquet.ParquetWriter(
            self._arrow.PythonFile(file, mode="w"),
            _schema(self._arrow),
            compression="brotli",
            compression_level=LEVEL,
            use_dictionary=False,
            write_statistics=False,
        )

    def add(self, row: Row) -> None:
        """Take the next row."""
        self._writer.write_table(self._table(row))
        self._n += 1

    def _table(self, row: Row) -> pa.Table:
        arrow, recording = self._arrow, row.expected.recording
        n_neurons, n_frames = row.values.shape
        if recording.key not in self._ids:
            ids = arrow.array(recording.unit_ids.astype(np.uint32))
            self._ids[recording.key] = self._one_list(ids)
        starts = arrow.array(np.arange(n_neurons + 1, dtype=np.int32) * n_frames)
        lists = arrow.ListArray.from_arrays(starts, arrow.array(row.values.reshape(-1)))
        columns = [
            arrow.array([folder_of(recording.handle.document.identity)]),
            arrow.array([row.expected.trial_id], arrow.int64()),
            self._one_list(lists),
            self._ids[recording.key],
        ]
        return arrow.table(columns, schema=_schema(arrow))

    def _one_list(self, values: pa.Array) -> pa.Array:
        """Return an array whose only row is a list of all values."""
        ends = self._arrow.array([0, len(values)], self._arrow.int32())
        return self._arrow.ListArray.from_arrays(ends, values)

    def write(self, out: IO[bytes], order: Sequence[int]) -> None:
        """Write all rows; `order` says which come first, second and so on.

        Only rows that came in another order are packed again, one at a time.
        """
        self._writer.close()
        self._spool.flush()
        self._spool.seek(0)
        if list(order) == list(range(self._n)):
            while block := self._spool.read(1 << 20):
                out.write(block)
            return
        rows = self._parquet.ParquetFile(self._spool)
        with self._open(out) as writer:
            for group in order:
                writer.write_table(rows.read_row_group(group))

    def close(self) -> None:
        """Have done with the spool, whatever has come of it."""
        with suppress(OSError, self._arrow.ArrowException):  # the disk may be full, which was told before
            self._writer.close()
