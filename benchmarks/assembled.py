"""Sessions assembled from real parts, whose true mean responses are known: so a ceiling is, which no model can be above.

Made by the scripts of `../shared/fixtures`. Real are ids, places and activity of the neurons, films, tiers and repeats; the
responses come from a known model and its noise. They are no recordings, and their scores are no scores of the benchmark.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import sensorium_data as sd
from sensorium_data.evaluation.predictions import TrialPrediction
from sensorium_data.evaluation.scoring import evaluate
from sensorium_data.handle import SessionHandle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["SHARED", "Assembled", "films", "images"]

SHARED = Path(__file__).resolve().parents[2] / "shared"
SESSION = "29515-10-12"


@dataclass(frozen=True, slots=True)
class Assembled:
    """A store, the folder of what is true of it, and what is scored of it, and how.

    Attributes
    ----------
    store, truth : Path
    tier, preset : str
    """

    store: Path
    truth: Path
    tier: str
    preset: str

    def score(self, predictions: Iterable[TrialPrediction]) -> float:
        """Return the single-trial correlation, the mean over neurons."""
        done = evaluate(predictions, self.store, tier=self.tier, preset=self.preset, n_bootstrap=0)
        measured = done.report.of().measure("single_trial_correlation")
        assert measured is not None
        assert measured.value is not None
        return measured.value

    def ceiling(self) -> float:
        """Return the correlation of the true means with the responses, over the same samples."""
        return self.score(self._means())

    def _means(self) -> Iterator[TrialPrediction]:
        handle = SessionHandle(self.store)
        key, trials = handle.document.identity.key, handle.trials
        still = self.truth / "mean.npy"  # of images: a row for each trial
        rows = np.load(still) if still.is_file() else None
        for trial_id in trials["trial_id"][trials["tier"] == self.tier].tolist():
            # Of films a file for each trial, (neuron, time); one sample of an image.
            mean = np.load(self.truth / f"mean_{trial_id}.npy").T if rows is None else rows[trial_id][None]
            yield TrialPrediction(key, trial_id, mean.astype(np.float32), handle.neurons["unit_id"])


def films(shared: Path, folder: Path, neurons: int, trials: int) -> Assembled:
    """Assemble a mouse that was shown films, and convert it.

    Parameters
    ----------
    shared : Path
        Holds `fixtures` and `real`.
    folder : Path
        Where it goes; one that is there is used again.
    neurons, trials : int
    """
    words: list[str | int] = ["assemble_session.py", SESSION, "OUT", "--neurons", neurons, "--trials", trials]
    return _made(shared, folder / f"films-{neurons}-{trials}", words, "oracle", "s23-server")


def images(shared: Path, folder: Path, neurons: int, trials: int) -> Assembled:
    """Assemble a mouse that was shown images, with public test responses, and convert it.

    Parameters
    ----------
    shared, folder, neurons, trials
        As for `films`.
    """
    words: list[str | int] = [
        "assemble_static.py",
        "OUT",
        "--kind",
        "pretrain",
        "--neurons",
        neurons,
        "--trials",
        trials,
    ]
    return _made(shared, folder / f"images-{neurons}-{trials}", words, "test", "s22")


def _made(shared: Path, folder: Path, words: list[str | int], tier: str, preset: str) -> Assembled:
    store = folder / "store.zarr"
    if not store.exists():
        script, *rest = [str(folder if word == "OUT" else word) for word in words]
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, str(shared / "fixtures" / script), *rest], check=True, stdout=subprocess.DEVNULL
        )
        (source,) = [each for each in folder.iterdir() if each.is_dir() and each.suffix != ".truth"]
        sd.convert(source, store)
    (truth,) = folder.glob("*.truth")
    return Assembled(store, truth, tier, preset)
