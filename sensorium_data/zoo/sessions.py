"""Sessions behind one core: what they must share to feed it, and the modules of which each has its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar, cast
from urllib.parse import unquote

from torch import nn  # noqa: TID253  # models are torch's

from sensorium_data.errors import BadArgument, Problem, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sensorium_data.zoo.contract import SessionFacts

__all__ = ["BySession", "share_core"]

Part = TypeVar("Part", bound=nn.Module)
HINTS = {
    "channels-differ": "`behavior = false` leaves planes of behaviour out",
    "image-too-small": "smaller filters in the model's configuration, or a smaller `step` where images are shrunk",
    "no-sessions": "`zoo.session_facts(stores)` returns what is known of session stores",
}


class BySession(nn.Module, Generic[Part]):
    """One module for each session, found by its key; in a state dict the key is part of the name.

    A key may be any text, a name of a module may hold no dot and be no attribute: such characters are written as in
    URLs.

    Parameters
    ----------
    parts : mapping of session key to Module

    Examples
    --------
    >>> heads = BySession({"26872-17-20": nn.Linear(2, 1), "mouse.3": nn.Linear(2, 4)})
    >>> heads["mouse.3"].out_features, "mouse" in heads, list(heads)
    (4, False, ['26872-17-20', 'mouse.3'])
    >>> list(heads.state_dict())[-1]
    'mouse%2E3.bias'
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        super().__init__()
        for key, part in parts.items():
            self.add_module(module_name(key), part)

    def __getitem__(self, session: str) -> Part:
        return cast("Part", self._modules[module_name(session)])

    def __contains__(self, session: object) -> bool:
        return isinstance(session, str) and module_name(session) in self._modules

    def __iter__(self) -> Iterator[str]:
        return (unquote(name) for name in self._modules)

    def __len__(self) -> int:
        return len(self._modules)


def module_name(key: str) -> str:
    """Return the name that a session's module has in a state dict.

    Examples
    --------
    >>> module_name("29515-10-12"), module_name("a.b"), module_name("training"), unquote(module_name("training"))
    ('29515-10-12', 'a%2Eb', '%74raining', 'training')
    """
    name = key.replace("%", "%25").replace(".", "%2E")
    return f"%{ord(name[0]):02X}{name[1:]}" if hasattr(BySession, name) or name in vars(nn.Module()) else name


def share_core(
    model: str, sessions: Sequence[SessionFacts], *, behavior: bool, shifter: bool, least_side: int
) -> tuple[list[SessionFacts], int]:
    """Return the sessions less the inputs that are not used, and how many channels the core takes in.

    Parameters
    ----------
    model : str
        Its name, for messages.
    sessions : sequence of SessionFacts
    behavior, shifter : bool
        Whether behaviour becomes planes, and the position of the pupil a shift.
    least_side : int
        Pixels of the smallest image that leaves the core a map.

    Raises
    ------
    BadArgument
        No session, two of one key, images that are too small, or sessions that differ in channels.

    Examples
    --------
    >>> import numpy as np
    >>> from sensorium_data.zoo import SessionFacts
    >>> one = SessionFacts("a", np.arange(3), (1, 36, 64), n_behavior=3, n_pupil_center=2)
    >>> share_core("cnn", [one], behavior=True, shifter=False, least_side=9)[0][0].n_pupil_center
    0
    """
    used = [
        replace(
            one,
            n_behavior=one.n_behavior if behavior else 0,
            n_pupil_center=one.n_pupil_center if shifter else 0,
        )
        for one in sessions
    ]
    problems = list(_problems(used, least_side))
    if problems:
        first = problems[0]
        what = f"{model} cannot be built for {counted(len(used), 'session')}: {first.where} {first.what}"
        raise BadArgument(what, hint=HINTS.get(first.code, ""), problems=problems[1:], code=first.code)
    return used, used[0].image_shape[0] + used[0].n_behavior


def _problems(sessions: Sequence[SessionFacts], least_side: int) -> Iterator[Problem]:
    if not sessions:
        yield Problem("no-sessions", "sessions", "is empty")
        return
    first, seen = sessions[0], set[str]()
    for one in sessions:
        if not one.key or one.key in seen:
            yield Problem("bad-session-key", f"key {one.key!r}", "is empty or given twice")
        seen.add(one.key)
        if min(one.image_shape[1:]) < least_side:
            y, x = one.image_shape[1:]
            yield Problem(
                "image-too-small", one.key, f"has images of {y} × {x} pixels, fewer than {least_side} on a side"
            )
        if (one.image_shape[0], one.n_behavior) != (first.image_shape[0], first.n_behavior):
            has = f"has {counted(one.image_shape[0], 'channel')} of images and {one.n_behavior} of behaviour"
            yield Problem(
                "channels-differ", one.key, f"{has}, {first.key} {first.image_shape[0]} and {first.n_behavior}"
            )
