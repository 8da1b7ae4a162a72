"""What a run is computed with: packages, Python, system and device, as they say themselves."""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch  # noqa: TID253  # it knows its device

from sensorium_data import __version__
from sensorium_data.schemas.run import RunVersions

__all__ = ["versions"]


def versions(device: str | torch.device = "cpu", n_threads: int | None = None) -> RunVersions:
    """Return what a run is computed with.

    Parameters
    ----------
    device : str or torch.device
    n_threads : int, optional
        That torch is told to compute with; by default those that it has chosen.

    Examples
    --------
    >>> versions().device
    'cpu'
    """
    return RunVersions(
        package=__version__, torch=str(torch.__version__), numpy=version("numpy"), zarr=version("zarr"),
        python=platform.python_version(), platform=platform.platform(), device=_device(torch.device(device)),
        n_threads=n_threads or torch.get_num_threads(),
    )  # fmt: skip


def _device(device: torch.device) -> str:
    """Return a device by name: what two kinds of GPU compute differs in the last digits."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type
