"""Batch memory that is used again once no tensor on it lives: holding batches costs memory, never correctness.

Every array of a batch is a fresh object on a block of memory. `torch.from_numpy` keeps that object alive for as long as
anything rests on it: a tensor, a slice, ``.numpy()``. So its death is the moment from which the block may be filled again,
and a weak reference tells of it. Pinned memory is left to torch's own allocator, which does the same and more: each
non-blocking copy tells it the stream it was queued on, and a block is given out again when those copies are done. From
outside, no one can know these streams.
"""

from __future__ import annotations

import os
from collections import deque
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from weakref import ref

import numpy as np
import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import BadArgument
from sensorium_data.forks import lock_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from threading import Lock

    from numpy.typing import NDArray

__all__ = ["Buffer", "BufferPool", "Spec"]

Spec: TypeAlias = "Mapping[str, tuple[tuple[int, ...], torch.dtype]]"

ALIGNMENT = 64  # bytes: a cache line, and the widest vector registers
SMALLEST = 4096  # bytes: masks and numbers of trials of every size share blocks
CLASSES = 8  # sizes of blocks to a doubling, so that mice of about as many neurons share blocks
ROOMY = 2  # a block may be this many times as large as what is put into it
RECENT = 256  # arrays: the most memory that was out at once is looked for among the last one to two times as many
SPARE = 1.5  # times that is kept: sessions of very different sizes take turns
NUMPY_DTYPES: dict[torch.dtype, type[np.generic]] = {
    torch.bool: np.bool_,
    torch.uint8: np.uint8,
    torch.int8: np.int8,
    torch.int16: np.int16,
    torch.int32: np.int32,
    torch.int64: np.int64,
    torch.uint16: np.uint16,
    torch.float16: np.float16,
    torch.bfloat16: np.uint16,  # numpy has none: the bits
    torch.float32: np.float32,
    torch.float64: np.float64,
}


class Buffer:
    """The memory of one batch: filled as arrays, then lent as tensors.

    Attributes
    ----------
    arrays : dict of name to array
        What threads fill; bfloat16 as its bits in uint16. Rows of unspecified content.
    tensors : dict of name to tensor
        The same memory, for casts by torch.
    """

    __slots__ = ("arrays", "tensors")

    def __init__(self, tensors: dict[str, torch.Tensor], arrays: dict[str, NDArray[Any]]) -> None:
        self.tensors = tensors
        self.arrays = arrays

    def lend(self, n: int | None = None) -> dict[str, torch.Tensor]:
        """Return the tensors, and let go of them: they are the caller's for as long as they live.

        Parameters
        ----------
        n : int, optional
            Rows, where a last batch has fewer.

        Raises
        ------
        BadArgument
            The buffer was lent before.
        """
        if not self.tensors and not self.arrays:
            raise BadArgument("this buffer was lent before")
        tensors, self.tensors, self.arrays = self.tensors, {}, {}
        return tensors if n is None else {name: tensor[:n] for name, tensor in tensors.items()}


class _Memory(np.ndarray[tuple[int], np.dtype[np.uint8]]):
    """A block of bytes.

    A class of its own because numpy makes a slice of an array point past it at the array's base, if both are of one
    class: then rows of a batch would not keep the batch's array alive.
    """


class _Lease(ref["NDArray[Any]"]):
    """Tells when an array is gone, and which memory it was on."""

    __slots__ = ("memory",)
    memory: _Memory


class BufferPool:
    """Gives out the memory of batches, and takes it again when nothing lives on it.

    Memory is kept in blocks of bytes, so sessions of different neurons use the same. What is free beyond the most that
    was in use lately is given back to the system.

    Parameters
    ----------
    pin : bool
        Page-locked memory, for copies to a GPU beside its work; where there is no GPU, plain memory.

    Attributes
    ----------
    n_bytes : int
        Of all blocks, in use and free; pinned memory is in torch's books, and `plain` has its own.
    n_allocated : int
        Blocks asked of the system so far.

    Examples
    --------
    >>> pool = BufferPool()
    >>> spec = {"pupil": ((2, 3), torch.float32)}
    >>> for value in range(4):
    ...     buffer = pool.take(spec)
    ...     buffer.arrays["pupil"][:] = value
    ...     batch = buffer.lend()
    >>> pool.n_allocated
    2
    """

    def __init__(self, *, pin: bool = False) -> None:
        self._pin = pin
        self._pinning: bool | None = None  # whether there is a GPU is asked only when there is a batch for it
        self._free: dict[int, list[tuple[int, _Memory]]] = {}  # by size: when it came back, the latest last
        self._out: dict[int, _Lease] = {}
        # Leases whose array is gone. Weak references call back in any thread and in the middle of anything, this pool's own
        # code included: appending to a deque needs no lock.
        self._ended: deque[_Lease] = deque()
        self._n_taken = self._n_bytes_out = 0
        self._peaks = [0, 0]  # bytes out at most: in the last full stretch of `RECENT` arrays, and in this one
        self._locks: dict[int, Lock] = {}
        self._process = os.getpid()
        self.n_bytes = self.n_allocated = 0
        self._plain = BufferPool() if pin else None

    def __reduce__(self) -> tuple[object, ...]:
        """Travel as a wish: no memory goes to another process."""
        return (partial(BufferPool, pin=self._pin), ())

    @property
    def plain(self) -> BufferPool:
        """Memory that is not pinned, for what never goes to a GPU: without ``pin`` this pool itself."""
        return self if self._plain is None else self._plain

    def take(self, spec: Spec) -> Buffer:
        """Return memory for one batch.

        Parameters
        ----------
        spec : mapping of name to (shape, torch.dtype)

        Raises
        ------
        BadArgument
            A dtype that cannot be filled as an array.
        """
        for name, (_, dtype) in spec.items():
            if dtype not in NUMPY_DTYPES:
                raise BadArgument(f"{name}: {dtype} cannot be filled as an array")
        if os.getpid() != self._process:  # a forked process cannot use its parent's GPU
            self._process, self._pinning = os.getpid(), False
        if self._pinning is None:
            self._pinning = self._pin and torch.cuda.is_available()
        if self._pinning:
            return _pinned(spec)
        with lock_of(self._locks):
            self._collect()
            arrays = {name: self._array(shape, NUMPY_DTYPES[dtype]) for name, (shape, dtype) in spec.items()}
            self._trim()
        return Buffer({name: _tensor(array, spec[name][1]) for name, array in arrays.items()}, arrays)

    def stack(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return tensors with a new first axis, as `torch.stack` does, in memory of this pool where that is possible."""
        first = tensors[0]
        if not all(_stackable(tensor, first) for tensor in tensors):
            return torch.stack(list(tensors))
        stacked = self.take({"": ((len(tensors), *first.shape), first.dtype)}).lend()[""]
        return torch.stack(list(tensors), out=stacked)

    def _collect(self) -> None:
        """Take the blocks again whose array is gone."""
        while self._ended:
            lease = self._ended.popleft()
            del self._out[id(lease)]
            size = lease.memory.nbytes
            self._n_bytes_out -= size
            self._free.setdefault(size, []).append((self._n_taken, lease.memory))

    def _array(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        memory = self._block(prod(shape) * np.dtype(dtype).itemsize)
        array: NDArray[Any] = np.ndarray(shape, dtype, buffer=memory)
        lease = _Lease(array, self._ended.append)
        lease.memory = memory
        self._out[id(lease)] = lease
        self._count(memory.nbytes)
        return array

    def _block(self, n_bytes: int) -> _Memory:
        """Return the smallest free block that holds so many bytes, or a new one."""
        wanted = size = _size_class(n_bytes)
        while size <= ROOMY * wanted:
            if blocks := self._free.get(size):
                return blocks.pop()[1]
            size = _size_class(size + 1)
        self.n_bytes += wanted
        self.n_allocated += 1
        memory = _Memory(wanted + ALIGNMENT, np.uint8)
        first = -memory.ctypes.data % ALIGNMENT
        return cast("_Memory", memory[first : first + wanted])

    def _count(self, n_bytes: int) -> None:
        self._n_taken += 1
        self._n_bytes_out += n_bytes
        if self._n_taken % RECENT == 0:
            self._peaks = [self._peaks[1], 0]
        self._peaks[1] = max(self._peaks[1], self._n_bytes_out)

    def _trim(self) -> None:
        """Give blocks back to the system, those unused for longest first, until little more is left than was in use."""
        while self.n_bytes > SPARE * max(self._peaks):
            held = [(blocks[0][0], size) for size, blocks in self._free.items() if blocks]
            if not held:
                return
            _, size = min(held)
            del self._free[size][0]
            self.n_bytes -= size


def _stackable(tensor: torch.Tensor, first: torch.Tensor) -> bool:
    """Whether a tensor is plain memory like the first, so that its copy is all there is to it."""
    return (
        type(tensor) is torch.Tensor
        and (tensor.shape, tensor.dtype, tensor.device.type) == (first.shape, first.dtype, "cpu")
        and tensor.dtype in NUMPY_DTYPES
        and tensor.layout == torch.strided
        and not tensor.requires_grad
    )


def _size_class(n_bytes: int) -> int:
    """Return the size of the block for so many bytes: at most an eighth more."""
    n_bytes = max(n_bytes, SMALLEST)
    step = max(1, (1 << (n_bytes - 1).bit_length() - 1) // CLASSES)
    return -(-n_bytes // step) * step


def _tensor(array: NDArray[Any], dtype: torch.dtype) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    return tensor if tensor.dtype == dtype else tensor.view(dtype)


def _pinned(spec: Spec) -> Buffer:
    tensors = {name: torch.empty(shape, dtype=dtype, pin_memory=True) for name, (shape, dtype) in spec.items()}
    bits = {name: t.view(torch.uint16) if t.dtype == torch.bfloat16 else t for name, t in tensors.items()}
    return Buffer(tensors, {name: t.numpy() for name, t in bits.items()})
