"""Signals, neurons, dtypes, segments, rates and lags: each changes what it says, and nothing else."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sensorium_data as sd
from sensorium_data.loaders import WindowDataset
from tests.loaders.conftest import FIRST
from tests.loaders.served import differences, same

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.loaders.conftest import Mice, Own, Pictures

STREAMS = ["video", "responses", "pupil", "running", "gaze"]


@pytest.mark.parametrize("signals", [["pupil"], ["responses", "video"], ["gaze", "running"], "video", ("responses",)])
def test_only_what_is_asked_for_is_served_in_that_order(mice: Mice, signals: Sequence[str]) -> None:
    dataset = WindowDataset(mice.both, window=9, stride=7, signals=signals)
    names = [signals] if isinstance(signals, str) else list(signals)
    for i, window in enumerate(dataset.windows):
        wanted = mice.by_hand.window(window, names=names)
        tensors = {name: wanted.pop(name) for name in names}
        masks = wanted.pop("mask")
        assert same(dataset[i], {**tensors, "mask": {name: masks[name] for name in names}, **wanted})


def test_names_of_signals_may_come_from_an_iterator(mice: Mice) -> None:
    dataset = WindowDataset(mice.both, window=9, signals=iter(["pupil", "video"]))
    assert [list(streams) for streams in dataset.streams] == [["pupil", "video"]] * 2


@pytest.mark.parametrize("rows", [[5, 0, 3], [6], slice(2, 5), [0, 1, 2, 3, 4, 5, 6]])
def test_selected_neurons_come_in_their_order(mice: Mice, rows: Any) -> None:
    session = sd.open_session(mice.first)
    dataset = WindowDataset(session.select(rows), window=9, stride=7, tier=None)
    assert dataset.windows == WindowDataset(session, window=9, stride=7, tier=None).windows
    for i, window in enumerate(dataset.windows):
        wanted = mice.by_hand.window(window)
        wanted["responses"] = wanted["responses"][:, np.arange(7)[rows]]
        assert same(dataset[i], wanted)


def test_selected_neurons_of_images(pictures: Pictures) -> None:
    session = sd.open_session(pictures.store)
    dataset, everything = WindowDataset(session.select([4, 1])), WindowDataset(session)
    assert same(dataset[3], everything[3] | {"responses": everything[3]["responses"][[4, 1]]})


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", torch.float16, torch.bfloat16])
@pytest.mark.parametrize("window", [9, "trial"])
def test_floating_streams_are_cast_by_torch_and_films_stay(mice: Mice, dtype: Any, window: Any) -> None:
    dataset = WindowDataset(mice.both, window=window, tier=None, stride=None if window == "trial" else 5, dtype=dtype)
    to = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    n = max(one.n_samples for one in dataset.windows)
    for start in range(0, len(dataset), 6):
        indices = range(start, min(start + 6, len(dataset)))
        longest = max(dataset.windows[i].n_samples for i in indices)
        for i, item in zip(indices, dataset.__getitems__(list(indices)), strict=True):
            wanted = mice.by_hand.window(dataset.windows[i], longest)
            wanted |= {name: wanted[name].to(to) for name in STREAMS if wanted[name].is_floating_point()}
            assert differences(item, wanted) == []
    assert n >= 9


def test_sessions_of_two_precisions_fit_and_a_transform_sees_what_is_stored(mice: Mice, tmp_path: Path) -> None:
    sd.convert(mice.sources[0], tmp_path / "exact.zarr", precision="source")
    both = WindowDataset([tmp_path / "exact.zarr", mice.second], window=9)
    assert both[0]["responses"].dtype == both[len(both) - 1]["responses"].dtype == torch.float32
    assert same(both[0], WindowDataset(mice.first, window=9)[0])
    seen = WindowDataset(
        [tmp_path / "exact.zarr", mice.second], window=9, transform=lambda item: item["responses"].dtype
    )
    assert {seen[0], seen[len(seen) - 1]} == {torch.float64, torch.float32}
    assert WindowDataset(tmp_path / "exact.zarr", window=9, dtype="float16")[0]["pupil"].dtype == torch.float16


def test_windows_go_on_into_the_next_trial_of_a_segment(mice: Mice) -> None:
    dataset = WindowDataset(mice.first, tier=None, window=35, stride=7, within="segment", require=["video"])
    table = mice.by_hand.sessions[FIRST].handle.trials
    order = table["trial_id"].tolist()
    over = 0
    for i, window in enumerate(dataset.windows):
        row = order.index(window.trial_id)
        parts, left = [], window.start_frame + 35
        while left > 0:
            whole = window._replace(trial_id=order[row], start_frame=0, n_samples=int(table["n_valid"][row]))
            parts.append(mice.by_hand.window(whole))
            left -= whole.n_samples
            assert left <= 0 or table["tier"][row + 1] == table["tier"][row]
            row += 1
        over += len(parts) > 1
        cut = slice(window.start_frame, window.start_frame + 35)
        item = dataset[i]
        for name in STREAMS:
            assert same(item[name], torch.cat([part[name] for part in parts])[cut])
            assert same(item["mask"][name], torch.cat([part["mask"][name] for part in parts])[cut])
    assert over > 1


# -- clocks of their own


@pytest.mark.parametrize("lag_s", [0, 0.1, -0.25, "1/3", "-1/29"])
@pytest.mark.parametrize("method", ["linear", "previous", "nearest", "mean"])
@pytest.mark.parametrize("rate_hz", [20, 30, 7.7, "1000/33"])
def test_items_are_what_resample_gives(own: Own, rate_hz: Any, method: Any, lag_s: Any) -> None:
    options: Any = {"rate_hz": rate_hz, "method": {"responses": method, "running": method}, "lag_s": {"pupil": lag_s}}
    dataset = WindowDataset(own.training, window=13, stride=8, require=["video"], **options)
    session = sd.open_session(own.training)
    streams = dataset.streams[0]
    cut: dict[int, Any] = {}
    for i, window in enumerate(dataset.windows):
        row = window.trial_id
        if row not in cut:
            ends = (float(session.trials["start_s"][row]), float(session.trials["stop_s"][row]))
            cut[row] = session.resample(window=ends, **options).load()
        part = cut[row].isel(time=slice(window.start_frame, window.start_frame + 13))
        item = dataset[i]
        for name in streams:
            values, known = part[name].to_numpy(), part[f"mask_{name}"].to_numpy()
            lag = Fraction(str(lag_s))
            if name == "pupil" and lag:  # what lies before the first trial or behind the last is not served
                times = [streams.start_ns(row, window.start_frame + k) / 10**9 + lag for k in range(13)]
                outside = ~np.array([1 <= time < 11 for time in times])
                values[outside], known[outside] = np.nan, False
            np.testing.assert_array_equal(item["mask"][name], known, err_msg=name)
            np.testing.assert_array_equal(item[name], values, err_msg=name)
    assert len(cut) == 4


def test_a_film_that_is_a_frame_longer_than_its_trial_ends_with_it(own: Own) -> None:
    """In a segment the next trial's film begins where the trial stops."""
    dataset = WindowDataset(own.store, tier="train", window=20, stride=1, within="segment", require=["video"])
    (at,) = (i for i, w in enumerate(dataset.windows) if (w.trial_id, w.start_frame) == (0, 70))
    item = dataset[at]
    assert item["video"][:, 0, 0].tolist() == [1] * 10 + [2] * 10
    assert item["mask"]["video"].all()


@given(
    rate_hz=st.sampled_from([None, 20, 30, 7.7, 100]),
    method=st.sampled_from(["linear", "previous", "nearest", "mean"]),
    lag_s=st.sampled_from([0, 0.2, -0.2, 0.7, "1/30", "-2/7"]),
    lagged=st.sets(st.sampled_from(["video", "responses", "pupil", "running"])),
    require=st.sampled_from([None, ["video"], ["responses"], []]),
    window=st.sampled_from([4, 15, "trial"]),
    within=st.sampled_from(["trial", "segment"]),
)
@settings(deadline=None, max_examples=40)
def test_nothing_of_a_test_trial_reaches_a_training_window(
    own: Own, rate_hz: Any, method: Any, lag_s: Any, lagged: set[str], require: Any, window: Any, within: Any
) -> None:
    """Two recordings that differ in their test trial alone give the same training windows, to the bit."""
    if window == "trial":
        within = "trial"
    lags = dict.fromkeys(lagged, lag_s)
    options: Any = {"rate_hz": rate_hz, "method": method, "lag_s": lags, "window": window, "within": within}
    if window != "trial":
        options["stride"] = 3
    try:
        one = WindowDataset(own.store, require=require, **options)
    except sd.errors.BadArgument:  # means of a slow signal at a fast rate
        with pytest.raises(sd.errors.BadArgument, match="none of 3 trials has a"):
            WindowDataset(own.other, require=require, **options)
        return
    other = WindowDataset(own.other, require=require, **options)
    assert one.windows == other.windows
    assert [what for i in range(len(one)) for what in differences(one[i], other[i], str(one.windows[i]))] == []


def test_the_two_recordings_differ_in_their_test_trial(own: Own) -> None:
    one, other = (WindowDataset(store, tier="live_test_main", window=10) for store in (own.store, own.other))
    for name in one.streams[0]:
        assert not same(one[0][name], other[0][name])
