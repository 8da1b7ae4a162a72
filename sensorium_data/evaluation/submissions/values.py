"""What can be wrong with the numbers and the neuron ids of a row, of films and of images alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.errors import counted, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium_data.evaluation.submissions.tally import Tally

__all__ = ["note_ids", "note_values"]


def note_values(tally: Tally, where: str, values: NDArray[np.floating], trial: object) -> None:
    """Note values that cannot be scored, or that look wrong.

    Parameters
    ----------
    tally : Tally
    where : str
    values : (neuron, …) float
    trial : int or str
    """
    if not values.size:
        return
    with np.errstate(invalid="ignore"):
        least, most = float(values.min()), float(values.max())  # NaN where any value is
    if np.isnan(least):
        tally.add("nan", where, "some predictions are NaN", trial)
        return
    if np.isinf(least) or np.isinf(most):
        tally.add("infinite", where, "some predictions are infinite", trial)
    if least == most == 0:
        tally.add("all-zero", where, "every prediction is zero", trial)
    if least < 0:
        tally.add("negative", where, f"some predictions are negative, {least:.3g} for one", trial)


def note_ids(
    tally: Tally, where: str, ids: NDArray[np.int64], wanted: NDArray[np.int64] | None, n_wanted: int | None
) -> None:
    """Note neuron ids that are not those of the session, in its order.

    Parameters
    ----------
    tally : Tally
    where : str
    ids : (neuron,) int64
        As in the file.
    wanted : (neuron,) int64, optional
        Those of the session.
    n_wanted : int, optional
        How many it has, where no more is known.
    """
    if len(np.unique(ids)) < len(ids):
        found, counts = np.unique(ids, return_counts=True)
        tally.add("neurons-twice", where, f"neuron ids {listed(found[counts > 1].tolist())} come twice")
    if wanted is None:
        if n_wanted is not None and len(ids) != n_wanted:
            tally.add("neurons-count", where, f"{counted(len(ids), 'neuron id')}, expected {n_wanted:,}")
        return
    if len(unknown := np.setdiff1d(ids, wanted)):
        tally.add("neurons-unknown", where, f"the session has no neurons {listed(unknown.tolist())}")
    if len(lacking := np.setdiff1d(wanted, ids)):
        what = f"{counted(len(lacking), 'neuron')} of {len(wanted):,} lack: {listed(lacking.tolist())}"
        tally.add("neurons-missing", where, what)
    if len(ids) == len(wanted) and not len(unknown) and not len(lacking) and not np.array_equal(ids, wanted):
        at = int(np.flatnonzero(ids != wanted)[0])
        what = f"neuron ids are in another order than the session's: row {at} is {ids[at]}, expected {wanted[at]}"
        tally.add("neurons-order", where, what)
