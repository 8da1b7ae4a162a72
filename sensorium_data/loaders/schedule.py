"""Which windows make which batch: composed once from seed and epoch, whatever the ranks, threads or workers."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from sensorium_data.errors import BadArgument, Problem, counted, near_miss
from sensorium_data.loaders.turns import OF_MIXED, OF_WINDOWS, ORDERS, permutation, turns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sensorium_data.loaders.blocks import Blocks
    from sensorium_data.loaders.turns import Turns

__all__ = ["MIXED", "Batch", "Batches", "Order", "Schedule"]

Order: TypeAlias = Literal["round_robin", "proportional", "longest", "shortest", "mixed"]
MIXED = -1  # session of a batch that holds windows of several


class Batch(NamedTuple):
    """The windows of one batch.

    Attributes
    ----------
    session : int
        Place of the session that all windows are of, or -1 in the order ``mixed``.
    sessions : (window,) int64
        Session of each window.
    windows : (window,) int64
        Place of each window among its session's own.
    """

    session: int
    sessions: NDArray[np.int64]
    windows: NDArray[np.int64]


class Schedule:
    """How windows of several sessions are dealt to batches, epoch after epoch.

    A session's shuffle follows from the seed, the epoch, its place and how often it started over: it is the same
    whichever sessions stand beside it.

    Parameters
    ----------
    sizes : sequence of int
        Windows of each session. A session with none is left out.
    batch_size : int
    order : {"round_robin", "proportional", "longest", "shortest", "mixed"}
        ``round_robin``: one batch of each session in turn, until its windows are used. ``proportional``: every batch of
        every session once, at random, or spread evenly where nothing is shuffled. ``longest``: in turn, as often as the
        longest session has batches; shorter ones start over, shuffled anew. ``shortest``: in turn, as often as the
        shortest has batches. ``mixed``: windows of all sessions together in a batch.
    shuffle : bool
    seed : int
    drop_last : bool
        Leave out batches with fewer than `batch_size` windows: one of each session and cycle, or one in all if mixed.

    Attributes
    ----------
    n_batches : (session,) int64
        Batches that each session has, used or not; mixed batches are of no session.

    Raises
    ------
    BadArgument
        An order that is none; a size, seed or batch size out of range; a session that `drop_last` leaves without batch.

    Examples
    --------
    >>> schedule = Schedule([3, 5], 2, shuffle=False)
    >>> [(batch.session, batch.windows.tolist()) for batch in schedule.epoch(0)]
    [(0, [0, 1]), (1, [0, 1]), (0, [2]), (1, [2, 3]), (1, [4])]
    """

    def __init__(
        self,
        sizes: Sequence[int],
        batch_size: int,
        *,
        order: Order = "round_robin",
        shuffle: bool,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.sizes = np.asarray(sizes, np.int64).reshape(-1)
        self.batch_size, self.seed = index(batch_size), index(seed)
        self.order, self.shuffle, self.drop_last = order, shuffle, drop_last
        self._require_sense()
        self.n_batches = self._n_batches(self.sizes)
        self._starts = np.cumsum(self.sizes) - self.sizes  # of each session's windows, where all stand in one row

    def epoch(self, epoch: int, blocks: Blocks | None = None) -> Batches:
        """Return the batches of an epoch.

        Parameters
        ----------
        epoch : int
            0 or more.
        blocks : Blocks, optional
            Windows that stay together when they are shuffled; by default none do.
        """
        if epoch < 0:
            raise BadArgument(f"epoch is {epoch!r}, expected 0 or more")
        return Batches(self, index(epoch), blocks)

    def _n_batches(self, n_windows: NDArray[np.int64]) -> NDArray[np.int64]:
        return n_windows // self.batch_size if self.drop_last else -(-n_windows // self.batch_size)

    def _require_sense(self) -> None:
        if self.order not in ORDERS:
            raise BadArgument(f"order is {self.order!r}", hint=near_miss(str(self.order), ORDERS))
        if self.batch_size < 1 or self.seed < 0:
            raise BadArgument(
                f"batch_size is {self.batch_size}, seed is {self.seed}; expected at least 1, and 0 or more"
            )
        if not self.sizes.any() or (self.sizes < 0).any():
            raise BadArgument("there are no windows to make batches of")
        if self.drop_last:
            self._require_batches()

    def _require_batches(self) -> None:
        sizes = self.sizes.sum(keepdims=True) if self.order == "mixed" else self.sizes
        small = np.flatnonzero((sizes > 0) & (sizes < self.batch_size))
        if small.size:
            raise BadArgument(
                f"drop_last leaves {counted(small.size, 'session')} without a batch of {counted(self.batch_size, 'window')}",
                hint="ask for smaller batches, or keep the last ones: drop_last=False",
                problems=[Problem("bad-argument", f"session {s}", counted(int(sizes[s]), "window")) for s in small],
            )


class Batches:
    """The batches of one epoch: a sequence, found by their place without making the ones before.

    Parameters
    ----------
    schedule : Schedule
    epoch : int
    blocks : Blocks, optional
        Windows that are shuffled as wholes.

    Examples
    --------
    >>> batches = Schedule([1, 1], 2, order="mixed", shuffle=False).epoch(0)
    >>> len(batches), batches[0].sessions.tolist(), batches[0].windows.tolist()
    (1, [0, 1], [0, 0])
    """

    def __init__(self, schedule: Schedule, epoch: int, blocks: Blocks | None = None) -> None:
        self._schedule, self._epoch, self._blocks = schedule, epoch, blocks
        self._turns: Turns | None = None
        if schedule.order != "mixed":
            seed = schedule.seed if schedule.shuffle else None
            # A block that goes on in another batch goes on in the next one of its session.
            together = blocks is not None
            self._turns = turns(schedule.order, schedule.n_batches, seed=seed, epoch=epoch, ascending=together)
        # Of each session its latest shuffle: it starts over only when it has used it up.
        self._shuffles: dict[int, tuple[int, NDArray[np.unsignedinteger]]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        """Travel as what they follow from."""
        return (Batches, (self._schedule, self._epoch, self._blocks))

    def __len__(self) -> int:
        if self._turns is not None:
            return len(self._turns)
        return int(self._schedule._n_batches(self._schedule.sizes.sum()))  # its other half

    def __iter__(self) -> Iterator[Batch]:
        return (self[b] for b in range(len(self)))

    def __getitem__(self, b: int) -> Batch:
        """Return batch `b`; from the end where negative."""
        schedule, cut = self._schedule, self._cut(b)
        if not schedule.shuffle:
            windows = np.arange(cut.first, cut.stop)
        else:
            windows = self._shuffle(cut)[cut.first : cut.stop].astype(np.int64)
        if cut.session != MIXED:
            return Batch(cut.session, np.full(len(windows), cut.session, np.int64), windows)
        sessions = np.searchsorted(schedule._starts, windows, side="right") - 1  # its other half
        return Batch(MIXED, sessions, windows - schedule._starts[sessions])  # its other half

    def n_windows(self, b: int) -> int:
        """Return how many windows batch `b` has; from the end where negative."""
        cut = self._cut(b)
        return cut.stop - cut.first

    def _cut(self, b: int) -> _Cut:
        """Return which piece of whose windows a batch is."""
        place, n = index(b), len(self)
        if not -n <= place < n:
            raise IndexError(f"batch {place} of {n}")
        schedule, session, cycle, batch = self._schedule, MIXED, 0, place % n
        if self._turns is not None:
            session, turn = self._turns[batch]
            cycle, batch = divmod(turn, int(schedule.n_batches[session]))
        n_windows = int(schedule.sizes.sum() if session == MIXED else schedule.sizes[session])
        first = batch * schedule.batch_size
        return _Cut(session, cycle, n_windows, first, min(first + schedule.batch_size, n_windows))

    def _shuffle(self, cut: _Cut) -> NDArray[np.unsignedinteger]:
        held = self._shuffles.get(cut.session)
        if held is None or held[0] != cut.cycle:
            held = self._shuffles[cut.session] = cut.cycle, self._shuffled(cut)
        return held[1]

    def _shuffled(self, cut: _Cut) -> NDArray[np.unsignedinteger]:
        what = (OF_MIXED,) if cut.session == MIXED else (OF_WINDOWS, cut.session, cut.cycle)
        if self._blocks is None:
            return permutation(cut.n_windows, self._schedule.seed, self._epoch, *what)
        first = 0 if cut.session == MIXED else int(self._schedule._starts[cut.session])  # its other half
        among = first, first + cut.n_windows
        order = permutation(self._blocks.count(*among), self._schedule.seed, self._epoch, *what)
        return self._blocks.dealt(*among, order)


class _Cut(NamedTuple):
    """Windows [first, stop) of the n_windows of a session, or of all if mixed, in the order of its cycle."""

    session: int
    cycle: int
    n_windows: int
    first: int
    stop: int
