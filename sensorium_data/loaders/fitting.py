"""Whether sessions can be served together, and in which numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import BadArgument, Problem, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sensorium_data.loaders.dataset import Transform
    from sensorium_data.streams import Streams

__all__ = ["check_fit", "check_signals", "check_transform", "float_dtype"]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def float_dtype(dtype: torch.dtype | str | None) -> torch.dtype | None:
    """Return the dtype that floating streams are cast to.

    Raises
    ------
    BadArgument
        It is none of float32, float16, bfloat16.

    Examples
    --------
    >>> float_dtype("bfloat16"), float_dtype(torch.float32)
    (torch.bfloat16, torch.float32)
    """
    if dtype is None or dtype in DTYPES.values():
        return dtype  # type: ignore[return-value]
    if isinstance(dtype, str) and dtype in DTYPES:
        return DTYPES[dtype]
    raise BadArgument(f"dtype is {dtype!r}", hint=f"known: {', '.join(DTYPES)}; None keeps what is stored")


def check_signals(signals: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the names of what is served; one name stands for itself.

    Raises
    ------
    BadArgument
        There are none, or they are no names.

    Examples
    --------
    >>> check_signals("responses"), check_signals(["pupil", "video"])
    (('responses',), ('pupil', 'video'))
    """
    if signals is None or isinstance(signals, str):
        return None if signals is None else (signals,)
    names: tuple[object, ...] = tuple(signals) if hasattr(signals, "__iter__") else (signals,)
    if not names or not all(isinstance(name, str) for name in names):
        what = f"signals is {signals!r}, expected names of streams"
        raise BadArgument(what, hint="leave signals out for all of them", code="no-signals")
    return names  # type: ignore[return-value]  # all are text


def check_transform(transform: Transform | None) -> Transform | None:
    """Return a transform, or say that it is none.

    Raises
    ------
    BadArgument
        It can neither be called nor bound to a session.
    """
    if transform is None or callable(transform) or callable(getattr(transform, "bind", None)):
        return transform
    what = f"transform is {transform!r}, expected a function of an item, or something to `bind` to each session"
    raise BadArgument(what, hint="`transforms.compose` makes one of several", code="bad-transform")


def check_fit(streams: Sequence[Streams]) -> bool:
    """Return whether the sessions are static, or say in which way they do not fit together.

    Parameters
    ----------
    streams : sequence of Streams

    Raises
    ------
    BadArgument
        Films and images are mixed, or streams are missing, of another shape or rate; every difference is named.
    """
    first, problems = streams[0], []
    static = "image" in first or _static(first)
    for other in streams[1:]:
        if _static(other) != _static(first):
            problems.append(
                Problem(
                    "modality",
                    other.key,
                    "holds images, others films" if _static(other) else "holds films, others images",
                )
            )
            continue
        if other.rate != first.rate:
            problems.append(
                Problem(
                    "rate", other.key, f"is served at {float(other.rate):g} Hz, {first.key} at {float(first.rate):g} Hz"
                )
            )
        problems += _differences(first, other)
    if problems:
        hint = "signals=[…] names the streams that all of them have, rate_hz=… one rate for all"
        raise BadArgument("the sessions do not fit together", hint=hint, code="sessions-differ", problems=problems)
    return static


def _static(streams: Streams) -> bool:
    return streams.handle.document.identity.modality == "static"


def _differences(first: Streams, other: Streams) -> list[Problem]:
    problems = []
    for name in dict.fromkeys([*first, *other]):
        if name not in first or name not in other:
            lacks, has = (first, other) if name not in first else (other, first)
            problems.append(
                Problem("stream-missing", lacks.key, f"has no `{name}`, {has.key} has (it has {listed(list(lacks))})")
            )
            continue
        one, two = first[name], other[name]
        if "neuron" not in one.dims and (one.dims, one.shape) != (two.dims, two.shape):
            what = f"`{name}` is {two.dims} {two.shape}, of {first.key} {one.dims} {one.shape}"
            problems.append(Problem("stream-shape", other.key, what))
    return problems
