"""The makers behind the recordings: patterns, shipped statistics, a small store, and what an import costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sensorium_data.errors import BadArgument
from sensorium_data.store.opened import OpenStore
from sensorium_data.testing import make_session
from sensorium_data.testing.films import KINDS, make_film
from sensorium_data.testing.statistics2023 import measures_over_trials
from sensorium_data.testing.traces import behaviour

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def film_of(kind: str, seed: int, n_frames: int, shape: tuple[int, int] = (36, 64)) -> NDArray[np.uint8]:
    return make_film(kind, np.random.default_rng(seed), n_frames, shape)


@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32),
    n_frames=st.integers(1, 150),
    shape=st.tuples(st.integers(4, 20), st.integers(4, 20)),
)
def test_films_have_the_shape_that_was_asked_for_and_are_repeatable(
    kind: str, seed: int, n_frames: int, shape: tuple[int, int]
) -> None:
    film = film_of(kind, seed, n_frames, shape)
    assert film.shape == (n_frames, *shape)
    assert film.dtype == np.uint8
    assert np.ptp(film) > 1, "a film that is flat cannot be told from another"
    assert film.tobytes() == film_of(kind, seed, n_frames, shape).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_films_of_two_seeds_are_far_more_than_a_grey_level_apart(kind: str) -> None:
    one, other = film_of(kind, 0, 40).astype(int), film_of(kind, 1, 40).astype(int)
    assert np.abs(one - other).max() > 20


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("NaturalImages", 0.9, 0.99), ("PinkNoise", 0, 0.1), ("Gabor", 0, 0.1)]
)
def test_images_stand_still_and_noise_never_does(kind: str, least: float, most: float) -> None:
    film = film_of(kind, 0, 300)
    still = (film[1:] == film[:-1]).all(axis=(1, 2)).mean()
    assert least <= still <= most


@settings(deadline=None)
@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=3, max_side=6),
        elements=st.floats(-1e6, 1e6) | st.just(np.nan),
    )
)
def test_measures_are_those_of_numpy_with_nan_left_out(trials: NDArray[np.float64]) -> None:
    found = measures_over_trials(trials)
    empty = np.isnan(trials).all(axis=0)
    # NaN in every trial makes numpy warn; zeros in its place make it quiet.
    quiet = np.where(empty, 0.0, trials)
    expect: dict[str, Callable[..., Any]] = {
        "mean": np.nanmean, "std": np.nanstd, "min": np.nanmin, "max": np.nanmax, "median": np.nanmedian,
    }  # fmt: skip
    assert found.keys() == expect.keys()
    for name, measure in expect.items():
        np.testing.assert_allclose(found[name], np.where(empty, np.nan, measure(quiet, axis=0)), rtol=1e-9, atol=1e-6)


def test_no_behaviour_without_samples() -> None:
    with pytest.raises(BadArgument, match="n_samples is 0"):
        behaviour(np.random.default_rng(0), 0)


def test_make_session_converts_what_it_wrote(tmp_path: Path) -> None:
    store = OpenStore(make_session(tmp_path / "new", n_neurons=3, n_train=2, seed=5, preset="fast"))
    assert store.session.neurons.n == 3
    assert store.table("trials")["tier"].tolist().count("train") == 2
    assert Path(str(store.path)).with_suffix("").is_dir(), "the recording lies beside its store"


def test_importing_needs_neither_torch_nor_pytest() -> None:
    code = "import sensorium_data.testing, sys; print(sorted({'torch', 'pytest', 'xarray', 'dask', 'zarr'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
