"""Several runs at once are the same runs one by one, whatever the way they take: copied, resampled, padded or withheld."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.streams.made import filled, streams_of

if TYPE_CHECKING:
    import sensorium_data as sd

OPTIONS: list[dict[str, Any]] = [{}, {"rate_hz": 30}, {"rate_hz": 12, "lag_s": {"pupil": 0.1, "video": "1/12"}}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("which", ["published", "own"])
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_many_runs_are_the_runs_one_by_one(
    request: pytest.FixtureRequest, which: str, options: dict[str, Any], data: st.DataObject
) -> None:
    session: sd.Session = request.getfixturevalue(which)
    streams = streams_of(session, **({"rate_hz": 30} | options if which == "own" else options))
    n_trials, n = len(streams.n_frames), data.draw(st.integers(1, 60))
    places = data.draw(st.lists(st.tuples(st.integers(0, n_trials - 1), st.integers(0, 60)), min_size=1, max_size=5))
    for stream in streams.values():
        out = np.full((len(places), n, *stream.shape), 77, stream.dtype)
        mask = np.zeros((len(places), n), np.bool_)
        stream.fill_each(out, mask, places)
        for k, (row, first) in enumerate(places):
            values, there = filled(stream, row, first, n)
            np.testing.assert_array_equal(out[k], values, stream.name)
            np.testing.assert_array_equal(mask[k], there, stream.name)


def test_many_images_are_the_images_one_by_one(images: sd.Session) -> None:
    streams = streams_of(images)
    places = [(row, 0) for row in (3, 0, 5, 3)]
    for stream in streams.values():
        out, mask = np.zeros((4, 1, *stream.shape), stream.dtype), np.zeros((4, 1), np.bool_)
        stream.fill_each(out, mask, places)
        for k, (row, first) in enumerate(places):
            values, there = filled(stream, row, first, 1)
            np.testing.assert_array_equal(out[k], values)
            np.testing.assert_array_equal(mask[k], there)


def test_there_is_something_to_announce_until_all_was(published: sd.Session) -> None:
    streams = streams_of(published)
    video = streams["video"]
    assert not video.announced
    for row, n in enumerate(streams.n_frames.tolist()):
        video.prefetch(row, 0, n)
    assert video.announced
    assert streams["pupil"].announced  # in memory, once it is read
