"""What a reader must know of a window: where its frames are, and which other trials they may rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sensorium_data.cached import cached_property
from sensorium_data.windows.legal import allowed_with, needed_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.windows.cut import Cut

__all__ = ["Served", "Serving"]


class Served(NamedTuple):
    """A window for whoever reads it.

    Attributes
    ----------
    session : int
        Number of the session.
    trial_row : int
        Of its trial table.
    start_frame, n_samples : int, frames
        Since the trial's start.
    required : frozenset of str
        Streams whose every frame is known to rest on allowed trials.
    allowed : (trial,) bool
        Trials that the others may rest on.
    """

    session: int
    trial_row: int
    start_frame: int
    n_samples: int
    required: frozenset[str]
    allowed: NDArray[np.bool_]


class Serving:
    """What is the same for many windows of one session.

    Parameters
    ----------
    cut : Cut
    session : int
    """

    def __init__(self, cut: Cut, session: int) -> None:
        self._cut, self._session = cut, session
        self._streams, self._chosen = cut.streams[session], cut.chosen[session].trials
        self._allowed: dict[str, NDArray[np.bool_]] = {}

    @cached_property
    def _required(self) -> list[frozenset[str]]:
        """For each trial the streams that are checked; of whole trials, which may have masked frames, none is."""
        needed = {} if self._cut.asked.window is None else needed_by(self._streams, self._cut.asked.require)
        table = np.array(list(needed.values()), np.bool_).reshape(len(needed), len(self._chosen))
        sets: dict[bytes, frozenset[str]] = {}
        found = []
        for row in range(len(self._chosen)):
            own = table[:, row]
            key = own.tobytes()
            if key not in sets:
                sets[key] = frozenset(name for name, need in zip(needed, own.tolist(), strict=True) if need)
            found.append(sets[key])
        return found

    def served(self, trial_row: int, start_frame: int, n_samples: int) -> Served:
        """Return a window of the session."""
        tier = str(self._streams.handle.trials["tier"][trial_row])
        if (allowed := self._allowed.get(tier)) is None:
            allowed = self._allowed[tier] = allowed_with(self._streams, self._chosen, trial_row)
        return Served(self._session, trial_row, start_frame, n_samples, self._required[trial_row], allowed)
