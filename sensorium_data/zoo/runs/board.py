"""The curves of a run for TensorBoard, where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from sensorium_data.zoo.runs.files import run_disk

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.zoo.training.records import EpochRecord

__all__ = ["Board"]

TAGS = {
    "loss/train": "train_loss",
    "loss/penalty": "penalty",
    "score/validation": "validation_score",
    "rate/learning": "learning_rate",
    "time/wait_share": "wait_share",
}


class Board:
    """Writes event files; without TensorBoard it writes nothing, which is no error: the table has the same numbers.

    Parameters
    ----------
    folder : Path
        Made with the first row.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with Board(Path(tempfile.mkdtemp(), "tensorboard")) as board:
    ...     board.folder.name
    'tensorboard'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None
        self._missing = False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self.close()

    def add(self, row: EpochRecord) -> None:
        """Write the numbers of an epoch; what an earlier process wrote of it and of later ones is hidden.

        Parameters
        ----------
        row : EpochRecord

        Raises
        ------
        StorageFailed
            The disk is full or fails.
        """
        with run_disk(self.folder):
            if self._writer is None:
                self._writer = self._opened(row.epoch)
            if self._writer is None:
                return
            for tag, name in TAGS.items():
                value = getattr(row, name)
                if value is not None:
                    self._writer.add_scalar(tag, value, row.epoch)
            self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        if self._writer is not None:
            with run_disk(self.folder):
                self._writer.close()
            self._writer = None

    def _opened(self, epoch: int) -> Any:  # noqa: ANN401  # TensorBoard may be missing
        if self._missing:
            return None
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError:
            self._missing = True
            return None
        return SummaryWriter(str(self.folder), purge_step=epoch or None)
