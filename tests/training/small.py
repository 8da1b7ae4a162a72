"""Small recipes and a small place to keep runs, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sensorium_data.schemas.recipe import Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas.run import RunBest
    from sensorium_data.zoo.training.records import EpochRecord

FILMS: dict[str, Any] = {
    "name": "small",
    "description": "for tests",
    "n_threads": 1,
    "model": {"name": "ln3d", "config": {"hidden_channels": 2, "spatial_kernel": 5, "temporal_kernel": 3}},
    "data": {"window": 12, "batch_size": 2},
    "optimiser": {"learning_rate": 0.02},
    "schedule": {"max_epochs": 2},
}


def small(base: dict[str, Any] = FILMS, **changes: Any) -> Recipe:
    """Return the small recipe with some parts changed: `small(data={"window": 8})` leaves its batch size as it is."""
    merged = dict(base)
    for name, value in changes.items():
        merged[name] = merged.get(name, {}) | value if isinstance(value, dict) else value
    return Recipe.model_validate(merged, strict=False)


def numbers(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run, less what was measured."""
    from sensorium_data.zoo.runs import RunFolder

    return [row.numbers() for row in RunFolder.open(folder).rows()]


@dataclass
class Folder:
    """Keeps what a run keeps, its rows in memory."""

    path: Path
    rows: list[EpochRecord] = field(default_factory=list)
    best: RunBest | None = None

    @property
    def state(self) -> Path:
        return self.path / "state"

    @property
    def model(self) -> Path:
        return self.path / "model"

    def record(self, row: EpochRecord) -> None:
        self.rows = [*(one for one in self.rows if one.epoch < row.epoch), row]

    def truncate(self, n_epochs: int) -> None:
        self.rows = [one for one in self.rows if one.epoch <= n_epochs]

    def finish(self, best: RunBest | None) -> None:
        self.best = best
