"""What is written of predictions: joined by name, in the frames and the scale that were scored, whole or not at all."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensorium_data.evaluation.submissions.checking import check_submission
from sensorium_data.evaluation.submissions.reading import read_submission
from sensorium_data.evaluation.submissions.writing import write_submission
from tests.evaluation.submitted import (
    BONUS,
    FOLDERS,
    MAIN,
    NEW,
    OLD,
    STATIC,
    Mice,
    codes,
    made_once,
    predictions,
    shuffled,
    trials,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from sensorium_data.evaluation.predictions import ResponseScale
    from sensorium_data.handle import SessionHandle

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Mice:
    return made_once(tmp_path_factory)


def _gain(mouse: SessionHandle, scaling: ResponseScale) -> NDArray[np.float64]:
    """What predictions in a scale are multiplied by, (frame, neuron), from the published definition."""

    def precision(std: NDArray[Any]) -> NDArray[np.float64]:
        floor = 0.01 * np.nanmean(std.astype(np.float64))
        return 1 / np.where(std > floor, std, floor).astype(np.float64)

    official = precision(mouse.store.values("statistics/source/responses/all/std"))
    if scaling == "official":
        return np.ones_like(official)
    if scaling == "raw":
        return official
    return official / precision(mouse.store.values("statistics/train/responses/std"))


@pytest.mark.parametrize("scaling", ["official", "raw", "per_neuron"])
@pytest.mark.parametrize(("window", "stop"), [("s23-server", 59), ("s23-head", 60)])
def test_films_come_back_in_the_scale_and_frames_that_were_scored(
    mice: Mice, tmp_path: Path, scaling: ResponseScale, window: Any, stop: int
) -> None:
    made = list(predictions(mice.films, MAIN, scaling=scaling))
    report = write_submission(tmp_path / "main.zip", made, mice.films, track="main", window=window)
    back = {(each.session, each.trial_id): each for each in read_submission(tmp_path / "main.zip", mice.films)}
    assert len(back) == len(made) == sum(file.n_rows for file in report.files)
    for each in made:
        mouse = mice.new if each.session == NEW else mice.old
        wanted = (each.values * _gain(mouse, scaling)[18:60])[32 : stop - 18]
        found = back[each.session, each.trial_id]
        assert (found.first_frame, found.stop_frame, found.scaling) == (50, stop, "official")
        np.testing.assert_array_equal(found.unit_ids, mouse.neurons["unit_id"])
        np.testing.assert_allclose(found.values, wanted, rtol=1e-6)
    assert codes(check_submission(tmp_path / "main.zip", mice.films), "error") == set()


def test_images_come_back(mice: Mice, tmp_path: Path) -> None:
    made = list(predictions([mice.images], STATIC, scaling="raw"))
    write_submission(tmp_path / "S1.zip", made, mice.images, track="2022")
    back = {each.trial_id: each for each in read_submission(tmp_path / "S1.zip", mice.images)}
    gain = _gain(mice.images, "raw")
    for each in made:
        np.testing.assert_allclose(back[each.trial_id].values, each.values * gain, rtol=1e-6)
    assert check_submission(tmp_path / "S1.zip", mice.images).findings == ()
    with zipfile.ZipFile(tmp_path / "S1.zip") as archive:
        assert archive.namelist() == ["submission_file_live_test.csv", "submission_file_final_test.csv"]
        header, first, *_ = archive.read("submission_file_live_test.csv").decode().splitlines()
    assert header == "trial_indices,image_ids,prediction,neuron_ids"
    at = np.flatnonzero(mice.images.trials["tier"] == "test")[0]
    assert first.startswith(f'{mice.images.trials["trial_idx"][at]},{mice.images.trials["frame_image_id"][at]},"[')
    assert first.endswith(f'"{mice.images.neurons["unit_id"].tolist()}"')


@pytest.mark.parametrize(
    ("track", "tiers", "names"),
    [
        ("main", MAIN, ["predictions_live_main.parquet.brotli", "predictions_final_main.parquet.brotli"]),
        (
            "bonus",
            BONUS,
            ["predictions_live_test_bonus_ood.parquet.brotli", "predictions_final_test_bonus_ood.parquet.brotli"],
        ),
    ],
)
def test_files_are_what_the_server_wanted(
    mice: Mice, tmp_path: Path, track: Any, tiers: tuple[str, str], names: list[str]
) -> None:
    import pyarrow.parquet as pq

    write_submission(tmp_path / "all.zip", predictions(mice.films, tiers), mice.films, track=track)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.namelist() == names
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        for tier, name in zip(tiers, names, strict=True):
            file = pq.ParquetFile(io.BytesIO(archive.read(name)))
            rows = [(NEW, trial) for trial in trials(mice.new, tier)] + [(OLD, n) for n in trials(mice.old, tier)]
            assert file.metadata.num_row_groups == len(rows)
            assert {file.metadata.row_group(0).column(i).compression for i in range(4)} == {"BROTLI"}
            assert [str(each.type) for each in file.schema_arrow] == [
                "string", "int64", "list<element: list<element: float>>", "list<element: uint32>"
            ]  # fmt: skip
            table = file.read()
            assert table.column_names == ["mouse", "trial_indices", "prediction", "neuron_ids"]
            assert table["mouse"].to_pylist() == [FOLDERS[key] for key, _ in rows]
            assert table["trial_indices"].to_pylist() == [trial for _, trial in rows]
            first = table["prediction"][0].as_py()
            assert (len(first), {len(frames) for frames in first}) == (mice.new.n_neurons, {9})
            assert table["neuron_ids"][0].as_py() == mice.new.neurons["unit_id"].tolist()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_trials_and_neurons_changes_no_byte(mice: Mice, tmp_path: Path, seed: int) -> None:
    for name, given_mice, track, tiers in (
        ("main.zip", mice.films, "main", MAIN), ("S1.zip", [mice.images], "2022", STATIC)
    ):  # fmt: skip
        made = list(predictions(given_mice, tiers, scaling="raw"))
        options: dict[str, Any] = {"track": track, "existing": "replace"}
        write_submission(tmp_path / name, made, given_mice, **options)
        wanted = (tmp_path / name).read_bytes()
        write_submission(tmp_path / name, shuffled(made, seed), given_mice, **options)
        assert (tmp_path / name).read_bytes() == wanted


def test_frames_outside_the_window_do_not_matter(mice: Mice, tmp_path: Path) -> None:
    made = list(predictions([mice.new], MAIN))
    write_submission(tmp_path / "a.zip", made, mice.new, track="main")
    for i, each in enumerate(made):
        values = each.values.copy()
        values[:32], values[41:] = np.nan, np.inf
        made[i] = replace(each, values=values)
    write_submission(tmp_path / "b.zip", made, mice.new, track="main")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_one_tier_goes_into_one_file(mice: Mice, tmp_path: Path) -> None:
    report = write_submission(tmp_path / "oracle.parquet", predictions([mice.old], ["oracle"]), mice.old, tier="oracle")
    assert codes(report) == {"not-a-track"}
    found = list(read_submission(tmp_path / "oracle.parquet", mice.old))
    assert sorted(each.trial_id for each in found) == trials(mice.old, "oracle")
    assert codes(check_submission(tmp_path / "oracle.parquet", mice.old), "error") == set()


def test_tiers_can_be_read_by_themselves(mice: Mice, tmp_path: Path) -> None:
    write_submission(tmp_path / "main.zip", predictions(mice.films, MAIN), mice.films, track="main")
    found = read_submission(tmp_path / "main.zip", mice.new, tier=MAIN[1])
    assert [each.trial_id for each in found] == trials(mice.new, MAIN[1])


def test_mice_that_are_not_scored_are_said_to_be_so(mice: Mice, tmp_path: Path) -> None:
    report = write_submission(tmp_path / "main.zip", predictions([mice.old], MAIN), mice.old, track="main")
    assert codes(report, "warning") == {"mice-not-scored"}
    report = write_submission(tmp_path / "both.zip", predictions(mice.films, MAIN), mice.films, track="main")
    assert codes(report, "warning") == {"mice-not-scored", "mice-missing"}


def test_selected_neurons_are_said_to_be_too_few(mice: Mice, tmp_path: Path) -> None:
    few = mice.new.select(np.array([3, 1]))
    report = write_submission(tmp_path / "few.zip", predictions([few], MAIN), few, track="main")
    assert "neurons-selected" in codes(report, "warning")
    found = check_submission(tmp_path / "few.zip", mice.new)
    assert "neurons-missing" in codes(found, "error")


def test_another_folder_name_is_put_right(mice: Mice) -> None:
    from sensorium_data.evaluation.submissions.facts import folder_of

    renamed = mice.new.document.identity.model_copy(update={"name": f"dynamic{NEW}"})
    own = mice.new.document.identity.model_copy(update={"name": "my-mouse", "key": "my-mouse"})
    assert (folder_of(renamed), folder_of(own)) == (FOLDERS[NEW], "my-mouse")


def test_progress_ends_where_it_should(mice: Mice, tmp_path: Path) -> None:
    seen: list[Any] = []
    write_submission(tmp_path / "main.zip", predictions([mice.new], MAIN), mice.new, track="main", report=seen.append)
    assert [each.done for each in seen] == list(range(len(seen)))
    assert (seen[-1].stage, seen[-1].done) == ("write", seen[-1].total)


def test_predictions_are_taken_one_at_a_time(mice: Mice, tmp_path: Path) -> None:
    """Each is written before the next is asked for: nobody holds them all."""
    written = 0

    def report(progress: Any) -> None:
        nonlocal written
        written = progress.done

    def one_by_one() -> Any:
        for n, each in enumerate(predictions([mice.new], MAIN)):
            assert written == n
            yield each

    write_submission(tmp_path / "main.zip", one_by_one(), mice.new, track="main", report=report)
    assert written == len(trials(mice.new, MAIN[0])) + len(trials(mice.new, MAIN[1]))
