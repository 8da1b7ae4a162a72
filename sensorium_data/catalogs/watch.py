"""Between a worker that fetches and whoever waits for it: how far it is, and whether it should stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Event

__all__ = ["Stopped", "Watch"]


class Stopped(Exception):  # no failure
    """Nobody waits for this file any more."""


class Watch:
    """How far one file is; written by its worker, read by the thread that reports.

    Parameters
    ----------
    stop : Event
        Set when nobody waits any more; shared by all files of a download.

    Attributes
    ----------
    size : int or None, bytes
    done : int, bytes
    n_received : int, bytes
        That came over the network.
    text : str
        What it waits for, if anything.
    """

    __slots__ = ("_stop", "done", "n_received", "size", "text")

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self.size: int | None = None
        self.done = self.n_received = 0
        self.text = ""

    def check(self) -> None:
        """Raise Stopped where nobody waits any more."""
        if self._stop.is_set():
            raise Stopped

    def at(self, done: int) -> None:
        """Tell how far it is; raise Stopped where nobody waits any more."""
        self.done = done
        self.check()

    def take(self, n: int, done: int) -> None:
        """Tell that bytes have come, and how far it is now."""
        self.n_received += n
        self.at(done)

    def sleep(self, seconds: float) -> None:
        """Wait, and no longer than somebody waits for this."""
        if self._stop.wait(seconds):
            raise Stopped
