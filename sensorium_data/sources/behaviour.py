"""What both official formats say of the animal: pupil, running and gaze; and how their folders are named after it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from sensorium_data.schemas import Channel, Identity
from sensorium_data.sources.base import RawSignal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from sensorium_data.sources.members import Members

__all__ = ["behaviour_signals", "identity_of"]


def identity_of(
    members: Members, modality: Literal["dynamic", "static"], mouse_of: Callable[[str], str | None]
) -> Identity:
    """Return who was recorded and when, from the name of the folder; whatever it is called, it is a recording.

    Parameters
    ----------
    members : Members
    modality : {"dynamic", "static"}
        Also what the names of published folders begin with.
    mouse_of : callable
        Returns the letter the literature uses for a key, or None.
    """
    name = members.root
    match = re.match(modality + r"((\d+)-(\d+)-(\d+))(?:-|$)", name)
    key, animal, session, scan = match.groups() if match else (name, None, None, None)
    species = "mouse" if match else None
    return Identity(
        key=key,
        name=name,
        modality=modality,
        animal_id=animal,
        session=session,
        scan=scan,
        mouse=mouse_of(key),
        species=species,
    )


def behaviour_signals(
    n_behavior: int, behavior: np.dtype[Any], centre: np.dtype[Any]
) -> tuple[RawSignal, RawSignal, RawSignal]:
    """Return pupil, running and gaze as the published files hold them.

    Parameters
    ----------
    n_behavior : {2, 3}
        Channels of `behavior`: dilation, in three its change, and speed.
    behavior, centre : numpy.dtype
        Of `behavior` and `pupil_center`.
    """
    axes = (Channel(name="x", unit="px"), Channel(name="y", unit="px"))
    pupil = RawSignal("pupil", (), behavior, "px", (Channel(name="dilation", unit="px"),), "pupil dilation")
    if n_behavior == 3:
        channels = (*pupil.channels, Channel(name="dilation_change", unit="px/s"))
        pupil = RawSignal("pupil", ("channel",), behavior, None, channels, "pupil dilation and its change")
    running = RawSignal("running", (), behavior, "cm/s", (Channel(name="speed", unit="cm/s"),), "treadmill speed")
    return pupil, running, RawSignal("gaze", ("axis",), centre, "px", axes, "centre of the pupil in the eye camera")
