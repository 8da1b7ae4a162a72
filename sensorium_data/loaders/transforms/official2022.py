"""Images as the official loader of Sensorium 2022 gives them: names, shapes, order of axes, and numbers.

The official chain normalises, appends behaviour and pupil as constant planes, and then shrinks all planes. Here the
image is shrunk before planes are added, and before it is normalised where all pixels share their statistics: the same
numbers for a fraction of the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import BadArgument, listed, near_miss
from sensorium_data.loaders.transforms.base import Transform
from sensorium_data.loaders.transforms.layouts import (
    Official,
    Official2022,
    Official2022Behavior,
    Official2022Images,
    Official2022PupilCenter,
    riding_along,
)
from sensorium_data.loaders.transforms.scale import Lazy, as_numpy, scaled_into, vectors
from sensorium_data.shipped import Shipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.loaders.transforms.base import Bound, Item
    from sensorium_data.scales import Scale
    from sensorium_data.streams import Streams

__all__ = ["Official2022Chain", "Place", "Resize", "official2022", "shrink"]

Place: TypeAlias = Literal["vectors", "channels"]
Resize: TypeAlias = Literal["published", "area"]
SMALLEST = 1000  # the largest whole number of pixels that becomes one

# By whether there is behaviour, and whether there is a pupil.
LAYOUTS: dict[tuple[bool, bool], type[Official]] = {
    (True, True): Official2022,
    (True, False): Official2022Behavior,
    (False, True): Official2022PupilCenter,
    (False, False): Official2022Images,
}


@dataclass(frozen=True, slots=True, repr=False)
class Official2022Chain(Transform):
    """The recipe that `official2022` returns."""

    scale: float | None = 0.25
    behavior: Place | None = "vectors"
    pupil_center: Place | None = "vectors"
    resize: Resize = "published"

    @property
    def step(self) -> int:
        """Pixels of a side that become one."""
        return 1 if self.scale is None else _step(self.scale)

    @property
    def needed(self) -> dict[str, tuple[str, ...]]:
        """The streams that go in, and which of their shipped statistics."""
        z_score = ("mean", "std")
        needed: dict[str, tuple[str, ...]] = {"image": z_score, "responses": ("std",)}
        needed |= {"pupil": ("std",), "running": ("std",)} if self.behavior else {}
        return needed | ({"gaze": z_score} if self.pupil_center else {})

    def bind(self, streams: Streams) -> Bound:
        """Return the chain for one session; the statistics are read with the first item.

        Raises
        ------
        BadArgument
            It is no recording of images, their sides are not multiples of what becomes one pixel, or it lacks a stream
            or its shipped statistics.
        """
        shipped, needed = Shipped(streams), self.needed
        if "video" in streams:
            hint = "official2023() is the layout of films"
            raise BadArgument(f"{streams.key}: official2022() is for images", hint=hint, code="layout-modality")
        if lacking := [name for name in needed if name not in streams]:
            what = f"{streams.key}: {self!r} needs {listed(list(needed))}; {listed(lacking)} is not served"
            hint = "serve all streams, or leave out what is not there with behavior=None or pupil_center=None"
            raise BadArgument(what, hint=hint, code="layout-streams")
        for name, measures in needed.items():
            shipped.need(name, measures)
        y, x = streams["image"].shape[-2:]
        if y % self.step or x % self.step:
            what = (
                f"{streams.key}: images of {y} × {x} pixels have no whole number of blocks of {self.step} × {self.step}"
            )
            raise BadArgument(what, hint="scale=None keeps their size", code="bad-scale")
        return _Bound(self, streams, shipped)

    def __repr__(self) -> str:
        said = f"scale={self.scale!r}, behavior={self.behavior!r}, pupil_center={self.pupil_center!r}"
        return f"official2022({said}, resize={self.resize!r})"


def official2022(
    *,
    scale: float | None = 0.25,
    behavior: Place | None = "vectors",
    pupil_center: Place | None = "vectors",
    resize: Resize = "published",
) -> Official2022Chain:
    """Return the transform to the official layout of Sensorium 2022, an `Official2022` for each item.

    | field | shape | numbers |
    |---|---|---|
    | `images` | (channel, y, x) | grey level z-scored, shrunk; behaviour and pupil as planes where asked |
    | `responses` | (neuron,) | times 1 / std of the neuron, with the floor of 1 % |
    | `behavior` | (3,) | dilation, its change and speed, divided by std |
    | `pupil_center` | (2,) | x and y, z-scored |

    All float32, computed in float64. Behaviour that was withheld is NaN, and its mask is False.

    Parameters
    ----------
    scale : float or None
        One over a whole number of pixels of a side that become one; None or 1 keeps the size.
    behavior, pupil_center : {"vectors", "channels", None}
        As a vector of its own, also as constant planes of `images`, or not at all. Without one of them the items are of
        the layouts `Official2022Behavior`, `Official2022PupilCenter` or `Official2022Images`.
    resize : {"published", "area"}
        What a block of pixels becomes: as published the mean of the four in its centre (of an odd side the one in its
        centre), or the mean of all.

    Raises
    ------
    BadArgument
        An option that there is not.

    Examples
    --------
    >>> official2022(behavior="channels")
    official2022(scale=0.25, behavior='channels', pupil_center='vectors', resize='published')
    >>> official2022(scale=0.3)
    Traceback (most recent call last):
    sensorium_data.errors.BadArgument: scale is 0.3, expected None or one over a whole number: 1, 0.5, 0.25, …
    """
    if scale is not None:
        _step(scale)
    for name, place in (("behavior", behavior), ("pupil_center", pupil_center)):
        if place is not None and place not in get_args(Place):
            hint = near_miss(str(place), [*get_args(Place), "None"])
            raise BadArgument(f"{name} is {place!r}", hint=hint, code="bad-layout")
    if resize not in get_args(Resize):
        raise BadArgument(f"resize is {resize!r}", hint=near_miss(str(resize), get_args(Resize)), code="bad-layout")
    return Official2022Chain(scale, behavior, pupil_center, resize)


def _step(scale: float) -> int:
    """Return how many pixels of a side become one."""
    with_error = BadArgument(
        f"scale is {scale!r}, expected None or one over a whole number: 1, 0.5, 0.25, …",
        hint="for other sizes, leave it None and resize the batch with torch.nn.functional.interpolate",
        code="bad-scale",
    )
    try:
        share = Fraction(scale).limit_denominator(SMALLEST)
    except (TypeError, ValueError, OverflowError):
        raise with_error from None
    if share.numerator != 1 or float(share) != scale:
        raise with_error
    return share.denominator


def shrink(pixels: NDArray[Any], step: int, resize: Resize = "published") -> NDArray[np.float64]:
    """Return images of which every block of step × step pixels has become one.

    Parameters
    ----------
    pixels : (…, y, x) float or int
        Sides that are multiples of the step.
    step : int
    resize : {"published", "area"}
        As for `official2022`.

    Examples
    --------
    >>> image = np.arange(16).reshape(4, 4)
    >>> shrink(image, 4), shrink(image, 2)[0], shrink(image**2, 4), shrink(image**2, 4, "area")
    (array([[7.5]]), array([2.5, 4.5]), array([[60.5]]), array([[77.5]]))
    """
    if resize == "area" and step > 1:
        *lead, y, x = pixels.shape
        area: NDArray[np.float64] = pixels.reshape(*lead, y // step, step, x // step, step).mean((-3, -1), dtype=float)
        return area
    # Bilinear interpolation at the centre of each block, without smoothing: the pixels around that centre.
    near = sorted({(step - 1) // 2, step // 2})
    parts = [pixels[..., row::step, column::step] for row in near for column in near]
    total = np.zeros(parts[0].shape)
    for part in parts:
        total += part
    return total / len(parts)


class _Bound:
    """The chain for one session."""

    def __init__(self, chain: Official2022Chain, streams: Streams, shipped: Shipped) -> None:
        self._chain = chain
        self._needed, self._streams = tuple(chain.needed), frozenset(streams)
        self._layout = LAYOUTS[bool(chain.behavior), bool(chain.pupil_center)]
        self._scales = Lazy(lambda: {name: shipped.scale(name) for name in chain.needed})

    def __call__(self, item: Item) -> Official:
        """Return an item in the official layout."""
        one = {name: item[name][None] for name in self._needed}  # as a film of one frame
        one["mask"] = {name: item["mask"][name][None] for name in self._needed}
        scales = self._scales()
        responses = np.empty(one["responses"].shape, np.float32)
        values = {"responses": responses[0]}
        masks = {"responses": scaled_into(responses, one, "responses", scales["responses"], 0)}
        planes = [self._image(one, scales["image"])]
        seen = as_numpy(one["mask"]["image"]) & scales["image"].good
        for field, names, place in self._vectors:
            vector, masks[field] = vectors(one, scales, names, 0)  # (channel, 1), (1,)
            values[field] = vector[:, 0]
            if place == "channels":
                planes.append(np.broadcast_to(vector[:, :, None], (len(vector), *planes[0].shape[1:])))
                seen = seen & masks[field]
        values["images"], masks["images"] = np.concatenate(planes, dtype=np.float32), seen
        extras = riding_along(item, self._streams, {name: masks[name][0] for name in self._layout._fields})
        return self._layout(*(torch.from_numpy(values[name]) for name in self._layout._fields), extras=extras)

    @property
    def _vectors(self) -> list[tuple[str, tuple[str, ...], Place]]:
        chain = self._chain
        both = (("behavior", ("pupil", "running"), chain.behavior), ("pupil_center", ("gaze",), chain.pupil_center))
        return [(field, names, place) for field, names, place in both if place is not None]

    def _image(self, one: Item, scale: Scale) -> NDArray[np.float64]:
        """Return the normalised image, shrunk, (channel, y, x)."""
        pixels, step, resize = as_numpy(one["image"]), self._chain.step, self._chain.resize
        shared = scale.gain.shape[-2:] == (1, 1)
        small = shrink(pixels, step, resize) if shared else pixels
        out = np.empty(small.shape)
        scale.into(out, small, 0)
        image = out if shared else shrink(out, step, resize)
        if not one["mask"]["image"].item():
            image[:] = np.nan
        return image.reshape(-1, *image.shape[-2:])
