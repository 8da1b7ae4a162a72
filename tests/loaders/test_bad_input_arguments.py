"""What no data could make right is refused when the loader is made, in one line that says what to do."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import sensorium_data as sd
from sensorium_data.errors import BadArgument, NoSuchItem, NotFound, SensoriumError
from sensorium_data.loaders import WindowDataset, make_loader
from sensorium_data.loaders.transforms import official2022, official2023
from sensorium_data.testing import write_sensorium2023
from tests.loaders.conftest import FIRST, SECOND

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loaders.conftest import Mice, Own, Pictures


def refused(
    kind: type[SensoriumError], code: str, said: str, hint: str, sessions: Any, **options: Any
) -> SensoriumError:
    """Make a loader, which must be refused with such a message."""
    with pytest.raises(kind, match=said) as caught:
        make_loader(sessions, **{"window": 9, **options})
    error = caught.value
    assert type(error) is kind
    assert error.code == code
    assert re.search(hint, error.hint), error.hint
    assert "\n" not in error.message
    return error


RATES: dict[str, tuple[Any, str]] = {
    "zero": (0, "rate 0 hertz is not above zero"),
    "negative": (-30, "rate -30 hertz is not above zero"),
    "nan": (math.nan, "rate nan is not a number of hertz"),
    "infinite": (math.inf, "rate inf is not a number of hertz"),
    "word": ("fast", "rate 'fast' is not a number of hertz"),
    "half a fraction": ("30/0", "rate '30/0' is not a number of hertz"),
    "list": ([30], r"rate \[30\] is not a number of hertz"),
    "too fast": (1e12, "rate 1000000000000.0 hertz cannot be kept: times are kept to the nanosecond"),
    "numpy": (np.float32("nan"), "rate .*nan.* is not a number of hertz"),
}


@pytest.mark.parametrize("what", RATES)
def test_rates(mice: Mice, what: str) -> None:
    rate_hz, said = RATES[what]
    refused(BadArgument, "bad-rate", said, "", mice.first, rate_hz=rate_hz)


ARGUMENTS: dict[str, tuple[dict[str, Any], type[SensoriumError], str, str, str]] = {
    "window longer than any trial": (
        {"window": 500}, BadArgument, "window-too-long",
        rf"tier `train`: a window of 500 samples is longer than any trial; the longest has 30 \({FIRST}, trial 0\)",
        "at most 30 samples",
    ),
    "window and burn-in": (
        {"window": 25, "burn_in": 10}, BadArgument, "window-too-long", "after a burn-in of 10", "at most 20 samples"
    ),
    "window zero": ({"window": 0}, BadArgument, "bad-window", 'window: is 0, expected an integer of 1 or more, or "trial"', ""),
    "window half": ({"window": 2.5}, BadArgument, "bad-window", "window: is 2.5, expected an integer", ""),
    "window word": ({"window": "trail"}, BadArgument, "bad-window", "window: is 'trail'", "`trial`"),
    "stride": ({"stride": -1}, BadArgument, "bad-stride", "stride: is -1, expected an integer of 1 or more", ""),
    "stride word": ({"stride": "rand"}, BadArgument, "bad-stride", "stride: is 'rand'", "`random`"),
    "burn-in": ({"burn_in": -2}, BadArgument, "bad-burn-in", "burn_in: is -2, expected an integer of 0 or more", ""),
    "within": ({"within": "segments"}, BadArgument, "bad-within", "within: is 'segments'", "`segment`"),
    "tier": ({"tier": "trian"}, NoSuchItem, "no-such-tier", "no trial has tier `trian`", "did you mean `train`"),
    "one of two tiers": ({"tier": ["train", "orcale"]}, NoSuchItem, "no-such-tier", "`orcale`", "did you mean `oracle`"),
    "column": ({"tier": {"teir": "train"}}, NoSuchItem, "no-such-column", "`teir`", "`tier`"),
    "tier with no trial": ({"tier": "none"}, BadArgument, "no-trials", "tier `none`: 2 trials, none of which is there", ""),
    "condition that nothing meets": (
        {"tier": {"tier": "train", "n_valid": 7}}, BadArgument, "no-trials", "n_valid 7: there is no such trial", ""
    ),
    "signals": ({"signals": ["respones"]}, NoSuchItem, "no-such-stream", "no stream `respones`", "`responses`"),
    "no signals": ({"signals": []}, BadArgument, "no-signals", r"signals is \[\], expected names", "leave signals out"),
    "signals of numbers": ({"signals": [1, 2]}, BadArgument, "no-signals", r"signals is \[1, 2\], expected names", ""),
    "require": ({"require": ["pupill"]}, NoSuchItem, "no-such-stream", "require: no stream `pupill`", "`pupil`"),
    "require what is withheld": (
        {"tier": "live_test_main", "require": ["responses"]}, BadArgument, "stream-absent",
        "stream `responses` is withheld in every chosen trial", "leave `require` out",
    ),
    "mask of trials": ({"trials": {FIRST: [True], SECOND: [True]}}, BadArgument, "bad-windows", "2 problems", ""),
    "method": ({"method": "cubic"}, BadArgument, "no-such-method", "method 'cubic' is unknown", "`linear`"),
    "method of nothing": ({"method": {"pupill": "mean"}}, NoSuchItem, "no-such-stream", "no stream `pupill`", "`pupil`"),
    "lag": ({"lag_s": "soon"}, BadArgument, "bad-lag", "lag 'soon' is not a number of seconds", ""),
    "lag of nothing": ({"lag_s": {"vidoe": 1}}, NoSuchItem, "no-such-stream", "no stream `vidoe`", "`video`"),
    "offsets": ({"offsets_s": {"responses": [0.1]}}, BadArgument, "offsets-length", "1 offsets, expected one for each of its 7", ""),
    "verify": ({"verify": "frist"}, BadArgument, "bad-verify", "verify is 'frist'", "`first`"),
    "dtype": ({"dtype": "float8"}, BadArgument, "bad-argument", "dtype is 'float8'", "float32, float16, bfloat16"),
    "dtype of numpy": ({"dtype": np.float16}, BadArgument, "bad-argument", "dtype is <class 'numpy.float16'>", "float16"),
    "dtype too wide": ({"dtype": torch.float64}, BadArgument, "bad-argument", "dtype is torch.float64", "float32"),
    "transform": ({"transform": 3}, BadArgument, "bad-transform", "transform is 3, expected a function of an item", "compose"),
    "seed": ({"seed": -1}, BadArgument, "bad-seed", "seed: is -1, expected an integer of 0 or more", ""),
    "order": ({"order": "round-robin"}, BadArgument, "bad-argument", "order is 'round-robin'", "`round_robin`"),
    "last step": ({"last_step": "warp"}, BadArgument, "bad-argument", "last_step is 'warp'", "`wrap`"),
    "rank": ({"rank": 2, "world_size": 2}, BadArgument, "bad-argument", "rank is 2 and world_size is 2, expected", ""),
    "rank alone": ({"rank": 0}, BadArgument, "bad-argument", "rank is 0 and world_size is None", "give both"),
    "context": (
        {"multiprocessing_context": "frok"}, BadArgument, "bad-context", "multiprocessing_context is 'frok'", "`fork`"
    ),
    **{
        f"batch_size {value!r}": (
            {"batch_size": value}, BadArgument, "bad-batch-size",
            f"batch_size is {re.escape(repr(value))}, expected an integer of 1 or more", "",
        )
        for value in (0, -1, True, 2.5, "8", None)
    },
    **{
        f"{name} {value!r}": (
            {name: value}, BadArgument, f"bad-{name.replace('_', '-')}",
            f"{name} is {re.escape(repr(value))}, expected an integer of 0 or more", "",
        )
        for name in ("n_threads", "n_ahead", "num_workers")
        for value in (-1, 0.5, False, "2")
    },
}  # fmt: skip


@pytest.mark.parametrize("what", ARGUMENTS)
def test_arguments(mice: Mice, what: str) -> None:
    options, kind, code, said, hint = ARGUMENTS[what]
    refused(kind, code, said, hint, mice.both, **options)


def test_masks_of_trials(mice: Mice) -> None:
    said = f"trials: has no mask for session `{FIRST}`"
    refused(NoSuchItem, "no-such-session", said, "29515-10-21", mice.first, trials={"29515-10-21": [True]})
    said = r"is int64 of shape \(1,\), expected bool of shape \(31,\), one for each row of the trial table"
    refused(BadArgument, "bad-mask", said, "", mice.first, trials={FIRST: [1]})
    said = "the masks leave no trial of what was asked for"
    refused(BadArgument, "no-trials", said, "", mice.first, trials={FIRST: np.zeros(31, np.bool_)})


def test_integers_of_numpy_are_integers(mice: Mice) -> None:
    options: Any = {"window": np.int64(9), "batch_size": np.int64(4), "seed": np.uint8(3), "n_threads": np.int32(1)}
    loader = make_loader(mice.first, **options)
    assert [len(batch["trial_id"]) for batch in loader] == [4, 2]
    assert all(type(value) is not np.int64 for value in loader.state_dict().values())


def test_withheld_responses_alone_are_no_error(mice: Mice) -> None:
    tiers = ["live_test_main", "live_test_bonus", "final_test_main", "final_test_bonus"]
    for tier in tiers:
        assert len(make_loader(mice.both, tier=tier, window=9))


# -- sessions


def test_sessions_that_are_none(mice: Mice, tmp_path: Path) -> None:
    refused(
        NotFound, "no-such-store", r"29515-10-21\.zarr: no such store", FIRST, mice.first.with_name("29515-10-21.zarr")
    )
    refused(BadArgument, "no-sessions", "no session is given", "name session stores", [])
    refused(BadArgument, "no-session", "not by int", "", 3)
    refused(BadArgument, "store-twice", "is given twice", "name each store once", [mice.first, mice.second, mice.first])
    refused(NotFound, "no-match", "matches no session store", "", str(tmp_path / "*.zarr"))
    several = refused(
        NotFound, "not-opened", "2 of 3 sessions cannot be opened", "", [tmp_path / "a", tmp_path / "b", mice.first]
    )
    assert [problem.where for problem in several.problems] == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_one_session_in_two_stores(mice: Mice, tmp_path: Path) -> None:
    sd.convert(mice.sources[0], tmp_path / "again.zarr")
    said = rf"{mice.first} and .*again\.zarr both hold session `{FIRST}`"
    refused(BadArgument, "key-twice", said, "leave one of them out", [mice.first, tmp_path / "again.zarr"])
    selected = sd.open_session(mice.first).select([1])
    refused(BadArgument, "store-twice", "is given twice", "", [mice.first, selected])


def test_neurons_that_are_none(mice: Mice) -> None:
    session = sd.open_session(mice.first)
    ids = session.neurons["unit_id"].values
    with pytest.raises(NoSuchItem, match=rf"{FIRST}: no neuron has unit id 999999 \(1 of 2\)") as caught:
        session.select(unit_ids=[int(ids[0]), 999999])
    assert (caught.value.code, "there are" in caught.value.hint) == ("no-such-neuron", True)
    with pytest.raises(BadArgument, match="neurons 7 outside 7 neurons"):
        session.select(neurons=[7])


def test_sessions_that_do_not_fit(mice: Mice, own: Own, pictures: Pictures, tmp_path: Path) -> None:
    source = write_sensorium2023(tmp_path, name=f"dynamic{SECOND}-Video-x", n_neurons=3, n_train=1, frame_shape=(4, 6))
    sd.convert(source, tmp_path / "small.zarr")
    differ = "sessions-differ"
    said = "the sessions do not fit together"
    shapes = refused(BadArgument, differ, said, r"signals=\[…\]", [mice.first, tmp_path / "small.zarr"])
    assert [str(problem) for problem in shapes.problems] == [
        f"{SECOND}: `video` is ('y', 'x') (4, 6), of {FIRST} ('y', 'x') (6, 9) [stream-shape]"
    ]
    lacking = refused(BadArgument, differ, said, "", [mice.first, own.store])
    assert f"own: has no `gaze`, {FIRST} has (it has video, responses, pupil, running) [stream-missing]" in str(lacking)
    kinds = refused(BadArgument, differ, said, "", [pictures.store, mice.first], window=None)
    assert f"{FIRST}: holds films, others images [modality]" in str(kinds)
    rates = refused(BadArgument, differ, said, "rate_hz=…", [mice.first, own.store], signals=["responses"])
    assert f"own: is served at 8 Hz, {FIRST} at 30 Hz [rate]" in str(rates)
    assert len(make_loader([mice.first, own.store], signals=["responses"], rate_hz=30, window=9))
    assert len(make_loader([mice.first, tmp_path / "small.zarr"], signals=["responses", "pupil"], window=9))


def test_images_have_no_rate_of_their_own(pictures: Pictures) -> None:
    refused(
        BadArgument,
        "rate-static",
        "its trials are images with one sample each",
        "leave rate_hz out",
        pictures.store,
        rate_hz=60,
    )


def test_layouts_of_the_other_kind_are_refused_with_the_first_item(mice: Mice, pictures: Pictures) -> None:
    for store, transform, said in (
        (mice.first, official2022(), r"official2022\(\) is for images"),
        (pictures.store, official2023(), r"official2023\(\) is for films"),
    ):
        dataset = WindowDataset(store, window=1, transform=transform)
        with pytest.raises(BadArgument, match=said) as caught:
            dataset[0]
        assert caught.value.code == "layout-modality"
