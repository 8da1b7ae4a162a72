"""What names and headers of a Sensorium 2023 recording tell, before any value is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.schemas import Channel, Identity
from sensorium_data.sources.base import RawSignal
from sensorium_data.sources.sensorium2023_facts import MICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensorium_data.sources.filetree import Tree
    from sensorium_data.sources.members import Members
    from sensorium_data.sources.npy import Header

__all__ = ["dtype_of", "identity_of", "shapes_of", "signals_of"]


def identity_of(members: Members) -> Identity:
    """Return who was recorded and when, from the name of the folder; whatever it is called, it is a recording."""
    name = members.root
    match = re.match(r"dynamic((\d+)-(\d+)-(\d+))(?:-|$)", name)
    key, animal, session, scan = match.groups() if match else (name, None, None, None)
    mouse = MICE[key].letter if key in MICE else None
    species = "mouse" if match else None
    return Identity(
        key=key,
        name=name,
        modality="dynamic",
        animal_id=animal,
        session=session,
        scan=scan,
        mouse=mouse,
        species=species,
    )


def shapes_of(tree: Tree, headers: Mapping[str, Mapping[int, Header]]) -> tuple[int, tuple[int, int], int]:
    """Return neurons, frame size and behaviour channels; every file that disagrees becomes a problem."""
    ranks = {"videos": 3, "responses": 2, "behavior": 2, "pupil_center": 2}
    leading: dict[str, tuple[int, ...]] = {}
    for stream, rank in ranks.items():
        for number, header in headers[stream].items():
            where, shape = f"data/{stream}/{number}.npy", header.shape
            if len(shape) != rank or 0 in shape:
                tree.fault("npy-shape", where, f"has shape {shape}, expected {rank} axes, time last, none empty")
                continue
            if header.dtype.kind not in "fiu":
                tree.fault("npy-dtype", where, f"holds {header.dtype}, expected numbers")
            expected = leading.setdefault(stream, shape[:-1])
            if shape[:-1] != expected:
                tree.fault("npy-shape", where, f"has shape {shape}, expected {(*expected, shape[-1])} as its siblings")
            film = headers["videos"].get(number)
            if film is not None and len(film.shape) == 3 and shape[-1] != film.shape[-1]:
                tree.fault("length-mismatch", where, f"has {shape[-1]} samples, but the film has {film.shape[-1]}")
    _check_channels(tree, leading)
    y, x = (*leading.get("videos", (1, 1)), 1)[:2]
    return leading.get("responses", (0,))[0], (y, x), leading.get("behavior", (2,))[0]


def _check_channels(tree: Tree, leading: Mapping[str, tuple[int, ...]]) -> None:
    for stream, allowed in (("behavior", (2, 3)), ("pupil_center", (2,))):
        n_channels = leading.get(stream, (2,))[0]
        if n_channels not in allowed:
            expected_text = " or ".join(map(str, allowed))
            tree.fault("npy-shape", f"data/{stream}", f"has {n_channels} channels, expected {expected_text}")


def dtype_of(headers: Mapping[int, Header]) -> np.dtype[Any]:
    """Return the floating-point dtype that holds all files of a stream."""
    return np.result_type(*{header.dtype for header in headers.values()}, np.float16)


def signals_of(n_behavior: int, headers: Mapping[str, Mapping[int, Header]]) -> tuple[RawSignal, ...]:
    """Return pupil, running and gaze as the headers announce them."""
    behavior, centre = dtype_of(headers["behavior"]), dtype_of(headers["pupil_center"])
    axes = (Channel(name="x", unit="px"), Channel(name="y", unit="px"))
    pupil = RawSignal("pupil", (), behavior, "px", (Channel(name="dilation", unit="px"),), "pupil dilation")
    if n_behavior == 3:
        channels = (*pupil.channels, Channel(name="dilation_change", unit="px/s"))
        pupil = RawSignal("pupil", ("channel",), behavior, None, channels, "pupil dilation and its change")
    running = RawSignal("running", (), behavior, "cm/s", (Channel(name="speed", unit="cm/s"),), "treadmill speed")
    return pupil, running, RawSignal("gaze", ("axis",), centre, "px", axes, "centre of the pupil in the eye camera")
