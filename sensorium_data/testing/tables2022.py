"""The tables of a recording of images: its neurons, and its trials under names of their own for each kind of picture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from sensorium_data.testing.plan2022 import Presentation, Schedule
    from sensorium_data.testing.traces import Neurons

__all__ = ["write_neurons", "write_trials"]

BEGIN = np.datetime64("2022-01-07T10:00:00")  # of the recording; a presentation takes about a second
NO_ID = -1
TRIAL_IDX, CONDITION = 4, 5  # what a seed is for, after those of the writer


def write_neurons(session: Path, schedule: Schedule, neurons: Neurons, *, as_text: bool) -> None:
    """Write `meta/neurons`.

    Parameters
    ----------
    session : Path
        The recording. Animal, session and scan are those in its name, or those of its kind.
    schedule : Schedule
    neurons : Neurons
    as_text : bool
        Write the numbers of animal, session and scan as strings.
    """
    n = len(neurons.unit_ids)
    # Nine digits: what is longer is no animal, and would not fit the numbers of every machine.
    match = re.match(r"static(\d{1,9}-\d{1,9}-\d{1,9})(?:-|$)", session.name, re.ASCII)
    key = np.array((match[1] if match else schedule.published.key).split("-"))
    animal, recorded, scan = key if as_text else key.astype(np.int64)
    tables = {
        "unit_ids": neurons.unit_ids,
        "cell_motor_coordinates": neurons.coordinates,
        "animal_ids": np.full(n, animal),
        "sessions": np.full(n, recorded),
        "scan_idx": np.full(n, scan),
        "area": np.full(n, "V1"),
        "layer": np.full(n, "L2/3"),
    }
    _save(session / "meta" / "neurons", tables)


def write_trials(session: Path, schedule: Schedule, plan: Sequence[Presentation], *, with_conditions: bool) -> None:
    """Write `meta/trials`.

    Parameters
    ----------
    session : Path
        The recording.
    schedule : Schedule
    plan : sequence of Presentation
        Its trials.
    with_conditions : bool
        Write `condition_hash` too.
    """
    prefix, ids = schedule.published.prefix, [shown.truth.image_id for shown in plan]
    presented = np.array([shown.presented for shown in plan], np.int64)
    times = np.char.replace(np.datetime_as_string(BEGIN + presented), "T", " ")
    tables = {
        "tiers": np.array([shown.truth.tier for shown in plan]),
        "trial_idx": presented,
        f"{prefix}_image_class": np.full(len(plan), "imagenet"),
        f"{prefix}_trial_ts": np.array([f"Timestamp('{time}')" for time in times]),
    }
    if schedule.published.hides_responses:
        tables["trial_idx"] = np.array([_hash(schedule.seed, TRIAL_IDX, number) for number in presented.tolist()])
    if schedule.image_ids != "absent":
        tables[f"{prefix}_image_id"] = np.array([NO_ID if each is None else each for each in ids], np.int64)
    if with_conditions:
        tables["condition_hash"] = np.array([_hash(schedule.seed, CONDITION, shown.number) for shown in plan])
    _save(session / "meta" / "trials", tables)


def _hash(*what: int) -> str:
    """Return 32 hexadecimal digits that look like a digest and tell nothing."""
    return np.random.default_rng(what).bytes(16).hex()


def _save(folder: Path, tables: Mapping[str, NDArray[Any]]) -> None:
    folder.mkdir(parents=True)
    for name, values in tables.items():
        np.save(folder / f"{name}.npy", values)
