"""What a forked process must not use, or has anew: the threads of its parent are not there, and it would wait for them."""

from __future__ import annotations

import os
from threading import Lock

from sensorium_data.errors import BadArgument

__all__ = ["lock_of", "refuse_fork"]


def lock_of(locks: dict[int, Lock]) -> Lock:
    """Return the lock of this process: one that another thread held at a fork is never released in the child.

    Parameters
    ----------
    locks : dict of process id to lock
        Empty at first; kept by whoever needs the lock.

    Examples
    --------
    >>> locks = {}
    >>> lock_of(locks) is lock_of(locks)
    True
    """
    return locks.setdefault(os.getpid(), Lock())


def refuse_fork(began: int, what: str) -> None:
    """Refuse to go on where a process was forked since something was used.

    Parameters
    ----------
    began : int
        Process that it was used in.
    what : str
        That would wait for ever.

    Raises
    ------
    BadArgument
        This is another process.

    Examples
    --------
    >>> refuse_fork(os.getpid(), "a pool of threads")
    """
    if os.getpid() != began:
        hint = 'start processes by forkserver or spawn: multiprocessing_context="forkserver"'
        raise BadArgument(f"{what} hangs in a process that is forked after it was used", hint=hint, code="forked")
