"""A transform is a recipe: it is bound to each session, and then turns items of that session into other items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    import torch

    from sensorium_data.loaders.pool import Spec
    from sensorium_data.streams import Streams

__all__ = ["Bound", "Compose", "Item", "Tensors", "Transform", "Writer", "bind", "compose"]

# The tensors of one window by stream, `mask`, and what the window is: `session`, `trial_id`, `start_frame`.
Item: TypeAlias = dict[str, Any]
Bound: TypeAlias = Callable[[Any], Any]
Tensors: TypeAlias = Mapping[str, "torch.Tensor"]


class Transform(ABC):
    """A transform that needs to know the session: bound once for each session and process.

    Transforms hold what they were asked for and nothing of any session, so they pickle, compare and print as they were
    written.
    """

    __slots__ = ()

    @abstractmethod
    def bind(self, streams: Streams) -> Bound:
        """Return what turns an item of this session into another; nothing large is read before the first item.

        Parameters
        ----------
        streams : Streams
            Of the session.

        Raises
        ------
        BadArgument
            The session lacks what the transform needs.
        """

    def __call__(self, item: Any) -> NoReturn:  # noqa: ANN401  # whatever a transform is given
        """Refuse: statistics are those of a session.

        Raises
        ------
        BadArgument
            Always.
        """
        del item
        hint = "give it to WindowDataset or make_loader, or call what `.bind(streams)` returns"
        raise BadArgument(f"{self!r} is not bound to a session", hint=hint, code="transform-unbound")


class Writer(ABC):
    """A bound transform that can write what it makes straight into a batch, so that items need not be put together.

    It keeps no tensor of an item, and gives none away: the memory of items is used again.
    """

    @abstractmethod
    def spec(self, items: Spec) -> Spec:
        """Return name, shape and dtype of all that is written of one item.

        Parameters
        ----------
        items : mapping of name to (shape, torch.dtype)
            Of an item's streams, and of their masks under `mask/` and the name.
        """

    @abstractmethod
    def write(self, item: Item, out: Tensors) -> None:
        """Write what the transform makes of an item: to the bit what calling the transform gives.

        Parameters
        ----------
        item : dict
        out : mapping of name to Tensor
            As `spec` says: one row of a batch.

        Raises
        ------
        BadArgument
            As calling the transform.
        """

    @abstractmethod
    def batch(self, written: Tensors, names: Item) -> Any:  # noqa: ANN401  # a dict, or an official layout
        """Return the batch.

        Parameters
        ----------
        written : mapping of name to (batch, …) Tensor
        names : dict
            What the batch says of its windows.
        """


def bind(transform: Bound, streams: Streams) -> Bound:
    """Return a transform bound to a session; a plain callable is returned as it is.

    Parameters
    ----------
    transform : callable
    streams : Streams

    Examples
    --------
    >>> bind(len, None)("abc")
    3
    """
    method = getattr(transform, "bind", None)
    if method is None:
        return transform
    bound: Bound = method(streams)
    return bound


@dataclass(frozen=True, slots=True, repr=False)
class Compose(Transform):
    """Several transforms, one after another; made by `compose`."""

    transforms: tuple[Bound, ...]

    def bind(self, streams: Streams) -> Bound:
        """Return all of them, bound."""
        bound = [bind(transform, streams) for transform in self.transforms]

        def run(item: Any) -> Any:  # noqa: ANN401  # from whatever the first takes to whatever the last gives
            for transform in bound:
                item = transform(item)
            return item

        return run

    def __repr__(self) -> str:
        return f"compose({', '.join(map(repr, self.transforms))})"


def compose(*transforms: Bound) -> Compose:
    """Return one transform that applies several, the first one first.

    Parameters
    ----------
    *transforms : callable
        Transforms of this package, your own functions of an item, or objects with a method ``bind``.

    Raises
    ------
    BadArgument
        One can neither be bound nor called.

    Examples
    --------
    >>> compose(len, str)
    compose(<built-in function len>, <class 'str'>)
    >>> compose(len, str).bind(None)("abc")
    '3'
    """
    for transform in transforms:
        if not callable(transform) and not hasattr(transform, "bind"):
            what = f"compose takes transforms, not {type(transform).__name__} {transform!r}"
            raise BadArgument(what, code="bad-transform")
    return Compose(transforms)
