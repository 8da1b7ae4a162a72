"""Scaling in small parts gives the numbers of scaling at once, to the bit, and leaves numpy as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_data import scales as scale
from sensorium_data.scales import Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPES = ((), (1,), (3,), (1400,), (2, 5), (36, 40))


def drawn(data: st.DataObject) -> tuple[NDArray[np.generic], NDArray[np.floating], NDArray[np.floating], int]:
    """Values, mean, std, and the number of the first frame."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape, n = data.draw(st.sampled_from(SHAPES)), data.draw(st.integers(1, 40))
    n_frames, first = data.draw(st.sampled_from([1, 50])), data.draw(st.integers(0, 30))
    own = data.draw(st.sampled_from([shape, tuple(1 for _ in shape)]))
    dtype = data.draw(st.sampled_from([np.uint8, np.float16, np.float32, np.float64]))
    values = (rng.normal(size=(n, *shape)) * 50 + 100).astype(dtype)
    mean, std = rng.normal(size=(2, n_frames, *own))
    std[rng.random(std.shape) < 0.05] = 0
    mean[rng.random(mean.shape) < 0.05] = np.nan
    return values, mean, np.abs(std), first


@pytest.mark.parametrize("shifted_at_once", [1, 7, 100, 5000, scale.SHIFTED_AT_ONCE])
@given(data=st.data())
def test_the_numbers_are_those_of_float64(shifted_at_once: int, data: st.DataObject) -> None:
    values, mean, std, first = drawn(data)
    n = len(values)
    rows = np.full(n, 0) if len(std) == 1 else np.arange(first, first + n)
    outside = rows >= len(std)
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(scale, "SHIFTED_AT_ONCE", shifted_at_once)
        gain = 1 / std
        for made, shift in ((Scale.z_score(mean, std), mean), (Scale.by_std(std), np.zeros_like(mean))):
            at = rows.clip(max=len(std) - 1)
            wanted = (values.astype(np.float64) - shift[at]) * gain[at]
            wanted[outside] = np.nan
            out = np.empty(values.shape, np.float32)
            good = made.into(out, values, first)
            np.testing.assert_array_equal(out, wanted.astype(np.float32))
            known = np.isfinite(shift[at] * gain[at]).reshape(n, -1).all(axis=1) & ~outside
            np.testing.assert_array_equal(good, known)


def test_numpy_is_left_as_it_was() -> None:
    before = np.getbufsize(), np.geterr()
    out = np.empty((2, 3), np.float32)
    Scale.z_score(np.zeros((1, 3)), np.ones((1, 3))).into(out, np.ones((2, 3), np.uint8), 0)
    assert (np.getbufsize(), np.geterr()) == before


def test_differences_take_little_memory() -> None:
    """What a thread keeps is of a part of a film, whatever the film's length."""
    values = np.zeros((64, 100, 100), np.uint8)
    made = Scale.z_score(np.zeros((1, 1, 1)), np.ones((1, 1, 1)))
    made.into(np.empty(values.shape, np.float32), values, 0)
    assert scale._differences._held.size <= scale.SHIFTED_AT_ONCE
