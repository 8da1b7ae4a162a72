"""Several processes as one: every rank takes its share of the batches, and gradients are summed by hand.

Not by `DistributedDataParallel`: it averages where the published loss is a sum over sessions; and it reduces as the last
backward pass reaches parameters, so what that pass does not use, the readouts of all sessions but its own, would be left
out or have to be looked for in every pass. Here gradients are accumulated first, over as many batches as a step has, and
then summed in one message, with a mark for each parameter of whether any rank has used it: one that nobody has used stays
without gradient, and so without weight decay, as in a single process.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch  # noqa: TID253  # models are torch's
import torch.distributed as dist  # noqa: TID253
from torch import nn  # noqa: TID253

from sensorium_data.errors import BadArgument
from sensorium_data.loaders.ranks import find_ranks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

__all__ = ["Group", "device_of", "joined"]


@dataclass(frozen=True, slots=True)
class Group:
    """The processes that train together.

    Attributes
    ----------
    rank, world_size : int
    device : torch.device
        That this rank computes on.
    """

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """The rank that writes."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all ranks, of the same shape on each."""
        if self.world_size > 1:
            values = values.contiguous().clone()
            dist.all_reduce(values)
        return values

    def gather(self, values: Tensor) -> Tensor:
        """Return the values of all ranks, (rank, …); of the same shape on each."""
        if self.world_size == 1:
            return values[None]
        found = [torch.empty_like(values) for _ in range(self.world_size)]
        dist.all_gather(found, values.contiguous())
        return torch.stack(found)

    def same(self, number: float) -> float:
        """Return the first rank's number."""
        return float(self.gather(torch.tensor(number, dtype=torch.float64, device=self.device))[0])

    def wait(self) -> None:
        """Wait until all ranks are here."""
        if self.world_size > 1:
            dist.barrier()

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Make every gradient the sum of those of all ranks; what no rank has used has none."""
        if self.world_size == 1:
            return
        used = torch.tensor([float(one.grad is not None) for one in parameters], device=self.device)
        parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        whole = self.sum(torch.cat([part.reshape(-1) for part in parts] + [used]))
        sums = torch.split(whole, [part.numel() for part in parts] + [len(used)])
        for one, total, n_ranks in zip(parameters, sums[:-1], sums[-1].tolist(), strict=True):
            one.grad = total.view_as(one) if n_ranks else None

    def share_statistics(self, model: nn.Module) -> None:
        """Make the running statistics of batch normalisation the mean of those of all ranks, as each saw other batches."""
        if self.world_size == 1:
            return
        for part in model.modules():
            if isinstance(part, nn.modules.batchnorm._NormBase):  # torch has no public name for all of them
                for held in (part.running_mean, part.running_var):
                    if held is not None:
                        held.copy_(self.sum(held) / self.world_size)

    def share_weights(self, model: nn.Module) -> None:
        """Give all ranks the parameters of the first."""
        if self.world_size > 1:
            for one in model.parameters():
                dist.broadcast(one.data, 0)


def device_of(device: str | torch.device | None) -> torch.device:
    """Return the device to compute on.

    Parameters
    ----------
    device : str or torch.device, optional
        By default the GPU that ``torchrun`` gives this rank, else the first; without any the CPU.

    Raises
    ------
    BadArgument
        None such, or a GPU that is not there.

    Examples
    --------
    >>> device_of("cpu")
    device(type='cpu')
    """
    if device is None:
        there = torch.cuda.is_available()
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if there else torch.device("cpu")
    try:
        made = torch.device(device)
    except RuntimeError:
        raise BadArgument(
            f"there is no device {device!r}", hint='"cpu", "cuda" or "cuda:1"', code="bad-device"
        ) from None
    if made.type not in ("cpu", "cuda"):
        raise BadArgument(f"device is {device!r}, expected a CPU or a CUDA GPU", code="bad-device")
    if made.type == "cuda" and (made.index or 0) >= torch.cuda.device_count():
        what = f"device is {device!r}, torch sees {torch.cuda.device_count()} GPUs"
        raise BadArgument(what, hint='"cpu" computes without a GPU', code="no-such-device")
    return made


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """Join the other processes that ``torchrun`` started; a group that somebody made already is left as it is.

    Parameters
    ----------
    device : torch.device

    Examples
    --------
    >>> with joined(torch.device("cpu")) as group:
    ...     group.world_size, group.is_first
    (1, True)
    """
    ranks = find_ranks()
    make = ranks.world_size > 1 and not dist.is_initialized()
    if make:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        yield Group(ranks.rank, ranks.world_size, device)
    finally:
        if make:
            dist.destroy_process_group()
