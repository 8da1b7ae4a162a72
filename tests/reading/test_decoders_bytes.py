"""Decoders: what was encoded comes back, and bytes that are no such chunk are refused, whatever they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sensorium_data.reading.decode import LEADING, decoder_of
from sensorium_data.store.layout import ArraySpec
from sensorium_data.store.shards import encode
from tests.reading.made import same, values_of

CODECS: list[Any] = ["raw", "pcodec", "zstd", "blosc"]
PACKED: list[Any] = ["pcodec", "zstd", "blosc"]


def encoded(codec: Any, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    spec = ArraySpec("signals/made/values", values.shape, values.dtype, ("time", "neuron"), codec)
    return np.frombuffer(encode(spec, values), np.uint8)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("width", [1, 2, 9, 100, 9000])  # headers of zstd give sizes in one, two and four bytes
def test_round_trip(codec: Any, width: int) -> None:
    values = values_of((20, width), "float32")
    out = np.ones_like(values)
    decoder_of(codec)(encoded(codec, values), out)
    assert same(out, values)


@pytest.mark.parametrize("codec", sorted(LEADING))
def test_the_first_rows_alone(codec: Any) -> None:
    values = values_of((20, 300), "float32")
    for n in (1, 7, 20):
        out = np.ones((n, 300), "float32")
        decoder_of(codec)(encoded(codec, values), out)
        assert same(out, values[:n])


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("n", [0, 1, 19])
def test_chunks_of_too_few_values_are_refused(codec: Any, n: int) -> None:
    short = encoded(codec, values_of((n, 300), "float32"))
    with pytest.raises((ValueError, RuntimeError)):
        decoder_of(codec)(short, np.ones((20, 300), "float32"))


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("n_bytes", [0, 1, 5, 15, 17, 200, -1])
def test_chunks_cut_short_are_refused(codec: Any, n_bytes: int) -> None:
    data = encoded(codec, values_of((20, 300), "float32"))
    with pytest.raises((ValueError, RuntimeError)):
        decoder_of(codec)(data[:n_bytes].copy(), np.ones((20, 300), "float32"))


def test_values_of_another_dtype_are_refused() -> None:
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        decoder_of("pcodec")(encoded("pcodec", values_of((20, 3), "float32")), np.ones((20, 3), "float64"))


@pytest.mark.parametrize("codec", PACKED)
@hypothesis_settings(deadline=None, max_examples=200)
@given(flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 7)), max_size=4), cut=st.integers(0, 2000))
def test_damage_ends_in_an_error_or_in_values_never_worse(codec: Any, flips: list[tuple[int, int]], cut: int) -> None:
    values = values_of((20, 40), "float32")
    data = encoded(codec, values).copy()
    whole = data.copy()
    for at, bit in flips:
        data[at % len(data)] ^= 1 << bit
    data = data[: cut + len(data) // 2].copy()
    guarded = np.full((22, 40), 7, "float32")
    try:
        decoder_of(codec)(data, guarded[1:21])
    except (ValueError, RuntimeError):
        assert not np.array_equal(data, whole)
    assert (guarded[[0, 21]] == 7).all()
