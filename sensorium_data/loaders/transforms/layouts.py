"""Items as the official loaders give them: tuples with names, for training code that was written for those.

Such code takes the tensors of a batch by place (`list(batch)[0]`) and as keywords (`batch._asdict()`). Whatever the
official loaders do not have (masks, session, trial) rides along beside the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, SupportsIndex, TypeAlias

import torch  # noqa: TID253  # the loaders are torch's face
from torch.utils.data._utils.collate import default_collate_fn_map  # noqa: TID253  # its docstring says: to be extended

from sensorium_data.errors import BadArgument, NoSuchItem, near_miss

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sensorium_data.loaders.transforms.base import Item

__all__ = [
    "Official",
    "Official2022",
    "Official2022Behavior",
    "Official2022Images",
    "Official2022PupilCenter",
    "Official2023",
    "Stack",
    "collate_official",
    "riding_along",
]

Masks: TypeAlias = dict[str, torch.Tensor]
Stack: TypeAlias = "Callable[[list[torch.Tensor]], torch.Tensor]"
LOST = (
    "whoever rebuilt the batch from its tensors dropped it; "
    "a DataLoader with batch_size=None does unless it has collate_fn=lambda batch: batch"
)
USUAL = ("mask", "session", "trial_id", "start_frame")  # what rides along where nobody dropped it


class Official(tuple[torch.Tensor, ...]):  # noqa: SLOT001  # no tuple can have a slot for what rides along
    """A tuple of tensors that answers to names as well, by attribute and by key.

    Its length, order and `_fields` are those of the official loaders. `mask`, `session`, `trial_id` and `start_frame`
    are there by name alone. `default_collate`, `pin_memory` and `.to(device)` keep them.

    Parameters
    ----------
    *values : Tensor
        One for each field.
    extras : mapping of str to object, optional
        What rides along: `mask` by field, `session`, `trial_id`, `start_frame`.

    Raises
    ------
    BadArgument
        Not one value for each field.

    Examples
    --------
    >>> item = Official2022Images(torch.zeros(1, 2, 2), torch.ones(3), extras={"trial_id": 4})
    >>> images, responses = item
    >>> item.responses is item["responses"] is responses, item.trial_id, "trial_id" in item, len(item)
    (True, 4, True, 2)
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    extras: dict[str, Any]
    mask: Masks
    session: str | tuple[str, ...]
    trial_id: int | torch.Tensor
    start_frame: int | torch.Tensor

    def __init_subclass__(cls) -> None:
        for place, name in enumerate(cls._fields):
            setattr(cls, name, property(_at(place)))

    def __new__(cls, *values: torch.Tensor, extras: Mapping[str, Any] | None = None) -> Self:
        """Return the tuple; as of a named tuple, the tensors are given by place."""
        if len(values) != len(cls._fields):
            what = f"{cls.__name__} takes {len(cls._fields)} tensors ({', '.join(cls._fields)}), not {len(values)}"
            raise BadArgument(what, code="bad-layout")
        made = super().__new__(cls, values)
        made.extras = dict(extras or {})
        return made

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # what rides along is of any kind
        if name != "extras" and name in self.extras:
            return self.extras[name]
        message = f"{type(self).__name__} has no `{name}`"
        raise AttributeError(f"{message}: {LOST}" if name in USUAL else message)

    def __getitem__(self, key: str | SupportsIndex | slice) -> Any:  # noqa: ANN401  # names too
        """Return a field by place or name, or what rides along by name.

        Raises
        ------
        NoSuchItem
            No such name, or what rides along was dropped.
        """
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key in self._fields:
            return super().__getitem__(self._fields.index(key))
        if key in self.extras:
            return self.extras[key]
        hint = LOST if key in USUAL else near_miss(key, self.keys())
        raise NoSuchItem(f"{type(self).__name__} has no `{key}`", hint=hint, code="no-such-field")

    def __contains__(self, key: object) -> bool:
        return key in self.keys() if isinstance(key, str) else any(key is value for value in self)

    def keys(self) -> tuple[str, ...]:
        """Return the names of the fields, and of what rides along."""
        return (*self._fields, *self.extras)

    def values(self) -> tuple[Any, ...]:
        """Return what the names stand for, in the order of `keys`."""
        return (*self, *self.extras.values())

    def items(self) -> Iterator[tuple[str, Any]]:
        """Return pairs of name and value."""
        return zip(self.keys(), self.values(), strict=True)

    def _asdict(self) -> dict[str, torch.Tensor]:
        """Return the fields alone by name, as a named tuple does: what official code passes as keywords."""
        return dict(zip(self._fields, self, strict=True))

    @classmethod
    def _make(cls, values: Iterable[torch.Tensor]) -> Self:
        """Return a tuple of these values, as of a named tuple."""
        return cls(*values)

    def _replace(self, **fields: torch.Tensor) -> Self:
        """Return the same with some fields replaced, as of a named tuple.

        Raises
        ------
        NoSuchItem
            No such field.
        """
        if unknown := sorted(fields.keys() - set(self._fields)):
            what = f"{type(self).__name__} has no field `{unknown[0]}`"
            raise NoSuchItem(what, hint=near_miss(unknown[0], self._fields), code="no-such-field")
        return type(self)(*({**self._asdict(), **fields}.values()), extras=self.extras)

    def with_extras(self, extras: Mapping[str, Any]) -> Self:
        """Return the same with other things riding along."""
        return type(self)(*self, extras=extras)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with what rides along."""
        return _rebuilt, (type(self), tuple(self), self.extras)

    def __repr__(self) -> str:
        said: dict[str, Any] = {name: tuple(value.shape) for name, value in self._asdict().items()}
        said |= {name: value for name, value in self.extras.items() if name != "mask"}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in said.items())})"

    def to(self, device: torch.device | str | int, *, non_blocking: bool = False) -> Self:
        """Return the same with its tensors on a device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Return the same in pinned memory."""
        return self._map(torch.Tensor.pin_memory)

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Self:
        extras = {name: _changed(value, change) for name, value in self.extras.items()}
        return type(self)(*map(change, self), extras=extras)


def _changed(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:  # noqa: ANN401  # a mapping, a tensor, or text
    if isinstance(value, Mapping):
        return {name: _changed(inner, change) for name, inner in value.items()}
    return change(value) if isinstance(value, torch.Tensor) else value


def _at(place: int) -> Callable[[Official], torch.Tensor]:
    def field(item: Official) -> torch.Tensor:
        value: torch.Tensor = tuple.__getitem__(item, place)
        return value

    return field


def _rebuilt(layout: type[Official], values: Iterable[torch.Tensor], extras: dict[str, Any]) -> Official:
    return layout(*values, extras=extras)


class Official2023(Official):
    """Films as of 2023: `videos` (channel, time, y, x), `responses` (neuron, time), `behavior` and `pupil_center` (2, time)."""

    _fields = ("videos", "responses", "behavior", "pupil_center")
    videos: torch.Tensor
    responses: torch.Tensor
    behavior: torch.Tensor
    pupil_center: torch.Tensor


class Official2022(Official):
    """Images as of 2022: `images` (channel, y, x), `responses` (neuron,), `behavior` (3,), `pupil_center` (2,)."""

    _fields = ("images", "responses", "behavior", "pupil_center")
    images: torch.Tensor
    responses: torch.Tensor
    behavior: torch.Tensor
    pupil_center: torch.Tensor


class Official2022Behavior(Official):
    """The same without `pupil_center`."""

    _fields = ("images", "responses", "behavior")
    images: torch.Tensor
    responses: torch.Tensor
    behavior: torch.Tensor


class Official2022PupilCenter(Official):
    """The same without `behavior`."""

    _fields = ("images", "responses", "pupil_center")
    images: torch.Tensor
    responses: torch.Tensor
    pupil_center: torch.Tensor


class Official2022Images(Official):
    """`images` and `responses` alone."""

    _fields = ("images", "responses")
    images: torch.Tensor
    responses: torch.Tensor


def riding_along(item: Item, streams: Container[str], masks: Mapping[str, NDArray[np.bool_]]) -> dict[str, Any]:
    """Return what an item says beside its streams, with the masks of an official layout.

    Parameters
    ----------
    item : dict
    streams : container of str
        Names of the item's streams.
    masks : mapping of field to (time,) bool, or () bool
    """
    beside = {name: value for name, value in item.items() if name not in streams and name != "mask"}
    return {"mask": {name: torch.as_tensor(mask) for name, mask in masks.items()}, **beside}


def collate_official(
    items: Sequence[Official],
    *,
    stack: Stack = torch.stack,
    **_collate_fn_map: Any,  # noqa: ANN401  # torch hands it on
) -> Official:
    """Return items of one layout as a batch, with masks (batch, …), trial ids and start frames (batch,) int64.

    Parameters
    ----------
    items : sequence of Official
        Of one layout and one shape.
    stack : callable
        Puts tensors together, as `torch.stack`.

    Examples
    --------
    >>> made = [Official2022Images(torch.zeros(1, 2, 2), torch.ones(3), extras={"trial_id": i}) for i in (4, 7)]
    >>> batch = torch.utils.data.default_collate(made)
    >>> batch.images.shape, batch.trial_id
    (torch.Size([2, 1, 2, 2]), tensor([4, 7]))
    """
    extras = {name: _together([item.extras[name] for item in items], stack) for name in items[0].extras}
    return type(items[0])(*(_stacked(values, stack) for values in zip(*items, strict=True)), extras=extras)


def _together(values: Sequence[Any], stack: Stack) -> Any:  # noqa: ANN401  # masks, keys or numbers
    first = values[0]
    if isinstance(first, Mapping):
        return {name: _together([value[name] for value in values], stack) for name in first}
    if isinstance(first, str):
        return first if len(set(values)) == 1 else tuple(values)
    return stack(list(values)) if isinstance(first, torch.Tensor) else torch.tensor(values)


def _stacked(tensors: Sequence[torch.Tensor], stack: Stack) -> torch.Tensor:
    # Responses are (neuron, time) views of (time, neuron) memory. Stacked as they lie in memory they are copied and not
    # turned, which is what takes time; their batch is such a view again.
    if tensors[0].ndim == 2 and all(tensor.mT.is_contiguous() for tensor in tensors):
        return stack([tensor.mT for tensor in tensors]).mT
    return stack(list(tensors))


default_collate_fn_map[Official] = collate_official
