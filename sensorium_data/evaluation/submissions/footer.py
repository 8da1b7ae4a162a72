"""The footer of a Parquet file, read without Arrow: how large everything is, before anything is unpacked.

Arrow's own accessors of a column's facts end the process where a damaged footer contradicts itself, and nobody can catch
that (seen with pyarrow 26). The footer is a struct of Thrift's compact protocol, of which a few numbers are needed
("File format" and "parquet.thrift" of github.com/apache/parquet-format).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BadFooter", "Footer", "RowGroup", "read_footer"]

MAGIC = b"PAR1"
TAIL = 8  # the footer's length and the magic number
LARGEST = 1 << 22  # bytes of a footer: that of 600 trials in a row group each is half a megabyte
DEEPEST = 24  # structs in structs; Parquet needs 6
CODECS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW")
Struct: TypeAlias = dict[int, Any]


class BadFooter(ValueError):
    """It is no footer, or of no whole file."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One run of rows.

    Attributes
    ----------
    n_rows : int
    n_bytes : int
        Unpacked, of all columns.
    codecs : frozenset of str
        That columns are packed by.
    """

    n_rows: int
    n_bytes: int
    codecs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Footer:
    """What a Parquet file says of itself.

    Attributes
    ----------
    n_rows : int
    groups : tuple of RowGroup
    """

    n_rows: int
    groups: tuple[RowGroup, ...]


def read_footer(file: IO[bytes]) -> Footer:
    """Return the footer of a file; the file is at its beginning afterwards.

    Parameters
    ----------
    file : file object
        That can be sought in.

    Raises
    ------
    BadFooter
        There is none, or it is damaged.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    length = int.from_bytes(tail[:4], "little")
    if size < TAIL + len(MAGIC) or tail[4:] != MAGIC or length > size - TAIL - len(MAGIC):
        raise BadFooter("it is cut short, or no Parquet file")
    if length > LARGEST:
        raise BadFooter(f"its footer of {length:,} bytes is larger than any that is needed")
    file.seek(size - TAIL - length)
    data = file.read(length)
    file.seek(0)
    try:
        return _footer(_Compact(data).struct())
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError, OverflowError) as error:
        raise BadFooter("its footer is damaged") from error


def _footer(found: Struct) -> Footer:
    groups = []
    for group in found[4]:
        columns = [column[3] for column in group[1]]
        if any(each[6] < 0 or not 0 <= each[4] < len(CODECS) for each in columns) or group[3] < 0:
            raise BadFooter("its footer holds impossible numbers")
        n_bytes = sum(each[6] for each in columns)
        groups.append(RowGroup(group[3], n_bytes, frozenset(CODECS[each[4]] for each in columns)))
    if found[3] != sum(group.n_rows for group in groups):
        raise BadFooter(f"its footer says {found[3]:,} rows, and other numbers in its row groups")
    return Footer(found[3], tuple(groups))


class _Compact:
    """Reads values of Thrift's compact protocol: structs become dicts by number of field."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._depth = data, 0, 0
        self._kinds: dict[int, Callable[[], Any]] = {
            1: lambda: True, 2: lambda: False, 3: self._byte, 4: self._integer, 5: self._integer, 6: self._integer,
            7: lambda: self._bytes(8), 8: lambda: self._bytes(self._varint()), 9: self._list, 10: self._list,
            11: self._map, 12: self.struct,
        }  # fmt: skip

    def struct(self) -> Struct:
        """Return a struct."""
        self._deeper()
        found: Struct = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            found[number] = self._kinds[head & 15]()
        self._depth -= 1
        return found

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadFooter("its footer is nested too deeply")

    def _list(self) -> list[Any]:
        self._deeper()
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._varint()
        kind = head & 15
        # In a list a truth is a byte of its own; in a struct it is its kind.
        read = self._byte if kind in (1, 2) else self._kinds[kind]
        found = [read() for _ in range(self._few(size))]
        self._depth -= 1
        return found

    def _map(self) -> None:
        self._deeper()
        if size := self._few(self._varint()):
            kinds = self._byte()
            for _ in range(size):
                self._kinds[kinds >> 4]()
                self._kinds[kinds & 15]()
        self._depth -= 1

    def _few(self, size: int) -> int:
        """Return a number of elements that the rest can hold, each of a byte or more."""
        if size > len(self._data) - self._at:
            raise BadFooter("its footer is damaged")
        return size

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _bytes(self, n: int) -> bytes:
        self._at += self._few(n)
        return self._data[self._at - n : self._at]

    def _varint(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift > 63:
                raise BadFooter("its footer is damaged")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
