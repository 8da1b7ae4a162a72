"""Films as the official loader of Sensorium 2023 gives them: names, shapes, order of axes, and numbers.

The published statistics have one number for every frame of a trial, so a frame is normalised by its number in the trial,
wherever a window begins. They end where the training clips do; from there on there is nothing to normalise by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import BadArgument, listed
from sensorium_data.loaders.fill import MASK
from sensorium_data.loaders.transforms.base import Transform, Writer
from sensorium_data.loaders.transforms.layouts import Official2023, riding_along
from sensorium_data.loaders.transforms.numbered import FrameNumbers
from sensorium_data.loaders.transforms.scale import Lazy, scaled_into, vectors_into, width
from sensorium_data.shipped import Shipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from sensorium_data.loaders.pool import Spec
    from sensorium_data.loaders.transforms.base import Bound, Item, Tensors
    from sensorium_data.streams import Streams

__all__ = ["Official2023Chain", "official2023"]

Z_SCORE = ("mean", "std")
BEHAVIOR, CENTRE = ("pupil", "running"), ("gaze",)
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


class _Bound(Writer):
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
        shapes = self._shapes({name: tuple(item[name].shape) for name in NEEDED})
        made = {name: torch.empty(shape) for name, shape in shapes.items()}
        masks = self._write(item, {name: tensor.numpy() for name, tensor in made.items()})
        return _layout(made, riding_along(item, self._streams, masks))

    def spec(self, items: Spec) -> Spec:
        """Return name, shape and dtype of all that is written of one item; responses as (time, neuron)."""
        shapes = self._shapes({name: items[name][0] for name in NEEDED})
        masks = {MASK + name: (items[MASK + "video"][0], torch.bool) for name in shapes}
        return {name: (shape, torch.float32) for name, shape in shapes.items()} | masks

    def write(self, item: Item, out: Tensors) -> None:
        """Write what the chain makes of an item."""
        arrays = {name: tensor.numpy() for name, tensor in out.items()}
        for name, mask in self._write(item, arrays).items():
            arrays[MASK + name][...] = mask

    def batch(self, written: Tensors, names: Item) -> Official2023:
        """Return the batch in the official layout."""
        return _layout(written, {"mask": {name: written[MASK + name] for name in Official2023._fields}, **names})

    def _shapes(self, streams: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """Return the shape of each field of streams of these shapes, with axes in the order in which they are written."""
        n, *frame = streams["video"]
        n_behavior, n_centre = (width(streams[name] for name in names) for names in (BEHAVIOR, CENTRE))
        n_planes = n_behavior + n_centre if self._as_channels else n_behavior
        return {
            "videos": (1 + n_planes, n, *frame),
            "responses": streams["responses"],
            "behavior": (n_behavior, n),
            "pupil_center": (n_centre, n),
        }

    def _write(self, item: Item, out: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.bool_]]:
        """Write all fields, and return where each has values."""
        first, scales = self._numbers.first(item), self._scales()
        behaved = vectors_into(out["behavior"], item, scales, BEHAVIOR, first)
        looked = vectors_into(out["pupil_center"], item, scales, CENTRE, first)
        film = out["videos"]  # (channel, time, y, x)
        seen = scaled_into(film[0], item, "video", scales["video"], first) & behaved
        n_behavior = len(out["behavior"])
        film[1 : 1 + n_behavior] = out["behavior"][:, :, None, None]
        if self._as_channels:
            film[1 + n_behavior :] = out["pupil_center"][:, :, None, None]
            seen = seen & looked
        answered = scaled_into(out["responses"], item, "responses", scales["responses"], first)
        return {"videos": seen, "responses": answered, "behavior": behaved, "pupil_center": looked}


def _layout(made: Tensors, extras: Mapping[str, Any]) -> Official2023:
    """Return fields in their order; responses are (…, neuron, time) views of (…, time, neuron) memory."""
    return Official2023(made["videos"], made["responses"].mT, made["behavior"], made["pupil_center"], extras=extras)
