"""Layout version 1: the names, dims, chunks and codecs of a session store. No other module spells a path inside one."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from sensorium_data.schemas import Preset

__all__ = [
    "ATTRIBUTE",
    "BLOSC_LEVEL",
    "CHUNK",
    "LAYOUT",
    "PCODEC_LEVEL",
    "SHARD",
    "ZSTD_LEVEL",
    "ArraySpec",
    "Codec",
    "Paths",
    "chunk_key",
    "codec_for",
    "quiet_zarr",
]

LAYOUT = 1
ATTRIBUTE = "sensorium_data"  # the key of the root attributes that holds {"layout": …, "session": …}

# 20 frames is where the bytes read beyond a window and the cost of a chunk balance, and it divides 300, the length of
# nearly every film; 150 chunks make a shard, whose index of 2.4 kB is one small read.
CHUNK = 20
SHARD = 3000
PCODEC_LEVEL = 8
ZSTD_LEVEL = 1  # 36×64 films: level 3 takes twice the time for 3 % fewer bytes
BLOSC_LEVEL = 3

Codec: TypeAlias = Literal["pcodec", "zstd", "blosc", "raw"]


class Paths:
    """Where things are inside a store."""

    root = "zarr.json"
    neurons = "neurons"
    trials = "trials"
    stimuli = "stimuli"
    frames = "stimuli/frames"
    signals = "signals"
    statistics = "statistics"
    source_statistics = "statistics/source"
    train_statistics = "statistics/train"
    sidecar = "sidecar/index"

    @staticmethod
    def values(signal: str) -> str:
        """Return the path of a signal's samples."""
        return f"signals/{signal}/values"

    @staticmethod
    def times(signal: str) -> str:
        """Return the path of a signal's explicit times."""
        return f"signals/{signal}/time"


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array of a store: where it is, what it holds, how it is cut and coded.

    ``sharded`` arrays are cut into chunks of 20 rows, 150 of them to a file; the others are one chunk.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    codec: Codec
    sharded: bool = False
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> bool:
        """True where the values are strings."""
        return self.dtype.kind in "UTO"

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a chunk."""
        rows = CHUNK if self.sharded else max(1, self.shape[0] if self.shape else 1)
        return (rows, *(max(1, n) for n in self.shape[1:])) if self.shape else ()

    @property
    def n_shards(self) -> int:
        """Files a sharded array is cut into."""
        return -(-self.shape[0] // SHARD)

    def shard_rows(self, shard: int) -> tuple[int, int]:
        """Return the half-open run of rows in a shard."""
        return shard * SHARD, min((shard + 1) * SHARD, self.shape[0])


def chunk_key(spec: ArraySpec, index: int = 0) -> str:
    """Return the store key of a chunk or shard, counted along the first axis."""
    rest = "/0" * (len(spec.shape) - 1)
    return f"{spec.path}/c/{index}{rest}" if spec.shape else f"{spec.path}/c"


def codec_for(preset: Preset, dtype: np.dtype[Any]) -> Codec:
    """Return the codec of a preset for a dtype.

    `compact` uses pcodec, which packs resampled traces 3.3 times and still decodes at 3 GB/s a core, but has no 8-bit
    mode; `portable` keeps to codecs of the Zarr specification that every implementation reads.

    Examples
    --------
    >>> import numpy as np
    >>> codec_for("compact", np.dtype("float32")), codec_for("compact", np.dtype("uint8"))
    ('pcodec', 'zstd')
    """
    if preset == "fast":
        return "raw"
    if preset == "portable":
        return "blosc" if dtype.kind in "fiub" else "zstd"
    wide = dtype.kind in "fiu" and dtype.itemsize >= 2
    return "pcodec" if wide else "zstd"


@contextmanager
def quiet_zarr() -> Iterator[None]:
    """Silence zarr's remarks that pcodec, strings and consolidated metadata are extensions: layout 1 chose them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Numcodecs codecs are not in the Zarr")
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        warnings.filterwarnings("ignore", message="The codec `vlen-utf8` is currently not part")
        warnings.filterwarnings("ignore", message="The data type .* does not have a Zarr V3 specification")
        yield
