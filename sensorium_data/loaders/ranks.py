"""Who of several processes takes which batch: rank r of N takes batches r, r + N, … of what is left of the epoch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import torch.distributed  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.windows.asked import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LAST_STEPS", "LastStep", "Ranks", "Share", "find_ranks"]

LastStep: TypeAlias = Literal["drop", "wrap"]
LAST_STEPS = ("drop", "wrap")
VARIABLES = ("RANK", "WORLD_SIZE")


class Ranks(NamedTuple):
    """One process among those that train together.

    Attributes
    ----------
    rank : int
    world_size : int
    """

    rank: int
    world_size: int


ALONE = Ranks(0, 1)


def find_ranks(rank: int | None = None, world_size: int | None = None) -> Ranks:
    """Return which of how many processes this is.

    As given; else as `torch.distributed` says, if it is initialised; else as the variables RANK and WORLD_SIZE say,
    which ``torchrun`` and others set; else the only one.

    Parameters
    ----------
    rank, world_size : int, optional
        Both or neither.

    Raises
    ------
    BadArgument
        One without the other, no integers, a rank that is not below the world size, or a variable that is no number.

    Examples
    --------
    >>> find_ranks(1, 4)
    Ranks(rank=1, world_size=4)
    """
    if rank is not None or world_size is not None:
        if rank is None or world_size is None:
            raise BadArgument(f"rank is {rank} and world_size is {world_size}", hint="give both, or neither")
        return _sensible(Ranks(_whole("rank", rank), _whole("world_size", world_size)), "")
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())
    return _of_environment()


def _whole(name: str, value: object) -> int:
    if (number := whole_number(value)) is None:
        raise BadArgument(f"{name} is {value!r}, expected an integer")
    return number


def _of_environment() -> Ranks:
    said = [os.environ.get(name) for name in VARIABLES]
    if said == [None, None]:
        return ALONE
    if None in said:
        raise BadArgument(
            f"of the environment variables RANK and WORLD_SIZE only {VARIABLES[said[0] is None]} is set",
            hint="set both or neither, or give rank= and world_size=",
        )
    try:
        rank, world_size = (int(text or "") for text in said)
    except ValueError:
        raise BadArgument(f"RANK is {said[0]!r} and WORLD_SIZE is {said[1]!r}, expected two integers") from None
    return _sensible(Ranks(rank, world_size), " (environment variables RANK and WORLD_SIZE)")


def _sensible(ranks: Ranks, source: str) -> Ranks:
    if not 0 <= ranks.rank < ranks.world_size:
        raise BadArgument(
            f"rank is {ranks.rank} and world_size is {ranks.world_size}{source}, expected a rank from 0 to world_size - 1"
        )
    return ranks


@dataclass(frozen=True, slots=True)
class Share:
    """The batches that one rank takes of what is left of an epoch.

    In each step, every rank takes one batch. Where the last step has fewer batches than there are ranks, it is dropped,
    or filled up with batches from the beginning of the epoch.

    Parameters
    ----------
    n_batches : int
        Of the whole epoch.
    first : int
        Batches that were consumed before, by whatever number of ranks.
    ranks : Ranks
    last_step : {"drop", "wrap"}

    Raises
    ------
    BadArgument
        `first` is outside the epoch, or `last_step` is neither.

    Examples
    --------
    >>> share = Share(10, 3, Ranks(1, 4))
    >>> list(share), share.n_dropped
    ([4], 3)
    >>> list(Share(10, 3, Ranks(1, 4), "wrap")), list(Share(10, 3, Ranks(3, 4), "wrap"))
    ([4, 8], [6, 0])
    """

    n_batches: int
    first: int = 0
    ranks: Ranks = ALONE
    last_step: LastStep = "drop"

    def __post_init__(self) -> None:
        if self.last_step not in LAST_STEPS:
            raise BadArgument(f"last_step is {self.last_step!r}", hint=near_miss(str(self.last_step), LAST_STEPS))
        if not 0 <= self.first <= self.n_batches:
            raise BadArgument(f"{self.first} batches were consumed of an epoch of {self.n_batches}")

    def __len__(self) -> int:
        """Return the number of steps, the same for every rank."""
        n_left, size = self.n_batches - self.first, self.ranks.world_size
        return n_left // size if self.last_step == "drop" else -(-n_left // size)

    def __getitem__(self, step: int) -> int:
        """Return the batch that this rank takes in a step."""
        if not 0 <= step < len(self):
            raise IndexError(f"step {step} of {len(self)}")
        return (self.first + step * self.ranks.world_size + self.ranks.rank) % self.n_batches

    def __iter__(self) -> Iterator[int]:
        return (self[step] for step in range(len(self)))

    def consumed(self, n_steps: int) -> int:
        """Return the batches of the epoch that all ranks have consumed after some steps, those before included."""
        return min(self.first + n_steps * self.ranks.world_size, self.n_batches)

    @property
    def n_dropped(self) -> int:
        """Batches that no rank takes."""
        return max(0, self.n_batches - self.first - len(self) * self.ranks.world_size)

    @property
    def n_wrapped(self) -> int:
        """Batches that are taken once more to fill the last step."""
        return max(0, self.first + len(self) * self.ranks.world_size - self.n_batches)
