"""Published `.npy` arrays, read without trust: no pickles, no objects, no size that the bytes do not bear out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.sources.members import MemberError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from sensorium_data.sources.members import Content, Members, Memory

__all__ = ["Header", "Loaded", "array_of", "common_dtype", "header_of", "is_text", "load", "look_ahead", "sound_header"]

HEAD = 4096  # enough for every header numpy writes for a plain array; version 1 headers end at 64 KiB at the latest
SMALL = 1 << 18  # bytes that may be read before it is known what they are
ALLOWED = "biufSU"


@dataclass(frozen=True, slots=True)
class Header:
    """What a `.npy` file says it holds, and where its values begin."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Loaded:
    """An array and the SHA-256 of the whole member it came from."""

    array: NDArray[Any]
    sha256: str


def _header_bytes(head: bytes) -> bytes:
    # Magic (6), version (2), header length (2 bytes little-endian in version 1, 4 from version 2 on), header.
    width = 2 if head[6:7] == b"\x01" else 4
    return head[: 8 + width + int.from_bytes(head[8 : 8 + width], "little")]


@lru_cache(maxsize=256)  # a session has thousands of files and a handful of different headers
def _parse(head: bytes) -> Header:
    stream = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(stream)[0]
        reader = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}.get(version)
        if reader is None:
            raise MemberError("npy-version", f"is .npy version {version}, expected 1 or 2")
        shape, fortran, dtype = reader(stream)
    except (ValueError, SyntaxError, TypeError, KeyError, IndexError, RecursionError, MemoryError, TokenError) as error:
        first = str(error).splitlines()[0] if str(error) else "unreadable header"
        raise MemberError("npy-header", f"is not a readable .npy file ({first})") from None
    return Header(shape, dtype, fortran, stream.tell())


def header_of(members: Members, name: str) -> Header:
    """Return the header of a member, read from its first bytes and held against its size.

    Raises
    ------
    MemberError
        Not a `.npy`, an object array or pickle, or more or fewer bytes than the header promises.
    """
    return sound_header(members.head(name, HEAD), members.sizes[name])


def look_ahead(members: Members, names: Iterable[str]) -> None:
    """Have the headers of many members at hand, where each would be a request to a server."""
    prepare = getattr(members, "prepare", None)
    if prepare is not None:
        prepare(names, HEAD)


def sound_header(head: bytes, seen: int) -> Header:
    """Return the header that a member begins with, held against the bytes that the member has.

    Raises
    ------
    MemberError
        As `header_of`.
    """
    header = _parse(_header_bytes(head))
    if header.dtype.hasobject:
        raise MemberError(
            "npy-object", "holds Python objects (a pickle), which are never loaded; expected plain numbers"
        )
    wide = header.dtype.kind == "f" and header.dtype.itemsize > 8  # long double: what it holds depends on the machine
    if wide or header.dtype.kind not in ALLOWED or header.dtype.names is not None or header.dtype.itemsize == 0:
        raise MemberError("npy-dtype", f"holds {header.dtype}, expected plain numbers or strings")
    expected = header.offset + header.nbytes
    if any(not 0 <= n < 1 << 63 for n in header.shape) or expected != seen:
        code = "npy-truncated" if seen < expected else "npy-size"
        raise MemberError(code, f"{seen:,} bytes where its header {header.shape} {header.dtype} needs {expected:,}")
    return header


def common_dtype(headers: Mapping[int, Header]) -> np.dtype[Any]:
    """Return the floating-point dtype that holds all files of a stream."""
    return np.result_type(*{header.dtype for header in headers.values()}, np.float16)


def is_text(values: NDArray[np.str_]) -> bool:
    """True where every code point is a character: no half of a surrogate pair, none beyond Unicode."""
    points = np.ascontiguousarray(values).reshape(-1).view(np.uint32)
    return not ((points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000))).any()


def array_of(content: Content, header: Header) -> NDArray[Any]:
    """Return the values of a member as an array over its bytes, in native byte order."""
    values: NDArray[Any] = np.frombuffer(content.data, header.dtype, count=prod(header.shape), offset=header.offset)
    array = values.reshape(header.shape, order="F" if header.fortran else "C")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def load(members: Members, name: str, memory: Memory | None = None) -> Loaded:
    """Return the array of a member, over the memory where one is given, with the digest of the member.

    Raises
    ------
    MemberError
        As `header_of`, or the bytes cannot be read.
    """
    if members.sizes[name] <= SMALL:  # of a small file, opening it is the cost: once, not twice
        content = members.read(name, memory)
        return Loaded(array_of(content, sound_header(bytes(content.data[:HEAD]), len(content.data))), content.sha256)
    header_of(members, name)  # what is no plain array is not read to its end
    content = members.read(name, memory)
    header = sound_header(bytes(content.data[:HEAD]), len(content.data))  # of bytes that were held against a checksum
    return Loaded(array_of(content, header), content.sha256)
