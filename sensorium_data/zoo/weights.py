"""Tensors in a safetensors file: what its header says is held against the file before any memory is taken."""

from __future__ import annotations

import hashlib
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import torch  # noqa: TID253  # models are torch's
from pydantic import TypeAdapter, ValidationError

from sensorium_data.errors import BadArgument, DataInvalid, Problem, StorageFailed, counted, listed
from sensorium_data.schemas.base import Document, NonNegative

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from torch import Tensor  # for type checkers alone

__all__ = ["Slot", "differences", "pack", "slots_of", "unpack"]

LENGTH = 8  # bytes that say how long the header is, a little-endian integer
DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
# What torch.save writes, new and old: a zip file, and a pickle of protocol 2 to 5.
PICKLED = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
NO_PICKLE = (
    "a pickle can run any code as it is opened: have its owner save it with `save_pretrained`; "
    '`zoo.load("sensorium2022-cnn", path)` reads those that were published in 2022, as data alone'
)


class Slot(NamedTuple):
    """A tensor as the header announces it."""

    shape: tuple[int, ...]
    dtype: torch.dtype


class _Entry(Document):
    dtype: str
    shape: tuple[NonNegative, ...]
    data_offsets: tuple[NonNegative, NonNegative]


_HEADER = TypeAdapter(dict[str, _Entry | dict[str, str]])


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the content of a safetensors file; equal tensors make equal files.

    Parameters
    ----------
    tensors : mapping of str to Tensor

    Raises
    ------
    BadArgument
        A value that is no tensor, or of a kind of number that such files do not hold.
    """
    for name, tensor in tensors.items():
        dtype = getattr(tensor, "dtype", None)  # modules may keep anything in their state
        if dtype not in DTYPES.values():
            what = f"`{name}` is {dtype or type(tensor).__name__}, which a safetensors file does not hold"
            hint = "register it as a buffer of floats, or leave it out of the state"
            raise BadArgument(what, hint=hint, code="not-a-tensor")
    # Each a copy: tensors that share memory are refused by the library, and are two when they are read.
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    made: bytes = _library().save(whole, metadata={"format": "pt"})
    return made


def slots_of(path: Path) -> dict[str, Slot]:
    """Return what a file holds, by its header, which is held against the size of the file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataInvalid
        It is a pickle, cut off, or no safetensors file.
    StorageFailed
        It cannot be read.
    """
    try:
        n_bytes = path.stat().st_size
        with path.open("rb") as file:
            begin = file.read(LENGTH)
            length = int.from_bytes(begin, "little")
            if len(begin) < LENGTH or length > n_bytes - LENGTH:
                raise _too_short(path, begin, n_bytes)
            header = file.read(length)
    except OSError as error:
        if isinstance(error, StorageFailed):
            raise
        raise StorageFailed(f"{path}: cannot be read: {error.strerror or error}", code="storage-failed") from None
    return _checked(path, header, n_bytes - LENGTH - length)


def _too_short(path: Path, begin: bytes, n_bytes: int) -> DataInvalid:
    if begin.startswith(PICKLED):  # only here: a header of 640 bytes begins like a pickle
        return DataInvalid(f"{path} is a pickle, which is not opened", hint=NO_PICKLE, code="checkpoint-pickle")
    length = LENGTH + int.from_bytes(begin, "little") if len(begin) == LENGTH else LENGTH
    what = f"is cut off: it has {counted(n_bytes, 'byte')}, its header alone {length:,}"
    return _damaged(path, what, "truncated")


def _damaged(path: Path, what: str, code: str = "damaged") -> DataInvalid:
    hint = "get the file again: it is cut off, or was never a safetensors file"
    return DataInvalid(f"{path} {what}", hint=hint, code=f"checkpoint-{code}")


def _checked(path: Path, header: bytes, n_bytes: int) -> dict[str, Slot]:
    """Return the slots of a header; together they must fill what is left of the file, without gap or overlap."""
    at, slots = 0, {}
    for name, entry in sorted(_entries(path, header).items(), key=lambda pair: pair[1].data_offsets):
        if entry.dtype not in DTYPES:
            raise _damaged(path, f"holds `{name}` as {entry.dtype}, expected one of {listed(list(DTYPES), most=12)}")
        first, stop = entry.data_offsets
        slot = slots[name] = Slot(entry.shape, DTYPES[entry.dtype])
        if first != at or stop - first != prod(slot.shape) * slot.dtype.itemsize:
            raise _damaged(path, f"has a header in which the bytes of `{name}` are not those of its shape")
        at = stop
    if at > n_bytes:
        raise _damaged(path, f"is cut off: {counted(at - n_bytes, 'byte')} of its tensors are missing", "truncated")
    if at < n_bytes:
        raise _damaged(path, f"goes on for {counted(n_bytes - at, 'byte')} after its last tensor")
    return slots


def _entries(path: Path, header: bytes) -> dict[str, _Entry]:
    try:
        said = _HEADER.validate_json(header)
    except ValidationError:
        raise _damaged(path, "has a header that cannot be read") from None
    said.pop("__metadata__", None)
    entries = {name: entry for name, entry in said.items() if isinstance(entry, _Entry)}
    if strange := [name for name in said if name not in entries]:
        raise _damaged(path, f"holds `{strange[0]}`, which is no tensor")
    return entries


def unpack(path: Path) -> tuple[dict[str, Tensor], str]:
    """Return the tensors of a file whose header was checked, and its SHA-256.

    Raises
    ------
    DataInvalid
        The library finds a fault that `slots_of` did not.
    StorageFailed
        It cannot be read.
    """
    from safetensors import SafetensorError

    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageFailed(f"{path}: cannot be read: {error.strerror or error}", code="storage-failed") from None
    try:
        found: dict[str, Tensor] = _library().load(content)
    except SafetensorError as error:
        raise _damaged(path, f"cannot be read ({error})") from None
    return found, hashlib.sha256(content).hexdigest()


def differences(wanted: Mapping[str, Slot], found: Mapping[str, Slot]) -> list[Problem]:
    """Return how the tensors of a file differ from those of a model, in the model's order.

    Parameters
    ----------
    wanted : mapping of str to Slot
        Of the model.
    found : mapping of str to Slot
        Of the file.

    Examples
    --------
    >>> one, other = Slot((3, 2), torch.float32), Slot((4, 2), torch.float32)
    >>> for problem in differences({"a": one, "b": one}, {"b": other, "c": one}):
    ...     print(problem.where, problem.what)
    a is (3, 2) in the model, and not in the file
    b is (3, 2) in the model, (4, 2) in the file
    c is (3, 2) in the file, and not in the model
    """
    problems = [problem for name, slot in wanted.items() if (problem := _difference(name, slot, found.get(name)))]
    extra = [(name, slot) for name, slot in found.items() if name not in wanted]
    what = "is {} in the file, and not in the model"
    return problems + [Problem("key-unknown", name, what.format(slot.shape)) for name, slot in extra]


def _difference(name: str, wanted: Slot, found: Slot | None) -> Problem | None:
    if found is None:
        return Problem("key-missing", name, f"is {wanted.shape} in the model, and not in the file")
    if found.shape != wanted.shape:
        return Problem("key-shape", name, f"is {wanted.shape} in the model, {found.shape} in the file")
    # Weights may be kept in fewer bits than a model is built in; an integer is no weight.
    if found.dtype == wanted.dtype or (found.dtype.is_floating_point and wanted.dtype.is_floating_point):
        return None
    return Problem("key-dtype", name, f"is {wanted.dtype} in the model, {found.dtype} in the file")


def _library() -> ModuleType:
    try:
        import safetensors.torch
    except ImportError as error:
        what = "weights are kept by safetensors: pip install 'sensorium-data[torch]'"
        raise ImportError(what) from error
    return safetensors.torch
