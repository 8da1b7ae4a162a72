"""Statistics that go by a frame's number in its trial: they need the rate they were made at, and windows in one trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensorium_data.loaders.transforms.base import Item
    from sensorium_data.shipped import Shipped
    from sensorium_data.streams import Streams

__all__ = ["FrameNumbers"]


class FrameNumbers:
    """Which frame of its trial an item begins with.

    Parameters
    ----------
    streams : Streams
        Of the session.
    shipped : Shipped
    names : iterable of str
        Streams that shipped statistics are applied to.

    Raises
    ------
    BadArgument
        Some have statistics for each frame, and the session is served at another rate.
    """

    def __init__(self, streams: Streams, shipped: Shipped, names: Iterable[str]) -> None:
        self._names = tuple(name for name in names if shipped.per_frame(name))
        self._n_frames = dict(zip(streams.handle.trials["trial_id"].tolist(), streams.n_frames.tolist(), strict=True))
        native = streams.handle.grid.rate
        if self._names and streams.rate != native:
            what = f"{streams.key}: the published statistics are for frames at {native} Hz, not at {streams.rate} Hz"
            hint = 'leave rate_hz out, or use normalise(responses="per_neuron", statistics=fit_statistics(dataset))'
            raise BadArgument(what, hint=hint, code="statistics-rate")

    def first(self, item: Item) -> int:
        """Return the number of an item's first frame; 0 where no statistics go by it.

        Raises
        ------
        BadArgument
            The window goes on into another trial, whose frames the statistics do not count.
        """
        if not self._names:
            return 0
        first, trial_id, n = int(item["start_frame"]), int(item["trial_id"]), len(item[self._names[0]])
        own = max(0, self._n_frames[trial_id] - first)
        # What lies past the trial's end is padding where nothing is valid, else frames of the next trial.
        if own < n and any(bool(item["mask"][name][own:].any()) for name in self._names):
            what = f"a window of {n} frames from frame {first} of trial {trial_id} goes on into the next trial"
            hint = 'published statistics count frames within a trial: use within="trial", or statistics of your own'
            raise BadArgument(what, hint=hint, code="statistics-crossing")
        return first
