"""Rows of a foreign CSV, one at a time and never longer than a row can be; lists are parsed as JSON, never evaluated."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from sensorium_data.errors import counted, listed
from sensorium_data.evaluation.submissions.rows2022 import COLUMNS
from sensorium_data.spelling import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.evaluation.submissions.tally import Tally

__all__ = ["ImageRow", "ImageRows", "NotAList", "numbers"]

LONGEST_ROW = 1 << 24  # bytes: 80 times a row of 8,000 neurons
MOST_ROWS = 100_000
FIELD = re.compile(rb'\s*(?:"([^"]*(?:""[^"]*)*)"|([^,]*))\s*(,|$)')
NAMED = ((b"nan", b"NaN"), (b"inf", b"Infinity"))  # as Python writes them, and as JSON reads them
FIRST = 4096  # bytes looked at to tell what a bad list is


class NotAList(ValueError):
    """A text is no list of numbers.

    Parameters
    ----------
    code : str
        `not-a-list`, or `list-numpy`.
    what : str
    """

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code, self.what = code, what


def numbers(text: bytes) -> NDArray[np.float64]:
    """Return the numbers of a list that is written as text.

    Parameters
    ----------
    text : bytes

    Raises
    ------
    NotAList
        It is something else; nothing in it is ever evaluated.

    Examples
    --------
    >>> numbers(b"[0.5, 1e-05, nan]")
    array([5.e-01, 1.e-05,    nan])
    """
    plain = text.strip()
    # One pair of brackets and no object: so nothing is nested, however deep somebody would like it to be.
    if (
        not (plain.startswith(b"[") and plain.endswith(b"]"))
        or plain.count(b"[") != 1
        or b"{" in plain
        or b'"' in plain
    ):
        raise _not_a_list(plain)
    for attempt in range(2):
        try:
            found = np.array(json.loads(plain), np.float64)
        except (ValueError, TypeError, OverflowError):
            if attempt:
                raise _not_a_list(plain) from None
            for said, meant in NAMED:
                plain = plain.replace(said, meant)
        else:
            break
    return found


def _not_a_list(text: bytes) -> NotAList:
    shown = text[:40].decode("utf-8", "replace")
    if re.match(rb"\[\s*np\.|\[?\s*(?:array|tensor)\(", text[:FIRST]) or re.match(
        rb"\[\s*[-\d.e+]+\s+[-\d]", text[:FIRST]
    ):
        return NotAList("list-numpy", f"holds `{shown}…`, as numpy or torch show numbers")
    return NotAList("not-a-list", f"holds `{shown}…`, expected a list of numbers")


@dataclass(frozen=True, slots=True, eq=False)
class ImageRow:
    """One row as it stands in the file.

    Attributes
    ----------
    trial, image : str
        Empty where the file has no such column.
    prediction, unit_ids : bytes or None
        Lists as text, for `numbers`; None where it has no such column.
    """

    trial: str
    image: str
    prediction: bytes | None
    unit_ids: bytes | None


class ImageRows:
    """Reads a CSV of predictions row by row.

    Parameters
    ----------
    file : file object
    where : str
        Its name, for findings.
    tally : Tally
        Gets what is wrong with the file as a whole.

    Attributes
    ----------
    sound : bool
        Whether there is anything to read.
    columns : tuple of str
    """

    def __init__(self, file: IO[bytes], where: str, tally: Tally) -> None:
        self._file, self._where, self._tally, self.sound = file, where, tally, True
        header = self._line()
        fields = [] if header is None else _fields(header.removeprefix(b"\xef\xbb\xbf"))
        self.columns = tuple(field.decode("utf-8", "replace").strip() for field in fields or ())
        self._look(self.columns)

    def _look(self, columns: tuple[str, ...]) -> None:
        for name in columns:
            if name not in COLUMNS:
                index = not name or name.startswith("Unnamed:") or name == "index"
                self._tally.add("column-index" if index else "column-extra", self._where, f"has a column `{name}`")
        if lacking := [name for name in COLUMNS if name not in columns]:
            what = f"has no column {listed(lacking)}; its first line is {listed(columns) or 'empty'}"
            self._tally.add("column-missing", self._where, what)
        if len(set(columns)) < len(columns):
            self._tally.add("column-type", self._where, "has a column more than once")
        self.sound = self.sound and bool(set(columns) & set(COLUMNS)) and len(set(columns)) == len(columns)

    def _line(self) -> bytes | None:
        """Return the next line, with its line breaks where they are quoted; None at the end, or where it is too long."""
        line = self._file.readline(LONGEST_ROW + 1)
        while line.count(b'"') % 2 and len(line) <= LONGEST_ROW:
            more = self._file.readline(LONGEST_ROW + 1 - len(line))
            if not more:
                break
            line += more
        if len(line) > LONGEST_ROW:
            what = f"has a row of more than {human_bytes(LONGEST_ROW)}"
            self._tally.add("row-too-large", self._where, what)
            self.sound = False
            return None
        return line or None

    def __iter__(self) -> Iterator[ImageRow]:
        """Yield the rows; where the file turns out to be damaged, that is noted and nothing more comes."""
        n = 0
        while self.sound and (line := self._line()) is not None:
            if not line.strip():
                continue
            n += 1
            fields = _fields(line)
            if n > MOST_ROWS:
                self._tally.add("too-many-rows", self._where, f"more than {MOST_ROWS:,} rows")
                return
            if fields is None or len(fields) != len(self.columns):
                seen = "a quote that does not end" if fields is None else counted(len(fields), "field")
                what = f"row {n} has {seen}, expected {counted(len(self.columns), 'field')}"
                self._tally.add("csv-damaged", self._where, what)
                continue
            there = dict(zip(self.columns, fields, strict=True))
            names = [there.get(name, b"").decode("utf-8", "replace").strip() for name in COLUMNS[:2]]
            yield ImageRow(names[0], names[1], there.get(COLUMNS[2]), there.get(COLUMNS[3]))
        if not n and self.sound:
            self._tally.add("no-rows", self._where, "holds no row")


def _fields(line: bytes) -> list[bytes] | None:
    """Return the fields of a line, None where a quote does not end."""
    plain = line.rstrip(b"\r\n")
    found: list[bytes] = []
    at = 0
    while True:
        match = FIELD.match(plain, at)
        if match is None:
            return None
        quoted, bare, end = match.groups()
        if quoted is None and bare.lstrip().startswith(b'"'):
            return None
        found.append(bare if quoted is None else quoted.replace(b'""', b'"'))
        if not end:
            return found
        at = match.end()
