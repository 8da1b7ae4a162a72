"""Put a signal on a regular clock: one rule for positions and edges, four methods, and a mask of what is known."""

from __future__ import annotations

import sys
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from sensorium_data.clock import TickClock
from sensorium_data.errors import BadArgument
from sensorium_data.grid import NANOSECOND, Grid, as_rate, whole_nanoseconds
from sensorium_data.masked import MASKED, is_masked
from sensorium_data.resampling.instants import Instant, instant, lag, n_before, settled
from sensorium_data.resampling.kernels import output_dtype
from sensorium_data.resampling.positions import Method
from sensorium_data.resampling.resampler import Resampler

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike, NDArray

    from sensorium_data.clock import Clock

__all__ = ["Method", "Resampler", "output_dtype", "resample"]


@overload
def resample(
    values: torch.Tensor,
    clock: Clock,
    rate_hz: float | str | Fraction,
    *,
    start_s: float | str | Fraction | None = None,
    n_samples: int | None = None,
    stop_s: float | str | Fraction | None = None,
    method: Method = "linear",
    offsets_s: ArrayLike | None = None,
    lag_s: float | str | Fraction = 0,
) -> tuple[torch.Tensor, torch.Tensor]: ...


@overload
def resample(
    values: NDArray[Any],
    clock: Clock,
    rate_hz: float | str | Fraction,
    *,
    start_s: float | str | Fraction | None = None,
    n_samples: int | None = None,
    stop_s: float | str | Fraction | None = None,
    method: Method = "linear",
    offsets_s: ArrayLike | None = None,
    lag_s: float | str | Fraction = 0,
) -> tuple[NDArray[Any], NDArray[np.bool_]]: ...


def resample(
    values: NDArray[Any] | torch.Tensor,
    clock: Clock,
    rate_hz: float | str | Fraction,
    *,
    start_s: float | str | Fraction | None = None,
    n_samples: int | None = None,
    stop_s: float | str | Fraction | None = None,
    method: Method = "linear",
    offsets_s: ArrayLike | None = None,
    lag_s: float | str | Fraction = 0,
) -> tuple[Any, Any]:
    """Return a signal at regular times, and where it is known.

    Output ``i`` is the signal at ``start + lag + i / rate``, exactly. Nothing is extrapolated and no hole is filled:
    where there is no value it is NaN.

    Parameters
    ----------
    values : (time, …) array or tensor
        All samples of the signal. Tensors give tensors on their device, and gradients pass.
    clock : Clock
        When they were taken.
    rate_hz : float, str or Fraction, hertz
        Of the outputs; a decimal is what it says, 1000/33 Hz is ``"1000/33"``.
    start_s : float, str or Fraction, seconds, optional
        Time of the first output; the first sample's if not given. Fractions, strings and integers are exact. A float
        is the tick of the clock, or of the outputs counted from the clock's origin or from 0, that rounds to the same
        nanosecond or is as close as floats can say; else it is kept to the nanosecond.
    n_samples : int, optional
        How many outputs.
    stop_s : float, str or Fraction, seconds, optional
        Instead: outputs before this time; the end of the clock if neither is given. A float that lies within a
        nanosecond of an output, or as close as floats can say, is that output, which is then left out.
    method : {"linear", "previous", "nearest", "mean"}
        Between the samples around a time; the last sample; the nearest, of two the earlier; the average of the samples
        from one output to the next.
    offsets_s : (channel,) float, seconds, optional
        How much later than the clock says each channel was sampled.
    lag_s : float, str or Fraction, seconds
        Outputs are the signal this much later. Fractions, strings and integers are exact. A float within a nanosecond
        of a whole number of samples of the clock, or of outputs, is that many; else it is kept to the nanosecond.

    Returns
    -------
    values : (output, …)
        Of the signal's dtype if that is a float, else float32, or float64 from 32 bits on; `output_dtype` says it.
    mask : (output,) bool
        True where every channel has a value.

    Raises
    ------
    BadArgument
        The rate is not above zero, the method is unknown, times are no numbers, or arrays do not fit together.

    Examples
    --------
    >>> from sensorium_data.clock import TickClock
    >>> clock = TickClock.from_runs(Fraction(10), [(0, 3)])
    >>> values, mask = resample(np.array([0.0, 1.0, 4.0]), clock, 20)
    >>> values
    array([0. , 0.5, 1. , 2.5, 4. , nan])
    >>> mask
    array([ True,  True,  True,  True,  True, False])
    """
    given = values if _is_tensor(values) else _checked(values)
    if len(given.shape) < 1 or given.shape[0] != clock.n_samples:
        held = f"values of shape {tuple(given.shape)} for {clock.n_samples} samples of the clock"
        raise BadArgument(f"{held}, expected (time, …)", code="bad-shape")
    offsets_ns = None if offsets_s is None else _whole_offsets(offsets_s)
    rate = as_rate(rate_hz)
    lag_ns = lag(lag_s, *([clock.rate] if isinstance(clock, TickClock) else []), rate)
    resampler = Resampler(clock, rate, method=method, offsets_ns=offsets_ns, lag_ns=lag_ns)
    start_ns, n = _outputs(clock, resampler.rate, start_s, n_samples, stop_s)
    if not isinstance(given, np.ndarray):
        from sensorium_data.resampling.tensors import resampled

        return resampled(given, resampler, start_ns, n)
    out, mask = np.empty((n, *given.shape[1:]), output_dtype(given.dtype)), np.empty(n, np.bool_)
    resampler.into(out, mask, given, 0, start_ns)
    return out, mask


def _is_tensor(values: object) -> bool:
    """Return whether this is a tensor; where torch was not imported nothing is."""
    return "torch" in sys.modules and isinstance(values, sys.modules["torch"].Tensor)


def _checked(values: Any) -> NDArray[Any]:  # noqa: ANN401  # whatever was given
    if is_masked(values):
        raise BadArgument(f"values are {MASKED}", code="masked-array")
    return np.asarray(values)


def _whole_offsets(offsets_s: ArrayLike) -> NDArray[np.int64]:
    offsets = np.asarray(offsets_s)
    if offsets.dtype.kind == "f" and len(wrong := np.flatnonzero(~np.isfinite(offsets))):
        what = f"the offset of channel {wrong[0]} is {offsets.flat[wrong[0]]}"
        raise BadArgument(f"{what}, expected seconds", code="bad-offsets")
    return whole_nanoseconds(offsets_s)


def _outputs(
    clock: Clock,
    rate: Fraction,
    start_s: float | str | Fraction | None,
    n_samples: int | None,
    stop_s: float | str | Fraction | None,
) -> tuple[Fraction, int]:
    """Return the time of the first output in nanoseconds, and how many there are."""
    if n_samples is not None and stop_s is not None:
        raise BadArgument("`n_samples` and `stop_s` were both given; either says where to stop", code="bad-stop")
    first, end = _extent(clock)
    given = None if start_s is None else instant(start_s)
    start = _settled(given, clock, rate) if given else _met(first, clock, rate)
    if n_samples is not None:
        if n_samples < 0:
            raise BadArgument(f"`n_samples` is {n_samples}, expected 0 or more", code="bad-length")
        return start, n_samples
    if stop_s is None and not isinstance(clock, TickClock):
        return start, _n_until(start, rate, end) if clock.n_samples else 0
    stop = Instant(end) if stop_s is None else instant(stop_s)
    return start, max(0, n_before(start, rate, stop, given.spread_ns if given else Fraction(0)))


def _settled(given: Instant, clock: Clock, rate: Fraction) -> Fraction:
    """Return the time of the first output: a float is a tick of the clock, else of the outputs from its origin or 0."""
    grids = (Grid(rate, clock.origin_ns), Grid(rate))
    start = settled(given, clock.around(given.ns), *(grid.around(given.ns) for grid in grids))
    return _met(start, clock, rate) if given.loose else start


def _met(start_ns: Fraction, clock: Clock, rate: Fraction) -> Fraction:
    """Return the output counted from 0 that an explicit time was rounded from, if it was: others were as well."""
    near = Grid(rate).around(start_ns)[0]
    return start_ns if isinstance(clock, TickClock) or round(near) != start_ns else near


def _n_until(start_ns: Fraction, rate: Fraction, last_ns: Fraction) -> int:
    """Return how many outputs there are until a sample, itself included: one that rounds to its nanosecond is on it."""
    last = floor((last_ns + 1 - start_ns) * rate / NANOSECOND)
    return max(0, last + (round(start_ns + last * NANOSECOND / rate) <= last_ns))


def _extent(clock: Clock) -> tuple[Fraction, Fraction]:
    """Return the times between which a clock has values, in nanoseconds; the end of explicit times has one itself."""
    if not clock.n_samples:
        return Fraction(0), Fraction(0)
    if isinstance(clock, TickClock):
        return clock.grid.ns(int(clock.segments[0, 0])), clock.grid.ns(int(clock.segments[-1, 1]))
    return Fraction(int(clock.times_ns[0])), Fraction(int(clock.times_ns[-1]))
