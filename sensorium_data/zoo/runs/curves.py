"""The curves of a run as a table: one row an epoch, and never a part of one, for the file is replaced as a whole."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument, DataInvalid, Problem, counted
from sensorium_data.zoo.runs.files import replace_file, run_disk
from sensorium_data.zoo.training.records import EpochRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Curves"]

Cell = int | float | bool | None
WHOLE = ("epoch", "n_steps", "n_windows")
EITHER = {"true": True, "false": False}


class Curves:
    """Rows of a run in a file of comma-separated values.

    Numbers are written with as many digits as make them the same when they are read; None is an empty cell.

    Parameters
    ----------
    path : Path
        Need not be there: then there is no row.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> curves = Curves(Path(tempfile.mkdtemp(), "curves.csv"))
    >>> row = EpochRecord(epoch=0, n_steps=0, n_windows=0, train_loss=None, penalty=None, validation_score=0.1,
    ...     learning_rate=0.005, is_best=True, train_s=0.0, validation_s=0.5, wait_s=0.0)
    >>> curves.add(row)
    >>> curves.rows() == [row]
    True
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[EpochRecord]:
        """Return the rows, the first of which is epoch 0.

        Raises
        ------
        DataInvalid
            The file is none of these; all that is wrong is named.
        StorageFailed
            It cannot be read.
        """
        with run_disk(self.path):
            if not self.path.exists():
                return []
            text = self.path.read_bytes().decode(errors="replace")
        whole = text[: text.rfind("\n") + 1]  # what another program was writing when it was stopped is no row
        header, *lines = list(csv.reader(io.StringIO(whole))) or [list(EpochRecord.names())]
        if tuple(header) != EpochRecord.names():
            problems = [Problem("curves-header", "line 1", f"is {','.join(header)!r}")]
            raise self._invalid(f"expected the columns {','.join(EpochRecord.names())}", problems)
        rows, problems = [], []
        for number, line in enumerate(lines):
            try:
                rows.append(_row(line, number))
            except ValueError as error:
                problems.append(Problem("curves-row", f"line {number + 2}", str(error)))
        if problems:
            raise self._invalid(f"{counted(len(problems), 'row')} cannot be read", problems)
        return rows

    def add(self, row: EpochRecord) -> None:
        """Add the row of an epoch; rows of it and of later epochs, which a run that was killed left, are replaced.

        Parameters
        ----------
        row : EpochRecord

        Raises
        ------
        BadArgument
            An epoch before it has no row.
        StorageFailed
            The file cannot be written; it is as it was.
        """
        before = self.rows()[: row.epoch]
        if len(before) < row.epoch:
            what = f"{self.path.name} ends before epoch {len(before)}, a row of epoch {row.epoch} cannot follow"
            raise BadArgument(what, hint="add rows in order, from epoch 0", code="curves-gap")
        self._write([*before, row])

    def truncate(self, n_epochs: int) -> None:
        """Drop the rows of later epochs.

        Parameters
        ----------
        n_epochs : int
            The last epoch that is kept.

        Raises
        ------
        StorageFailed
            The file cannot be written; it is as it was.
        """
        rows = self.rows()
        if len(rows) > n_epochs + 1:
            self._write(rows[: n_epochs + 1])

    def _write(self, rows: Sequence[EpochRecord]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(EpochRecord.names())
        writer.writerows([_cell(value) for value in row.as_dict().values()] for row in rows)
        replace_file(self.path, text.getvalue().encode())

    def _invalid(self, what: str, problems: Sequence[Problem]) -> DataInvalid:
        hint = "move the file away and go on with `--resume`: the run begins its curves again"
        return DataInvalid(f"{self.path}: {what}", hint=hint, problems=problems, code="curves-invalid")


def _cell(value: Cell) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else repr(value)


def _row(line: Sequence[str], epoch: int) -> EpochRecord:
    names = EpochRecord.names()
    if len(line) != len(names):
        raise ValueError(f"has {counted(len(line), 'cell')}, expected {len(names)}")
    row = EpochRecord.of(dict(_values(line)))
    if row.epoch != epoch:
        raise ValueError(f"is epoch {row.epoch}, expected {epoch}")
    return row


def _values(line: Sequence[str]) -> Iterator[tuple[str, Cell]]:
    for name, text in zip(EpochRecord.names(), line, strict=True):
        if text == "" and name in ("train_loss", "penalty"):
            yield name, None
        elif name == "is_best":
            if text not in EITHER:
                raise ValueError(f"{name} is {text!r}, expected true or false")
            yield name, EITHER[text]
        else:
            try:
                yield name, int(text) if name in WHOLE else float(text)
            except ValueError:
                raise ValueError(f"{name} is {text!r}, expected a number") from None
