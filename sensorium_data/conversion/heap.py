"""Keep the garbage collector to what a conversion makes."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["young_heap"]


@contextmanager
def young_heap() -> Iterator[None]:
    """Leave what was there before out of collections while this lasts.

    The tables of a session are some 100,000 objects, which has Python look several times at all objects of the process:
    with xarray, dask and pydantic loaded 65 ms each, a twentieth of the time that 6,000 images take.
    """
    if gc.get_freeze_count():  # somebody else has done it, and would not want it undone
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
