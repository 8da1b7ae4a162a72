"""Training that dies at its n-th moment: python killed.py FOLDER N STORE STORE kills itself for good.

Moments are the steps of the optimiser and every call that changes the disk.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sensorium_data.zoo.training.engine import train
from sensorium_data.zoo.training.precision import Precision
from tests.training.small import Folder, small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOMENTS: tuple[tuple[Any, str], ...]
MOMENTS = ((os, "open"), (os, "fsync"), (os, "replace"), (os, "rename"), (os, "mkdir"), (Path, "replace"), (Path, "rename"), (Precision, "step"))  # fmt: skip
RECIPE = small(save_every_steps=2, schedule={"max_epochs": 3, "patience": 1})


class Killed(BaseException):
    """Stands for a kill, as far as an exception can."""


@contextmanager
def dying(at: int, die: Callable[[], None]) -> Iterator[list[int]]:
    """Call `die` before the `at`-th moment; yield a list that grows with each."""
    moments: list[int] = []

    def counting(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            moments.append(1)
            if len(moments) == at:
                die()
            return call(*given, **named)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in MOMENTS:
            patch.setattr(owner, name, counting(getattr(owner, name)))
        yield moments


def main(folder: Path, at: int, stores: list[Path]) -> None:
    with dying(at, lambda: os.kill(os.getpid(), signal.SIGKILL)):
        train(RECIPE, stores, run=Folder(folder), resume=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [Path(store) for store in sys.argv[3:]])
