"""Withheld responses: published as zeros, with nothing in the metadata that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.sources.members import MemberError
from sensorium_data.sources.npy import load, sound_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.sources.members import Members

__all__ = ["is_withheld"]

PROBE = 4096  # bytes of a file read to see that it is not withheld


def is_withheld(members: Members, name: str, n_valid: int | None, digests: dict[str, str], *, allow_nan: bool) -> bool:
    """True when the valid responses are zeros, every one; a file of other values is not read to its end.

    Parameters
    ----------
    members : Members
    name : str
        Of the file of responses.
    n_valid : int, optional
        Samples along the last axis that are valid; all of them by default.
    digests : dict
        Gets the SHA-256 of the file where it was read whole.
    allow_nan : bool
        Take NaN and infinity among zeros for responses.

    Raises
    ------
    MemberError
        It cannot be read, holds no numbers, or none but zeros, NaN and infinity.
    """
    head = members.head(name, PROBE)  # header and first values in one look
    header = sound_header(head, members.sizes[name])
    if header.dtype.kind not in "fiu":
        raise MemberError("npy-dtype", f"holds {header.dtype}, expected numbers")
    size, probe = header.dtype.itemsize, head[header.offset :]
    if _nonzero(np.frombuffer(probe[: len(probe) // size * size], header.dtype)):
        return False
    loaded = load(members, name)
    if _nonzero(loaded.array):
        return False
    valid = loaded.array[..., :n_valid]
    if not valid.any():
        digests[name] = loaded.sha256
        return True
    if not allow_nan:
        raise _odd(valid)
    return False


def _odd(valid: NDArray[Any]) -> MemberError:
    """Return what is wrong with responses that are zero, NaN or infinite, every one."""
    n_nan, n_inf = int(np.isnan(valid).sum()), int(np.isinf(valid).sum())
    seen = " and ".join(f"{n} {what}" for n, what in ((n_nan, "NaN"), (n_inf, "infinite values")) if n)
    zeros = n_nan + n_inf < valid.size
    beside = "among zeros, as withheld responses are published" if zeros else "and nothing else"
    what = f"holds {seen} {beside} (--allow-nan lets them in)"
    return MemberError("nan-in-valid" if n_nan else "infinite", what)


def _nonzero(values: NDArray[Any]) -> bool:
    """True when some value is neither zero nor NaN nor infinite."""
    flat = values.reshape(-1)
    # Nearly always one of the first is; all are looked at where none is.
    return any(bool((np.isfinite(part) & (part != 0)).any()) for part in (flat[:256], flat[256:]))
