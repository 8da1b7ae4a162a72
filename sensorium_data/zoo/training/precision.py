"""The precision of the forward pass, by `torch.amp`: weights, loss, gradients and moments stay float32 whatever it is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253  # models are torch's

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor
    from torch.optim import Optimizer

__all__ = ["Precision"]

HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Precision:
    """How a forward pass is computed, and what that asks of a step.

    bfloat16 has the range of float32 and asks nothing. Gradients in float16 would vanish below 6e-8: the loss is multiplied
    by a number that follows the gradients (`torch.amp.GradScaler`), and a step in which one is infinite is left out.

    Parameters
    ----------
    name : {"float32", "bfloat16", "float16"}
    device : torch.device

    Examples
    --------
    >>> half = Precision("bfloat16", torch.device("cpu"))
    >>> with half.forward():
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.bfloat16
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self._half, self._device = HALVES.get(name), device
        self._scaler = torch.amp.GradScaler(device.type, enabled=name == "float16")

    def forward(self) -> AbstractContextManager[Any]:
        """Return the context of a forward pass."""
        if self._half is None:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._half)

    def backward(self, objective: Tensor) -> None:
        """Add the gradients of a loss."""
        self._scaler.scale(objective).backward()  # type: ignore[no-untyped-call]  # torch's own

    def step(self, optimiser: Optimizer, parameters: Iterable[Tensor], clip_norm: float | None) -> None:
        """Make a step of the gradients that there are, and let go of them.

        Parameters
        ----------
        optimiser : Optimizer
        parameters : iterable of Tensor
        clip_norm : float, optional
            What the norm of all gradients together is brought down to.
        """
        if clip_norm is not None:
            self._scaler.unscale_(optimiser)
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        self._scaler.step(optimiser)
        self._scaler.update()
        optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the scaler's numbers; nothing but for float16."""
        return dict(self._scaler.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the scaler's numbers."""
        if state:
            self._scaler.load_state_dict(dict(state))
