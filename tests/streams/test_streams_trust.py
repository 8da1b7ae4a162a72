"""Streams: what rests on valid data of chosen trials is known, and what cannot be served is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sensorium_data.errors import BadArgument, NoSuchItem

if TYPE_CHECKING:
    import sensorium_data as sd
from tests.streams.made import streams_of


def test_what_is_served_through_a_lag_never_comes_from_a_trial_that_was_not_chosen(own: sd.Session) -> None:
    tiers = own.trials["tier"].values
    allowed = tiers == "train"
    plain, late = streams_of(own, rate_hz=30), streams_of(own, rate_hz=30, lag_s=0.5)
    assert plain["pupil"].usable(0, 70, allowed)[3:-3].all()
    usable = late["pupil"].usable(0, 70, allowed)
    assert usable[:50].all()
    assert not usable[55:].any()  # 0.5 s later lies in the test trial
    assert not late["video"].usable(0, 70, allowed)[55:].any()
    assert late["pupil"].usable(2, 40, allowed).all()


def test_interpolation_does_not_reach_into_a_trial_that_was_not_chosen(own: sd.Session) -> None:
    # The trial stops at 10/3 s; responses come every 1/8 s, so its last frames lie between a sample of its own and one of the next.
    streams = streams_of(own, rate_hz=30)
    own_only = streams["responses"].usable(0, 70, np.array([True, False, True]))
    both = streams["responses"].usable(0, 70, np.array([True, True, True]))
    assert both.all()
    assert own_only[:67].all()
    assert not own_only[68:].any()
    np.testing.assert_array_equal(streams["responses"].trusted(0, 70, np.array([True, False, True])), own_only)


def test_whole_agrees_with_usable(published: sd.Session) -> None:
    streams = streams_of(published)
    allowed = published.trials["tier"].values == "train"
    for stream in streams.values():
        whole = stream.whole(allowed)
        assert whole is not None
        for row in np.flatnonzero(allowed).tolist():
            assert whole[row] == stream.usable(row, int(streams.n_frames[row]), allowed).all()
            assert stream.trusted(row, int(streams.n_frames[row]), allowed) is None
        assert not whole[~allowed].any()


def test_what_is_valid_is_known_without_reading(own: sd.Session) -> None:
    for options in ({}, {"lag_s": 0.3}, {"method": "mean"}, {"method": "previous"}):
        for stream in streams_of(own, rate_hz=7.7, **options).values():
            out, mask = np.empty((350, *stream.shape), stream.dtype), np.empty(350, np.bool_)
            stream.at(out, mask, Fraction(0), 3)
            np.testing.assert_array_equal(stream.validity(Fraction(0), 3, 350), mask)


@pytest.mark.parametrize("rate_hz", [0, -30, float("nan"), float("inf"), "fast"])
def test_a_rate_that_is_none_is_refused(published: sd.Session, rate_hz: Any) -> None:
    with pytest.raises(BadArgument, match="rate"):
        streams_of(published, rate_hz=rate_hz)


def test_signals_without_a_common_rate_need_one(own: sd.Session) -> None:
    with pytest.raises(BadArgument, match=r"share no rate \(responses 8 Hz, running irregular\)") as caught:
        streams_of(own, names=["responses", "running"])
    assert "rate_hz" in caught.value.hint


def test_unknown_streams_are_answered_with_near_misses(own: sd.Session) -> None:
    with pytest.raises(NoSuchItem) as caught:
        streams_of(own, names=["respones"])
    assert "`responses`" in caught.value.hint
    with pytest.raises(NoSuchItem, match="no stream `pupill`"):
        streams_of(own, lag_s={"pupill": 1})
    with pytest.raises(BadArgument, match="verify"):
        streams_of(own, verify="frist")
