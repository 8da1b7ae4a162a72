"""The readers of this package keep the contract of readers, as any other would prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sensorium_data.testing import (
    SourceContract,
    Truth,
    describe_sensorium2022,
    describe_sensorium2023,
    write_sensorium2022,
    write_sensorium2023,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.testing.plan2022 import Kind

FILMS: dict[str, Any] = {"n_train": 2, "n_repeats": 2, "holes": True, "withhold": True}
IMAGES: dict[str, Any] = {"n_train": 4, "n_validation": 2, "n_repeats": 3}


class TestSensorium2023(SourceContract):
    reader = "sensorium2023"

    def make(self, folder: Path) -> Path:
        return write_sensorium2023(folder, n_neurons=5, frame_shape=(8, 12), behavior_nan=True, **FILMS)

    def truth(self) -> list[Truth]:
        return [
            Truth(t.trial_id, t.tier, t.n_valid, t.withheld, t.missing, t.film) for t in describe_sensorium2023(**FILMS)
        ]


class _Images(SourceContract):
    reader = "sensorium2022"
    kind: ClassVar[Kind]
    how: ClassVar[dict[str, Any]] = {}

    def make(self, folder: Path) -> Path:
        return write_sensorium2022(folder, kind=self.kind, n_neurons=5, frame_shape=(9, 16), **IMAGES, **self.how)

    def truth(self) -> list[Truth]:
        found = describe_sensorium2022(kind=self.kind, **IMAGES)
        return [Truth(t.trial_id, t.tier, 1, t.withheld, stimulus=t.image) for t in found]


class TestSensorium2022(_Images):
    kind = "pretrain"
    how: ClassVar[dict[str, Any]] = {"nudged": True, "behavior_nan": True}


class TestSensorium2022Withheld(_Images):
    kind = "s"
    how: ClassVar[dict[str, Any]] = {"axes_of_one": True}


class TestSensorium2022Colour(_Images):
    kind = "colour"
    how: ClassVar[dict[str, Any]] = {"fractional": True}
