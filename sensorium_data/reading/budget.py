"""How many bytes of decoded chunks this process keeps, over all its readers."""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.forks import lock_of
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from threading import Lock

__all__ = ["BUDGET", "Budget"]

# Of the memory that is available: batches, a model and the encoded files, which the system keeps too, need the rest.
PART = 4
MEMINFO = Path("/proc/meminfo")
CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def _available() -> int | None:
    """Return how many bytes could be taken now without swapping, None where the system does not say."""
    found = [left] if (left := _left_of_container()) is not None else []
    with suppress(OSError):
        if seen := re.search(r"^MemAvailable: +(\d+) kB", MEMINFO.read_text("ascii", "replace"), re.MULTILINE):
            return min([*found, int(seen[1]) << 10])
    with suppress(AttributeError, OSError, ValueError):  # without the files in memory, which it would give up: too few
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        found += [free] if free > 0 else []
    return min(found, default=None)


def _left_of_container() -> int | None:
    """Return what the control group of this process may still take: the rest of the machine is not its own."""
    own = ""
    with suppress(OSError, IndexError):
        own = OWN_CGROUP.read_text("ascii", "replace").split("0::/", 1)[1].split("\n", 1)[0]
    for folder in (CGROUPS / own, CGROUPS):  # a container sees its own group as the root
        with suppress(OSError, ValueError):  # "max" where there is no limit
            most, used = (int((folder / f"memory.{name}").read_text("ascii", "replace")) for name in ("max", "current"))
            files = re.search(
                r"^inactive_file (\d+)$", (folder / "memory.stat").read_text("ascii", "replace"), re.MULTILINE
            )
            return max(0, most - used + (int(files[1]) if files else 0))
    return None


def _most() -> int:
    """Return what this process may keep."""
    asked, available = settings().keep_bytes, _available()
    # Workers of a loader of torch have the setting together. They know of it; importing torch for it would not be worth it.
    info = torch_data.get_worker_info() if (torch_data := sys.modules.get("torch.utils.data")) else None
    if info is not None:
        asked //= info.num_workers
    return asked if available is None else min(asked, available // PART)


class Budget:
    """Bytes that may be kept, shared by all who keep some; thread safe. A forked process goes on from its parent's count.

    Parameters
    ----------
    most : int, optional, bytes
        By default the setting `keep_bytes`, but at most a quarter of the memory that is available when the first is
        taken; the workers of a `torch.utils.data.DataLoader` share the setting.

    Examples
    --------
    >>> budget = Budget(1000)
    >>> budget.take(600), budget.take(600, whole=150)
    (600, 300)
    >>> budget.give(600)
    >>> budget.used
    300
    """

    def __init__(self, most: int | None = None) -> None:
        self._most, self._used = most, 0
        self._limit: int | None = None
        self._pid = os.getpid()
        self._given: deque[int] = deque()
        self._locks: dict[int, Lock] = {}

    @property
    def used(self) -> int:
        """Bytes that are taken now."""
        with lock_of(self._locks):
            return self._swept()

    def take(self, n_bytes: int, whole: int = 1) -> int:
        """Return how many bytes are granted: those asked for, or what is left.

        Parameters
        ----------
        n_bytes : int
        whole : int, bytes
            What is granted is a multiple of this.

        Raises
        ------
        BadArgument
            The settings cannot be read.
        """
        with lock_of(self._locks):
            if self._limit is None or self._pid != os.getpid():
                self._limit, self._pid = _most() if self._most is None else self._most, os.getpid()
            granted = max(0, min(n_bytes, self._limit - self._swept())) // whole * whole
            self._used += granted
        return granted

    def give(self, n_bytes: int) -> None:
        """Take bytes back, without a lock: memory is collected in the middle of anything, of `take` in this thread too."""
        self._given.append(n_bytes)

    def _swept(self) -> int:
        while self._given:
            self._used -= self._given.popleft()
        return self._used


BUDGET = Budget()  # of this process
