"""A signal's clock held against regular output times: which rows outputs need, and their values."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from numbers import Rational
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from sensorium_data.clock import TickClock
from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.grid import NANOSECOND, as_rate
from sensorium_data.resampling.interleaved import held_interleaved, interleaves, linear_interleaved
from sensorium_data.resampling.irregular import TimesRuler
from sensorium_data.resampling.kernels import LONG, all_known, gathered, mark_unknown, missing, output_dtype, row_by_row
from sensorium_data.resampling.positions import Method, Picks, TickRuler
from sensorium_data.spelling import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensorium_data.clock import Clock

__all__ = ["Resampler"]

FURTHEST_NS = 2**60  # 36 years of offset or lag
AT_ONCE = 1 << 14  # outputs whose positions are in memory together
BLOCK = 1 << 16  # numbers that are gathered together


class Resampler:
    """A signal's clock held against regular output times; it never changes, and any thread may use it.

    The value at output time ``t`` is the signal at ``t + lag``. Sample ``k`` of channel ``j`` was taken at its time by
    the clock plus the channel's offset.

    Parameters
    ----------
    clock : Clock
        Of the signal.
    rate : Fraction, hertz
        Of the outputs.
    method : {"linear", "previous", "nearest", "mean"}
    offsets_ns : (channel,) int64, nanoseconds, optional
    lag_ns : int or Fraction, nanoseconds

    Raises
    ------
    BadArgument
        The method is unknown, the rate not above zero, the lag no exact number, or an offset or the lag beyond 36 years.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from sensorium_data.clock import TickClock
    >>> resampler = Resampler(TickClock.from_runs(Fraction(8), [(0, 80)]), Fraction(30))
    >>> resampler.rows(Fraction(10**9), 30)
    slice(8, 17, None)
    >>> out, mask = np.empty((30, 2)), np.empty(30, np.bool_)
    >>> resampler.into(out, mask, np.arange(160.0).reshape(80, 2), 0, Fraction(10**9))
    >>> out[15], mask.all()
    (array([24., 25.]), np.True_)
    """

    def __init__(
        self,
        clock: Clock,
        rate: Fraction,
        *,
        method: Method = "linear",
        offsets_ns: NDArray[np.int64] | None = None,
        lag_ns: int | Fraction = 0,
    ) -> None:
        if method not in get_args(Method):
            hint = near_miss(str(method), get_args(Method))
            raise BadArgument(f"method {shown(method)} is unknown", hint=hint, code="no-such-method")
        self.clock, self.rate, self.method, self.lag_ns = clock, as_rate(rate), method, _lag(lag_ns)
        self.offsets_ns = None if offsets_ns is None else _offsets(offsets_ns)
        self._ruler = self._measured() if clock.n_samples else None
        self._equal = isinstance(clock, TickClock) and clock.rate == self.rate

    def _measured(self) -> TickRuler | TimesRuler:
        offsets = np.zeros(1, np.int64) if self.offsets_ns is None or not self.offsets_ns.size else self.offsets_ns
        if (offsets == offsets[0]).all():
            offsets = offsets[:1]
        if isinstance(self.clock, TickClock):
            return TickRuler(self.clock, self.rate, self.method, offsets, self.lag_ns)
        return TimesRuler(self.clock, self.rate, self.method, offsets, self.lag_ns)

    def copied(self, start_ns: Fraction, n: int) -> slice | None:
        """Return the rows that n outputs from a time in nanoseconds on simply are, or None where they are not.

        They are where the rates are equal, the first output is on a sample, all channels have one offset, and n samples
        follow without a gap.
        """
        if not self._equal or not isinstance(self._ruler, TickRuler):
            return None
        row = self._ruler.exact_row(start_ns, n)
        return None if row is None else slice(row, row + n)

    def rows(self, start_ns: Fraction, n: int) -> slice:
        """Return the rows of the signal from the first to the last that n outputs need, ``slice(0, 0)`` if none."""
        if self._ruler is None or n < 1:
            return slice(0, 0)
        if (run := self._ruler.run(start_ns, n)) is not None:
            return run
        first, last = self.clock.n_samples, 0
        for i, block in self._blocks(n):
            picks = self._ruler.picks(self._later(start_ns, i), block)
            first = int(picks.first.min(where=picks.valid, initial=first))
            last = int(picks.last.max(initial=last))
        return slice(first, last) if first < last else slice(0, 0)

    def support(self, start_ns: Fraction, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows [first, last) that each of n outputs rests on.

        Returns
        -------
        (output,) int64, (output,) int64
            Equal where not every channel has a value, for an edge or a gap: the mask is False there.
        """
        if self._ruler is None or n < 1:
            return np.zeros(n, np.int64), np.zeros(n, np.int64)
        picks = self._ruler.picks(start_ns, n, self._ruler.extremes)
        first, last, whole = picks.first.min(axis=1), picks.last.max(axis=1), np.asarray(picks.valid.all(axis=1))
        for i in np.flatnonzero(whole & ~self._ruler.between(picks)):
            # A gap, or a bin without a sample, may lie between the earliest and the latest channel.
            whole[i] = self._ruler.picks(self._later(start_ns, int(i)), 1).valid.all()
        first[~whole], last[~whole] = 0, 0
        return first, last

    def fitting(self, shape: tuple[int, ...]) -> None:
        """Refuse samples of a shape that the offsets do not fit.

        Raises
        ------
        BadArgument
            There is not one offset for each channel.
        """
        if self.offsets_ns is not None and shape != self.offsets_ns.shape:
            channels = f"{len(self.offsets_ns)} offsets for samples of shape {shape}"
            raise BadArgument(f"{channels}, expected one for each channel", code="bad-offsets")

    def picks(self, start_ns: Fraction, n: int) -> Picks | None:
        """Return the samples that n outputs rest on, channel by channel; None where there is none at all."""
        return None if self._ruler is None or n < 1 else self._ruler.picks(start_ns, n)

    def into(
        self,
        out: NDArray[Any],
        mask: NDArray[np.bool_],
        values: NDArray[Any],
        first_row: int,
        start_ns: Fraction,
        *,
        finite: bool = False,
    ) -> None:
        """Write the outputs from a time on, and which of them have a value in every channel.

        Parameters
        ----------
        out : (output, …)
            Of the signal's output dtype; written whole, NaN where there is no value. Methods that only copy also write
            to the signal's own dtype, with 0 there.
        mask : (output,) bool
            Written whole.
        values : (row, …)
            Rows of the signal, those that `rows` names among them.
        first_row : int
            Row of the signal that ``values`` begins with.
        start_ns : Fraction, nanoseconds
            Time of the first output.
        finite : bool
            The values are known to hold no NaN: do not look for any.

        Raises
        ------
        BadArgument
            The arrays do not fit together, or a row is missing.
        """
        self._fitting(out, mask, values)
        for i in range(0, len(out), AT_ONCE):
            part, start = slice(i, min(i + AT_ONCE, len(out))), self._later(start_ns, i)
            copied = self.copied(start, part.stop - i)
            run = copied or self.rows(start, part.stop - i)
            used = _held(values, first_row, run)
            with np.errstate(all="ignore"):
                # Before the values are written: what is looked at is then still at hand.
                known = finite or all_known(used, part.stop - i)
                if copied:
                    np.copyto(out[part], used, casting="unsafe")
                    mask[part] = True
                else:
                    self._write(out[part], mask[part], used, run.start, start)
                if not known:
                    mark_unknown(mask[part], out[part])

    def _write(
        self, out: NDArray[Any], mask: NDArray[np.bool_], used: NDArray[Any], first_row: int, start_ns: Fraction
    ) -> None:
        """Write outputs, and where they are valid by the clock, from the rows that they rest on."""
        if self._ruler is None or not len(used):
            out[...] = missing(out.dtype)
            mask[...] = False
        elif self._ruler.n_channels > 1 and out[0].size >= LONG:
            self._write_phased(self._ruler, out, mask, used, first_row, start_ns)
        else:
            picks = self._ruler.picks(start_ns, len(out))
            write = gathered if out[0].size < LONG else row_by_row
            write(self.method, out, used, picks, first_row)
            np.all(picks.valid, axis=1, out=mask)

    def _write_phased(
        self,
        ruler: TickRuler | TimesRuler,
        out: NDArray[Any],
        mask: NDArray[np.bool_],
        used: NDArray[Any],
        first_row: int,
        start_ns: Fraction,
    ) -> None:
        """Write long rows with an offset for each channel: put together by bits where that can be, else gathered."""
        together = np.full(len(out), -1)
        if isinstance(ruler, TickRuler) and interleaves(used.dtype) and interleaves(out.dtype):
            together = ruler.together(start_ns, len(out))
        edges = [0, *(np.flatnonzero(np.diff(together)) + 1).tolist(), len(out)]
        for start, stop in pairwise(edges):
            if (segment := int(together[start])) >= 0 and isinstance(ruler, TickRuler):
                grain = ruler.interleaving(self._later(start_ns, start), stop - start, segment, first_row)
                write = linear_interleaved if self.method == "linear" else held_interleaved
                write(out[start:stop], used, grain, ruler.phases)
                mask[start:stop] = True
                continue
            for i, block in self._blocks(stop - start):
                part = slice(start + i, start + i + block)
                picks = ruler.picks(self._later(start_ns, part.start), block)
                gathered(self.method, out[part], used, picks, first_row)
                np.all(picks.valid, axis=1, out=mask[part])

    def _blocks(self, n: int) -> Iterator[tuple[int, int]]:
        """Yield outputs a block at a time: the first, and how many."""
        size = max(1, BLOCK // (self._ruler.n_channels if self._ruler else 1))
        for i in range(0, n, size):
            yield i, min(size, n - i)

    def _later(self, start_ns: Fraction, n: int) -> Fraction:
        return start_ns + n * NANOSECOND / self.rate if n else start_ns

    def _fitting(self, out: NDArray[Any], mask: NDArray[np.bool_], values: NDArray[Any]) -> None:
        if out.shape[1:] != values.shape[1:] or mask.shape != out.shape[:1]:
            shapes = f"values {values.shape}, outputs {out.shape}, mask {mask.shape}"
            raise BadArgument(f"{shapes}: samples must have one shape, and each output a mask", code="bad-shape")
        self.fitting(values.shape[1:])
        copies = self.method in {"previous", "nearest"} and out.dtype == values.dtype
        if not copies and out.dtype != output_dtype(values.dtype):
            wanted = output_dtype(values.dtype)
            raise BadArgument(f"outputs are {out.dtype}, {values.dtype} is resampled to {wanted}", code="bad-dtype")


def _held(values: NDArray[Any], first_row: int, run: slice) -> NDArray[Any]:
    """Return a run of a signal's rows, of which those from one on are given."""
    if run.stop == run.start:
        return values[:0]
    if run.start < first_row or run.stop > first_row + len(values):
        held = f"rows {first_row} to {first_row + len(values) - 1}"
        raise BadArgument(f"values are {held}, rows {run.start} to {run.stop - 1} are needed", code="missing-rows")
    return values[run.start - first_row : run.stop - first_row]


def _lag(lag_ns: int | Fraction) -> Fraction:
    """Return a lag as it is kept, or refuse it."""
    if not isinstance(lag_ns, Rational):
        what = f"lag_ns is {shown(lag_ns)}, expected an integer or a Fraction of nanoseconds"
        raise BadArgument(what, code="bad-lag")
    if abs(lag_ns) > FURTHEST_NS:
        raise BadArgument(f"a lag of {float(lag_ns) / NANOSECOND:g} s is more than 36 years", code="bad-lag")
    return Fraction(int(lag_ns.numerator), int(lag_ns.denominator))  # numpy's integers would overflow


def _offsets(offsets_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return offsets as they are kept, or refuse them."""
    offsets = np.array(offsets_ns)
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu":
        what = f"offsets of shape {offsets.shape} and dtype {offsets.dtype}"
        raise BadArgument(f"{what}, expected whole nanoseconds, one for each channel", code="bad-offsets")
    if len(wrong := np.flatnonzero((offsets > FURTHEST_NS) | (offsets < -FURTHEST_NS))):
        raise BadArgument(f"the offset of channel {wrong[0]} is more than 36 years", code="bad-offsets")
    offsets = offsets.astype(np.int64)
    offsets.flags.writeable = False
    return offsets
