"""Random numbers of training, each from a seed of its own: the same whoever draws them, and wherever training went on.

Models may draw from torch's global generator: a Gaussian readout samples its places in every forward pass. So before each
batch that generator is seeded from the run's seed, the epoch and the place of the batch in it. Nothing of it has to be
saved, ranks draw what one process would, and the caller's own generator is as it was afterwards.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253  # models are torch's

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["derived_seed", "n_threads", "own_generator", "seed_batch"]

BATCH = 1  # what a seed is for: the model itself is built from the recipe's


def derived_seed(*numbers: int) -> int:
    """Return a seed that follows from some numbers, unlike that of any others.

    Examples
    --------
    >>> derived_seed(0, 1, 2) == derived_seed(0, 1, 2), derived_seed(0, 1, 2) == derived_seed(0, 2, 1)
    (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)  # torch takes 63 bits


def seed_batch(seed: int, epoch: int, place: int) -> None:
    """Seed torch's global generators for one batch.

    Parameters
    ----------
    seed : int
        Of the recipe.
    epoch : int
    place : int
        Of the batch in its epoch, among those of all ranks.
    """
    torch.manual_seed(derived_seed(seed, BATCH, epoch, place))


@contextmanager
def own_generator(device: torch.device) -> Iterator[None]:
    """Give torch's global generators back as they were.

    Parameters
    ----------
    device : torch.device
        That is computed on.

    Examples
    --------
    >>> before = torch.get_rng_state()
    >>> with own_generator(torch.device("cpu")):
    ...     seed_batch(0, 1, 0)
    >>> torch.equal(torch.get_rng_state(), before)
    True
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


@contextmanager
def n_threads(wanted: int | None) -> Iterator[None]:
    """Have torch compute with so many threads: sums in another order differ in the last bits.

    Parameters
    ----------
    wanted : int, optional
        By default as many as it has.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(before if wanted is None else wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
