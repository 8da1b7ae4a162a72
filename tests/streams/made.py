"""Recordings of one's own for the tests of streams, and how they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import sensorium_data as sd
from sensorium_data.streams import Stream, Streams, open_streams

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def write_own(target: Path) -> sd.Session:
    """Responses at 8 Hz with a gap, jittered running, films at 30 Hz in three trials, the middle one of a test tier."""
    rng = np.random.default_rng(0)
    sd.write_session(
        target,
        identity="own",
        signals=[
            sd.SignalData(
                "responses",
                rng.normal(size=(320, 3)).astype(np.float32),
                unit="1",
                rate_hz=8,
                runs=[(0, 160), (25, 160)],
            ),
            sd.SignalData("pupil", rng.normal(size=900), unit="px", rate_hz=20, start_s=0.013),
            sd.SignalData("running", rng.normal(size=500), unit="cm/s", times_s=np.sort(rng.uniform(0, 45, 500))),
        ],
        trials={
            "start_s": [1, 10 / 3, 6],
            "stop_s": [10 / 3, 6, 9],
            "tier": ["train", "live_test_main", "train"],
            "stimulus": ["a", "b", "c"],
        },
        stimuli={name: rng.integers(0, 255, (n, 4, 6), np.uint8) for name, n in (("a", 70), ("b", 60), ("c", 90))},
        frame_rate_hz=30,
    )
    return sd.open_session(target)


def filled(stream: Stream, row: int, first: int, n: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    out, mask = np.zeros((n, *stream.shape), stream.dtype), np.zeros(n, np.bool_)
    stream.fill(out, mask, row, first)
    return out, mask


def streams_of(session: sd.Session, **options: Any) -> Streams:
    return open_streams(session.handle, **options)
