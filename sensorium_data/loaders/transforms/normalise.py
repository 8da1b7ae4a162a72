"""Normalised items under our own names and in our own order of axes, with shipped statistics or with fitted ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.loaders.fill import MASK
from sensorium_data.loaders.statistics import Statistics
from sensorium_data.loaders.transforms.base import Transform, Writer
from sensorium_data.loaders.transforms.numbered import FrameNumbers
from sensorium_data.loaders.transforms.scale import Lazy, scaled_into
from sensorium_data.scales import Scale, precision
from sensorium_data.shipped import Shipped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from sensorium_data.loaders.pool import Spec
    from sensorium_data.loaders.transforms.base import Bound, Item, Tensors
    from sensorium_data.streams import Streams

__all__ = ["Normalise", "ResponseScaling", "normalise"]

ResponseScaling: TypeAlias = Literal["per_frame", "per_neuron", "none"]
# What may be asked for, by argument; the first is the default.
CHOICES: dict[str, tuple[str | None, ...]] = {
    "responses": ("per_frame", "per_neuron", "none"),
    "video": ("zscore", None),
    "behaviour": ("std", None),
    "gaze": ("zscore", None),
}
ARGUMENT = {
    "video": "video",
    "image": "video",
    "responses": "responses",
    "pupil": "behaviour",
    "running": "behaviour",
    "gaze": "gaze",
}
MEASURES = {"zscore": ("mean", "std"), "std": ("std",), "per_frame": ("std",)}


@dataclass(frozen=True, slots=True, repr=False)
class Normalise(Transform):
    """The recipe that `normalise` returns."""

    responses: ResponseScaling = "per_frame"
    video: Literal["zscore"] | None = "zscore"
    behaviour: Literal["std"] | None = "std"
    gaze: Literal["zscore"] | None = "zscore"
    statistics: Statistics | None = None

    def bind(self, streams: Streams) -> Bound:
        """Return the transform of one session; shipped statistics are read with the first item.

        Raises
        ------
        BadArgument
            The session has no shipped statistics where they are needed, is served at another rate than theirs, or is
            not one of those that the statistics are of.
        """
        shipped = Shipped(streams)
        asked = {name: getattr(self, ARGUMENT[name]) for name in streams if name in ARGUMENT}
        asked = {name: how for name, how in asked.items() if how not in (None, "none")}
        of_source = [name for name, how in asked.items() if self._from_source(how)]
        for name in of_source:
            shipped.need(name, MEASURES[asked[name]])
        if self.statistics is not None:
            self.statistics.need(streams, asked.keys() - set(of_source))

        def scales() -> dict[str, Scale]:
            found = {name: shipped.scale(name) for name in of_source}
            rest = {name: how for name, how in asked.items() if name not in found}
            if rest:
                # Without statistics of the user's own, one number a neuron is what the store itself knows of them.
                own = Statistics.stored([streams]) if self.statistics is None else self.statistics
                found |= _own_scales(own, streams, rest)
            return found

        return _Bound(streams, FrameNumbers(streams, shipped, of_source), frozenset(asked), Lazy(scales))

    def _from_source(self, how: str) -> bool:
        return how == "per_frame" or (self.statistics is None and how != "per_neuron")

    def __repr__(self) -> str:
        said = (f"{name}={getattr(self, name)!r}" for name in (*CHOICES, "statistics"))
        return f"normalise({', '.join(said)})"


def normalise(
    *,
    responses: ResponseScaling = "per_frame",
    video: Literal["zscore"] | None = "zscore",
    behaviour: Literal["std"] | None = "std",
    gaze: Literal["zscore"] | None = "zscore",
    statistics: Statistics | None = None,
) -> Normalise:
    """Return a transform that normalises what is served, under the same names and in the same order of axes.

    Films and images become floating point. Where a statistic is missing or no value varies, the mask is False.

    Parameters
    ----------
    responses : {"per_frame", "per_neuron", "none"}
        Times 1 / std: of neuron and frame as shipped and as scored; of the neuron over the training trials; or left
        alone. Neurons that vary less than 1 % of the mean of all neurons are divided by that 1 %.
    video : {"zscore", None}
        Films or images, by pixel and frame as shipped, with ``statistics`` by one mean and standard deviation.
    behaviour : {"std", None}
        Pupil dilation, its change, and running speed, divided by their standard deviations.
    gaze : {"zscore", None}
    statistics : Statistics, optional
        For everything that is not `per_frame`. By default the shipped ones, and for `per_neuron` those that the store
        holds of its training trials.

    Raises
    ------
    BadArgument
        An option that there is not.

    Examples
    --------
    >>> normalise(responses="per_neuron", video=None)
    normalise(responses='per_neuron', video=None, behaviour='std', gaze='zscore', statistics=None)
    """
    given: dict[str, Any] = {"responses": responses, "video": video, "behaviour": behaviour, "gaze": gaze}
    for name, value in given.items():
        if value not in CHOICES[name]:
            hint = near_miss(str(value), [str(choice) for choice in CHOICES[name]])
            raise BadArgument(f"{name} is {value!r}", hint=hint, code="bad-normalisation")
    if statistics is not None and not isinstance(statistics, Statistics):
        what = f"statistics is {type(statistics).__name__} {statistics!r}, expected Statistics"
        raise BadArgument(what, hint="`fit_statistics(dataset)` or `Statistics.load(path)`", code="bad-normalisation")
    return Normalise(responses, video, behaviour, gaze, statistics)


def _own_scales(statistics: Statistics, streams: Streams, asked: Mapping[str, str]) -> dict[str, Scale]:
    """Return what fitted statistics make of some streams, one row for all frames."""
    known, film = statistics.of(streams), streams.handle.document.identity.film
    found = {}
    for name, how in asked.items():
        if how == "per_neuron":
            whole, places = statistics.all_neurons(streams, name)
            scale = precision(whole.std[None])
            found[name] = scale if places is None else scale[places]
            continue
        axes = (1,) * (1 + len(streams[name].shape)) if name == film else (1, -1)
        mean, std = known[name].mean.reshape(axes), known[name].std.reshape(axes)
        found[name] = Scale.z_score(mean, std) if how == "zscore" else Scale.by_std(std)
    return found


class _Bound(Writer):
    """The transform of one session."""

    def __init__(
        self, streams: Streams, numbers: FrameNumbers, asked: AbstractSet[str], scales: Lazy[dict[str, Scale]]
    ) -> None:
        self._names, self._asked = tuple(streams), asked
        self._numbers, self._scales = numbers, scales
        self._static = streams.handle.document.identity.modality == "static"
        self._film = streams.handle.document.identity.film

    def __call__(self, item: Item) -> Item:
        """Return the item with its streams normalised.

        Raises
        ------
        BadArgument
            The window goes on into another trial, and statistics are for each frame of a trial.
        """
        first = self._numbers.first(item)
        masks = dict(item["mask"])
        made = {**item, "mask": masks}
        for name in self._scales():
            made[name] = torch.empty(item[name].shape, dtype=_served(item[name].dtype))
            masks[name] = self._scaled(made[name], item, name, first)
        return made

    def spec(self, items: Spec) -> Spec:
        """Return name, shape and dtype of all that is written of one item: those of the item, integers as float32."""
        return {
            name: (shape, _served(dtype) if name in self._asked else dtype) for name, (shape, dtype) in items.items()
        }

    def write(self, item: Item, out: Tensors) -> None:
        """Write the item with its streams normalised."""
        first, scales = self._numbers.first(item), self._scales()
        for name in self._names:
            mask = item["mask"][name]
            if name in scales:
                mask = self._scaled(out[name], item, name, first)
            else:
                out[name].copy_(item[name])
            out[MASK + name].copy_(mask)

    def batch(self, written: Tensors, names: Item) -> Item:
        """Return the batch, in the order of an item."""
        streams = {name: written[name] for name in self._names}
        return {**streams, "mask": {name: written[MASK + name] for name in streams}, **names}

    def _scaled(self, out: torch.Tensor, item: Item, name: str, first: int) -> torch.Tensor:
        """Write one stream, and return where it has values."""
        tensor, mask = item[name], item["mask"][name]
        one = {name: tensor[None], "mask": {name: mask[None]}} if self._static else item
        # numpy has no bfloat16.
        made = torch.empty(out.shape) if out.dtype == torch.bfloat16 else out
        array = (made[None] if self._static else made).numpy()
        # Of signals a channel's axis, of films all: those are the axes of the statistics.
        place = array if name == self._film else array.reshape(len(array), -1)
        known = torch.from_numpy(scaled_into(place, one, name, self._scales()[name], first))
        if made is not out:
            out.copy_(made)
        return known[0] if self._static else known


def _served(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype.is_floating_point else torch.float32
