"""Works whose parts do what a test wants, and a watch on the threads that run them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensorium_data.loaders.ring import THREAD_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE_S = 60.0  # only reached when something hangs


@dataclass
class Squares:
    """A work of some parts, each of which writes one square."""

    number: int
    n_parts: int = 4
    before: Callable[[int, int], None] = lambda *_: None
    done: list[int] = field(default_factory=list)

    @property
    def parts(self) -> Sequence[Callable[[], None]]:
        return [self._part(k) for k in range(self.n_parts)]

    def _part(self, k: int) -> Callable[[], None]:
        def run() -> None:
            self.before(self.number, k)
            self.done.append(k)

        return run

    def finish(self) -> tuple[int, list[int]]:
        return self.number, sorted(self.done)


def reader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


def wait_for_threads() -> None:
    for thread in reader_threads():
        thread.join(PATIENCE_S)
    assert reader_threads() == []
