"""Rows of images as CSV: one line a trial, lists of numbers as text that Python and JSON read alike.

Columns `trial_indices` (the published `trial_idx`, hashes for the scored mice), `image_ids`, `prediction` and
`neuron_ids`, as the competition of 2022 took them ("Sensorium 2022, submission": sensorium, submission.py and eval.py).
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import numpy as np

from sensorium_data.evaluation.submissions.given import static_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.evaluation.submissions.rows import Row
    from sensorium_data.evaluation.truth import Recording

__all__ = ["COLUMNS", "CsvRows"]

COLUMNS = ("trial_indices", "image_ids", "prediction", "neuron_ids")
DIGITS = "%.9g"  # which tell all float32 apart


class CsvRows:
    """Takes rows as they come, and writes them in the order they are wanted in.

    Parameters
    ----------
    spool : file object
        Empty; gets the rows.
    """

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self._ends = [0]  # where the rows end in the spool
        self._ids: dict[str, bytes] = {}

    def add(self, row: Row) -> None:
        """Take the next row."""
        recording, values = row.expected.recording, row.values[:, 0].tolist()
        if recording.key not in self._ids:
            self._ids[recording.key] = f'"{recording.unit_ids.tolist()}"\n'.encode()
        name, image = _names(recording, row.expected.row)
        # One format for all numbers: a list of Python's own texts would take three times as long.
        numbers = ", ".join([DIGITS] * len(values)) % tuple(values)
        line = f'{name},{image},"[{numbers}]",'.encode() + self._ids[recording.key]
        self._spool.write(line)
        self._ends.append(self._ends[-1] + len(line))

    def write(self, out: IO[bytes], order: Sequence[int]) -> None:
        """Write header and rows; `order` says which come first, second and so on."""
        self._spool.flush()
        out.write((",".join(COLUMNS) + "\n").encode())
        for row in order:
            self._spool.seek(self._ends[row])
            out.write(self._spool.read(self._ends[row + 1] - self._ends[row]))

    def close(self) -> None:
        """Have done with the spool; whoever made it closes it."""


def _names(recording: Recording, row: int) -> tuple[str, str]:
    """Return the published names of trial and image."""
    names, ids = static_columns(recording)
    if names is None or ids is None:
        message = "a plan was made of a session without them"
        raise AssertionError(message)
    name = str(names[row])
    quoted = '"' + name.replace('"', '""') + '"' if any(sign in name for sign in '",\n\r') else name
    return quoted, str(np.asarray(ids)[row].item())
