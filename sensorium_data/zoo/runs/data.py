"""The recordings of a run, as its document names them."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING

from sensorium_data.loaders.statistics import digest_of
from sensorium_data.schemas.run import RunSession

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensorium_data.handle import SessionHandle

__all__ = ["recorded"]


def recorded(handles: Iterable[SessionHandle], tiers: Iterable[str]) -> list[RunSession]:
    """Return what a run records of its sessions; only roots and tables are read.

    Parameters
    ----------
    handles : iterable of SessionHandle
    tiers : iterable of str
        That are trained on or watched: their trials are counted.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.handle import SessionHandle
    >>> from sensorium_data.testing import make_session
    >>> one, = recorded([SessionHandle(make_session(tempfile.mkdtemp(), n_neurons=4))], ["train", "oracle"])
    >>> one.n_neurons, one.n_trials
    (4, {'train': 6, 'oracle': 5})
    """
    return [_recorded(handle, list(dict.fromkeys(tiers))) for handle in handles]


def _recorded(handle: SessionHandle, tiers: list[str]) -> RunSession:
    document, tier_of = handle.document, Counter(handle.trials["tier"].tolist())
    options = document.provenance.options
    return RunSession(
        key=document.identity.key, digest=digest_of(handle), store=handle.where, preset=options.preset,
        precision=options.precision, n_neurons=handle.n_neurons,
        units=sha256(handle.neurons["unit_id"].astype("<i8").tobytes()).hexdigest(),
        n_trials={tier: tier_of[tier] for tier in tiers},
    )  # fmt: skip
