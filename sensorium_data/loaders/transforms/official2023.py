"""Films as the official loader of Sensorium 2023 gives them: names, shapes, order of axes, and numbers.

The published statistics have one number for every frame of a trial, so a frame is normalised by its number in the trial,
wherever a window begins. They end where the training clips do; from there on there is nothing to normalise by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import BadArgument, listed
from sensorium_data.loaders.transforms.base import Transform
from sensorium_data.loaders.transforms.layouts import Official2023, riding_along
from sensorium_data.loaders.transforms.numbered import FrameNumbers
from sensorium_data.loaders.transforms.scale import Lazy, scaled_into, vectors
from sensorium_data.loaders.transforms.shipped import Shipped

if TYPE_CHECKING:
    from sensorium_data.loaders.transforms.base import Bound, Item
    from sensorium_data.streams import Streams

__all__ = ["Official2023Chain", "official2023"]

Z_SCORE = ("mean", "std")
NEEDED = {"video": Z_SCORE, "responses": ("std",), "pupil": ("std",), "running": ("std",), "gaze": Z_SCORE}


@dataclass(frozen=True, slots=True, repr=False)
class Official2023Chain(Transform):
    """The recipe that `official2023` returns."""

    pupil_center_channels: bool = False

    def bind(self, streams: Streams) -> Bound:
        """Return the chain for one session; the statistics are read with the first item.

        Raises
        ------
        BadArgument
            It is no recording of films, is served at another rate, or lacks a stream or its shipped statistics.
        """
        shipped = Shipped(streams)
        if "image" in streams:
            hint = "official2022() is the layout of images"
            raise BadArgument(f"{streams.key}: official2023() is for films", hint=hint, code="layout-modality")
        if lacking := [name for name in NEEDED if name not in streams]:
            what = f"{streams.key}: official2023() needs {listed(list(NEEDED))}; {listed(lacking)} is not served"
            raise BadArgument(what, hint="serve all streams: leave `signals` out", code="layout-streams")
        for name, measures in NEEDED.items():
            shipped.need(name, measures)
        return _Bound(streams, shipped, pupil_center_channels=self.pupil_center_channels)

    def __repr__(self) -> str:
        return f"official2023(pupil_center_channels={self.pupil_center_channels})"


def official2023(*, pupil_center_channels: bool = False) -> Official2023Chain:
    """Return the transform to the official layout of Sensorium 2023, an `Official2023` for each item.

    | field | shape | numbers |
    |---|---|---|
    | `videos` | (3, time, y, x) | grey level z-scored by pixel and frame; dilation and speed as planes, divided by std |
    | `responses` | (neuron, time) | times 1 / std of neuron and frame, with the floor of 1 % |
    | `behavior` | (2, time) | dilation and speed, divided by std |
    | `pupil_center` | (2, time) | x and y, z-scored |

    All float32, computed in float64. Frames without shipped statistics are NaN, and their mask is False.

    Parameters
    ----------
    pupil_center_channels : bool
        Add x and y of the pupil to `videos`, as channels 4 and 5.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.loaders import WindowDataset
    >>> from sensorium_data.testing import make_session
    >>> data = WindowDataset([make_session(tempfile.mkdtemp(), n_neurons=5)], window=10, transform=official2023())
    >>> {name: tuple(value.shape) for name, value in data[0]._asdict().items()}
    {'videos': (3, 10, 36, 64), 'responses': (5, 10), 'behavior': (2, 10), 'pupil_center': (2, 10)}
    """
    return Official2023Chain(bool(pupil_center_channels))


class _Bound:
    """The chain for one session."""

    def __init__(self, streams: Streams, shipped: Shipped, *, pupil_center_channels: bool) -> None:
        self._streams = frozenset(streams)
        self._numbers = FrameNumbers(streams, shipped, NEEDED)
        self._as_channels = pupil_center_channels
        self._scales = Lazy(lambda: {name: shipped.scale(name) for name in NEEDED})

    def __call__(self, item: Item) -> Official2023:
        """Return an item in the official layout.

        Raises
        ------
        BadArgument
            The window goes on into another trial, whose frames the statistics do not count.
        """
        first = self._numbers.first(item)
        scales = self._scales()
        behavior, behaved = vectors(item, scales, ("pupil", "running"), first)  # (channel, time), (time,)
        centre, looked = vectors(item, scales, ("gaze",), first)
        planes = np.concatenate([behavior, centre]) if self._as_channels else behavior
        videos = torch.empty(1 + len(planes), *item["video"].shape)  # (channel, time, y, x)
        film = videos.numpy()
        seen = scaled_into(film[0], item, "video", scales["video"], first)
        film[1:] = planes[:, :, None, None]
        responses = torch.empty(item["responses"].shape)  # (time, neuron)
        answered = scaled_into(responses.numpy(), item, "responses", scales["responses"], first)
        seen = seen & behaved & looked if self._as_channels else seen & behaved
        masks = {"videos": seen, "responses": answered, "behavior": behaved, "pupil_center": looked}
        extras = riding_along(item, self._streams, masks)
        return Official2023(videos, responses.mT, torch.from_numpy(behavior), torch.from_numpy(centre), extras=extras)
