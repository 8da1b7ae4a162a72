"""One encoded chunk into the place where its values belong, without a copy in between.

Bytes that decode to fewer values than there is room for are refused: some decoders would leave the rest as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

# Here, and not where they are needed: two threads that import parts of numcodecs at once see it half initialised.
from numcodecs import blosc, zstd
from pcodec import standalone

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sensorium_data.store.layout import Codec

__all__ = ["LEADING", "Decoder", "decoder_of"]

Decoder: TypeAlias = "Callable[[NDArray[np.uint8], NDArray[Any]], None]"

# These decode the first values of a chunk alone, in the time of those: half a chunk saved at the end of each window.
LEADING = frozenset(["pcodec", "raw"])

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
BLOSC_HEADER = 16  # bytes; those from 12 on are the length of the whole


def decoder_of(codec: Codec) -> Decoder:
    """Return the function that decodes the bytes of a chunk into an array.

    It takes the bytes and a C-contiguous array of the dtype and size of a chunk (`LEADING` ones take a shorter array as
    well), and raises ValueError, RuntimeError or TypeError where the bytes are not such a chunk. All but the few microseconds of Python run without the interpreter's
    lock. blosc decides by itself whether to use threads of its own: in the main thread only, never in ours.

    Examples
    --------
    >>> values, out = np.arange(6, dtype="float32"), np.empty(6, "float32")
    >>> decoder_of("raw")(values.view("uint8"), out)
    >>> out
    array([0., 1., 2., 3., 4., 5.], dtype=float32)
    """
    return _DECODERS[codec]


def _pcodec(data: NDArray[np.uint8], out: NDArray[Any]) -> None:
    # The binding takes bytes and nothing else; this copy is 3 % of the time of decoding it.
    try:
        progress = standalone.simple_decompress_into(data.tobytes(), out.reshape(-1))
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, which is no Exception
            raise
        raise ValueError("the decoder gave up") from None
    if progress.n_processed != out.size:
        raise ValueError(f"it has {progress.n_processed} values, expected {out.size}")


def _zstd(data: NDArray[np.uint8], out: NDArray[Any]) -> None:
    # numcodecs takes a frame of fewer bytes than there is room for, and fills only a part.
    if _zstd_size(data[:18].tobytes()) != out.nbytes:
        raise ValueError(f"it decodes to other than {out.nbytes} bytes")
    zstd.decompress(data, _bytes_of(out))


def _zstd_size(head: bytes) -> int | None:
    """Return the size that the header of a Zstandard frame gives for its content, None where it gives none (RFC 8878)."""
    if head[:4] != ZSTD_MAGIC or len(head) < 6:
        return None
    width, single, dictionary = head[4] >> 6, head[4] >> 5 & 1, head[4] & 3
    n = (single, 2, 4, 8)[width]
    at = 5 + (1 - single) + (0, 1, 2, 4)[dictionary]
    if not n or len(head) < at + n:
        return None
    return int.from_bytes(head[at : at + n], "little") + (256 if n == 2 else 0)


def _blosc(data: NDArray[np.uint8], out: NDArray[Any]) -> None:
    # blosc believes the length in its header and reads so far, beyond the end of what it was given.
    head = data[:BLOSC_HEADER].tobytes()
    sizes = int.from_bytes(head[4:8], "little"), int.from_bytes(head[12:16], "little")
    if sizes != (out.nbytes, len(data)):
        raise ValueError(f"it is not {len(data)} bytes of blosc that decode to {out.nbytes}")
    blosc.decompress(data, _bytes_of(out))


def _raw(data: NDArray[np.uint8], out: NDArray[Any]) -> None:
    np.copyto(_bytes_of(out), data[: out.nbytes])


def _bytes_of(values: NDArray[Any]) -> NDArray[np.uint8]:
    return values.reshape(-1).view(np.uint8)


_DECODERS: dict[Codec, Decoder] = {"pcodec": _pcodec, "zstd": _zstd, "blosc": _blosc, "raw": _raw}
