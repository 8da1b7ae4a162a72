"""What no submission is made of: everything that is wrong is named, and nothing is left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
import pytest

from sensorium_data.errors import BadArgument, DataInvalid, StorageFailed, TargetExists
from sensorium_data.evaluation.submissions.plan import plan_submission
from sensorium_data.evaluation.submissions.writing import write_submission
from sensorium_data.testing import make_session
from tests.evaluation.submitted import MAIN, NEW, Mice, made_once, predictions, trials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sensorium_data.evaluation import TrialPrediction

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Mice:
    return made_once(tmp_path_factory)


def _with(made: TrialPrediction, frame: int, value: float) -> TrialPrediction:
    values = made.values.astype(np.float64)
    values[frame - made.first_frame, 2] = value
    return replace(made, values=values)


def _columns(made: TrialPrediction, columns: Sequence[int]) -> TrialPrediction:
    return replace(made, values=made.values[:, columns], unit_ids=made.unit_ids[columns])


Fault = dict[str, tuple[str, str, "Callable[[TrialPrediction], Sequence[TrialPrediction]]"]]
FAULTS: Fault = {
    "missing": ("trials-missing", "1 trial not predicted: {trial}", lambda _: []),
    "twice": ("trial-twice", "is predicted twice", lambda p: [p, p]),
    "late": (
        "frames-late",
        "begins with frame 51, expected 50 or before",
        lambda p: [replace(p, values=p.values[33:], first_frame=51)],
    ),
    "short": (
        "frames-lacking",
        "ends before frame 58, expected 59 or later",
        lambda p: [replace(p, values=p.values[:-2])],
    ),
    "nan": ("not-finite", "1 NaN within frames [50, 59)", lambda p: [_with(p, 50, np.nan)]),
    "infinite": ("not-finite", "1 infinite within frames [50, 59)", lambda p: [_with(p, 58, -np.inf)]),
    "too large": ("no-precision", "1 infinite once scaled", lambda p: [_with(p, 55, 1e300)]),
    "unknown neuron": (
        "neurons-unknown",
        "the session has no unit ids 99",
        lambda p: [replace(p, unit_ids=np.append(p.unit_ids[:-1], 99))],
    ),
    "neurons": ("neurons-missing", "2 neurons of the session lack", lambda p: [_columns(p, [0, 1, 4])]),
    "neuron twice": ("neurons-twice", "come twice", lambda p: [_columns(p, [0, 1, 2, 3, 4, 0])]),
    "no such trial": (
        "trial-unknown",
        "the session has no such trial",
        lambda p: [p, replace(p, trial_id=10_000)],
    ),
    "no such session": (
        "trial-unknown",
        f"no such session was given; did you mean `{NEW}`?",
        lambda p: [p, replace(p, session="29515-10-13")],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_named_and_nothing_written(mice: Mice, tmp_path: Path, fault: str) -> None:
    code, what, spoilt = FAULTS[fault]
    made = list(predictions([mice.new], MAIN))
    wrong = [*made[:1], *spoilt(made[1]), *made[2:]]
    with pytest.raises(DataInvalid) as refused:
        write_submission(tmp_path / "main.zip", wrong, mice.new, track="main")
    found = [(each.code, each.what) for each in refused.value.problems]
    assert code in [each for each, _ in found]
    assert any(what.format(trial=made[1].trial_id) in each for _, each in found)
    # What has another name is not missed under its own; what is spoilt is not said to be missing as well.
    assert len(found) == (2 if fault == "unknown neuron" else 1)
    assert list(tmp_path.iterdir()) == []


def test_trials_of_other_tiers_are_named(mice: Mice, tmp_path: Path) -> None:
    made = predictions([mice.new], [*MAIN, "oracle"])
    with pytest.raises(DataInvalid, match="is of tier oracle, expected live_test_main, final_test_main"):
        write_submission(tmp_path / "main.zip", made, mice.new, track="main")


def test_all_faults_are_named_at_once(mice: Mice, tmp_path: Path) -> None:
    made = list(predictions(mice.films, MAIN))
    made[0], made[2] = _with(made[0], 52, np.nan), replace(made[2], values=made[2].values[33:], first_frame=51)
    left = {(each.session, each.trial_id) for each in made} - {(made[4].session, made[4].trial_id)}
    wrong = [each for each in made if (each.session, each.trial_id) in left]
    with pytest.raises(DataInvalid, match="was not written: 3 problems") as refused:
        write_submission(tmp_path / "main.zip", wrong, mice.films, track="main")
    assert [each.code for each in refused.value.problems] == ["not-finite", "frames-late", "trials-missing"]


def test_nothing_more_is_predicted_once_all_seem_wrong(mice: Mice, tmp_path: Path) -> None:
    n_asked = 0

    def endless() -> Iterator[TrialPrediction]:
        nonlocal n_asked
        one = next(predictions([mice.new], ["oracle"]))
        while True:
            n_asked += 1
            yield one

    with pytest.raises(DataInvalid, match="the rest was not looked at"):
        write_submission(tmp_path / "main.zip", endless(), mice.new, track="main")
    assert n_asked == 20


@pytest.mark.parametrize("error", [RuntimeError("the model broke"), KeyboardInterrupt()])
def test_predictions_that_break_off_leave_what_was_there(mice: Mice, tmp_path: Path, error: BaseException) -> None:
    def breaking() -> Iterator[TrialPrediction]:
        yield from list(predictions([mice.new], MAIN))[:3]
        raise error

    target = tmp_path / "main.zip"
    target.write_bytes(b"before")
    with pytest.raises(type(error)):
        write_submission(target, breaking(), mice.new, track="main", existing="replace")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"main.zip": b"before"}


KILLED = """
import sys, time
from sensorium_data.handle import SessionHandle
from sensorium_data.evaluation.submissions.writing import write_submission
from tests.evaluation.submitted import MAIN, predictions
mouse = SessionHandle(sys.argv[1])
def slow():
    for n, each in enumerate(predictions([mouse], MAIN)):
        if n == 3:
            print("half", flush=True)
            time.sleep(60)
        yield each
write_submission(sys.argv[2], slow(), mouse, track="main")
"""


def test_a_kill_in_the_middle_leaves_nothing(mice: Mice, tmp_path: Path) -> None:
    words = [sys.executable, "-c", KILLED, mice.new.where, str(tmp_path / "main.zip")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at_most", [100, 2_000])
def test_a_full_disk_is_said_to_be_full(
    mice: Mice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_most: int
) -> None:
    class Full:
        """A file on a disk with little room."""

        def __init__(self, file: IO[bytes]) -> None:
            self._file, self._left = file, at_most

        def write(self, data: bytes) -> int:
            self._left -= len(data)
            if self._left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self._file.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

    plain: Any = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: Full(plain(**options)))
    with pytest.raises(StorageFailed, match="the disk is full"):
        write_submission(tmp_path / "main.zip", predictions([mice.new], MAIN), mice.new, track="main")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(mice: Mice, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="a part of the path is a file"):
        write_submission(tmp_path / "file" / "main.zip", predictions([mice.new], MAIN), mice.new, track="main")


@pytest.mark.parametrize(
    ("options", "error", "what"),
    [
        ({}, BadArgument, "of a track, or of one tier"),
        ({"track": "main", "tier": "oracle"}, BadArgument, "of a track, or of one tier"),
        ({"track": "mian"}, BadArgument, "no track `mian`"),
        ({"track": "main", "window": "s23"}, BadArgument, "no window `s23`"),
        ({"track": "main", "existing": "resume"}, BadArgument, "existing is 'resume'"),
        ({"track": "2022"}, BadArgument, "films, expected images for track 2022"),
        ({"tier": "orcale"}, BadArgument, "no trials of tier `orcale`; did you mean `oracle`?"),
    ],
)
def test_bad_arguments_are_named(mice: Mice, options: dict[str, Any], error: type[Exception], what: str) -> None:
    with pytest.raises(error) as refused:
        plan_submission("main.zip", mice.new, **options)
    assert what in f"{refused.value} {getattr(refused.value, 'hint', '')}"


def test_targets_are_settled_before_anything_is_predicted(mice: Mice, tmp_path: Path) -> None:
    (tmp_path / "there.zip").write_bytes(b"")
    with pytest.raises(TargetExists, match="exists already"):
        plan_submission(tmp_path / "there.zip", mice.new, track="main")
    with pytest.raises(TargetExists, match="is a folder"):
        plan_submission(tmp_path, mice.new, tier="oracle", existing="replace")
    with pytest.raises(BadArgument, match=r"ends with \.zip"):
        plan_submission(tmp_path / "main.parquet.brotli", mice.new, track="main")


def test_sessions_that_do_not_go_together_are_named(mice: Mice) -> None:
    with pytest.raises(BadArgument, match="some are of films and some of images"):
        plan_submission("all.zip", [mice.new, mice.images], track="main")
    with pytest.raises(BadArgument, match="images, expected films for track main"):
        plan_submission("all.zip", mice.images, track="main")


def test_films_shorter_than_the_window_are_named(tmp_path: Path) -> None:
    store = make_session(tmp_path, n_neurons=2, n_train=2)  # films of 30 frames
    with pytest.raises(BadArgument, match="nothing is left of them in window s23-server") as refused:
        plan_submission("main.zip", store, track="main")
    assert {each.where for each in refused.value.problems} == {f"{NEW}, tier {tier}" for tier in MAIN}


def test_frames_without_a_published_statistic_are_named(
    mice: Mice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statistics of 2023 end with the training clips; what is sent must not go on beyond them."""
    from sensorium_data.scales import Scale
    from sensorium_data.shipped import Shipped

    whole = Shipped.precision

    def shorter(shipped: Shipped) -> Scale:
        gain = whole(shipped).gain.copy()
        gain[58:] = np.nan
        return Scale.of(None, gain)

    monkeypatch.setattr(Shipped, "precision", shorter)
    with pytest.raises(DataInvalid) as refused:
        write_submission(tmp_path / "m.zip", predictions([mice.new], MAIN, scaling="raw"), mice.new, track="main")
    assert {each.code for each in refused.value.problems} == {"no-precision"}
    assert len(refused.value.problems) == sum(len(trials(mice.new, tier)) for tier in MAIN)


def test_pyarrow_is_asked_for_before_anything_is_predicted(
    mice: Mice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never() -> Iterator[TrialPrediction]:
        pytest.fail("a model was asked")
        yield

    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'sensorium-data\[submit\]'"):
        write_submission(tmp_path / "main.zip", never(), mice.new, track="main")
