"""Items to batches: tensors stacked, what is equal for a batch said once, neurons of several mice kept apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import BadArgument
from sensorium_data.loaders.transforms.layouts import Official, Stack, collate_official

__all__ = ["collate", "collate_mixed", "together"]


def collate(items: Sequence[Any]) -> Any:  # noqa: ANN401  # dicts, or the tuples of the official layouts
    """Return the batch of some items: for `torch.utils.data.DataLoader(dataset, collate_fn=collate)`.

    Tensors and arrays get a batch axis, numbers become tensors, and text that all items share stands once; dicts, tuples
    and lists are gone through.

    Parameters
    ----------
    items : sequence of items
        Of a `WindowDataset`, all of one session, or with the same neurons.

    Raises
    ------
    RuntimeError
        Tensors differ in shape: windows of different sessions, or whole trials of different lengths.

    Examples
    --------
    >>> collate([{"pupil": torch.zeros(3), "session": "a"}, {"pupil": torch.ones(3), "session": "a"}])["pupil"].shape
    torch.Size([2, 3])
    """
    return together(items, torch.stack)


def together(items: Sequence[Any], stack: Stack) -> Any:  # noqa: ANN401  # dicts, or the tuples of the official layouts
    """Return what `collate` returns, its tensors put together by ``stack``."""
    if (batch := getattr(items, "batch", None)) is not None:  # they are rows of one already
        return batch
    first = items[0]
    if isinstance(first, torch.Tensor):
        return stack(list(items))
    if isinstance(first, Mapping):
        _refuse_two_sessions(items)
        return {name: together([item[name] for item in items], stack) for name in first}
    if isinstance(first, Official):
        return collate_official(items, stack=stack)
    if isinstance(first, np.ndarray | np.generic):
        return stack([torch.as_tensor(item) for item in items])
    if isinstance(first, tuple | list) and len({len(item) for item in items}) == 1:
        columns = [together(column, stack) for column in zip(*items, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
    if isinstance(first, (bool, int, float)):
        return torch.tensor(items)
    return first if all(item == first for item in items) else tuple(items)


def _refuse_two_sessions(items: Sequence[Mapping[str, Any]]) -> None:
    if len({item.get("session") for item in items if isinstance(item.get("session"), str)}) > 1:
        what = "a batch is of one session: the neurons of two mice do not fit into one tensor"
        hint = '`make_loader` deals windows so, or order="mixed" keeps them apart'
        raise BadArgument(what, hint=hint, code="mixed-batch")


def collate_mixed(items: Sequence[Any], apart: frozenset[str], stack: Stack = torch.stack) -> dict[str, Any]:
    """Return the batch of items of several sessions, whose neurons are not each other's.

    Parameters
    ----------
    items : sequence of dict or Official
        What a transform makes of items must have names.
    apart : set of str
        Streams over neurons: each becomes a dict of session key to (item, …) tensor, without rows for other sessions.
    stack : callable
        Puts tensors together, as `torch.stack`.

    Returns
    -------
    dict
        As `collate`, with `session` one key an item, and `rows`: for each session the items that are its own.

    Raises
    ------
    BadArgument
        Items without names, or without `session`: nothing tells whose neurons they are.

    Examples
    --------
    >>> items = [{"responses": torch.zeros(n), "session": s} for n, s in ((2, "a"), (5, "b"), (2, "a"))]
    >>> batch = collate_mixed(items, frozenset({"responses"}))
    >>> {key: tuple(values.shape) for key, values in batch["responses"].items()}, batch["rows"]["a"].tolist()
    ({'a': (2, 2), 'b': (1, 5)}, [0, 2])
    """
    rows: dict[str, list[int]] = {}
    named = [_named(item) for item in items]
    for i, item in enumerate(named):
        rows.setdefault(item["session"], []).append(i)
    batch: dict[str, Any] = {}
    for name in named[0]:
        if name in apart:
            batch[name] = {key: stack([named[i][name] for i in own]) for key, own in rows.items()}
        else:
            batch[name] = together(_of_one_dtype([item[name] for item in named]), stack)
    batch["session"] = tuple(item["session"] for item in named)
    batch["rows"] = {key: torch.tensor(own) for key, own in rows.items()}
    return batch


def _named(item: Any) -> dict[str, Any]:  # noqa: ANN401  # what the transform makes of items
    found = dict(item) if isinstance(item, Mapping | Official) else {}
    if "session" in found:
        return found
    what = (
        f"batches of several sessions need items with names and `session`, the transform returns {type(item).__name__}"
    )
    raise BadArgument(what, hint="return the item's own dict with entries changed or added", code="transform-unnamed")


def _of_one_dtype(values: list[Any]) -> list[Any]:
    """Return tensors as the dtype that holds all of them: a film with fractions beside films of bytes."""
    if not isinstance(values[0], torch.Tensor) or len({value.dtype for value in values}) == 1:
        return values
    held = reduce(torch.promote_types, [value.dtype for value in values])
    return [value.to(held) for value in values]
