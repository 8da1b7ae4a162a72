"""Times side by side: rounds in which every action runs once, ratios formed round by round, and one table for all figures."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Figure", "interleaved", "n_cores", "ratios", "settle", "show"]


def n_cores() -> int:
    """Return the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, once a round, and the goal its median is held against: at most, or at least where so said."""

    name: str
    values: tuple[float, ...]
    unit: str = ""
    goal: float | None = None
    at_least: bool = False

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """The goal and whether it is met; empty without a goal."""
        if self.goal is None:
            return ""
        met = self.median >= self.goal if self.at_least else self.median <= self.goal
        return f"{'>=' if self.at_least else '<='} {self.goal:g} {'met' if met else 'MISSED'}"


def interleaved(
    actions: Mapping[str, Callable[[], object]], rounds: int, after: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """Return the seconds of every action, one a round, in the order A B A B.

    Parameters
    ----------
    actions : mapping of name to callable
    rounds : int
    after : callable
        Tidies up after each action; not timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            began = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - began)
            after()
    return seconds


def ratios(above: Sequence[float], below: Sequence[float]) -> tuple[float, ...]:
    """Return the ratio of two actions in each round."""
    return tuple(a / b for a, b in zip(above, below, strict=True))


def settle(target: Path) -> None:
    """Remove a store and have the disk done with it, so that the next turn does not pay for it."""
    if target.exists():
        shutil.rmtree(target)
        os.sync()


def show(figures: Sequence[Figure], *, as_json: bool, facts: Mapping[str, object]) -> None:
    """Print figures as a table, or as JSON with what they were measured on."""
    packages = {name: version(name) for name in ("sensorium-data", "numpy", "zarr", "numcodecs", "pcodec")}
    machine = {"cores": n_cores(), "python": platform.python_version()}
    if as_json:
        listed = [asdict(figure) | {"median": figure.median} for figure in figures]
        print(json.dumps({"figures": listed, "facts": dict(facts) | machine | packages}, indent=1))
        return
    print(" ".join(f"{name}={value}" for name, value in (dict(facts) | machine | packages).items()))
    width = max(len(figure.name) for figure in figures)
    print(f"{'figure':<{width}}  {'median':>9}  {'min':>9}  {'max':>9}  unit   goal")
    for figure in figures:
        numbers = "  ".join(f"{n:9.4g}" for n in (figure.median, min(figure.values), max(figure.values)))
        print(f"{figure.name:<{width}}  {numbers}  {figure.unit:<6} {figure.verdict}".rstrip())
