"""Stimuli once: distinct films become variants, variants that show the same film become one group."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import StoreInvalid
from sensorium_data.grouping import Difference, difference, group_films
from sensorium_data.schemas import Stimulus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.conversion.scan import Scanned
    from sensorium_data.sources import RawSession

__all__ = ["FilmPlan", "SpooledFilm", "film_digest", "plan_films", "spooled_films"]


def film_digest(frames: NDArray[Any]) -> str:
    """Return the SHA-256 of a film's dtype, shape and bytes."""
    head = f"{frames.dtype.str}{frames.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(frames).tobytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class SpooledFilm:
    """A distinct film on disk; opened as a view when it is needed."""

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]
    digest: str

    def open(self) -> NDArray[Any]:
        """Return the frames, (time, …, y, x)."""
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)

    def sound(self) -> bool:
        """True when the frames are those that were spooled; a power cut may have taken them."""
        try:
            return film_digest(self.open()) == self.digest
        except (OSError, ValueError):  # gone, or cut short
            return False


@dataclass(frozen=True, slots=True)
class FilmPlan:
    """The variants, the row of each scanned trial among them, and which films fill `stimuli/frames`, in order."""

    variants: tuple[Stimulus, ...]
    variant_of: tuple[int, ...]
    films: tuple[SpooledFilm, ...]

    @property
    def n_frames(self) -> int:
        """Frames that are stored."""
        return sum(film.shape[0] for film in self.films)


def _first_shown(scanned: Sequence[Scanned]) -> dict[str, Scanned]:
    first: dict[str, Scanned] = {}
    for scan in scanned:
        first.setdefault(scan.digest, scan)
    return first


def spooled_films(raw: RawSession, scanned: Sequence[Scanned], spool: Path, *, verify: bool) -> list[SpooledFilm]:
    """Return the distinct films in the order of their first presentation.

    Raises
    ------
    StoreInvalid
        With ``verify``: one is not what was spooled.
    """
    films = [
        SpooledFilm(
            str(spool / f"{s.batch:05d}.films"), s.offset, s.film_dtype, (s.n_valid, *raw.frame_shape), s.digest
        )
        for s in _first_shown(scanned).values()
    ]
    if verify and not all(film.sound() for film in films):
        raise StoreInvalid(f"{spool}: films that were put there are not what they were", code="scratch-damaged")
    return films


def plan_films(raw: RawSession, scanned: Sequence[Scanned], films: Sequence[SpooledFilm]) -> FilmPlan:
    """Return which films are stored and which trials show them.

    Parameters
    ----------
    raw : RawSession
        For the frame's shape and the labels.
    scanned : sequence of Scanned
        In presentation order; variants are numbered by first presentation.
    films : sequence of SpooledFilm
        The distinct ones, as `spooled_films` returns them.
    """
    first = _first_shown(scanned)
    firsts = list(first.values())
    groups = group_films([s.signature for s in firsts], lambda i: films[i].open())
    hosts = _hosts(films, groups)
    kept = [i for i in range(len(films)) if hosts[i] == i]
    starts = dict(zip(kept, np.cumsum([0, *(films[i].shape[0] for i in kept)]).tolist(), strict=False))
    variants = []
    for i, scan in enumerate(firsts):
        reference = int(np.flatnonzero(groups == groups[i])[0])
        gap = Difference(0.0, 0) if i == reference else difference(films[reference].open(), films[i].open())
        label, known_by = raw.label(scan.trial, scan.n_valid, scan.still)
        variants.append(
            Stimulus(
                variant=i,
                group=int(groups[i]),
                first_frame=starts[hosts[i]],
                n_frames=scan.n_valid,
                label=label,
                label_source=known_by,
                digest=scan.digest,
                max_difference=gap.largest if np.isfinite(gap.largest) else 0.0,
                n_different=gap.n_pixels,
            )
        )
    row = {digest: i for i, digest in enumerate(first)}
    return FilmPlan(tuple(variants), tuple(row[s.digest] for s in scanned), tuple(films[i] for i in kept))


def _hosts(films: Sequence[SpooledFilm], groups: NDArray[np.int64]) -> list[int]:
    """Return for each film the one whose frames it can share: a longer film of its group that begins with it."""
    hosts = list(range(len(films)))
    for group in np.unique(groups):
        members = sorted(np.flatnonzero(groups == group).tolist(), key=lambda i: -films[i].shape[0])
        placed: list[int] = []
        for i in members:
            host = next((j for j in placed if _begins_with(films[j], films[i])), None)
            if host is None:
                placed.append(i)
            else:
                hosts[i] = host
    return hosts


def _begins_with(longer: SpooledFilm, shorter: SpooledFilm) -> bool:
    if longer.dtype != shorter.dtype or longer.shape[0] == shorter.shape[0]:
        return False
    n = shorter.shape[0]
    return longer.open()[:n].tobytes() == shorter.open().tobytes()
