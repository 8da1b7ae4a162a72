"""What must not be used in a process that was forked after it was: its threads are not there, and it would wait for them."""

from __future__ import annotations

import os

from sensorium_data.errors import BadArgument

__all__ = ["refuse_fork"]


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
