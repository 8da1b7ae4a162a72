"""Small recordings of images, and what was published of them, read with numpy alone."""

from __future__ import annotations

import io
import zipfile
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.testing import write_sensorium2022

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Break = Callable[[Path], object]

STREAMS = ("images", "responses", "behavior", "pupil_center")
TIERS, UNITS = "meta/trials/tiers.npy", "meta/neurons/unit_ids.npy"
IDS, CLASSES = "meta/trials/frame_image_id.npy", "meta/trials/frame_image_class.npy"


def write(folder: Path, **how: Any) -> Path:
    """Write a recording of 7 neurons and pictures of 9 × 16."""
    return write_sensorium2022(folder, **{"n_neurons": 7, "frame_shape": (9, 16), "n_train": 8, **how})


def load(source: Path, member: str) -> Array:
    """Return an array of a recording, folder or zip."""
    if source.is_dir():
        return np.asarray(np.load(source / member))
    with zipfile.ZipFile(source) as archive:
        return np.asarray(np.load(io.BytesIO(archive.read(f"{source.stem}/{member}"))))


def names(source: Path, folder: str) -> list[str]:
    """Return the arrays below a folder of a recording, folder or zip."""
    if source.is_dir():
        return sorted(path.relative_to(source).as_posix() for path in (source / folder).rglob("*.npy"))
    with zipfile.ZipFile(source) as archive:
        inside = f"{source.stem}/"
        found = [name.removeprefix(inside) for name in archive.namelist() if name.startswith(inside)]
    return sorted(name for name in found if name.startswith(folder + "/") and name.endswith(".npy"))


def partition(labels: Iterable[Hashable]) -> set[frozenset[int]]:
    """Return which places share a label."""
    groups: dict[Hashable, set[int]] = defaultdict(set)
    for place, label in enumerate(labels):
        groups[label].add(place)
    return {frozenset(places) for places in groups.values()}


def same_bits(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def edit(member: str, change: Callable[[Array], Any]) -> Break:
    """Load an array, change it in place or return another, save it."""

    def apply(source: Path) -> None:
        values = np.load(source / member)
        changed = change(values)
        np.save(source / member, values if changed is None else changed)

    return apply


def edit_all(stream: str, change: Callable[[Array], Any]) -> Break:
    """Do the same with every file of a stream."""

    def apply(source: Path) -> None:
        for file in sorted((source / "data" / stream).iterdir()):
            edit(f"data/{stream}/{file.name}", change)(source)

    return apply


def put(member: str, at: Any, value: object) -> Break:
    return edit(member, lambda values: values.__setitem__(at, value))


def lose(*members: str) -> Break:
    def apply(source: Path) -> None:
        for member in members:
            (source / member).unlink()

    return apply


def lose_statistics(source: Path) -> None:
    lose(*names(source, "meta/statistics"))(source)


def fill(member: str, data: bytes) -> Break:
    return lambda source: (source / member).write_bytes(data)


def both(*breaks: Break) -> Break:
    return lambda source: [harm(source) for harm in breaks]


def notes(session: sd.Session) -> dict[str, str]:
    """Return what is noted, but whether packing pays: with so few neurons it hardly does."""
    found = session.document.provenance.notes
    return {note.code: note.text for note in found if note.code != "packing-not-worth-it"}


def whole(source: Path, target: Path, **how: Any) -> sd.Session:
    """Convert, and hold the store to its source; NaN in behaviour is all that may be said."""
    sd.convert(source, target, **how)
    found = check_store(target, against=source).findings
    assert {finding.code for finding in found} <= {"behaviour-nan"}, found
    return sd.open_session(target)
