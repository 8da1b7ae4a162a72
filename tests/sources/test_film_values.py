"""Films: where the padding begins, and which pixels are integers in disguise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sensorium_data.sources.films import as_integral, valid_film

NO_LENGTH = np.zeros((2, 0))


def film(n_valid: int, n_padded: int, dtype: str = "f8") -> np.ndarray[Any, Any]:
    pixels = np.full((3, 4, n_padded), np.nan, dtype)
    pixels[..., :n_valid] = np.arange(12 * n_valid).reshape(3, 4, n_valid) % 256
    return pixels


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0, 255.5, np.nan, np.inf, -np.inf, -0.0, 1e300])
def test_one_pixel_that_is_no_grey_level_is_enough(value: float) -> None:
    pixels = np.full((2, 3, 4), 7.0)
    assert as_integral(pixels) is not None
    pixels[1, 2, 3] = value
    assert as_integral(pixels) is None


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=3)), st.sampled_from(["f4", "f8", "i2", "i8", "u1"]))
def test_integers_in_disguise_come_back_exactly(pixels: np.ndarray[Any, Any], dtype: str) -> None:
    whole = as_integral(pixels.astype(dtype))
    assert whole is not None
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(whole, pixels)


@given(hnp.arrays(hnp.floating_dtypes(endianness="=", sizes=(32, 64)), hnp.array_shapes(max_dims=2, max_side=4)))
def test_what_is_integral_loses_no_bit(pixels: np.ndarray[Any, Any]) -> None:
    whole = as_integral(pixels)
    exact = bool(((pixels >= 0) & (pixels <= 255) & (pixels == np.trunc(pixels)) & ~np.signbit(pixels)).all())
    assert (whole is not None) == exact
    if whole is not None:
        assert whole.astype(pixels.dtype).tobytes() == pixels.tobytes()


@given(st.integers(1, 12), st.integers(0, 5), st.sampled_from(["f4", "f8"]))
def test_the_padding_is_what_is_nan_to_the_end(n_valid: int, n_padding: int, dtype: str) -> None:
    padded = film(n_valid, n_valid + n_padding, dtype)
    found = valid_film(padded, "x", allow_nan=False, length_from=NO_LENGTH)
    assert (found.problems, found.integral, found.frames.shape) == ((), True, (n_valid, 3, 4))
    np.testing.assert_array_equal(found.frames, np.moveaxis(padded[..., :n_valid], -1, 0))


@given(st.data())
def test_holes_are_counted_and_never_end_a_film(data: Any) -> None:
    n_valid = data.draw(st.integers(2, 10))
    padded = film(n_valid, n_valid + data.draw(st.integers(0, 4)))
    holes = data.draw(hnp.arrays(np.bool_, (3, 4, n_valid - 1)))
    padded[..., : n_valid - 1][holes] = np.nan
    found = valid_film(padded, "x", allow_nan=False, length_from=NO_LENGTH)
    assert len(found.frames) == n_valid
    assert [problem.code for problem in found.problems] == (["nan-in-valid"] if holes.any() else [])
    if holes.any():
        assert f"has {int(holes.sum())} NaN pixels" in found.problems[0].what
    allowed = valid_film(padded, "x", allow_nan=True, length_from=NO_LENGTH)
    assert allowed.problems == ()
    np.testing.assert_array_equal(allowed.frames, np.moveaxis(padded[..., :n_valid], -1, 0))


@pytest.mark.parametrize("allow_nan", [False, True])
def test_a_film_of_nan_alone_is_no_film(allow_nan: bool) -> None:
    found = valid_film(film(0, 6), "x", allow_nan=allow_nan, length_from=NO_LENGTH)
    assert [problem.code for problem in found.problems] == ["film-all-nan"]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_pixels_are_a_problem_unless_allowed(value: float) -> None:
    padded = film(5, 8)
    padded[1, 2, 3] = value
    assert [p.code for p in valid_film(padded, "x", allow_nan=False, length_from=NO_LENGTH).problems] == ["infinite"]
    allowed = valid_film(padded, "x", allow_nan=True, length_from=NO_LENGTH)
    assert (allowed.problems, allowed.integral) == ((), False)
    assert allowed.frames[3, 1, 2] == value


def test_a_film_of_integers_has_its_length_from_the_pupil() -> None:
    pixels = np.zeros((3, 4, 9), np.uint8)
    centre = np.zeros((2, 9))
    centre[:, 6:] = np.nan
    centre[0, 2] = np.nan
    assert len(valid_film(pixels, "x", allow_nan=False, length_from=centre).frames) == 6
