"""Every kind of recording of images, as folder and as zip: what is opened is what was published, to the bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sensorium_data as sd
from sensorium_data.conversion import check_store
from sensorium_data.testing import ImageTruth, describe_sensorium2022
from tests.conversion.static import load, names, partition, same_bits, write

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.schemas import CheckReport, ConvertReport

# Four presentations of an image lose one here and there: repeats are ragged in every kind.
PLAN: dict[str, Any] = {"n_train": 8, "n_validation": 3, "n_test": 3, "n_repeats": 5, "seed": 4}
HOW: dict[str, dict[str, Any]] = {
    "pretrain": {"kind": "pretrain"},
    "pretrain-zip": {"kind": "pretrain", "zipped": "stored", "behavior_nan": True, "sibling": True},
    "splus": {"kind": "splus", "nudged": True},
    "splus-zip": {"kind": "splus", "zipped": "deflated"},
    "s": {"kind": "s", "axes_of_one": True},
    "s-zip": {"kind": "s", "zipped": "stored"},
    "colour": {"kind": "colour", "axes_of_one": True},
    "colour-zip": {"kind": "colour", "zipped": "deflated", "fractional": True},
}
BEHAVIOUR = {"pupil", "running", "gaze"}


@dataclass(frozen=True, slots=True)
class Made:
    """A recording, its store, and what is true of it."""

    kind: str
    how: dict[str, Any]
    source: Path
    store: Path
    report: ConvertReport
    checked: CheckReport
    session: sd.Session
    truth: tuple[ImageTruth, ...]


@pytest.fixture(scope="module", params=HOW)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, how = tmp_path_factory.mktemp(request.param), HOW[request.param]
    source = write(folder / "in", **PLAN, **how)
    store = folder / "x.zarr"
    report = sd.convert(source, store)
    truth = describe_sensorium2022(kind=how["kind"], **PLAN)
    return Made(
        how["kind"], how, source, store, report, check_store(store, against=source), sd.open_session(store), truth
    )


def test_it_equals_its_source_to_the_bit(made: Made) -> None:
    assert made.checked.ok
    expected = {"behaviour-nan"} if made.how.get("behavior_nan") else set()
    assert {finding.code for finding in made.checked.findings} == expected
    signals = {"image", "responses"} | (set() if made.kind == "s" else BEHAVIOUR)
    assert {e.name: e.holds for e in made.checked.equality} == dict.fromkeys(signals, "bit-exact")
    n = len(made.truth)
    pixels = np.prod(made.session.frames.shape[1:])
    assert {e.name: e.n_values for e in made.checked.equality}["image"] == n * pixels
    assert made.report.n_withheld == sum(trial.withheld for trial in made.truth)


def test_every_trial_is_what_was_published(made: Made) -> None:
    float_images = bool(made.how.get("fractional"))
    for trial in made.truth:
        shown = made.session.trial(trial.trial_id)
        assert shown.attrs["tier"] == trial.tier
        assert (shown.attrs["responses_withheld"], shown.attrs["missing"]) == (trial.withheld, False)
        signals = ({"responses"} if not trial.withheld else set()) | (BEHAVIOUR if made.kind != "s" else set())
        assert set(shown.data_vars) == {"image", *signals}
        member = f"{trial.trial_id}.npy"
        image = load(made.source, f"data/images/{member}")
        image = image if made.kind == "colour" else image[0]
        if not float_images:
            assert (image == image.astype(np.uint8)).all()
            image = image.astype(np.uint8)
        behaviour, gaze = (load(made.source, f"data/{s}/{member}").ravel() for s in ("behavior", "pupil_center"))
        wanted = {"image": image, "pupil": behaviour[:2], "running": behaviour[2].reshape(()), "gaze": gaze}
        wanted["responses"] = load(made.source, f"data/responses/{member}")
        for name in shown.data_vars:
            assert same_bits(shown[name].to_numpy(), wanted[str(name)]), (trial.trial_id, name)


def test_dims_channels_and_units_are_named(made: Made) -> None:
    trial = next(t for t in made.truth if not t.withheld)
    shown, colour = made.session.trial(trial.trial_id), made.kind == "colour"
    assert shown["image"].dims == (("channel", "y", "x") if colour else ("y", "x"))
    assert shown["image"].attrs["units"] == "grey levels"
    assert shown["responses"].dims == ("neuron",)
    np.testing.assert_array_equal(shown["unit_id"], load(made.source, "meta/neurons/unit_ids.npy"))
    assert "time" not in shown.sizes
    signals = {signal.name: signal for signal in made.session.document.signals}
    assert list(signals) == ["responses", "pupil", "running", "gaze"]
    assert [(c.name, c.unit) for c in signals["pupil"].channels] == [("dilation", "px"), ("dilation_change", "px/s")]
    assert [(c.name, c.unit) for c in signals["gaze"].channels] == [("x", "px"), ("y", "px")]
    assert {name: signal.withheld for name, signal in signals.items()} == {
        name: made.kind == "s" and name in BEHAVIOUR for name in signals
    }
    if made.kind == "s":
        assert {made.session[name].sizes["time"] for name in BEHAVIOUR} == {0}
        return
    # A picture in colour has channels too, and they are not those of the pupil.
    pupil = "pupil_channel" if colour else "channel"
    assert shown["pupil"].dims == (pupil,)
    assert shown[pupil].to_numpy().tolist() == ["dilation", "dilation_change"]
    assert shown["axis"].to_numpy().tolist() == ["x", "y"]
    assert shown["running"].dims == ()


def test_trials_share_a_number_exactly_when_they_showed_one_picture(made: Made) -> None:
    table = made.session.trials
    assert partition(table["stimulus"].to_numpy().tolist()) == partition(trial.image for trial in made.truth)
    repeats = [len(group) for group in partition(trial.image for trial in made.truth) if len(group) > 1]
    assert len(set(repeats)) > 1, "repeats are ragged"
    assert table["trial_id"].to_numpy().tolist() == [trial.trial_id for trial in made.truth]
    assert table["tier"].to_numpy().tolist() == [trial.tier for trial in made.truth]
    roles = {"train": "train", "validation": "validation", "test": "test", "final_test": "test"}
    assert table["role"].to_numpy().tolist() == [roles[trial.tier] for trial in made.truth]
    assert table["responses_withheld"].to_numpy().tolist() == [trial.withheld for trial in made.truth]
    assert {tier.name for tier in made.session.document.trials.tiers} == {trial.tier for trial in made.truth}


def test_a_picture_is_stored_once(made: Made) -> None:
    distinct = {load(made.source, name).tobytes() for name in names(made.source, "data/images")}
    stored = made.session.frames.to_numpy()
    assert len({frame.tobytes() for frame in stored}) == len(stored) == len(distinct) < len(made.truth)
    assert made.session.document.stimuli.n_frames == made.session.document.stimuli.n_variants == len(distinct)
    assert made.session.document.stimuli.n_groups == len({trial.image for trial in made.truth})
    assert (len(distinct) > made.session.document.stimuli.n_groups) is bool(made.how.get("nudged"))
    assert set(made.session.stimuli["label"].to_numpy().tolist()) == {"imagenet"}
    assert set(made.session.stimuli["label_source"].to_numpy().tolist()) == {"source"}


def test_no_trial_follows_another(made: Made) -> None:
    table = made.session.trials
    assert table["segment"].to_numpy().tolist() == list(range(len(made.truth)))
    assert set(table["n_valid"].to_numpy().tolist()) == {1}
    clocks = made.session.handle.clocks
    served = np.array([not trial.withheld for trial in made.truth])
    np.testing.assert_array_equal(table["start"].to_numpy()[served], np.asarray(clocks["responses"].times_s()))
    assert clocks["responses"].n_samples == served.sum()
    assert made.session["responses"].sizes["time"] == served.sum()
    assert made.session["pupil"].sizes["time"] == (0 if made.kind == "s" else len(served))


def test_every_table_is_kept(made: Made) -> None:
    renamed = {"unit_ids": "unit_id"}
    for name in names(made.source, "meta/neurons"):
        stem, published = name.split("/")[-1].removesuffix(".npy"), load(made.source, name)
        if stem == "cell_motor_coordinates":
            stored = np.stack([made.session.neurons[axis].to_numpy() for axis in "xyz"], 1)
        else:
            stored = made.session.neurons[renamed.get(stem, stem)].to_numpy()
        np.testing.assert_array_equal(stored, published)
        assert stored.dtype.kind == published.dtype.kind
    assert set(made.session.neurons["area"].to_numpy().tolist()) == {"V1"}
    assert set(made.session.neurons["layer"].to_numpy().tolist()) == {"L2/3"}
    for name in set(names(made.source, "meta/trials")) - {"meta/trials/tiers.npy"}:
        stored = made.session.trials[name.split("/")[-1].removesuffix(".npy")].to_numpy()
        np.testing.assert_array_equal(stored, load(made.source, name))
    prefix = "colorframeprojector" if made.kind == "colour" else "frame"
    assert {f"{prefix}_image_id", f"{prefix}_image_class", f"{prefix}_trial_ts"} <= set(made.session.trials)
    hashed = made.session.trials["trial_idx"].dtype.kind == "U"
    assert hashed is (made.kind in ("s", "splus"))


def test_shipped_statistics_are_kept_to_the_bit(made: Made) -> None:
    shipped = names(made.source, "meta/statistics")
    assert {name.split("/")[3] for name in shipped} == {"all", "stimulus_frame"}
    assert len(shipped) == 4 * 2 * 5
    tree = made.session.statistics["source"]
    for name in shipped:
        path = name.removeprefix("meta/statistics/").removesuffix(".npy")
        assert same_bits(tree[path].to_numpy(), load(made.source, name)), path
    if made.how.get("axes_of_one"):
        assert tree["behavior/all/mean"].shape == (1, 3)


def test_the_stores_own_statistics_are_of_the_train_tier(made: Made) -> None:
    train = [trial.trial_id for trial in made.truth if trial.tier == "train"]
    tree = made.session.statistics["train"]
    expected = {"image", "responses"} | (set() if made.kind == "s" else BEHAVIOUR)
    assert set(tree.children) == expected
    assert {s.signal for s in made.session.document.statistics if s.origin == "train"} == expected
    shown = [made.session.trial(number) for number in train]
    for name in expected:
        values = np.stack([np.asarray(trial[name], np.float64) for trial in shown])
        values = values.reshape(-1) if name == "image" else values
        own = tree[name]
        np.testing.assert_allclose(own["mean"].to_numpy(), np.nanmean(values, axis=0), rtol=1e-12)
        np.testing.assert_allclose(own["std"].to_numpy(), np.nanstd(values, axis=0), rtol=1e-9)
        np.testing.assert_array_equal(own["min"].to_numpy(), np.nanmin(values, axis=0))
        np.testing.assert_array_equal(own["max"].to_numpy(), np.nanmax(values, axis=0))
        np.testing.assert_array_equal(own["n"].to_numpy(), np.isfinite(values).sum(axis=0))


def test_what_is_worth_knowing_is_noted(made: Made) -> None:
    found = {note.code: note.text for note in made.session.document.provenance.notes}
    if made.kind == "s":
        text = f"gaze, pupil, running are zeros in all {len(made.truth)} trials: withheld, and not served"
        assert found["behaviour-withheld"] == text
    expected = {"s": {"behaviour-withheld"}}.get(made.kind, set())
    expected |= {"behavior-nan"} if made.how.get("behavior_nan") else set()
    expected |= {"film-not-integral"} if made.how.get("fractional") else set()
    assert set(found) - {"packing-not-worth-it"} == expected


def test_who_was_recorded_and_whom_to_cite(made: Made) -> None:
    document = made.session.document
    key = {"pretrain": "21067-10-18", "splus": "27204-5-13", "s": "26872-17-20", "colour": "25311-10-26"}[made.kind]
    assert (document.identity.key, document.identity.modality) == (key, "static")
    assert document.identity.mouse == {"s": "S0", "splus": "S1"}.get(made.kind)
    assert ("Franke" in document.citations[0].text) is (made.kind == "colour")
    assert (document.licence is None) is (made.kind == "colour")
    assert document.provenance.reader == "sensorium2022"
    assert document.stimuli.rate is None
    assert "say nothing of when" in document.trials.order_basis


def test_a_rerun_has_nothing_to_do(made: Made) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.store.rglob("*")}
    again = sd.convert(made.source, made.store, existing="resume")
    assert again.status == "up-to-date"
    assert {path: path.stat().st_mtime_ns for path in made.store.rglob("*")} == before
