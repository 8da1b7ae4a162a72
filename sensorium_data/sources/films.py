"""Published films: where the padding begins, and whether the pixels are integers in disguise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ValidFilm", "as_integral", "infinite", "valid_film", "valid_image"]


@dataclass(frozen=True, slots=True)
class ValidFilm:
    """The frames before the padding, (time, y, x), and what is wrong with them."""

    frames: NDArray[Any]
    integral: bool
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def as_integral(pixels: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return the pixels as uint8 where that loses nothing, else None.

    Examples
    --------
    >>> as_integral(np.array([0.0, 255.0]))
    array([  0, 255], dtype=uint8)
    >>> as_integral(np.array([0.5])) is None, as_integral(np.array([-0.0])) is None
    (True, True)
    """
    if pixels.dtype == np.uint8:
        return pixels
    # The sign of -0.0 would be lost. Written so that NaN fails the second: casting NaN or 256 to uint8 is undefined.
    if pixels.dtype.kind == "f" and np.signbit(pixels).any():
        return None
    if pixels.size and not (pixels.max() <= 255 and (pixels.dtype.kind == "f" or pixels.min() >= 0)):
        return None
    whole = pixels.astype(np.uint8)
    if not (whole == pixels).all():
        return None
    return whole


def _clean_length(film: NDArray[Any]) -> int | None:
    """Return the valid length where all before it is finite and all after it NaN, else None; one look at each pixel."""
    with np.errstate(all="ignore"):
        sums = film.reshape(-1, film.shape[-1]).sum(axis=0)
    n_valid = int(np.argmax(np.isnan(sums))) if np.isnan(sums).any() else len(sums)
    padding = film[..., n_valid:]
    clean = np.isfinite(sums[:n_valid]).all() and (padding.size == 0 or np.isnan(np.fmax.reduce(padding, axis=None)))
    return n_valid if clean else None


def _length(film: NDArray[Any], length_from: NDArray[Any]) -> tuple[int, int]:
    """Return the valid length and the number of NaN pixels before it."""
    if film.dtype.kind != "f":
        padded = np.isnan(length_from).all(axis=0) if length_from.dtype.kind == "f" else np.zeros(film.shape[-1], bool)
        return int(np.max(np.flatnonzero(~padded), initial=-1)) + 1, 0
    if (n_clean := _clean_length(film)) is not None:
        return n_clean, 0
    holes = np.isnan(film).reshape(-1, film.shape[-1]).sum(axis=0)
    n_valid = int(np.max(np.flatnonzero(holes < film[..., 0].size), initial=-1)) + 1
    return n_valid, int(holes[:n_valid].sum())


def valid_film(film: NDArray[Any], where: str, *, allow_nan: bool, length_from: NDArray[Any]) -> ValidFilm:
    """Return the valid frames of a published film.

    Parameters
    ----------
    film : (y, x, time) float or int, grey levels
        Padded with NaN at the end.
    where : str
        The member, for problems.
    allow_nan : bool
        Let NaN and infinity in the valid part through.
    length_from : (channel, time)
        The stream whose NaN tail gives the length where the film is of integers and can have none.
    """
    n_valid, n_holes = _length(film, length_from)
    problems = []
    if n_valid == 0:
        problems.append(Problem("film-all-nan", where, "is NaN from the first frame on, expected a film"))
    valid = film[..., :n_valid]
    whole = as_integral(valid)
    # Integers are turned when they are a byte each.
    frames = np.ascontiguousarray(np.moveaxis(valid if whole is None else whole, -1, 0))
    if n_holes and not allow_nan:
        what = f"has {n_holes} NaN pixels before frame {n_valid}, where its padding begins (--allow-nan lets them in)"
        problems.append(Problem("nan-in-valid", where, what))
    if not allow_nan and frames.dtype.kind == "f" and np.isinf(valid).any():
        problems.append(Problem("infinite", where, "holds infinite pixels (--allow-nan lets them in)"))
    return ValidFilm(frames, whole is not None, () if whole is not None else _why_not(frames), tuple(problems))


def valid_image(image: NDArray[Any], where: str, *, allow_nan: bool) -> ValidFilm:
    """Return a published image as a film of one frame.

    Parameters
    ----------
    image : ([channel,] y, x) float or int, grey levels
    where : str
        The member, for problems.
    allow_nan : bool
        Let NaN and infinity through.
    """
    whole = as_integral(image)
    if whole is not None:
        return ValidFilm(whole[None], integral=True)
    problems = []
    if not allow_nan and (n := int(np.isnan(image).sum())):
        problems.append(Problem("nan-in-valid", where, f"has {n} NaN pixels (--allow-nan lets them in)"))
    if not allow_nan and np.isinf(image).any():
        problems.append(infinite(where))
    return ValidFilm(image[None], False, _why_not(image), tuple(problems))


def infinite(where: str) -> Problem:
    """Return the problem of a member that holds infinity."""
    return Problem("infinite", where, "holds infinite values (--allow-nan lets them in)")


def _why_not(frames: NDArray[Any]) -> tuple[str, ...]:
    """Return why the frames are no integers: because some pixels are no numbers, or because some are fractional."""
    finite = np.isfinite(frames)
    gappy = () if finite.all() else ("film-not-finite",)
    return gappy + (("film-not-integral",) if as_integral(frames[finite]) is None else ())
