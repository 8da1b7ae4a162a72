"""A lag of whole samples is as good as none: rows are copied, and trials end where they end."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.streams.signals import SignalStream
from tests.streams.made import filled, streams_of

if TYPE_CHECKING:
    from pathlib import Path

ENDS: dict[str, tuple[list[float], list[float]]] = {
    "on the grid": ([1, 4, 7], [4, 7, 9]),
    "rounded": ([1 / 30, 71 / 30, 151 / 30], [71 / 30, 151 / 30, 241 / 30]),
}
ONE = [(samples, form) for samples in (1, 2, 7, -1, -5) for form in ("text", "float", "fraction")]


@pytest.fixture(scope="module", params=list(ENDS))
def thirty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> sd.Session:
    """Every sample is its number: at 30 Hz, at 30 Hz by explicit times, and at 8 Hz; trials back to back."""
    starts, stops = ENDS[request.param]
    lengths = [round((stop - start) * 30) for start, stop in zip(starts, stops, strict=True)]
    folder: Path = tmp_path_factory.mktemp("thirty")
    sd.write_session(
        folder / "own.zarr",
        identity="own",
        signals=[
            sd.SignalData("pupil", np.arange(400.0), unit="px", rate_hz=30),
            sd.SignalData("running", np.arange(400.0), unit="cm/s", times_s=np.round(np.arange(400) / 30, 9)),
            sd.SignalData("gaze", np.arange(110.0), unit="px", rate_hz=8),
        ],
        trials={"start_s": starts, "stop_s": stops, "tier": ["train", "test", "train"], "stimulus": ["a", "b", "c"]},
        stimuli={
            name: np.arange(n, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
            for name, n in zip("abc", lengths, strict=True)
        },
        frame_rate_hz=30,
    )
    return sd.open_session(folder / "own.zarr")


def lag_of(samples: int, form: str) -> Any:
    return {"text": f"{samples}/30", "float": samples / 30, "fraction": Fraction(samples, 30)}[form]


@pytest.mark.parametrize(("samples", "form"), ONE)
def test_rows_are_those_of_that_many_samples_later(thirty: sd.Session, samples: int, form: str) -> None:
    streams = streams_of(thirty, method="previous", lag_s=lag_of(samples, form))
    pupil = streams["pupil"]
    assert isinstance(pupil, SignalStream)
    for row in range(3):
        at = round(streams.start_ns(row) * 30 / 10**9) + samples
        first = max(0, -at)
        for name in ("pupil", "running"):
            out, mask = filled(streams[name], row, first, 40)
            assert out.tolist() == [*range(at + first, at + first + 40)]
            assert mask.all()
        if at >= 0:
            assert pupil._places[row] == (at, 400 - at)  # that it is a copy shows nowhere else


@pytest.mark.parametrize(("samples", "form"), ONE)
def test_no_frame_beyond_a_trial_counts(thirty: sd.Session, samples: int, form: str) -> None:
    """The gaze's sample at or before the last frame is the trial's own all the same: when it is asked for decides."""
    streams, allowed = streams_of(thirty, method="previous", lag_s=lag_of(samples, form)), np.array([True, False, True])
    for row in (0, 2):
        n = int(streams.n_frames[row])
        later = np.arange(n) + samples
        own = (later >= 0) & (later < n)
        for name in ("video", "pupil", "running"):
            np.testing.assert_array_equal(streams[name].usable(row, n, allowed), own, err_msg=name)
        assert not (streams["gaze"].usable(row, n, allowed) & ~own).any()
        assert streams["gaze"].usable(row, n, allowed)[8:-8].all()


@pytest.mark.parametrize(("row", "samples"), [(0, 1), (0, 7), (1, 1), (1, 7), (1, -1), (2, -5)])
def test_a_film_goes_on_with_that_of_the_next_trial(thirty: sd.Session, row: int, samples: int) -> None:
    streams = streams_of(thirty, lag_s=f"{samples}/30")
    lengths = streams.n_frames.tolist()
    everything = np.concatenate([np.arange(length) for length in lengths])
    out, mask = filled(streams["video"], row, 0, lengths[row])
    at = sum(lengths[:row]) + samples
    assert mask.all()
    assert out[:, 0, 0].tolist() == everything[at : at + lengths[row]].tolist()


def test_the_same_lag_however_it_is_said(thirty: sd.Session) -> None:
    options = [
        [stream.options for stream in streams_of(thirty, lag_s=lag_s).values()] for lag_s in ("1/30", 1 / 30, "2/60")
    ]
    assert options[0] == options[1] == options[2]
    assert options[0] != [stream.options for stream in streams_of(thirty, lag_s="0.033333333").values()]
