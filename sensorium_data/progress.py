"""How long work tells where it is: the library reports, only the command line draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Progress", "Report", "Stage", "ignore"]

Stage = Literal[
    "read", "scan", "write", "check", "publish", "sessions", "download", "copy", "train", "predict", "score"
]


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a long job.

    ``done`` of ``total`` units are finished in ``stage``; ``text`` is a remark for people, else empty.
    """

    stage: Stage
    done: int
    total: int
    unit: str = ""
    text: str = ""


Report: TypeAlias = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """Report to nobody."""
    del progress
