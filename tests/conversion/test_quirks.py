"""What is odd about the published recordings survives the conversion, to the bit or under its own name."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.testing import TrialTruth, describe_sensorium2023, write_sensorium2023

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sensorium_data.views import Session

STREAMS = ("videos", "responses", "behavior", "pupil_center")
SMALL: dict[str, Any] = {"n_neurons": 6, "frame_shape": (8, 12)}
PLAN: dict[str, Any] = {"n_train": 2, "n_repeats": 2}
STANDARD: dict[str, Any] = {"n_train": 2, "n_repeats": 4, "holes": True}


def converted(folder: Path, change: Callable[[Path], None] | None = None, **how: Any) -> tuple[Path, Session]:
    """Write a recording, change it, convert it, check it against itself, open it."""
    options = {name: how.pop(name) for name in ("precision", "allow_nan") if name in how}
    source = write_sensorium2023(folder, **{**SMALL, **PLAN, **how})
    if change is not None:
        change(source)
    target = folder / "mouse.zarr"
    sd.convert(source, target, **options)
    report = check_store(target, against=source)
    assert [f for f in report.findings if f.severity == "error"] == []
    return source, sd.open_session(target)


@pytest.fixture(scope="module")
def standard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Session]:
    """One recording for the tests that only look."""
    folder = tmp_path_factory.mktemp("standard")
    return converted(folder, n_neurons=30, n_padding=7, behavior_tail="values", **STANDARD)


@pytest.fixture(scope="module")
def truth() -> tuple[TrialTruth, ...]:
    """What is true of the trials of the standard recording that have files."""
    return tuple(t for t in describe_sensorium2023(**STANDARD) if not t.missing)


def published(source: Path, stream: str, trial: int) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = np.load(source / "data" / stream / f"{trial}.npy")
    return values


def same_trial(source: Path, session: Session, truth: TrialTruth, dtype: str) -> None:
    """Hold every stored value of a trial to the published one."""
    n, trial = truth.n_valid, session.trial(truth.trial_id)
    streams = {stream: published(source, stream, truth.trial_id)[..., :n] for stream in STREAMS}
    expected = {
        "video": np.moveaxis(streams["videos"], -1, 0),
        "pupil": streams["behavior"][0].astype(dtype),
        "running": streams["behavior"][1].astype(dtype),
        "gaze": streams["pupil_center"].T.astype(dtype),
        "responses": streams["responses"].T.astype(dtype),
    }
    if truth.withheld:
        del expected["responses"]
    assert set(trial.data_vars) == set(expected)
    for name, values in expected.items():
        stored = trial[name].to_numpy()
        if name != "video":
            assert stored.tobytes() == np.ascontiguousarray(values).tobytes(), (truth.trial_id, name)
        np.testing.assert_array_equal(stored, values)


@pytest.mark.parametrize(("dtype", "tail"), [("float32", "nan"), ("float64", "values")])
def test_every_trial_is_what_was_published(tmp_path: Path, dtype: str, tail: str) -> None:
    source, session = converted(tmp_path, dtype=dtype, behavior_tail=tail, behavior_nan=True, n_padding=5)
    for truth in describe_sensorium2023(**PLAN):
        same_trial(source, session, truth, "float32")
    codes = {note.code for note in session.document.provenance.notes}
    assert ("behavior-tail" in codes) == (tail == "values")
    assert "behavior-nan" in codes
    exact = {signal.name: signal.rounding for signal in session.document.signals}
    assert {(r.source_dtype, r.stored_dtype) for r in exact.values()} == {(dtype, "float32")}
    assert all(r.exact for r in exact.values()) == (dtype == "float32")


def test_source_precision_keeps_float64(tmp_path: Path) -> None:
    source, session = converted(tmp_path, precision="source")
    for truth in describe_sensorium2023(**PLAN):
        same_trial(source, session, truth, "float64")


def test_big_endian_and_fortran_order_change_nothing(tmp_path: Path) -> None:
    def rewrite(source: Path) -> None:
        for file in source.glob("data/*/*.npy"):
            values = np.load(file)
            np.save(file, np.asfortranarray(values).astype(values.dtype.newbyteorder(">"), order="K"))

    source, session = converted(tmp_path, rewrite, dtype="float32")
    for truth in describe_sensorium2023(**PLAN):
        same_trial(source, session, truth, "float32")


def test_holes_in_the_numbers_are_missing_trials(standard: tuple[Path, Session]) -> None:
    source, session = standard
    truth = describe_sensorium2023(**STANDARD)
    tiers = np.load(source / "meta" / "trials" / "tiers.npy")
    assert len(tiers) != len(list((source / "data" / "videos").iterdir()))
    table = session.trials
    assert table["trial_id"].to_numpy().tolist() == [t.trial_id for t in truth]
    assert table["tier"].to_numpy().tolist() == tiers.tolist()
    assert table["missing"].to_numpy().tolist() == [t.missing for t in truth]
    gone = [session.trial(t.trial_id) for t in truth if t.missing]
    assert [len(trial.data_vars) for trial in gone] == [0, 0]
    segments = dict(zip(table["trial_id"].to_numpy().tolist(), table["segment"].to_numpy().tolist(), strict=True))
    present = [t.trial_id for t in truth if not t.missing]
    for one, other in pairwise(present):
        assert (segments[one] == segments[other]) == (other == one + 1), "a hole ends a segment"


def test_valid_length_is_the_films_and_padding_is_not_stored(
    standard: tuple[Path, Session], truth: tuple[TrialTruth, ...]
) -> None:
    source, session = standard
    n_padded = {published(source, "videos", t.trial_id).shape[-1] for t in truth}
    assert len({t.n_valid for t in truth}) > len(n_padded) == 1
    assert [n for n in session.trials["n_valid"].to_numpy().tolist() if n] == [t.n_valid for t in truth]
    assert session["pupil"].sizes["time"] == sum(t.n_valid for t in truth)
    assert session["responses"].sizes["time"] == sum(t.n_valid for t in truth if not t.withheld)


def test_zeros_to_the_end_are_withheld_and_absent(
    standard: tuple[Path, Session], truth: tuple[TrialTruth, ...]
) -> None:
    source, session = standard
    withheld = session.trials["responses_withheld"].to_numpy()[~session.trials["missing"].to_numpy()]
    assert withheld.tolist() == [t.withheld for t in truth]
    assert withheld.any()
    for t in truth:
        assert not published(source, "responses", t.trial_id).any() or not t.withheld
        assert ("responses" in session.trial(t.trial_id)) != t.withheld


def test_zeros_at_the_beginning_are_not_withheld(tmp_path: Path) -> None:
    plan = {**PLAN, "withhold": False}
    # The longest trial has no NaN tail that would give it away.
    truth = max(describe_sensorium2023(**plan), key=lambda t: t.n_valid)

    def silence(source: Path) -> None:
        values = published(source, "responses", truth.trial_id)
        assert values.shape[1] == truth.n_valid
        values[:] = 0
        values[-1, -1] = 1e-300
        assert values[:-1].nbytes > 65536, "the reader looks at the first 64 KiB before it reads the rest"
        np.save(source / "data" / "responses" / f"{truth.trial_id}.npy", values)

    _, session = converted(tmp_path, silence, withhold=False, n_neurons=300, n_padding=0, precision="source")
    assert not session.trials["responses_withheld"].to_numpy().any()
    stored = session.trial(truth.trial_id)["responses"].to_numpy()
    assert [stored[-1, -1], int(np.count_nonzero(stored))] == [1e-300, 1]


def test_integral_films_are_stored_in_a_byte(standard: tuple[Path, Session]) -> None:
    stimuli = standard[1].document.stimuli
    assert (stimuli.dtype, stimuli.integral) == ("uint8", True)
    assert (stimuli.rounding.source_dtype, stimuli.rounding.exact) == ("float64", True)


@pytest.mark.parametrize("precision", ["float32", "source"])
def test_one_fractional_film_keeps_the_session_in_floats(tmp_path: Path, precision: str) -> None:
    source, session = converted(tmp_path, fractional=True, precision=precision)
    expected = "float32" if precision == "float32" else "float64"
    stimuli = session.document.stimuli
    assert (stimuli.dtype, stimuli.integral, stimuli.rounding.exact) == (expected, False, True)
    found = []
    for t in describe_sensorium2023(**PLAN):
        video = session.trial(t.trial_id)["video"].to_numpy()
        assert video.dtype == expected
        np.testing.assert_array_equal(
            video, np.moveaxis(published(source, "videos", t.trial_id)[..., : t.n_valid], -1, 0)
        )
        found += [t.trial_id] if (video % 1 != 0).any() else []
    assert len(found) == 1
    notes = {note.code: note.text for note in session.document.provenance.notes}
    assert f"trial {found[0]}:" in notes["film-not-integral"]


def test_shipped_statistics_are_kept_to_the_bit(standard: tuple[Path, Session], truth: tuple[TrialTruth, ...]) -> None:
    source, session = standard
    n_train = next(t.n_valid for t in truth if t.tier == "train")
    files = sorted((source / "meta" / "statistics").rglob("*.npy"))
    assert len(files) >= 20
    tails = 0
    for file in files:
        path = file.relative_to(source / "meta" / "statistics").with_suffix("")
        values, stored = np.load(file), session.statistics[f"source/{path.as_posix()}"].to_numpy()
        assert stored.dtype == values.dtype
        assert stored.tobytes() == np.ascontiguousarray(np.moveaxis(values, -1, 0)).tobytes(), path
        tails += bool(np.isnan(stored[n_train:]).all() and len(stored) > n_train)
    assert tails == len(files)


def test_unit_ids_with_gaps_and_places(standard: tuple[Path, Session]) -> None:
    source, session = standard
    units = np.load(source / "meta" / "neurons" / "unit_ids.npy")
    assert (np.diff(units) > 1).any()
    assert session.neurons["unit_id"].to_numpy().tobytes() == units.tobytes()
    places = np.load(source / "meta" / "neurons" / "cell_motor_coordinates.npy")
    for i, axis in enumerate("xyz"):
        np.testing.assert_array_equal(session.neurons[axis], places[:, i])
        assert session.neurons[axis].attrs["units"] == "um"


def test_optional_trial_variables_are_kept_as_they_are(tmp_path: Path) -> None:
    n = len(describe_sensorium2023(**PLAN, holes=True))
    columns: dict[str, np.ndarray[Any, Any]] = {
        "animal_mood": np.array([f"mood {i} é" for i in range(n)]),
        "block": np.arange(n, dtype=np.int16),
        "hash": np.arange(3 * n, dtype=np.uint8).reshape(n, 3),
        "latency": np.where(np.arange(n) % 3, np.arange(n) / 7, np.nan),
        "awake": np.arange(n) % 2 == 0,
        "code": np.array([f"c{i}" for i in range(n)], "S4"),
        "order": np.arange(n)[::-1].copy(),
    }

    def add(source: Path) -> None:
        for name, values in columns.items():
            np.save(source / "meta" / "trials" / f"{name}.npy", values)

    _, session = converted(tmp_path, add, holes=True)
    for name, values in columns.items():
        # The table has an `order` of its own.
        stored = session.trials["published_order" if name == "order" else name].to_numpy()
        if values.dtype.kind in "US":
            assert stored.tolist() == [v.decode() if isinstance(v, bytes) else v for v in values.tolist()]
        else:
            assert (stored.dtype, stored.tobytes()) == (values.dtype, values.tobytes())


def test_order_is_recorded_and_said_to_be_inferred(standard: tuple[Path, Session]) -> None:
    _, session = standard
    order = session.trials["order"]
    assert order.to_numpy().tolist() == list(range(order.size))
    assert order.attrs["inferred"] is session.document.trials.order_inferred is True
    assert "file numbers are presentation order" in session.document.trials.order_basis


Shown = list[tuple[TrialTruth, int, np.ndarray[Any, Any]]]


def by_film(source: Path, session: Session, truth: tuple[TrialTruth, ...]) -> list[Shown]:
    """Return trial, row of its variant, and frames of every presentation, a list for each film."""
    trials = session.trials
    rows = dict(zip(trials["trial_id"].to_numpy().tolist(), trials["variant"].to_numpy().tolist(), strict=True))
    films: dict[str, Shown] = {}
    for t in truth:
        frames = np.moveaxis(published(source, "videos", t.trial_id)[..., : t.n_valid], -1, 0)
        films.setdefault(t.film, []).append((t, rows[t.trial_id], frames))
    return list(films.values())


def test_repeats_are_one_group(standard: tuple[Path, Session], truth: tuple[TrialTruth, ...]) -> None:
    _, session = standard
    groups = session.trials["stimulus"].to_numpy()[~session.trials["missing"].to_numpy()].tolist()
    pairs = {(t.film, group) for t, group in zip(truth, groups, strict=True)}
    assert len(pairs) == len({t.film for t in truth}) == len(set(groups)) < len(truth)


def test_repeats_record_how_they_differ(standard: tuple[Path, Session], truth: tuple[TrialTruth, ...]) -> None:
    source, session = standard
    stimuli, nudged = session.stimuli, 0
    for shown in by_film(source, session, truth):
        _, _, base = min(shown, key=lambda at: at[1])
        for t, row, frames in shown:
            n = min(len(frames), len(base))
            gap = np.abs(frames[:n] - base[:n])
            assert stimuli["n_frames"][row] == t.n_valid
            assert stimuli["max_difference"][row] == gap.max() <= 1
            assert stimuli["n_different"][row] == np.count_nonzero(gap)
            nudged += bool(gap.any())
    assert nudged


def test_equal_repeats_and_prefixes_take_no_room(standard: tuple[Path, Session], truth: tuple[TrialTruth, ...]) -> None:
    source, session = standard
    first, prefixes, n_frames = session.stimuli["first_frame"].to_numpy(), 0, 0
    for shown in by_film(source, session, truth):
        n_frames += sum(len(frames) for _, row, frames in {at[1]: at for at in shown}.values())
        for _, row, frames in {at[1]: at for at in shown}.values():
            longer = [(r, f) for _, r, f in shown if len(f) > len(frames) and (f[: len(frames)] == frames).all()]
            if longer:
                assert first[row] in {first[r] for r, _ in longer}
                prefixes, n_frames = prefixes + 1, n_frames - len(frames)
    assert prefixes
    assert session.frames.sizes["frame"] == n_frames < sum(t.n_valid for t in truth)
