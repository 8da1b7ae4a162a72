"""Recordings drawn at random: what a lab may have, and beside it when each sample was taken, in exact arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
from hypothesis import strategies as st

import sensorium_data as sd

NS = 10**9
RATES: tuple[float | str, ...] = (30, 29.97, 7.7, "1000/33", 16, 1024, 30.303030303030305, "1/3")
STARTS_S: tuple[float | str, ...] = (0, 0.25, "1/3", -1.0, 1e-9, 123456.789012345, 1e9, -4.0e5)
DTYPES = ("float64", "float32", "float16", "int16", "uint8", "bool", "int64", ">f8", ">i2", "uint64")


@dataclass(frozen=True, repr=False)
class Stream:
    """A signal as it is given, its values, and the exact time of each sample in nanoseconds as the lab means it."""

    given: sd.SignalData
    values: Any
    times_ns: list[Fraction]

    def __repr__(self) -> str:
        given = self.given
        clock = {name: getattr(given, name) for name in ("rate_hz", "start_s", "runs", "times_s")}
        kind = f"{type(given.values).__module__} {given.values.dtype} {given.values.shape}"
        return f"<{given.name} {given.all_dims} {kind} {clock}>"


def spelled(number: float | str) -> Fraction:
    return Fraction(str(number))


@st.composite
def clocks(draw: st.DrawFn, n: int) -> tuple[dict[str, Any], list[Fraction]]:
    """Arguments of a clock of n samples, and the time of each."""
    rate, start = draw(st.sampled_from(RATES)), draw(st.sampled_from(STARTS_S))
    step, origin = NS / spelled(rate), spelled(start) * NS
    kind = draw(st.sampled_from(("regular", "on the grid", "off the grid", "jittered", "irregular")))
    if kind == "regular":
        return {"rate_hz": rate, "start_s": start}, [origin + k * step for k in range(n)]
    if kind in ("on the grid", "off the grid"):
        return _runs(draw, n, rate, origin, on_grid=kind == "on the grid")
    steps = draw(st.lists(st.integers(1, 7), min_size=n, max_size=n))
    jitter = [float(spelled(start)) + float(sum(steps[: k + 1]) * step / NS) for k in range(n)]
    kinds = (list, np.array, lambda t: np.array(t, ">f8")) if abs(spelled(start)) < 1e6 else (np.array,)
    given = draw(st.sampled_from(kinds))(jitter)
    return {"times_s": given}, [spelled(t) * NS for t in np.asarray(given, np.float64).tolist()]


def _runs(
    draw: st.DrawFn, n: int, rate: Any, origin: Fraction, *, on_grid: bool
) -> tuple[dict[str, Any], list[Fraction]]:
    step, left, begin = NS / spelled(rate), n, origin
    runs, times = [], []
    while left:
        m = draw(st.integers(1, left))
        start_s = f"{begin.numerator}/{begin.denominator * NS}" if draw(st.booleans()) else float(begin / NS)
        runs.append((start_s, m))
        times += [spelled(start_s) * NS + k * step for k in range(m)]
        pause = draw(st.integers(0, 5)) if on_grid else Fraction(draw(st.integers(1, 5000)), 1009)
        # A float of a large time is no finer than a hundred nanoseconds: the next run must not be taken to overlap.
        begin, left = begin + (m + pause) * step + (0 if abs(begin) < 10**15 else 10**4), left - m
    return {"rate_hz": rate, "runs": runs}, times


@st.composite
def arrays(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """An array of some library as it is given, and its values."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values: Any
    if dtype.kind == "f":
        values = rng.normal(scale=100, size=shape).astype(dtype)
    elif dtype.kind == "b":
        values = rng.random(shape) < 0.5
    else:
        edges: Any = np.iinfo(dtype.str)
        values = rng.integers(edges.min, edges.max, shape, dtype.newbyteorder("="), endpoint=True).astype(dtype)
    kind = draw(st.sampled_from(("numpy", "fortran", "strided", "dask", "read-only")))
    if kind == "fortran":
        return np.asfortranarray(values), values
    if kind == "strided":
        return np.repeat(values, 2, axis=0)[::2], values
    if kind == "dask":
        cuts = tuple(draw(st.integers(1, max(1, size))) for size in shape)
        return da.from_array(values, chunks=cuts), values
    if kind == "read-only":
        values.setflags(write=False)
    return values, values


@st.composite
def streams(draw: st.DrawFn, name: str, n_neurons: int) -> Stream:
    """A signal of neurons, of channels or of neither."""
    n = draw(st.integers(1, 70))
    kind = "neuron" if name == "responses" else draw(st.sampled_from(("neuron", "channel", "eye", "")))
    n_columns = n_neurons if kind == "neuron" else draw(st.integers(1, 3))
    given, values = draw(arrays((n, n_columns) if kind else (n,)))
    clock, times = draw(clocks(n))
    channels = [f"c{i}" for i in range(n_columns)] if kind in ("channel", "eye") else ()
    dims = ("time", kind) if kind else None
    signal = sd.SignalData(name, given, unit="a.u.", dims=dims, channels=channels, **clock)
    return Stream(signal, np.array(values), times)


@st.composite
def recordings(draw: st.DrawFn) -> list[Stream]:
    """One or more signals with the same neurons, each on a clock of its own."""
    names = draw(st.lists(st.sampled_from(("responses", "pupil", "running", "spikes")), min_size=1, unique=True))
    n_neurons = draw(st.integers(1, 5))
    return [draw(streams(name, n_neurons)) for name in names]


@st.composite
def intervals(draw: st.DrawFn, found: list[Stream]) -> list[tuple[float, float]]:
    """Half-open intervals in order, in seconds; many begin or end on a sample, some hold none."""
    of = sorted({float(t / NS) for stream in found for t in stream.times_ns})
    around = st.sampled_from(of) | st.floats(of[0] - 1, of[-1] + 1).map(lambda t: round(t, 6))
    ends = sorted(draw(st.lists(around, max_size=8, unique_by=lambda t: round(spelled(t) * NS))))
    if draw(st.booleans()):
        return list(pairwise(ends))  # end to end
    return list(zip(ends[::2], ends[1::2], strict=False))
