"""Make a full-size recording in the published Sensorium 2023 layout, with real traces where they are at hand.

Traces are real deconvolved activity (`../shared/real/suite2p/spks.npy`, 8 Hz), resampled linearly to 30 Hz and tiled, each
neuron starting somewhere else in them; without that file they are sparse synthetic events of the same kind. What is made
here is for measuring sizes and times alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

__all__ = ["NAME", "Size", "add_size", "make_recording", "real_traces", "size_of"]

Floats: TypeAlias = NDArray[np.float64]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "real"
NAME = "dynamic10000-1-1-Video-benchmark"
HEIGHT, WIDTH = 36, 64
TRAIN = 0.9  # of the trials; the rest are repeats of one oracle film
SCAN_HZ, PUBLISHED_HZ = 8, 30
BLOCK = 200  # neurons or pixels whose statistics are made at once


@dataclass(frozen=True, slots=True)
class Size:
    """How big a recording is: `frames` are stored for a trial, of which `valid` are samples and the rest padding."""

    neurons: int = 8000
    trials: int = 60
    frames: int = 414
    valid: int = 300
    seed: int = 0

    @property
    def n_train(self) -> int:
        """Trials of the train tier."""
        return max(1, round(self.trials * TRAIN))


def add_size(parser: argparse.ArgumentParser, default: Size) -> None:
    """Add an option for every field of a size, and `--source`, where recordings are kept."""
    for field in fields(Size):
        parser.add_argument(f"--{field.name}", type=int, default=getattr(default, field.name))
    parser.add_argument("--source", type=Path, help="keep recordings below this folder and use those that are there")


def size_of(given: argparse.Namespace) -> Size:
    """Return the size that was asked for; the folder of `--source` is made."""
    if given.source is not None:
        given.source.mkdir(parents=True, exist_ok=True)
    return Size(*(getattr(given, field.name) for field in fields(Size)))


def real_traces() -> NDArray[np.float32] | None:
    """Return real deconvolved activity at 8 Hz, (time, neuron), or None where it is not at hand."""
    path = SHARED / "suite2p" / "spks.npy"
    return np.load(path).T if path.is_file() else None


def _synthetic_traces(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return sparse events at 8 Hz, (time, neuron): a fifth of the samples, sizes as skewed as real ones."""
    shape = (2000, 219)
    return np.where(rng.random(shape) < 0.2, rng.gamma(0.7, 0.5, shape), 0).astype(np.float32)


def _at_30_hz(traces: NDArray[np.float32]) -> Floats:
    """Return traces at 30 Hz, (neuron, time); neurons first, as published."""
    n = (len(traces) - 1) * PUBLISHED_HZ // SCAN_HZ
    at = np.arange(n) * SCAN_HZ / PUBLISHED_HZ
    before = at.astype(np.int64)
    share = (at - before)[:, None]
    return np.ascontiguousarray((traces[before] * (1 - share) + traces[before + 1] * share).T)


class _Responses:
    """Responses of any number of neurons over any number of trials, from a few minutes of a few."""

    def __init__(self, size: Size, rng: np.random.Generator) -> None:
        traces = real_traces()
        self.kind = "synthetic" if traces is None else "real"
        self.traces = _at_30_hz(_synthetic_traces(rng) if traces is None else traces)
        self.rows = np.resize(np.arange(len(self.traces)), size.neurons)
        self.offsets = rng.integers(0, self.traces.shape[1], size.neurons)

    def trial(self, number: int, n_valid: int) -> Floats:
        """Return (neuron, time) float64."""
        columns = (self.offsets[:, None] + number * n_valid + np.arange(n_valid)) % self.traces.shape[1]
        picked: Floats = self.traces[self.rows[:, None], columns]
        return picked


class _Films:
    """A film for every train trial, cut from real clips where they are at hand, else moving noise."""

    def __init__(self, rng: np.random.Generator) -> None:
        path = SHARED / "natural_video" / "clips_36x64.npz"
        self.rng = rng
        self.clips = list(np.load(path).values()) if path.is_file() else []

    def film(self, n_frames: int) -> NDArray[np.uint8]:
        """Return (time, y, x) uint8."""
        frames = np.concatenate(list(self._cuts(n_frames)))[:n_frames]
        # Shifted in grey by what no eye would see: no two films are equal, and none can share frames.
        return np.clip(frames + self.rng.integers(0, 12), 0, 255).astype(np.uint8)

    def _cuts(self, n_frames: int) -> Iterator[NDArray[np.int64]]:
        n = 0
        while n < n_frames:
            cut = self._clip() if self.clips else self._noise()
            n += len(cut)
            yield cut.astype(np.int64)

    def _clip(self) -> NDArray[Any]:
        clip = self.clips[self.rng.integers(len(self.clips))]
        start = self.rng.integers(max(1, len(clip) - 60))
        y, x = self.rng.choice([-1, 1], 2)
        cut: NDArray[Any] = clip[start : start + self.rng.integers(60, 200), ::y, ::x]
        return cut

    def _noise(self) -> NDArray[Any]:
        coarse = self.rng.normal(128, 50, (20, 9, 16))
        image = np.kron(coarse, np.ones((5, 4, 4)))
        return np.clip(image + self.rng.normal(0, 4, image.shape), 0, 243)


def _padded(values: Floats, n_frames: int) -> Floats:
    full = np.full((*values.shape[:-1], n_frames), np.nan)
    full[..., : values.shape[-1]] = values
    return full


def _wander(rng: np.random.Generator, shape: tuple[int, int], mean: float, step: float) -> Floats:
    return np.maximum(0, mean + np.cumsum(rng.normal(0, step, shape), axis=-1))


def make_recording(folder: Path, size: Size) -> Path:
    """Write a recording below a folder, or return the one of the same size that is there.

    Parameters
    ----------
    folder : Path
        Holds recordings of any size, each in a folder of its own.
    size : Size

    Returns
    -------
    Path
        The recording.
    """
    named = "-".join(str(value) for value in asdict(size).values())
    root = folder / named / NAME
    done = folder / named / "done.json"
    if done.is_file():
        return root
    rng = np.random.default_rng(size.seed)
    responses, films = _Responses(size, rng), _Films(rng)
    for stream in ("videos", "responses", "behavior", "pupil_center"):
        (root / "data" / stream).mkdir(parents=True, exist_ok=True)
    oracle = films.film(size.valid)
    for number in range(size.trials):
        film = films.film(size.valid) if number < size.n_train else oracle
        streams = {
            "videos": np.moveaxis(film, 0, -1).astype(np.float64),
            "responses": responses.trial(number, size.valid),
            "behavior": np.concatenate([_wander(rng, (1, size.valid), 35, 0.3), _wander(rng, (1, size.valid), 1, 0.2)]),
            "pupil_center": _wander(rng, (2, size.valid), 145, 0.4),
        }
        for stream, values in streams.items():
            np.save(root / "data" / stream / f"{number}.npy", _padded(values, size.frames))
    _tables(root, size, rng)
    _statistics(root, size)
    done.write_text(json.dumps(asdict(size) | {"traces": responses.kind}))
    return root


def _tables(root: Path, size: Size, rng: np.random.Generator) -> None:
    for folder in ("neurons", "trials"):
        (root / "meta" / folder).mkdir(parents=True, exist_ok=True)
    np.save(root / "meta/neurons/unit_ids.npy", np.cumsum(rng.integers(1, 3, size.neurons)))
    np.save(root / "meta/neurons/cell_motor_coordinates.npy", rng.integers(-300, 300, (size.neurons, 3)))
    tiers = np.where(np.arange(size.trials) < size.n_train, "train", "oracle")
    np.save(root / "meta/trials/tiers.npy", tiers.astype("<U16"))


def _statistics(root: Path, size: Size) -> None:
    """Write statistics as published: the full shape of a trial, over the train trials, NaN past the valid frames."""
    measures: dict[str, Callable[..., Any]] = {
        "mean": np.mean, "std": np.std, "min": np.min, "max": np.max, "median": np.median,
    }  # fmt: skip
    for stream in ("videos", "responses", "behavior", "pupil_center"):
        trials = [np.load(root / f"data/{stream}/{n}.npy", mmap_mode="r") for n in range(size.n_train)]
        shape = trials[0].shape
        full = {name: np.full(shape, np.nan) for name in measures}
        rows = {name: values.reshape(-1, size.frames) for name, values in full.items()}
        for start in range(0, rows["mean"].shape[0], BLOCK):
            part = slice(start, start + BLOCK)
            block = np.stack([trial.reshape(-1, size.frames)[part, : size.valid] for trial in trials])
            for name, measure in measures.items():
                rows[name][part, : size.valid] = measure(block, axis=0)
        where = root / "meta" / "statistics" / stream / "all"
        where.mkdir(parents=True, exist_ok=True)
        for name, values in full.items():
            np.save(where / f"{name}.npy", values)
