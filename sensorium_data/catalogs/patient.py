"""Go on as long as it gets on: failures count until the next bytes have come, and no silence is endless."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sensorium_data.remote.faults import Passing, unreachable
from sensorium_data.remote.patience import Deadline, pause_s
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from sensorium_data.catalogs.watch import Watch
    from sensorium_data.remote import Location

__all__ = ["Pace", "Patience"]

ENOUGH = 1 << 16  # bytes further than ever before, after which failures are counted anew
SLOWEST = 100  # bytes a second; a server that sends fewer is taken for one that sends none


class Patience:
    """How often one file has failed since it got on.

    Parameters
    ----------
    place : Location
        For the message.
    size : int, bytes
        That are here already.
    """

    def __init__(self, place: Location, size: int) -> None:
        self._place, self._furthest = place, size
        self._begin()

    def _begin(self) -> None:
        self._n = 0
        self._deadline = Deadline(max(1, settings().deadline_s))

    def wait(self, seen: Passing, size: int, watch: Watch) -> None:
        """Pause after a failure.

        Raises
        ------
        StorageFailed
            It has failed too often, or for too long, without getting on.
        """
        # Further than ever: a server that always sends the whole anew, and never all of it, gets nowhere.
        if size >= self._furthest + ENOUGH:
            self._furthest = size
            self._begin()
        pause = pause_s(self._n, seen.after_s)
        self._n += 1
        if self._n > settings().n_retries or pause >= self._deadline.left_s:
            times = f" ({self._n} times)" if self._n > 1 else ""
            raise unreachable(self._place, f"{seen.what}{times}", code=seen.code) from None
        watch.sleep(pause)


class Pace:
    """Holds a stream to a least pace: a drop now and then keeps a connection open for ever."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._since, self._n = monotonic(), 0

    def take(self, n: int) -> None:
        """Count bytes that came.

        Raises
        ------
        Passing
            There were hardly any for as long as a server may be silent.
        """
        self._n += n
        took_s = monotonic() - self._since
        if took_s >= max(1, settings().timeout_s):
            if self._n < SLOWEST * took_s:
                raise Passing("hardly sends anything")
            self._begin()
