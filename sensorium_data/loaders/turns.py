"""Whose turn it is: the order in which the batches of several sessions follow each other in one epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from sensorium_data.cached import cached_property
from sensorium_data.errors import BadArgument, near_miss

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ORDERS", "Turn", "Turns", "permutation", "turns"]

ORDERS = ("round_robin", "proportional", "longest", "shortest", "mixed")
# Which shuffle a stream of random bits is for. Never renumber: the batches of every seed would change.
OF_WINDOWS, OF_BATCHES, OF_MIXED = range(3)


class Turn(NamedTuple):
    """One batch of an epoch.

    Attributes
    ----------
    session : int
    batch : int
        Batches that this session had before in the epoch.
    """

    session: int
    batch: int


class Turns(Protocol):
    """The sessions' batches in the order of the epoch."""

    def __len__(self) -> int:
        """Return the number of batches in the epoch."""

    def __getitem__(self, b: int) -> Turn:
        """Return whose batch `b` is."""


def turns(order: str, n_batches: NDArray[np.int64], *, seed: int | None, epoch: int, ascending: bool = False) -> Turns:
    """Return the turns of an epoch.

    Parameters
    ----------
    order : {"round_robin", "proportional", "longest", "shortest"}
    n_batches : (session,) int64
        Batches of each session; one with none has no turn.
    seed : int or None
        Of the shuffle of ``proportional``; None leaves its batches spread evenly.
    epoch : int
    ascending : bool
        The batches of one session come in their order, wherever they come among those of others; in ``proportional``
        with a seed they else do not.

    Raises
    ------
    BadArgument
        An order that is none.

    Examples
    --------
    >>> every = turns("round_robin", np.array([3, 1]), seed=0, epoch=0)
    >>> [every[b] for b in range(len(every))]
    [Turn(session=0, batch=0), Turn(session=1, batch=0), Turn(session=0, batch=1), Turn(session=0, batch=2)]
    """
    own = n_batches[n_batches > 0]
    match order:
        case "round_robin":
            return _RoundRobin(n_batches)
        case "proportional":
            return _Proportional(n_batches, seed, epoch, ascending=ascending)
        case "longest":
            return _Cycle(n_batches, int(own.max(initial=0)))
        case "shortest":
            return _Cycle(n_batches, int(own.min()) if own.size else 0)
    raise BadArgument(f"order is {order!r}", hint=near_miss(order, ORDERS))


def permutation(n: int, seed: int, epoch: int, *what: int) -> NDArray[np.unsignedinteger]:
    """Return a shuffle of `n` things that follows from the seed, the epoch and what is shuffled, and nothing else.

    Made from the raw bits of a generator, which numpy promises never to change; how it makes permutations of them may
    change from release to release, and a state must resume on another machine.

    Parameters
    ----------
    n : int
    seed, epoch : int
    *what : int
        Which shuffle of the epoch.

    Returns
    -------
    (n,) unsigned integer

    Examples
    --------
    >>> permutation(5, 0, 0).tolist()
    [3, 1, 4, 2, 0]
    """
    bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(epoch, *what))).random_raw(n)
    # The smallest integers that hold it: an epoch of millions of windows stays in memory for as long as it lasts.
    return np.argsort(bits, kind="stable").astype(np.min_scalar_type(n))


class _RoundRobin:
    """Each session in turn, until its batches are used up.

    Turn j of a session comes after every session's turns before j. So a batch is found by where its turn begins, which
    is a line between the lengths at which sessions leave: no list of the epoch's batches.
    """

    def __init__(self, n_batches: NDArray[np.int64]) -> None:
        self._n_batches = n_batches
        self._left_at = np.unique(np.append(n_batches, 0))  # (stage,): turn from which one or more sessions are out
        self._before = np.minimum(n_batches[:, None], self._left_at).sum(axis=0)  # (stage,) batches before that turn

    def __len__(self) -> int:
        return int(self._n_batches.sum())

    def __getitem__(self, b: int) -> Turn:
        stage = int(np.searchsorted(self._before, b, side="right")) - 1
        still_in = np.flatnonzero(self._n_batches > self._left_at[stage])
        turn, place = divmod(b - int(self._before[stage]), len(still_in))
        return Turn(int(still_in[place]), int(self._left_at[stage]) + turn)


class _Proportional:
    """Every batch of every session once: at random, or each session's spread evenly over the epoch."""

    def __init__(self, n_batches: NDArray[np.int64], seed: int | None, epoch: int, *, ascending: bool) -> None:
        self._n_batches, self._seed, self._epoch, self._ascending = n_batches, seed, epoch, ascending
        self._ends = np.cumsum(n_batches)
        self._starts = self._ends - n_batches

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, b: int) -> Turn:
        which = int(self._order[b])
        session = int(np.searchsorted(self._ends, which, side="right"))
        return Turn(session, which - int(self._starts[session]))

    @cached_property
    def _order(self) -> NDArray[np.unsignedinteger]:
        """The batches of all sessions, one session's after the other's, in their order; not made to tell their number."""
        n = len(self)
        if self._seed is not None:
            shuffled = permutation(n, self._seed, self._epoch, OF_BATCHES)
            if self._ascending:  # whose turn it is stays; of each session the next batch comes
                its = np.searchsorted(self._ends, shuffled, side="right")
                shuffled[np.argsort(its, kind="stable")] = np.arange(n)
            return shuffled
        session = np.repeat(np.arange(len(self._n_batches)), self._n_batches)
        # Batch k of n stands in the middle of the k-th n-th of the epoch; where two stand together, the earlier session.
        middle = (np.arange(n) - self._starts[session] + 0.5) / self._n_batches[session]
        return np.argsort(middle, kind="stable").astype(np.min_scalar_type(n))


class _Cycle:
    """Each session in turn, the same number of turns for all: who has fewer batches starts over."""

    def __init__(self, n_batches: NDArray[np.int64], n_turns: int) -> None:
        self._sessions = np.flatnonzero(n_batches)
        self._n_turns = n_turns

    def __len__(self) -> int:
        return len(self._sessions) * self._n_turns

    def __getitem__(self, b: int) -> Turn:
        turn, place = divmod(b, len(self._sessions))
        return Turn(int(self._sessions[place]), turn)
