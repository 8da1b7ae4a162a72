"""Views that people made of sessions, through the same loaders: the same numbers as of the sessions themselves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.errors import SlowReadWarning
from sensorium_data.loaders import WindowDataset, WindowLoader
from sensorium_data.windows import Window
from tests.loaders.served import copied, differences, names_of, same

if TYPE_CHECKING:
    from tests.loaders.conftest import Mice

STREAMS = ("video", "responses", "pupil", "running", "gaze")


def dataset_of(views: list[Any], **options: Any) -> WindowDataset:
    with pytest.warns(SlowReadWarning, match="13 to 54 times the cost"):
        return WindowDataset.from_views(views, window=9, require=["video"], **options)


def test_batches_of_views_are_what_the_trials_hold(mice: Mice) -> None:
    sessions = mice.by_hand.sessions
    dataset = dataset_of([each.resample(30) for each in sessions.values()], stride=5)
    n_seen = dict.fromkeys(sessions, 0)
    for batch in WindowLoader(dataset, batch_size=4, shuffle=True, order="proportional"):
        for row, (key, _, frame) in enumerate(names_of(batch)):
            table = sessions[key].handle.trials
            tick = frame + int(table["start"][0])
            (at,) = np.flatnonzero((table["start"] <= tick) & (tick < table["stop"]))
            if tick + 9 > table["stop"][at]:
                continue  # it goes on into another trial
            window = Window(key, int(table["trial_id"][at]), tick - int(table["start"][at]), 0.0, 9)
            item = mice.by_hand.window(window)
            for name in STREAMS:
                assert same(batch[name][row], item[name])
                assert same(batch["mask"][name][row], item["mask"][name])
            n_seen[key] += 1
    assert min(n_seen.values()) > 20


def test_what_people_made_of_a_session_is_what_is_served(mice: Mice) -> None:
    plain = next(iter(mice.by_hand.sessions.values())).resample(30)
    doubled = plain.assign(pupil=plain["pupil"] * 2).drop_vars("gaze")
    one, other = (WindowLoader(dataset_of([view], stride=7, seed=3), batch_size=5) for view in (plain, doubled))
    n_batches = 0
    for batch, twice in zip(one, other, strict=True):
        assert same(twice["pupil"], batch["pupil"] * 2)
        assert "gaze" not in twice
        assert all(same(twice[name], batch[name]) for name in ("video", "responses", "running"))
        n_batches += 1
    assert n_batches > 5


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_views_by_threads_and_by_workers(mice: Mice) -> None:
    dataset = dataset_of([each.resample(24) for each in mice.by_hand.sessions.values()], seed=3)
    options: Any = {"batch_size": 3, "order": "mixed", "seed": 1, "multiprocessing_context": "fork"}
    wanted = copied(WindowLoader(dataset, n_threads=0, **options))
    for more in ({"n_threads": 3, "n_ahead": 3}, {"num_workers": 2}):
        assert differences(copied(WindowLoader(dataset, **{**options, **more})), wanted) == []
