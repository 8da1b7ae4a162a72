"""A small session store from nothing, for tests and examples that need one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium_data.testing.published2023 import write_sensorium2023

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas import Preset

__all__ = ["make_session"]


def make_session(
    folder: str | Path, *, n_neurons: int = 12, n_train: int = 6, seed: int = 0, preset: Preset = "compact"
) -> Path:
    """Write a recording with `write_sensorium2023` and convert it.

    Parameters
    ----------
    folder : str or Path
        Both the recording and the store are put there; made if it is not there.
    n_neurons, n_train, seed : int
        As for `write_sensorium2023`.
    preset : {"compact", "fast", "portable"}
        As for `sensorium_data.convert`.

    Returns
    -------
    Path
        The store, `<folder>/<session>.zarr`; the recording is `<folder>/<session>`.

    Raises
    ------
    BadArgument
        A count that is too small, or an unknown preset.
    TargetExists
        A recording or a store is there already; nothing is changed.

    Examples
    --------
    >>> import tempfile
    >>> make_session(tempfile.mkdtemp(), n_neurons=5, n_train=2).suffix
    '.zarr'
    """
    from sensorium_data.conversion import convert

    source = write_sensorium2023(folder, n_neurons=n_neurons, n_train=n_train, seed=seed)
    target = source.with_name(source.name + ".zarr")
    convert(source, target, preset=preset)
    return target
