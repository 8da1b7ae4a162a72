"""Small mice, random predictions of their trials, and files as others write them, for the tests of submissions."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import sensorium_data as sd
from sensorium_data.evaluation import TrialPrediction
from sensorium_data.handle import SessionHandle
from sensorium_data.testing import write_sensorium2022, write_sensorium2023

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pytest

    from sensorium_data.evaluation.predictions import ResponseScale
    from sensorium_data.schemas.submission import SubmissionReport

NEW, OLD = "29515-10-12", "29156-11-10"  # mouse F, scored; mouse A, with all its responses
FOLDERS = {
    NEW: f"dynamic{NEW}-Video-9b4f6a1a067fe51e15306b9628efea20",
    OLD: f"dynamic{OLD}-Video-8744edeac3b4d1ce16b680916b5267ce",
}
N_FRAMES = 60  # of every film: frames [50, 59) are sent, 9
KINDS = ("NaturalVideo", "Gabor", "GaussianDot", "PinkNoise", "RandomDots")


@dataclass(frozen=True)
class Mice:
    """Stores of two mice of films, and of one of images."""

    new: SessionHandle
    old: SessionHandle
    images: SessionHandle

    @property
    def films(self) -> list[SessionHandle]:
        return [self.new, self.old]


_made: list[Mice] = []


def made_once(factory: pytest.TempPathFactory) -> Mice:
    """The mice, made when the first test of a process asks for them."""
    if not _made:
        _made.append(_make_mice(factory.mktemp("submitted")))
    return _made[0]


def _make_mice(folder: Path) -> Mice:
    lengths = dict.fromkeys(KINDS, N_FRAMES)
    stores: list[SessionHandle] = []
    for key, n_neurons, holes in ((NEW, 5, False), (OLD, 4, True)):
        made = write_sensorium2023(
            folder, name=FOLDERS[key], n_neurons=n_neurons, n_train=2, n_repeats=2, frame_shape=(4, 4),
            lengths=lengths, withhold=not holes, holes=holes, seed=len(stores),
        )  # fmt: skip
        stores.append(_converted(made, folder))
    made = write_sensorium2022(folder, kind="splus", n_neurons=6, n_train=3, frame_shape=(4, 4))
    new, old = stores
    return Mice(new, old, _converted(made, folder))


def _converted(made: Path, folder: Path) -> SessionHandle:
    store = folder / f"{made.name}.zarr"
    sd.convert(made, store)
    return SessionHandle(store)


def trials(mouse: SessionHandle, tier: str) -> list[int]:
    """Numbers of the trials of a tier."""
    table = mouse.trials
    found: list[int] = table["trial_id"][(table["tier"] == tier) & ~table["missing"]].tolist()
    return found


def predictions(
    mice: Sequence[SessionHandle], tiers: Sequence[str], *, scaling: ResponseScale = "official", first_frame: int = 18
) -> Iterator[TrialPrediction]:
    """Positive random predictions, of each trial its own, the same each time."""
    for tier in tiers:
        for mouse in mice:
            static = mouse.document.identity.modality == "static"
            for trial in trials(mouse, tier):
                rng = np.random.default_rng([trial, mouse.n_neurons])
                n_valid = int(mouse.trials["n_valid"][mouse.trial_row(trial)])
                shape = (1 if static else n_valid - first_frame, mouse.n_neurons)
                yield TrialPrediction(
                    mouse.document.identity.key,
                    trial,
                    rng.random(shape, np.float32) + np.float32(0.5),
                    mouse.neurons["unit_id"],
                    first_frame=0 if static else first_frame,
                    scaling=scaling,
                )


MAIN = ("live_test_main", "final_test_main")
BONUS = ("live_test_bonus", "final_test_bonus")
STATIC = ("test", "final_test")


def shuffled(made: Sequence[TrialPrediction], seed: int) -> list[TrialPrediction]:
    """The same predictions in another order, the neurons of each in another one, of another dtype."""
    rng = np.random.default_rng(seed)
    found = []
    for i in rng.permutation(len(made)):
        columns = rng.permutation(made[i].values.shape[1])
        ids = made[i].unit_ids[columns].astype(np.int32)
        values = made[i].values[:, columns].astype(np.float64)
        found.append(replace(made[i], values=values, unit_ids=ids))
    return found


def codes(report: SubmissionReport, severity: str = "") -> set[str]:
    """Codes of the findings."""
    return {each.code for each in report.findings if severity in ("", each.severity)}


def film_rows(mouse: SessionHandle, tier: str = MAIN[0], /, **changes: Any) -> list[dict[str, Any]]:
    """Rows of a tier as Python's lists, as a foreign code may hold them; callables among the changes get the trial."""
    rows = []
    for i, each in enumerate(predictions([mouse], [tier])):  # 9 frames, of a film that is cut short fewer
        row: dict[str, Any] = {
            "mouse": FOLDERS[each.session],
            "trial_indices": each.trial_id,
            "prediction": each.values[50 - each.first_frame : -1].T.tolist(),
            "neuron_ids": each.unit_ids.tolist(),
        }
        row |= {name: change(i, row) if callable(change) else change for name, change in changes.items()}
        rows.append(row)
    return rows


def write_parquet(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    compression: str = "brotli",
    kinds: Mapping[str, Any] | None = None,
    **options: Any,
) -> Path:
    """Write rows as others do: one table, one row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    known = {
        "mouse": pa.string(),
        "trial_indices": pa.int64(),
        "prediction": pa.list_(pa.list_(pa.float32())),
        "neuron_ids": pa.list_(pa.uint32()),
    } | dict(kinds or {})
    columns = {name: pa.array([row[name] for row in rows], known.get(name)) for name in rows[0]}
    pq.write_table(pa.table(columns), path, compression=compression, **options)
    return path


def write_zip(path: Path, members: Mapping[str, Path | bytes], method: int = zipfile.ZIP_STORED) -> Path:
    """Write a zip of files, or of bytes."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else content.read_bytes())
    return path


def image_lines(mouse: SessionHandle, tier: str = STATIC[0]) -> list[dict[str, str]]:
    """Rows of a tier as text, as pandas writes lists."""
    table, rows = mouse.trials, []
    for each in predictions([mouse], [tier]):
        at = int(np.flatnonzero(table["trial_id"] == each.trial_id)[0])
        rows.append(
            {
                "trial_indices": str(table["trial_idx"][at]),
                "image_ids": str(table["frame_image_id"][at]),
                "prediction": str(each.values[0].tolist()),
                "neuron_ids": str(each.unit_ids.tolist()),
            }
        )
    return rows


def write_csv(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """Write rows as `pandas.DataFrame.to_csv` does."""

    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\n') else text

    lines = [",".join(quoted(text) for text in row.values()) for row in rows]
    path.write_text("\n".join([",".join(rows[0]), *lines]) + "\n")
    return path
