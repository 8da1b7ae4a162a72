"""Made-up neurons that see the film, and a made-up mouse that now and then runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.errors import BadArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Neurons", "behaviour", "moment"]

RATE_HZ, SCAN_HZ = 30, 8  # of the published samples, and of the microscope they were interpolated from
N_FILTERS = 48  # shared by all neurons: 8,000 filters of their own would take 140 MB
SPAN_UM, N_PLANES = 615, 10
GLANCE = 15  # samples, half a second: how long a response to a picture is averaged


def _filters(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return (filter, pixel): oriented patches all over the frame, each of mean 0 and norm 1."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    centre = rng.uniform(0.1, 0.9, (N_FILTERS, 2, 1, 1)) * np.reshape(shape, (2, 1, 1))
    angle, phase = rng.uniform(0, 2 * np.pi, (2, N_FILTERS, 1, 1))
    dy, dx = y - centre[:, 0], x - centre[:, 1]
    size = shape[0] / 8
    wave = np.cos((dy * np.sin(angle) + dx * np.cos(angle)) * 2 / size + phase)
    patches = (wave * np.exp(-(dy**2 + dx**2) / (2 * size**2))).reshape(N_FILTERS, -1)
    patches -= patches.mean(axis=1, keepdims=True)
    unit: NDArray[np.float64] = patches / np.maximum(np.linalg.norm(patches, axis=1, keepdims=True), 1e-9)
    return unit


@dataclass(frozen=True, slots=True)
class Neurons:
    """A population: where the cells are, and what drives them.

    Attributes
    ----------
    unit_ids : (neuron,) int64
        Rising, with gaps.
    coordinates : (neuron, 3) int64, micrometres
        x, y, z; z is one of ten planes.
    filters : (filter, pixel) float64
    weights : (filter, neuron) float64
    gain : (neuron,) float64
    """

    unit_ids: NDArray[np.int64]
    coordinates: NDArray[np.int64]
    filters: NDArray[np.float64]
    weights: NDArray[np.float64]
    gain: NDArray[np.float64]

    @classmethod
    def make(cls, rng: np.random.Generator, n_neurons: int, frame_shape: tuple[int, int]) -> Neurons:
        """Return a population; the same generator state gives the same one."""
        planes = np.arange(n_neurons) * N_PLANES // n_neurons
        xy = rng.integers(-SPAN_UM // 2, SPAN_UM // 2 + 1, (n_neurons, 2))
        weights = np.zeros((N_FILTERS, n_neurons))
        for strength in (1.0, 0.5):
            weights[rng.integers(N_FILTERS, size=n_neurons), np.arange(n_neurons)] += strength
        return cls(
            unit_ids=np.cumsum(rng.integers(1, 4, n_neurons)),
            coordinates=np.column_stack([xy, 200 + 25 * planes]).astype(np.int64),
            filters=_filters(rng, frame_shape),
            weights=weights,
            gain=rng.gamma(4.0, 1.5, n_neurons),
        )

    def respond(self, film: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return responses to a film: events at the rate of the scan, interpolated linearly to that of the film.

        Parameters
        ----------
        film : (time, y, x) uint8, grey levels
        rng : numpy.random.Generator
            For what is not the film's doing.

        Returns
        -------
        (time, neuron) float64
            Zero, but for a hair below it, where nothing happens: deconvolved traces have such values.
        """
        n_frames = len(film)
        at = np.arange(n_frames) * SCAN_HZ / RATE_HZ
        before = np.floor(at).astype(np.int64)
        n_scans = int(before[-1]) + 2
        seen = film[np.minimum(np.arange(n_scans) * RATE_HZ // SCAN_HZ, n_frames - 1)].reshape(n_scans, -1)
        drive = ((seen - 113.0) / 59.0) @ self.filters.T @ self.weights
        happens = rng.random(drive.shape) < 0.35 / (1 + np.exp(1.5 - drive))
        sizes = rng.standard_exponential(drive.shape) * self.gain * (1 + np.maximum(drive, 0))
        events = np.where(happens, sizes, -1e-8 * (0.5 + rng.random(drive.shape)))
        share = (at - before)[:, None]
        return events[before] * (1 - share) + events[before + 1] * share

    def glance(self, picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the mean response to a picture over the half second that it is on.

        Parameters
        ----------
        picture : (y, x) uint8, grey levels
        rng : numpy.random.Generator
            For what is not the picture's doing.

        Returns
        -------
        (neuron,) float64
            Never exactly zero.
        """
        mean: NDArray[np.float64] = self.respond(np.repeat(picture[None], GLANCE, axis=0), rng).mean(axis=0)
        return mean


def _wander(rng: np.random.Generator, n_samples: int, seconds: float) -> NDArray[np.float64]:
    """Return a random path of mean 0 and standard deviation 1 that forgets within some seconds."""
    kernel = np.exp(-np.arange(int(3 * seconds * RATE_HZ)) / (seconds * RATE_HZ))
    kernel /= np.linalg.norm(kernel)
    return np.convolve(rng.standard_normal(n_samples + len(kernel) - 1), kernel, "valid")


def behaviour(rng: np.random.Generator, n_samples: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a mouse does beside looking.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_samples : int, samples at 30 Hz

    Returns
    -------
    behavior : (2, time) float64
        Dilation of the pupil in pixels, always positive, and speed in cm/s, zero but for bouts of running.
    pupil_center : (2, time) float64, pixels
        x and y of the gaze in the eye camera.

    Raises
    ------
    BadArgument
        No sample is asked for.

    Examples
    --------
    >>> behavior, gaze = behaviour(np.random.default_rng(0), 300)
    >>> behavior.shape, bool((behavior[1] >= 0).all())
    ((2, 300), True)
    """
    if n_samples < 1:
        raise BadArgument(f"n_samples is {n_samples}, expected 1 or more")
    dilation = np.maximum(45 + 8 * _wander(rng, n_samples, 3), 10.2)
    speed = 9 * np.maximum(_wander(rng, n_samples, 1) - 1, 0)
    gaze = np.stack([mean + 10 * _wander(rng, n_samples, 2) for mean in (140, 150)])
    return np.stack([dilation, speed]), gaze


def moment(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a mouse does beside looking, as one number for the half second that a picture is on.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    behavior : (3,) float64
        Dilation of the pupil in pixels, its change in pixels/s, and speed in cm/s.
    pupil_center : (2,) float64, pixels
        x and y of the gaze in the eye camera.

    Examples
    --------
    >>> [values.shape for values in moment(np.random.default_rng(0))]
    [(3,), (2,)]
    """
    (dilation, speed), gaze = behaviour(rng, GLANCE)
    change = (dilation[-1] - dilation[0]) * RATE_HZ / (GLANCE - 1)
    return np.array([dilation.mean(), change, speed.mean()]), gaze.mean(axis=1)
