"""Fill what is missing: said by name, with numbers of the training trials, and never in the masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.loaders.statistics import Statistics
from sensorium_data.loaders.transforms.base import Transform
from sensorium_data.loaders.transforms.layouts import Official
from sensorium_data.loaders.transforms.scale import Lazy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sensorium_data.loaders.transforms.base import Bound, Item
    from sensorium_data.streams import Streams

__all__ = ["FillMissing", "fill_missing"]

INPUTS = ("pupil", "running", "gaze")  # filled unless others are named: made-up responses would be targets
OFFICIAL = ("videos", "images", "responses", "behavior", "pupil_center")


@dataclass(frozen=True, slots=True, repr=False)
class FillMissing(Transform):
    """The recipe that `fill_missing` returns."""

    value: float | None = None
    statistics: Statistics | None = None
    signals: tuple[str, ...] | None = None

    def bind(self, streams: Streams) -> Bound:
        """Return the transform of one session.

        Raises
        ------
        BadArgument
            A stream that is not served, or of which the statistics know nothing.
        """
        names = [name for name in INPUTS if name in streams] if self.signals is None else list(self.signals)
        for name in names:
            if name not in streams and (self.value is None or name not in OFFICIAL):
                what = f"{streams.key}: fill_missing() was asked for `{name}`, which is not served"
                raise BadArgument(what, hint=near_miss(name, list(streams)), code="fill-streams")
        if self.value is None and self.statistics is not None:
            self.statistics.need(streams, names)
        return _Bound(self, names, Lazy(lambda: self._means(streams, names)))

    def _means(self, streams: Streams, names: Iterable[str]) -> dict[str, torch.Tensor]:
        own = Statistics.stored([streams]) if self.statistics is None else self.statistics
        known = own.of(streams)
        return {name: torch.from_numpy(np.asarray(known[name].mean)) for name in names}

    def __repr__(self) -> str:
        return f"fill_missing(value={self.value!r}, statistics={self.statistics!r}, signals={self.signals!r})"


def fill_missing(
    *,
    value: float | None = None,
    statistics: Statistics | None = None,
    signals: Iterable[str] | None = None,
) -> FillMissing:
    """Return a transform that replaces missing values; the masks go on saying where.

    Means are in the units of the recording, so they go before what normalises: `compose(fill_missing(), normalise())`.
    After an official layout give a value: `compose(official2023(), fill_missing(value=0))`.

    Parameters
    ----------
    value : float, optional
        What missing values become; by default the mean of their channel over the training trials.
    statistics : Statistics, optional
        Whose means; by default those that the store holds of its training trials.
    signals : iterable of str, optional
        Which streams; by default pupil, running and gaze, in an official layout every field but the responses. A film
        of integers becomes floating point, so that what was filled can be told from grey level 0.

    Raises
    ------
    BadArgument
        Both a value and statistics.

    Examples
    --------
    >>> fill_missing(value=0)
    fill_missing(value=0.0, statistics=None, signals=None)
    """
    if value is not None and statistics is not None:
        raise BadArgument("fill_missing() takes a value or statistics, not both", code="fill-both")
    names = None if signals is None else (signals,) if isinstance(signals, str) else tuple(signals)
    return FillMissing(None if value is None else float(value), statistics, names)


class _Bound:
    """The transform of one session."""

    def __init__(self, asked: FillMissing, names: Sequence[str], means: Lazy[dict[str, torch.Tensor]]) -> None:
        self._asked, self._names, self._means = asked, names, means

    def __call__(self, item: Item | Official) -> Item | Official:
        """Return the item with its missing values filled.

        Raises
        ------
        BadArgument
            The item lacks a stream that was asked for; or it is in an official layout, in whose units means are not.
        """
        official, names = isinstance(item, Official), self._names
        if isinstance(item, Official) and self._asked.signals is None:
            names = [name for name in item._fields if name != "responses"]
        if official and self._asked.value is None:
            what = "fill_missing() has means in the units of the recording, and got an item in an official layout"
            hint = "put it before the official layout, or give it a value"
            raise BadArgument(what, hint=hint, code="fill-units")
        if lacking := [name for name in names if name not in item]:
            what = f"fill_missing() was asked for `{lacking[0]}`, which the item does not have"
            raise BadArgument(what, hint=near_miss(lacking[0], [*item.keys()]), code="fill-streams")
        filled = {name: _filled(item[name], item["mask"][name], self._value(name)) for name in names}
        return item._replace(**filled) if isinstance(item, Official) else {**item, **filled}

    def _value(self, name: str) -> torch.Tensor:
        return self._means()[name] if self._asked.value is None else torch.tensor(self._asked.value)


def _filled(tensor: torch.Tensor, mask: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point():
        frames = mask.reshape(mask.shape + (1,) * (tensor.ndim - mask.ndim))
        return torch.where(frames, tensor.float(), value.float())
    holes = ~torch.isfinite(tensor)  # infinite is what a shipped standard deviation of 0 makes of a value
    return torch.where(holes, value.to(tensor.dtype), tensor) if bool(holes.any()) else tensor
