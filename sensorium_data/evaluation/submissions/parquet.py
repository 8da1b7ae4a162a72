"""Rows of a foreign Parquet file, one at a time: sizes are asked of its footer before anything is unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import listed
from sensorium_data.evaluation.submissions.facts import LARGEST
from sensorium_data.evaluation.submissions.footer import read_footer
from sensorium_data.evaluation.submissions.rows2023 import COLUMNS, pyarrow_parts
from sensorium_data.spelling import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.evaluation.submissions.footer import Footer
    from sensorium_data.evaluation.submissions.tally import Tally

__all__ = ["FilmRow", "FilmRows"]

MOST_ROWS = 100_000
LARGEST_ROW = 1 << 28  # bytes: 20,000 neurons and 3,000 frames in float32
UNPACKED = 4  # uploads
BUFFER = 1 << 20  # bytes of a column that are read at once: a file may be one row group of gigabytes


@dataclass(frozen=True, slots=True, eq=False)
class FilmRow:
    """One row as it stands in the file.

    Attributes
    ----------
    mouse : str
        Empty where the file does not say.
    trial : int, str or None
    unit_ids : (neuron,) int64 or None
        None where there are none that could be read.
    values : (neuron, time) float or None
        None where neurons differ in frames, or some lack.
    fault : str
        Code of what is wrong with values or ids; empty where they could be read.
    """

    mouse: str
    trial: object
    unit_ids: NDArray[np.int64] | None
    values: NDArray[np.floating] | None
    fault: str = ""


class FilmRows:
    """Reads a Parquet file of predictions row by row.

    Parameters
    ----------
    file : file object
        That can be sought in.
    where : str
        Its name, for findings.
    tally : Tally
        Gets what is wrong with the file as a whole.

    Attributes
    ----------
    sound : bool
        Whether there is anything to read.
    n_rows : int
    """

    def __init__(self, file: IO[bytes], where: str, tally: Tally) -> None:
        self._arrow, parquet = pyarrow_parts()
        self._where, self._tally, self.sound, self.n_rows = where, tally, False, 0
        try:
            if not self._sizes(read_footer(file)):
                return
            self._file = parquet.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False)
            self._columns = self._known_columns(self._file.schema_arrow)
            self.sound = bool(self._columns)
        except (self._arrow.ArrowException, OSError, ValueError, OverflowError) as error:
            self._damaged(error)

    def _damaged(self, error: Exception) -> None:
        first = (str(error).splitlines() or [""])[0]
        self._tally.add("parquet-damaged", self._where, f"is no whole Parquet file ({first})")
        self.sound = False

    def _known_columns(self, schema: Any) -> list[str]:  # noqa: ANN401  # Arrow's
        """Return the columns that can be read, and note what is wrong with them."""
        names: list[str] = schema.names
        for name in dict.fromkeys(names):
            if name not in COLUMNS:
                index = name.startswith(("__index_level_", "Unnamed:")) or name in ("index", "level_0")
                self._tally.add("column-index" if index else "column-extra", self._where, f"has a column `{name}`")
        if lacking := [name for name in COLUMNS if name not in names]:
            self._tally.add("column-missing", self._where, f"has no column {listed(lacking)}; has {listed(names)}")
        return [name for name in COLUMNS if names.count(name) and self._fits(schema, name)]

    def _fits(self, schema: Any, name: str) -> bool:  # noqa: ANN401  # Arrow's
        types = self._arrow.types
        if len(schema.get_all_field_indices(name)) > 1:
            self._tally.add("column-type", self._where, f"has column `{name}` more than once")
            return False
        kind = schema.field(name).type
        if name == "prediction":
            inner = self._element(self._element(kind))
            fits, expected = inner is not None and types.is_floating(inner), "list<list<float>>"
            if fits and types.is_float64(inner):
                self._tally.add("float64", self._where, "predictions are float64")
        elif name == "neuron_ids":
            inner = self._element(kind)
            fits, expected = inner is not None and types.is_integer(inner), "list<uint32>"
        elif name == "trial_indices":
            text = types.is_string(kind) or types.is_large_string(kind)
            fits, expected = types.is_integer(kind) or text, "int64"
        else:
            text = types.is_string(kind) or types.is_large_string(kind)
            fits, expected = text or types.is_dictionary(kind), "string"
        if not fits:
            self._tally.add("column-type", f"{self._where}, {name}", f"holds {kind}, expected {expected}")
        return fits

    def _element(self, kind: Any) -> Any:  # noqa: ANN401  # Arrow's
        types = self._arrow.types
        lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
        return kind.value_type if kind is not None and any(is_one(kind) for is_one in lists) else None

    def _sizes(self, footer: Footer) -> bool:
        """Return whether the file may be read, and note by what it was packed."""
        self.n_rows = footer.n_rows
        if footer.n_rows > MOST_ROWS:
            self._tally.add("too-many-rows", self._where, f"{footer.n_rows:,} rows")
            return False
        if not footer.n_rows:
            self._tally.add("no-rows", self._where, "holds no row")
            return False
        total = 0
        for i, group in enumerate(footer.groups):
            total += group.n_bytes
            if group.n_bytes > LARGEST_ROW * group.n_rows or total > UNPACKED * LARGEST:
                what = f"row group {i} of {group.n_rows:,} rows unpacks to {human_bytes(group.n_bytes)}"
                self._tally.add("row-too-large", self._where, what)
                return False
        if others := sorted(frozenset().union(*(group.codecs for group in footer.groups)) - {"BROTLI"}):
            self._tally.add("not-brotli", self._where, f"is packed by {listed(others)}")
        return True

    def __iter__(self) -> Iterator[FilmRow]:
        """Yield the rows; where the file turns out to be damaged, that is noted and nothing more comes."""
        if not self.sound:
            return
        batches = self._file.iter_batches(batch_size=1, columns=self._columns, use_threads=False)
        while True:
            try:
                batch = next(batches)
                row = self._row(batch) if batch.num_rows else None
            except StopIteration:
                return
            except (self._arrow.ArrowException, OSError, ValueError, OverflowError) as error:
                self._damaged(error)
                return
            if row is not None:
                yield row

    def _row(self, batch: Any) -> FilmRow:  # noqa: ANN401  # Arrow's
        there = {name: batch.column(name) for name in self._columns}
        mouse = there["mouse"][0].as_py() if "mouse" in there else None
        trial = there["trial_indices"][0].as_py() if "trial_indices" in there else None
        ids = _flat(there["neuron_ids"]) if "neuron_ids" in there else None
        values, fault = self._values(there["prediction"]) if "prediction" in there else (None, "")
        whole = ids is not None and not ids.null_count
        return FilmRow(
            mouse if isinstance(mouse, str) else "",
            trial,
            ids.to_numpy().astype(np.int64) if ids is not None and whole else None,
            values,
            fault if whole or ids is None else "null",
        )

    def _values(self, column: Any) -> tuple[NDArray[np.floating] | None, str]:  # noqa: ANN401  # Arrow's
        """Return (neuron, time), or the code of what is wrong."""
        import pyarrow.compute as pc

        lists = _flat(column)
        values = _flat(lists)
        if column.null_count or lists.null_count or values.null_count:
            return None, "null"
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        if not len(lengths) or (lengths != lengths[0]).any():
            return None, "ragged"
        flat = values.to_numpy()
        return flat.astype(np.float32 if flat.itemsize < 4 else flat.dtype, copy=False).reshape(len(lengths), -1), ""


def _flat(column: Any) -> Any:  # noqa: ANN401  # Arrow's
    """Return the elements of a column of lists."""
    import pyarrow.compute as pc

    return pc.list_flatten(column)
