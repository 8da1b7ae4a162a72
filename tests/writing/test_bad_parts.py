"""What else a lab may get wrong: tables, films, the recording as a whole; everything is said at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest

from sensorium_data.schemas import Identity, Licence
from tests.writing.spoilt import TEN, pupil, refused, responses

if TYPE_CHECKING:
    from pathlib import Path

FIVE = {"start_s": np.arange(5.0), "stop_s": np.arange(5.0) + 0.5}
FILM = np.zeros((4, 6, 8), np.uint8)
SHOWN = {**FIVE, "stimulus": ["a", "a", "b", "", "a"]}
PARTS: list[tuple[dict[str, Any], str, str]] = [
    # identity, licence, citations
    ({"identity": ""}, "identity-invalid @ identity", "at least 1 character"),
    ({"identity": "m" * 256}, "identity-invalid @ identity", "at most 255 characters"),
    ({"identity": 7}, "identity-invalid @ identity", "is int, expected text or Identity"),
    ({"identity": "m\ud800"}, "identity-invalid @ identity", "m\\ud800"),
    ({"identity": Identity(key="m", name="m", modality="dynamic", animal_id="\ud800")}, "text @ identity", "no Unicode"),
    ({"citations": ["\ud800"]}, "citation-invalid @ citation", "\\ud800"),
    ({"licence": Licence(name="MIT", url="\ud800")}, "text @ licence", "no Unicode"),
    ({"licence": ""}, "licence-invalid @ licence", "at least 1 character"),
    ({"citations": [""]}, "citation-invalid @ citation", "at least 1 character"),
    ({"citations": "Park et al."}, "citation-invalid @ citations", "is str, expected a list"),
    ({"citations": [3]}, "citation-invalid @ citation", "is int, expected text"),
    # signals as a whole
    ({"signals": []}, "no-signals @ signals", "one signal at least"),
    ({"signals": responses()}, "no-signals @ signals", "is SignalData, expected a list of SignalData"),
    ({"signals": {"responses": TEN}}, "no-signals @ signals", "is dict"),
    ({"signals": [responses(), TEN]}, "no-signals @ signals", "expected a list of SignalData"),
    ({"signals": [pupil(), pupil()]}, "duplicate-signal @ signal `pupil`", "is given 2 times"),
    ({"signals": [responses(), pupil(np.ones((10, 2)), name="spikes", dims=("time", "neuron"))]},
     "length-mismatch @ signals", "differing numbers of neurons: `responses` 3, `spikes` 2"),
    ({"signals": [pupil(name="eye"), pupil(np.ones((10, 1)), dims=("time", "eye"), channels=["a"])]},
     "dims @ signal `pupil`", "one of them named as a signal is"),
    # neurons
    ({"neurons": {"x": [1, 2]}}, "length-mismatch @ neurons", "has 2 rows, the signals have 3 neurons"),
    ({"neurons": {"x": [1, 2, 3], "y": [1, 2]}}, "length-mismatch @ neurons", "differing length: x 3, y 2"),
    ({"neurons": {"unit_id": [1, 2, 2]}}, "duplicate-unit-id @ neurons.unit_id", "names 1 units more than once: [2]"),
    ({"neurons": {"unit_id": [1.5, 2, 3]}}, "column-type @ neurons.unit_id", "float64 of shape (3,), expected whole"),
    ({"neurons": {"unit_id": ["a", "b", "c"]}}, "column-type @ neurons.unit_id", "expected whole numbers"),
    ({"neurons": {"area": [1, 2, 3]}}, "column-type @ neurons.area", "expected text"),
    ({"neurons": {"x": np.ones((3, 2))}}, "column-type @ neurons.x", "expected numbers, one a neuron"),
    ({"neurons": {"x": [1, np.inf, 2]}}, "infinite @ neurons.x", "allow_nan=True lets them in"),
    ({"neurons": {"layer": ["L2/3", None, "L5"]}}, "object-dtype @ neurons.layer", "missing text is written ''"),
    ({"neurons": {"roi": [[1], [2, 3], [4]]}}, "object-dtype @ neurons.roi", "rows of differing shape"),
    ({"neurons": {"roi": [{}, {}, {}]}}, "object-dtype @ neurons.roi", "Python objects (dict)"),
    ({"neurons": {"roi": np.ones(3, complex)}}, "object-dtype @ neurons.roi", "holds complex128"),
    ({"neurons": {"mouse": "A"}}, "length-mismatch @ neurons.mouse", "is one value, expected one a row"),
    ({"neurons": {"../x": [1, 2, 3]}}, "column-name @ neurons.../x", "no name that a folder can have"),
    ({"neurons": {"": [1, 2, 3]}}, "column-name @ neurons.", "no name that a folder can have"),
    ({"neurons": {1: [1, 2, 3], "1": [1, 2, 3]}}, "column-name @ neurons.1", "is given twice"),
    ({"neurons": {"é" * 200: [1, 2, 3]}}, f"column-name @ neurons.{'é' * 200}", "a name of 400 bytes, a folder's has at most 255"),
    ({"neurons": {"\ud800": [1, 2, 3]}}, "column-name @ neurons.\\ud800", "a name with text that is no Unicode"),
    ({"neurons": {"area": ["V1", "\ud800", "\udfff"]}}, "text @ neurons.area", "in 2 rows, the first 1"),
    ({"neurons": {"area": np.array([*map(ord, "abc"), 0x110000], np.uint32)[[0, 3, 1]].view("U1")}}, "text @ neurons.area",
     "in 1 rows, the first 1"),
    ({"neurons": {"area": np.array([["a", "b\ud800"]] * 3, ">U4")}}, "text @ neurons.area", "in 3 rows, the first 0"),
    ({"neurons": {"neuron": np.zeros((3, 2))}}, "column-name @ neurons.neuron", "a name of the store's own"),
    ({"neurons": {"roi": np.zeros((3, 2)), "roi_axis_1": [1, 2, 3]}}, "column-name @ neurons.roi_axis_1",
     "as the second axis of `roi` will be"),
    ({"neurons": {"x": np.ma.masked_less([1, 2, 3], 2)}}, "masked-array @ neurons.x", "whose mask would be lost"),
    ({"neurons": {"x": da.ma.masked_less(da.from_array(TEN[:3]), 2)}}, "masked-array @ neurons.x", "filled(numpy.nan)"),
    ({"neurons": [1, 2, 3]}, "no-table @ neurons", "are list, expected columns by name"),
    # trials
    ({"trials": {"start_s": [0, 1]}}, "trial-times @ trials.stop_s", "is missing"),
    ({"trials": {"start_s": np.ma.masked_less([0, 1], 1), "stop_s": [1, 2]}}, "masked-array @ trials.start_s", "lost"),
    ({"trials": {**FIVE, "reward": np.ma.masked_less(TEN[:5], 1)}}, "masked-array @ trials.reward", "lost"),
    ({"trials": {**FIVE, "stimulus": ["\ud800"] * 5}}, "text @ trials.stimulus", "in 5 rows, the first 0"),
    ({"trials": {**FIVE, "trial": np.zeros((5, 2))}}, "column-name @ trials.trial", "a name of the store's own"),
    ({"trials": {"tier": ["train"]}}, "trial-times @ trials.start_s", "trials have start_s and stop_s, in seconds"),
    ({"trials": {"start_s": [0, 1], "stop_s": [1]}}, "length-mismatch @ trials", "start_s 2, stop_s 1"),
    ({"trials": {"start_s": [0, 1], "stop_s": [1, 1]}}, "times-go-back @ trials.stop_s", "in rows [1]"),
    ({"trials": {"start_s": [0, 1], "stop_s": [1.5, 2]}}, "times-go-back @ trials.start_s",
     "row 1 starts at 1 s, before row 0 stops at 1.5 s (1 such places); trials are in order"),
    ({"trials": {"start_s": [3, 1], "stop_s": [4, 2]}}, "times-go-back @ trials.start_s", "do not overlap"),
    ({"trials": {"start_s": [0, np.nan], "stop_s": [1, 2]}}, "bad-time @ trials.start_s", "the first in row 1"),
    ({"trials": {"start_s": [0, 1e12], "stop_s": [1, 2e12]}}, "bad-time @ trials.start_s", "are these seconds?"),
    ({"trials": {"start_s": ["0"], "stop_s": ["1"]}}, "bad-time @ trials.start_s", "expected seconds as numbers"),
    ({"trials": {"start_s": [[0]], "stop_s": [[1]]}}, "column-type @ trials.start_s", "expected one value a trial"),
    ({"trials": {**FIVE, "trial_id": [0, 1, 2, 3, 3]}}, "trial-number @ trials.trial_id", "names [3] more than once"),
    ({"trials": {**FIVE, "trial_id": [-1, 0, 1, 2, 3]}}, "trial-number @ trials.trial_id", "holds -1 to 3"),
    ({"trials": {**FIVE, "trial_id": TEN[:5]}}, "trial-number @ trials.trial_id", "holds float64"),
    ({"trials": {**FIVE, "trial_id": np.full(5, 2**63, np.uint64)}}, "trial-number @ trials.trial_id", "9223372036854775808"),
    ({"trials": {**FIVE, "tier": ["trian"] * 5}}, "unknown-tier @ trials.tier", "did you mean `train`?"),
    ({"trials": {**FIVE, "tier": ["a"] * 5}}, "unknown-tier @ trials.tier", "say in a column `role`"),
    ({"trials": {**FIVE, "tier": [""] * 5}}, "tier-missing @ trials.tier", "is empty or too long"),
    ({"trials": {**FIVE, "tier": ["a" * 256] * 5, "role": ["test"] * 5}}, "tier-missing @ trials.tier", "too long"),
    ({"trials": {**FIVE, "role": ["training"] * 5}}, "unknown-role @ trials.role",
     "holds `training`, expected train, validation, test, none"),
    ({"trials": {**FIVE, "tier": ["a"] * 5, "role": ["train", "test", *["test"] * 3]}}, "roles-differ @ trials.role",
     "tier `a` has roles test, train"),
    ({"trials": {**FIVE, "segment": range(5)}}, "column-name @ trials.segment", "a name of the store's own"),
    ({"trials": [(0, 1)]}, "no-table @ trials", "are list, expected columns by name"),
    # films
    ({"trials": SHOWN, "stimuli": {"a": FILM}, "frame_rate_hz": 8}, "unknown-stimulus @ trials.stimulus[2]",
     "`b` is not among the stimuli; known: `a`"),
    ({"trials": {**FIVE, "stimulus": ["gratng"] * 5}, "stimuli": {"grating": FILM}, "frame_rate_hz": 8},
     "unknown-stimulus @ trials.stimulus[0] and 4 more", "did you mean `grating`?"),
    ({"trials": SHOWN, "stimuli": {"a": FILM, "b": FILM}, "frame_rate_hz": 5}, "film-too-long @ trials.stimulus[0] and 2 more",
     "`a` lasts 0.8 s (4 frames at 5 Hz), a trial that shows it 0.5 s"),
    ({"stimuli": {"a": FILM}}, "frame-rate-missing @ stimuli", "frame_rate_hz says how fast"),
    ({"stimuli": {"a": FILM}, "frame_rate_hz": "?"}, "bad-rate @ frame_rate_hz", "not a number of hertz"),
    ({"stimuli": {"a": FILM, "b": FILM[:, 1:]}, "frame_rate_hz": 8}, "frame-size @ stimuli", "`a` (6, 8), `b` (5, 8)"),
    ({"stimuli": {"a": FILM, "b": FILM[:, None]}, "frame_rate_hz": 8}, "frame-size @ stimuli", "differing size"),
    ({"stimuli": {"a": FILM[:0]}, "frame_rate_hz": 8}, "dims @ stimuli.a", "has shape (0, 6, 8), expected (y, x)"),
    ({"stimuli": {"a": TEN}}, "dims @ stimuli.a", "has shape (10,)"),
    ({"stimuli": {"a": "clip.mp4"}}, "dtype @ stimuli.a", "holds str, expected an array of numbers"),
    ({"stimuli": {"a": FILM > 0}, "frame_rate_hz": 8}, "dtype @ stimuli.a", "holds bool"),
    ({"stimuli": {"a": np.full((6, 8), np.nan)}}, "nan-in-valid @ stimuli.a", "NaN or infinite"),
    ({"stimuli": {"a": np.full((6, 8), 1e39)}}, "overflow @ stimuli.a", 'too large for float32; precision="source"'),
    ({"stimuli": {"": FILM}, "frame_rate_hz": 8}, "stimulus-name @ stimuli.", "has no name"),
    ({"stimuli": {1: FILM, "1": FILM}, "frame_rate_hz": 8}, "stimulus-name @ stimuli.1", "that of another one"),
    ({"stimuli": {"\ud800": FILM}, "frame_rate_hz": 8}, "text @ stimuli.\\ud800", "a name with text that is no Unicode"),
    ({"stimuli": {"a": np.ma.masked_less(FILM[0], 3)}}, "masked-array @ stimuli.a", "whose mask would be lost"),
    ({"trials": FIVE, "frame_rate_hz": 8}, "frame-rate-alone @ frame_rate_hz", "without stimuli"),
    ({"stimuli": {}, "frame_rate_hz": 8}, "frame-rate-alone @ frame_rate_hz", "leave it out"),
    ({"stimuli": [FILM], "frame_rate_hz": 8}, "no-table @ stimuli", "are list, expected films or images by name"),
    # images, one sample a trial
    ({"identity": Identity(key="m", name="m", modality="static"), "trials": FIVE}, "static-samples @ signal `responses`",
     "has 4 samples in the trial of row 0 (5 such trials)"),
    ({"identity": Identity(key="m", name="m", modality="static"), "stimuli": {"a": FILM}, "frame_rate_hz": 8},
     "static-film @ stimuli", "are films"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "where", "said"), PARTS, ids=[f"{where}-{i}" for i, (_, where, _) in enumerate(PARTS)]
)
def test_a_part_is_refused(tmp_path: Path, given: dict[str, Any], where: str, said: str) -> None:
    found = refused(tmp_path, **given)
    assert where in found, found
    assert said in found[where]
    assert all(text.isprintable() for text in found.values())
    # What follows from one mistake is not said of other parts.
    place = where.partition(" @ ")[2].partition(".")[0]
    assert all(other.split(" @ ")[1].startswith(place) for other in found), found


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    found = refused(
        tmp_path,
        identity="",
        signals=[
            responses(times_s=TEN),
            pupil(np.ones((10, 2)), unit=None, runs=[(0, 3)]),
            pupil(name="Pupil", rate_hz=0),
        ],
        neurons={"unit_id": [1, 1]},
        trials={"start_s": [0, 1], "stop_s": [2, 2], "tier": ["training", "train"]},
        stimuli={"a": FILM},
        licence="",
        citations=["", "Park"],
    )
    assert {key.split(" @ ")[0] for key in found} == {
        "identity-invalid", "clock-missing", "unit-missing", "channel-names", "clock-length", "signal-name", "bad-rate",
        "duplicate-unit-id", "times-go-back", "unknown-tier", "frame-rate-missing", "licence-invalid", "citation-invalid",
    }  # fmt: skip
