"""What names and headers of a Sensorium 2023 recording tell, before any value is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensorium_data.sources.filetree import Tree
    from sensorium_data.sources.npy import Header

__all__ = ["shapes_of"]


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
