"""The front door of the loaders: sessions in, batches out, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sensorium_data.loaders.dataset import WindowDataset
from sensorium_data.loaders.loader import WindowLoader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction

    import torch
    from numpy.typing import ArrayLike

    from sensorium_data.loaders.dataset import Transform
    from sensorium_data.loaders.ranks import LastStep
    from sensorium_data.loaders.schedule import Order
    from sensorium_data.reading import Verify
    from sensorium_data.resample import Method
    from sensorium_data.viewing.opening import Opened
    from sensorium_data.windows import Tier

__all__ = ["make_loader"]


def make_loader(
    sessions: Opened | Iterable[Opened],
    *,
    tier: Tier = "train",
    window: int | Literal["trial"] | None = None,
    stride: int | Literal["random"] | None = None,
    rate_hz: float | str | Fraction | None = None,
    signals: Iterable[str] | None = None,
    trials: Mapping[str, ArrayLike] | None = None,
    require: Iterable[str] | None = None,
    burn_in: int = 0,
    within: Literal["trial", "segment"] = "trial",
    method: Method | Mapping[str, Method] = "linear",
    lag_s: float | str | Fraction | Mapping[str, float | str | Fraction] = 0,
    offsets_s: Mapping[str, ArrayLike] | None = None,
    transform: Transform | None = None,
    dtype: torch.dtype | str | None = None,
    batch_size: int = 8,
    order: Order = "round_robin",
    shuffle: bool | None = None,
    seed: int = 0,
    clips_per_block: int = 1,
    drop_last: bool = False,
    last_step: LastStep = "drop",
    rank: int | None = None,
    world_size: int | None = None,
    num_workers: int = 0,
    multiprocessing_context: str = "forkserver",
    n_threads: int | None = None,
    n_ahead: int = 2,
    pin_memory: bool | None = None,
    verify: Verify = "first",
) -> WindowLoader:
    """Return batches of windows of one or more sessions.

    Batches are dicts of tensors: `video` (batch, time, y, x) uint8 or `image` (batch, [channel,] y, x), `responses`
    (batch, time, neuron), `pupil`, `running`, `gaze`, as stored; `mask` by the same names, (batch, time) bool; `session`,
    the key; `trial_id` and `start_frame`, (batch,).

    Parameters
    ----------
    sessions, tier, window, stride, rate_hz, signals, trials, require, burn_in, within
        Which windows of what: as for `WindowDataset`.
    method, lag_s, offsets_s, transform, dtype, verify
        What becomes of their values: as for `WindowDataset`.
    batch_size, order, shuffle, clips_per_block, drop_last, last_step, rank, world_size
        How they are dealt to batches: as for `WindowLoader`.
    num_workers, multiprocessing_context, n_threads, n_ahead, pin_memory
        Who makes them: as for `WindowLoader`.
    seed : int
        Of starts and order; the same seed gives the same batches, whoever makes them.

    Raises
    ------
    BadArgument
        Options that no data could make right, sessions that do not fit together, or no window at all.
    NotFound
        A session, tier, column or stream that is not there; the hint names near misses.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> loader = make_loader(make_session(tempfile.mkdtemp(), n_neurons=5), window=12, batch_size=3)
    >>> batch = next(iter(loader))
    >>> batch["video"].shape, batch["mask"]["video"].all().item()
    (torch.Size([3, 12, 36, 64]), True)
    """
    dataset = WindowDataset(sessions, tier=tier, window=window, stride=stride, rate_hz=rate_hz, signals=signals,
        trials=trials, require=require, burn_in=burn_in, within=within, method=method, lag_s=lag_s, offsets_s=offsets_s,
        transform=transform, dtype=dtype, seed=seed, verify=verify)  # fmt: skip
    return WindowLoader(dataset, batch_size=batch_size, order=order, shuffle=shuffle, seed=seed, drop_last=drop_last,
        clips_per_block=clips_per_block, last_step=last_step, rank=rank, world_size=world_size, n_threads=n_threads,
        num_workers=num_workers, multiprocessing_context=multiprocessing_context, n_ahead=n_ahead,
        pin_memory=pin_memory)  # fmt: skip
