"""What was shown, of one's own: films or images by name, kept once each, and which trial showed which."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.conversion.builder import Frames
from sensorium_data.conversion.films import FilmPlan, SpooledFilm, film_digest, film_moments, plan_films
from sensorium_data.conversion.films import Shown as DistinctFilm
from sensorium_data.conversion.rounding import rounded, stored_dtype
from sensorium_data.errors import Problem, listed, near_miss
from sensorium_data.grid import NANOSECOND
from sensorium_data.grouping import signature
from sensorium_data.masked import MASKED, is_masked
from sensorium_data.moments import Moments
from sensorium_data.schemas import Note
from sensorium_data.sources.films import as_integral
from sensorium_data.store.layout import ArraySpec, Paths, codec_for
from sensorium_data.writing.faults import dtype_of_values
from sensorium_data.writing.unicode import NO_UNICODE, is_unicode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.schemas import ConvertOptions, Trial
    from sensorium_data.writing.trials import OwnTrials

__all__ = [
    "Films",
    "Shown",
    "check_shown",
    "frames_of",
    "moments_of_shown",
    "not_shown",
    "read_films",
    "shown_in",
    "spool_films",
]

NAMED = 8  # of stimuli that nobody sees


@dataclass(frozen=True, slots=True)
class Films:
    """Films by name, each an array of one's own, and the size of their frames."""

    arrays: Mapping[str, Any]
    frame_shape: tuple[int, ...]
    rate: Fraction | None

    def frames(self, name: str) -> NDArray[Any]:
        """Return the frames of a film, (frame, [channel,] y, x), as bytes where they are integers."""
        values = np.asarray(self.arrays[name]).reshape(-1, *self.frame_shape)
        whole = as_integral(values)
        return np.ascontiguousarray(values if whole is None else whole)

    def n_frames(self, name: str) -> int:
        """Return how many frames a film has."""
        shape: tuple[int, ...] = self.arrays[name].shape
        return prod(shape) // prod(self.frame_shape)


@dataclass(frozen=True, slots=True)
class Shown:
    """For each trial the variant and group it showed (-1: none), and the frames of it (0: no film)."""

    variant: list[int]
    group: list[int]
    n_frames: list[int]


def read_films(
    stimuli: Mapping[str, Any] | None, rate: Fraction | None, options: ConvertOptions, problems: list[Problem]
) -> Films:
    """Return the films, of one frame size; what cannot be stored becomes a problem.

    Parameters
    ----------
    stimuli : mapping of name to array, optional
        Films (frame, y, x) or images (y, x), all of one size; in colour (frame, channel, y, x).
    rate : Fraction, hertz, optional
        How fast films are shown.
    options : ConvertOptions
        What they are rounded to.
    problems : list of Problem
        Gets what is wrong.
    """
    if stimuli is not None and not hasattr(stimuli, "items"):
        what = f"are {type(stimuli).__name__}, expected films or images by name: a dict"
        problems.append(Problem("no-table", "stimuli", what))
        stimuli = None
    found: dict[str, Any] = {}
    for name, values in (stimuli or {}).items():
        if not str(name) or str(name) in found:
            problems.append(Problem("stimulus-name", f"stimuli.{name}", "has no name, or that of another one"))
        elif not is_unicode(str(name)):
            problems.append(Problem("text", f"stimuli.{name}", f"has a name with {NO_UNICODE}"))
        found[str(name)] = values
    shapes = {name: values.shape for name, values in found.items() if _is_film(name, values, problems)}
    frame_shape = _frame_shape(shapes, problems)
    if rate is None and any(len(shape) > len(frame_shape) and shape[0] > 1 for shape in shapes.values()):
        what = "are films; frame_rate_hz says how fast they are shown"
        problems.append(Problem("frame-rate-missing", "stimuli", what))
    for name in shapes:
        _check_pixels(name, found[name], options, problems)
    return Films(found, frame_shape, rate)


def _is_film(name: str, values: Any, problems: list[Problem]) -> bool:  # noqa: ANN401  # whatever was given
    where, dtype = f"stimuli.{name}", dtype_of_values(values)
    if dtype is None or dtype.kind not in "fiu" or dtype.itemsize > 8:
        kind = type(values).__name__ if dtype is None else dtype
        problems.append(Problem("dtype", where, f"holds {kind}, expected an array of numbers"))
    elif len(values.shape) not in (2, 3, 4) or not all(n > 0 for n in values.shape):  # of dask n may be NaN
        what = f"has shape {values.shape}, expected (y, x), (frame, y, x) or in colour (frame, channel, y, x)"
        problems.append(Problem("dims", where, what))
    elif is_masked(values):
        problems.append(Problem("masked-array", where, f"is {MASKED}"))
    else:
        return True
    return False


def _check_pixels(name: str, values: Any, options: ConvertOptions, problems: list[Problem]) -> None:  # noqa: ANN401
    pixels, where = np.asarray(values), f"stimuli.{name}"
    if pixels.dtype.kind != "f":
        return
    stored = stored_dtype(pixels.dtype, options)
    if not np.isfinite(pixels).all():
        problems.append(Problem("nan-in-valid", where, "has pixels that are NaN or infinite"))
    elif not np.isfinite(rounded(pixels, stored)).all():
        what = f'has pixels too large for {stored}; precision="source" keeps them'
        problems.append(Problem("overflow", where, what))


def _frame_shape(shapes: Mapping[str, tuple[int, ...]], problems: list[Problem]) -> tuple[int, ...]:
    """Return the size of a frame: of colour films the last three axes, else the last two."""
    n_axes = 3 if any(len(shape) == 4 for shape in shapes.values()) else 2
    sizes: dict[tuple[int, ...], str] = {}
    for name, shape in shapes.items():
        sizes.setdefault(shape[-n_axes:], name)
    if len(sizes) > 1:
        said = ", ".join(f"`{name}` {size}" for size, name in list(sizes.items())[:5])
        problems.append(Problem("frame-size", "stimuli", f"have frames of differing size: {said}"))
    return next(iter(sizes), ())


def spool_films(films: Films, spool: Path) -> tuple[FilmPlan, dict[str, int]]:
    """Write the distinct films beside the store; return what is stored of them, and the variant of each name."""
    distinct: dict[str, DistinctFilm] = {}
    digests: dict[str, str] = {}
    path = spool / "00000.films"
    with path.open("wb") as file:
        for name in films.arrays:
            frames = films.frames(name)
            digests[name] = digest = film_digest(frames)
            if digest not in distinct:
                film = SpooledFilm(str(path), file.tell(), frames.dtype.str, frames.shape, digest)
                distinct[digest] = DistinctFilm(film, signature(frames), name, "source")
                file.write(frames.tobytes())
    plan = plan_films(list(distinct.values()))
    row = {digest: i for i, digest in enumerate(distinct)}
    return plan, {name: row[digest] for name, digest in digests.items()}


def frames_of(films: Films, plan: FilmPlan, options: ConvertOptions) -> Frames:
    """Return how the films are stored; of bytes where all are whole grey levels."""
    kinds = {np.dtype(film.dtype) for film in plan.films} or {np.dtype(np.uint8)}
    published = np.result_type(*kinds) if kinds == {np.dtype(np.uint8)} else np.result_type(*kinds, np.float32)
    dtype = published if published == np.uint8 else stored_dtype(published, options)
    axes = ("frame", "y", "x") if len(films.frame_shape) != 3 else ("frame", "channel", "y", "x")
    shape = (plan.n_frames, *(films.frame_shape or (1, 1)))
    spec = ArraySpec(Paths.frames, shape, dtype, axes, codec_for(options.preset, dtype), sharded=True)
    return Frames(spec, published, films.rate)


def moments_of_shown(plan: FilmPlan, trials: Sequence[Trial], dtype: np.dtype[Any]) -> Moments:
    """Return the statistics of all pixels shown in train trials, as stored, repeats counted as often as they were shown."""
    shown = Counter(t.variant for t in trials if t.role == "train" and t.variant >= 0)
    firsts = dict(zip(np.cumsum([0, *(film.shape[0] for film in plan.films)]).tolist(), plan.films, strict=False))
    moments = Moments.empty(1)
    for variant, n in sorted(shown.items()):
        row = plan.variants[variant]
        host = max(first for first in firsts if first <= row.first_frame)
        start = row.first_frame - host
        one = film_moments(rounded(firsts[host].open()[start : start + row.n_frames], dtype))
        for _ in range(n):
            moments = moments.merge(one)
    return moments


def shown_in(trials: OwnTrials, films: Films, plan: FilmPlan, variant_of: Mapping[str, int]) -> Shown:
    """Return the stimulus of each trial; without films, equal names are one group, numbered as they first come."""
    names = trials.shown
    if not films.arrays:
        groups: dict[str, int] = {}
        numbers = [-1 if not name else groups.setdefault(name, len(groups)) for name in names]
        return Shown([-1] * len(names), numbers, [0] * len(names))
    variants = [variant_of.get(name, -1) for name in names]
    group = [-1 if v < 0 else plan.variants[v].group for v in variants]
    return Shown(variants, group, [0 if v < 0 else plan.variants[v].n_frames for v in variants])


def not_shown(trials: OwnTrials, films: Films) -> tuple[Note, ...]:
    """Return a note where stimuli were given that no trial shows: they are kept, but it may be a slip."""
    shown = set(trials.shown)
    left = [name for name in films.arrays if name not in shown]
    if not left:
        return ()
    named = listed([f"`{name}`" for name in left], NAMED)
    return (Note(code="stimuli-not-shown", text=f"{len(left)} stimuli are shown by no trial: {named}"),)


def check_shown(trials: OwnTrials, films: Films, problems: list[Problem]) -> None:
    """Add a problem for every film that trials show and nobody gave, or that is longer than a trial that shows it."""
    rows: dict[str, list[int]] = {}
    for i, name in enumerate(trials.shown if films.arrays else []):
        if name:
            rows.setdefault(name, []).append(i)
    for name, which in rows.items():
        where = f"trials.stimulus[{which[0]}]" + (f" and {len(which) - 1} more" if len(which) > 1 else "")
        if name not in films.arrays:
            hint = near_miss(name, list(films.arrays))
            problems.append(Problem("unknown-stimulus", where, f"`{name}` is not among the stimuli; {hint}"))
        elif films.rate is not None:
            n = films.n_frames(name)
            short = min(int(trials.stop_ns[i] - trials.start_ns[i]) for i in which)
            lasts, room = n / films.rate, Fraction(short, NANOSECOND)
            if lasts > room + 1 / films.rate:  # a frame's grace: the last one is often cut by the next trigger
                what = f"lasts {float(lasts):.4g} s ({n} frames at {float(films.rate):g} Hz)"
                what = f"`{name}` {what}, a trial that shows it {float(room):.4g} s"
                problems.append(Problem("film-too-long", where, what))
