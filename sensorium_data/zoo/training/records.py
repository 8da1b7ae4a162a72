"""What training tells of each epoch: one row of the curves, plain numbers that any table can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Protocol

from sensorium_data.errors import DataInvalid, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas.run import RunBest

__all__ = ["EpochRecord", "Run"]

MEASURED = ("train_s", "validation_s", "wait_s")  # of this machine; all else is the same for the same seed


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch.

    Attributes
    ----------
    epoch : int
        0 is the score before the first step: it has no loss.
    n_steps : int
        Of the optimiser, in this epoch.
    n_windows : int
        That were trained on, by all ranks together; 0 in epoch 0.
    train_loss : float, optional
        Mean over valid responses, without scale and penalty, as the model was in each step.
    penalty : float, optional
        Mean of the model's regulariser over batches.
    validation_score : float
        Correlation, the mean over neurons; what the schedule watches.
    learning_rate : float
        Of the steps of this epoch; in epoch 0 of those to come.
    is_best : bool
        The best score so far, by more than the schedule's tolerance.
    train_s, validation_s : float, seconds
    wait_s : float, seconds
        Of `train_s`, those in which the model waited for a batch.

    Examples
    --------
    >>> row = EpochRecord(epoch=1, n_steps=4, n_windows=32, train_loss=0.8, penalty=0.01, validation_score=0.12,
    ...     learning_rate=0.005, is_best=True, train_s=2.0, validation_s=0.5, wait_s=0.05)
    >>> row.wait_share, EpochRecord.of(row.as_dict()) == row
    (0.025, True)
    """

    epoch: int
    n_steps: int
    n_windows: int
    train_loss: float | None
    penalty: float | None
    validation_score: float
    learning_rate: float
    is_best: bool
    train_s: float
    validation_s: float
    wait_s: float

    @property
    def wait_share(self) -> float:
        """Share of the time of training in which the model waited for data, 0 to 1."""
        return self.wait_s / self.train_s if self.train_s else 0.0

    def as_dict(self) -> dict[str, int | float | bool | None]:
        """Return the row as plain values, in the order of its columns."""
        return asdict(self)

    def numbers(self) -> dict[str, int | float | bool | None]:
        """Return what is the same for the same seed: all but times."""
        return {name: value for name, value in self.as_dict().items() if name not in MEASURED}

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the columns, in order."""
        return tuple(field.name for field in fields(cls))

    @classmethod
    def of(cls, values: dict[str, int | float | bool | None]) -> EpochRecord:
        """Return the row of some plain values.

        Raises
        ------
        DataInvalid
            Columns that are missing, or that no row has.
        """
        lacking = [Problem("column-missing", name, "is missing") for name in cls.names() if name not in values]
        more = [
            Problem("column-unknown", name, "is no column of a curve") for name in values if name not in cls.names()
        ]
        if lacking or more:
            raise DataInvalid("that is no row of a training curve", problems=[*lacking, *more], code="bad-record")
        return cls(**values)  # type: ignore[arg-type]  # who wrote the row wrote its types


class Run(Protocol):
    """Where a run is written: `sensorium_data.zoo.runs.RunFolder`, or what does the same."""

    @property
    def state(self) -> Path:
        """The folder that training goes on from."""

    @property
    def model(self) -> Path:
        """The folder of the best checkpoint."""

    def record(self, row: EpochRecord) -> None:
        """Add the row of an epoch, in place of those of it and of later epochs."""

    def truncate(self, n_epochs: int) -> None:
        """Drop the rows of epochs after one, which are trained again."""

    def finish(self, best: RunBest | None) -> None:
        """Say that training has ended by itself."""
