"""Stimuli once: distinct films become variants, variants that show the same film become one group."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import StoreInvalid
from sensorium_data.grouping import Difference, difference, group_films
from sensorium_data.moments import Moments
from sensorium_data.schemas import Stimulus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.conversion.scan import Scanned
    from sensorium_data.schemas.stimulus import LabelSource
    from sensorium_data.sources import RawSession

MAPPED = 1 << 18  # bytes from which a film is mapped and not read: of thousands of images, mapping each takes longer

__all__ = ["FilmPlan", "Shown", "SpooledFilm", "film_digest", "film_moments", "plan_films", "shown_films"]


def film_digest(frames: NDArray[Any]) -> str:
    """Return the SHA-256 of a film's dtype, shape and bytes."""
    digest = hashlib.sha256(f"{frames.dtype.str}{frames.shape}".encode())
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()


def film_moments(frames: NDArray[Any]) -> Moments:
    """Return the statistics of all pixels of a film, as one channel."""
    if frames.dtype != np.uint8:
        return Moments.of(frames.reshape(-1, 1))
    # Exact in whole numbers, and ten times faster than in floating point. 255² is the largest square, and fits.
    n, total = frames.size, int(frames.sum(dtype=np.uint64))
    squares = int(np.square(frames, dtype=np.uint16).sum(dtype=np.uint64))
    m2 = (n * squares - total * total) / n
    ends = [np.array([float(level)]) for level in (frames.min(), frames.max())]
    return Moments(np.array([n]), np.array([total / n]), np.array([m2]), *ends)


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
        n = prod(self.shape)
        if n * np.dtype(self.dtype).itemsize >= MAPPED:
            return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        return np.fromfile(self.path, self.dtype, n, offset=self.offset).reshape(self.shape)

    def sound(self) -> bool:
        """True when the frames are those that were spooled; a power cut may have taken them."""
        try:
            return film_digest(self.open()) == self.digest
        except (OSError, ValueError):  # gone, or cut short
            return False


@dataclass(frozen=True, slots=True)
class Shown:
    """A distinct film, how it is recognised again, and what kind it is."""

    film: SpooledFilm
    signature: NDArray[np.float32]
    label: str = ""
    label_source: LabelSource = ""


@dataclass(frozen=True, slots=True)
class FilmPlan:
    """The variants, and which films fill `stimuli/frames`, in order."""

    variants: tuple[Stimulus, ...]
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


def shown_films(raw: RawSession, scanned: Sequence[Scanned], spool: Path, *, verify: bool) -> list[Shown]:
    """Return the distinct films in the order of their first presentation.

    Raises
    ------
    StoreInvalid
        With ``verify``: one is not what was spooled.
    """
    shown = []
    paths = {batch: str(spool / f"{batch:05d}.films") for batch in {s.batch for s in scanned}}
    for s in _first_shown(scanned).values():
        shape = (s.n_valid, *raw.frame_shape)
        film = SpooledFilm(paths[s.batch], s.offset, s.film_dtype, shape, s.digest)
        shown.append(Shown(film, s.signature, *raw.label(s.trial, s.n_valid, s.still)))
    if verify and not all(one.film.sound() for one in shown):
        raise StoreInvalid(f"{spool}: films that were put there are not what they were", code="scratch-damaged")
    return shown


def plan_films(shown: Sequence[Shown]) -> FilmPlan:
    """Return what is stored of some distinct films; variants are numbered in their order.

    Parameters
    ----------
    shown : sequence of Shown
        No two of one digest.
    """
    films = [one.film for one in shown]
    groups = group_films([one.signature for one in shown], lambda i: films[i].open())
    references = {int(group): i for i, group in reversed(list(enumerate(groups)))}
    hosts = _hosts(films, groups)
    kept = [i for i in range(len(films)) if hosts[i] == i]
    starts = dict(zip(kept, np.cumsum([0, *(films[i].shape[0] for i in kept)]).tolist(), strict=False))
    variants = []
    for i, one in enumerate(shown):
        reference = references[int(groups[i])]
        gap = Difference(0.0, 0) if i == reference else difference(films[reference].open(), films[i].open())
        variants.append(
            Stimulus.model_construct(  # validated by the check of the finished store
                variant=i,
                group=int(groups[i]),
                first_frame=starts[hosts[i]],
                n_frames=one.film.shape[0],
                label=one.label,
                label_source=one.label_source,
                digest=one.film.digest,
                max_difference=gap.largest if np.isfinite(gap.largest) else 0.0,
                n_different=gap.n_pixels,
            )
        )
    return FilmPlan(tuple(variants), tuple(films[i] for i in kept))


def _hosts(films: Sequence[SpooledFilm], groups: NDArray[np.int64]) -> list[int]:
    """Return for each film the one whose frames it can share: a longer film of its group that begins with it."""
    hosts, members_of = list(range(len(films))), defaultdict(list)
    for i, group in enumerate(groups.tolist()):
        members_of[group].append(i)
    for members in members_of.values():
        placed: list[int] = []
        for i in sorted(members, key=lambda i: -films[i].shape[0]):
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
