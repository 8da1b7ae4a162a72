"""Tensors: those that share their memory with an array are resampled as that array; torch computes the others itself.

Those are tensors that carry a gradient, lie on another device, or have a dtype that numpy does not know. Positions are
found here either way; torch only takes rows and weighs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import BadArgument
from sensorium_data.grid import NANOSECOND
from sensorium_data.resampling.kernels import output_dtype

if TYPE_CHECKING:
    from fractions import Fraction

    import torch
    from numpy.typing import NDArray

    from sensorium_data.resampling.positions import Picks
    from sensorium_data.resampling.resampler import Resampler

__all__ = ["resampled"]

AT_ONCE = 256  # outputs of half precision that are held in full


def resampled(
    values: torch.Tensor, resampler: Resampler, start_ns: Fraction, n: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return n outputs from a time on, and their mask, on the device of the signal.

    Parameters
    ----------
    values : (time, …) tensor
        All samples of the signal.
    resampler : Resampler
    start_ns : Fraction, nanoseconds
    n : int

    Raises
    ------
    BadArgument
        The tensor has a dtype that cannot be resampled, or does not fit the resampler.

    Examples
    --------
    >>> import torch
    >>> from fractions import Fraction
    >>> from sensorium_data.clock import TickClock
    >>> from sensorium_data.resampling.resampler import Resampler
    >>> resampler = Resampler(TickClock.from_runs(Fraction(10), [(0, 3)]), Fraction(20))
    >>> resampled(torch.tensor([0.0, 1.0, 4.0]), resampler, Fraction(0), 4)[0]
    tensor([0.0000, 0.5000, 1.0000, 2.5000])
    """
    import torch

    dtype = _output_dtype(values)
    if values.device.type != "cpu" or (values.requires_grad and torch.is_grad_enabled()):
        return _by_torch(values, resampler, start_ns, n, dtype)
    out = torch.empty((n, *values.shape[1:]), dtype=dtype)
    mask = torch.empty(n, dtype=torch.bool)
    held = values.detach()
    if dtype != torch.bfloat16:
        resampler.into(out.numpy(), mask.numpy(), held.numpy(), 0, start_ns)
        return out, mask
    for i in range(0, n, AT_ONCE):
        part, start = slice(i, min(n, i + AT_ONCE)), start_ns + i * NANOSECOND / resampler.rate
        rows = resampler.rows(start, part.stop - i)
        full = np.empty((part.stop - i, *values.shape[1:]), np.float32)
        resampler.into(full, mask[part].numpy(), held[rows].float().numpy(), rows.start, start)
        out[part] = torch.from_numpy(full)
    return out, mask


def _output_dtype(values: torch.Tensor) -> torch.dtype:
    import torch

    if values.dtype == torch.bfloat16:
        return torch.bfloat16
    try:
        known = torch.empty(0, dtype=values.dtype).numpy().dtype
    except TypeError:
        raise BadArgument(f"values are {values.dtype}, which cannot be resampled", code="bad-dtype") from None
    return torch.from_numpy(np.empty(0, output_dtype(known))).dtype


def _by_torch(
    values: torch.Tensor, resampler: Resampler, start_ns: Fraction, n: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do what `kernels.gathered` does, in its order, with operations that torch differentiates."""
    import torch

    resampler.fitting(tuple(values.shape[1:]))
    if (picks := resampler.picks(start_ns, n)) is None:
        shape = (n, *values.shape[1:])
        return torch.full(shape, torch.nan, dtype=dtype, device=values.device), torch.zeros(
            n, dtype=torch.bool, device=values.device
        )
    find = _Found(values, picks)
    precise = dtype if dtype.itemsize >= 4 else torch.float32
    found = {"linear": find.between, "mean": find.averaged}.get(resampler.method, find.copied)(precise).to(dtype)
    valid = find.lined(picks.valid)
    found = torch.where(valid, found, torch.nan)
    known = ~torch.isnan(found.detach()).reshape(n, -1).any(dim=1)
    return found, known & valid.reshape(n, -1).all(dim=1)


class _Found:
    """The rows of a tensor that outputs rest on."""

    def __init__(self, values: torch.Tensor, picks: Picks) -> None:
        self._values, self._picks = values, picks

    def lined(self, numbers: NDArray[Any]) -> torch.Tensor:
        """Return numbers for each output and channel as a tensor that goes with samples."""
        import torch

        axes = self._values.ndim - numbers.ndim
        shaped = numbers[:, 0] if axes < 0 else numbers.reshape(numbers.shape + (1,) * axes)
        return torch.from_numpy(np.ascontiguousarray(shaped)).to(self._values.device)

    def rows(self, rows: NDArray[np.int64], dtype: torch.dtype) -> torch.Tensor:
        import torch

        index = torch.from_numpy(np.clip(rows, 0, len(self._values) - 1)).to(self._values.device)
        if index.shape[1] == 1:
            return self._values.index_select(0, index[:, 0]).to(dtype)
        return self._values.gather(0, index).to(dtype)

    def copied(self, dtype: torch.dtype) -> torch.Tensor:
        return self.rows(self._picks.first, dtype)

    def between(self, dtype: torch.dtype) -> torch.Tensor:
        import torch

        picks = self._picks
        one = self.rows(picks.first, dtype)
        slope = self.rows(picks.last - 1, dtype) - one
        found = slope * self.lined(picks.weight).to(dtype)
        found = found + (one if picks.anchor is None else self.rows(picks.anchor, dtype))
        return torch.where(self.lined(picks.last - picks.first == 1), one, found)

    def averaged(self, dtype: torch.dtype) -> torch.Tensor:
        import torch

        n_samples = self._picks.last - self._picks.first
        total = torch.zeros_like(self.copied(torch.float64))
        for k in range(int(n_samples.max())):
            found = self.rows(self._picks.first + k, torch.float64)
            total = total + torch.where(self.lined(n_samples > k), found, 0.0)
        return (total / self.lined(np.maximum(n_samples, 1))).to(dtype)
