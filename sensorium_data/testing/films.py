"""Cheap films of the six kinds that were shown, and pictures, made from a seed: fractals, gratings, noise and dots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray

    Shape: TypeAlias = tuple[int, int]
    Maker: TypeAlias = Callable[[np.random.Generator, int, Shape], NDArray[np.float64]]

__all__ = ["KINDS", "make_film", "make_picture"]

RATE_HZ = 30
GREY = 127.0
GRATING, NOISE, DOTS, FLASH = 25, 27, 60, 9  # frames a segment of each kind lasts
IMAGE, N_IMAGES = 15, 10  # frames an image stays on, images in a sequence


def make_film(
    kind: str, rng: np.random.Generator, n_frames: int, frame_shape: tuple[int, int] = (36, 64)
) -> NDArray[np.uint8]:
    """Return a film of one kind of stimulus.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    rng : numpy.random.Generator
        Two films from differently seeded generators are different films.
    n_frames : int, frames at 30 Hz
    frame_shape : (y, x), pixels

    Returns
    -------
    (time, y, x) uint8, grey levels

    Examples
    --------
    >>> make_film("Gabor", np.random.default_rng(0), 50).shape
    (50, 36, 64)
    """
    return _grey_levels(_MAKERS[kind](rng, n_frames, frame_shape))


def make_picture(
    rng: np.random.Generator, n_channels: int = 1, frame_shape: tuple[int, int] = (144, 256)
) -> NDArray[np.uint8]:
    """Return a picture that stands still, with a texture of its own in each channel.

    Parameters
    ----------
    rng : numpy.random.Generator
        Two pictures from differently seeded generators are different pictures.
    n_channels : int
    frame_shape : (y, x), pixels

    Returns
    -------
    (channel, y, x) uint8, grey levels

    Examples
    --------
    >>> make_picture(np.random.default_rng(0), 2, (36, 64)).shape
    (2, 36, 64)
    """
    return _grey_levels(np.stack([_scene(rng, frame_shape) for _ in range(n_channels)]))


def _grey_levels(brightness: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(brightness), 0, 255).astype(np.uint8)


def _scene(rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    """Return a texture as bright and as rich in contrast as the published natural scenes."""
    return 85 + 57 * _texture(rng, shape)


def _texture(rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    """Return a periodic texture with a 1/f spectrum, mean 0 and standard deviation 1."""
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    falloff = np.maximum(np.hypot(fy, fx), 1 / max(shape))
    texture = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) / falloff, shape)
    texture -= texture.mean()
    # The tiniest frames have textures that are nearly flat; dividing by their spread must not blow up.
    flat: NDArray[np.float64] = texture / max(float(texture.std()), 1e-9)
    return flat


def _view(
    textures: NDArray[np.float64], which: NDArray[np.int64], path: NDArray[np.float64], shape: Shape
) -> NDArray[np.float64]:
    """Return (time, y, x): a window that follows a path, (time, 2) in pixels, over one of several periodic textures."""
    corner = np.floor(path).astype(np.int64)
    rows = (corner[:, :1] + np.arange(shape[0])) % textures.shape[1]
    columns = (corner[:, 1:] + np.arange(shape[1])) % textures.shape[2]
    seen: NDArray[np.float64] = textures[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    return seen


def _natural(rng: np.random.Generator, n_frames: int, shape: Shape) -> NDArray[np.float64]:
    """Two scenes with a cut between them, seen by a camera that drifts."""
    textures = np.stack([_texture(rng, (2 * shape[0], 2 * shape[1])) for _ in range(2)])
    cut = int(rng.integers(n_frames // 4, n_frames + 1))
    path = np.cumsum(np.cumsum(rng.normal(0, 0.05, (n_frames, 2)), axis=0) + rng.normal(0, 0.8, 2), axis=0)
    return 85 + 57 * _view(textures, (np.arange(n_frames) >= cut).astype(np.int64), path, shape)


def _steps(rng: np.random.Generator, n_frames: int, segment: int, n_walkers: int, speed: float) -> NDArray[np.float64]:
    """Return (time, walker, 2): the step at each frame, in one of eight directions that changes every segment."""
    n_segments = -(-n_frames // segment)
    angle = rng.integers(8, size=(n_segments, n_walkers)) * np.pi / 4
    steps = speed * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return np.repeat(steps, segment, axis=0)[:n_frames]


def _noise(rng: np.random.Generator, n_frames: int, shape: Shape) -> NDArray[np.float64]:
    """Pink noise that drifts, at more than one pixel a frame: no two neighbouring frames are equal."""
    texture = _texture(rng, (2 * shape[0], 2 * shape[1]))[None]
    path = np.cumsum(_steps(rng, n_frames, NOISE, 1, 1.5)[:, 0], axis=0)
    return GREY + 50 * _view(texture, np.zeros(n_frames, np.int64), path, shape)


def _grid(shape: Shape) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return y and x of every pixel, from the middle of the frame, in pixels."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    return y - (shape[0] - 1) / 2, x - (shape[1] - 1) / 2


def _gabor(rng: np.random.Generator, n_frames: int, shape: Shape) -> NDArray[np.float64]:
    """Drifting gratings under a Gaussian: 8 directions, 3 spatial and 3 temporal frequencies."""
    y, x = _grid(shape)
    segment = np.arange(n_frames) // GRATING
    n_segments = int(segment[-1]) + 1
    angle = rng.integers(8, size=n_segments) * np.pi / 4
    spatial = rng.choice([0.05, 0.1, 0.2], n_segments)  # cycles a pixel
    temporal = rng.choice([1.0, 2.0, 4.0], n_segments)  # Hz
    ky, kx = (2 * np.pi * spatial * f(angle) for f in (np.sin, np.cos))
    start = rng.uniform(0, 2 * np.pi, n_segments) - 2 * np.pi * temporal * np.arange(n_segments) * GRATING / RATE_HZ
    drift = start[segment] + 2 * np.pi * temporal[segment] * np.arange(n_frames) / RATE_HZ
    phase = ky[segment, None, None] * y + kx[segment, None, None] * x - drift[:, None, None]
    envelope = np.exp(-(y**2 + x**2) / (2 * (shape[0] / 3) ** 2))
    return GREY + 120 * envelope * np.sin(phase)


def _dots(rng: np.random.Generator, n_frames: int, shape: Shape) -> NDArray[np.float64]:
    """Black and white dots on grey; a share of them moves together, the others each their own way."""
    n_dots = max(4, shape[0] * shape[1] // 40)
    together = rng.random(n_dots) < rng.choice([0.5, 1.0])
    alone = _steps(rng, n_frames, DOTS, n_dots, 1.0)
    steps = np.where(together[:, None], _steps(rng, n_frames, DOTS, 1, 1.0), alone)
    at = np.floor(rng.uniform(0, shape, (n_dots, 2)) + np.cumsum(steps, axis=0)).astype(np.int64) % shape
    film = np.full((n_frames, *shape), GREY)
    film[np.arange(n_frames)[:, None], at[..., 0], at[..., 1]] = rng.choice([0.0, 255.0], n_dots)
    return film


def _flashes(rng: np.random.Generator, n_frames: int, shape: Shape) -> NDArray[np.float64]:
    """One black or white Gaussian dot at a time, each for nine frames."""
    y, x = _grid(shape)
    n_flashes = -(-n_frames // FLASH)
    centre = rng.uniform(-0.4, 0.4, (n_flashes, 2)) * shape
    sign = rng.choice([-1.0, 1.0], n_flashes)[:, None, None]
    away = (y - centre[:, :1, None]) ** 2 + (x - centre[:, 1:, None]) ** 2
    flashes: NDArray[np.float64] = GREY + sign * 120 * np.exp(-away / (2 * (shape[0] / 12) ** 2))
    return np.repeat(flashes, FLASH, axis=0)[:n_frames]


def _images(rng: np.random.Generator, n_frames: int, shape: Shape) -> NDArray[np.float64]:
    """Ten images that stand still, each followed by grey; grey to the end once they are over."""
    gaps = rng.integers(12, 19, N_IMAGES)
    shown = [np.repeat([i, N_IMAGES], [IMAGE, gap]) for i, gap in enumerate(gaps)]
    order = np.concatenate([*shown, np.full(n_frames, N_IMAGES)])[:n_frames]
    images = [_scene(rng, shape) for _ in range(N_IMAGES)]
    film: NDArray[np.float64] = np.stack([*images, np.full(shape, GREY)])[order]
    return film


_MAKERS: dict[str, Maker] = {
    "NaturalVideo": _natural,
    "Gabor": _gabor,
    "GaussianDot": _flashes,
    "PinkNoise": _noise,
    "RandomDots": _dots,
    "NaturalImages": _images,
}
KINDS = tuple(_MAKERS)
