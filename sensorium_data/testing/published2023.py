"""A seeded writer of recordings as they were published in 2023, with what a reader of the real ones has to survive.

Written from the description of the format, not with the reader's own code: a mistake in one does not hide in the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from sensorium_data.testing.archive import Zipped, new_recording, pack
from sensorium_data.testing.arguments import at_least, folder_name, one_of, picture_size
from sensorium_data.testing.films import make_film
from sensorium_data.testing.plan2023 import DEFAULT_NAME, plan_sensorium2023
from sensorium_data.testing.statistics2023 import write_statistics
from sensorium_data.testing.traces import Neurons, behaviour

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.testing.plan2023 import Presentation

__all__ = ["write_sensorium2023"]

Dtype = Literal["float32", "float64"]
Tail = Literal["nan", "values"]

STREAMS = ("videos", "responses", "behavior", "pupil_center")
NEURONS, FILM, TRIAL = 1, 2, 3  # what a seed is for; 0 is the plan
N_NUDGED = 8  # pixels that are one grey level off in a repeat that was nudged


@dataclass(frozen=True, slots=True)
class _Writer:
    """Everything that the files of one trial depend on."""

    folder: Path
    neurons: Neurons
    seed: int
    dtype: Dtype
    n_padded: int
    frame_shape: tuple[int, int]
    behavior_tail: Tail
    fractional: int
    with_nan: frozenset[int]

    def trial(self, shown: Presentation) -> None:
        """Write the four files of a trial."""
        truth, n = shown.truth, shown.truth.n_valid
        rng = np.random.default_rng([self.seed, TRIAL, truth.trial_id])
        film = self._film(shown, rng)
        frames = film.astype(self.dtype)
        if truth.trial_id == self.fractional:
            frames = np.minimum(frames, 254) + 0.25
        behavior, gaze = behaviour(rng, self.n_padded)
        responses = np.zeros((len(self.neurons.gain), self.n_padded), self.dtype)
        if not truth.withheld:
            responses[:, :n] = self.neurons.respond(film, rng).T
            responses[:, n:] = np.nan
        if truth.trial_id in self.with_nan:
            # The eye was closed: pupil and gaze are lost for some samples in the middle.
            behavior[0, n // 3 : n // 3 + max(1, n // 6)] = np.nan
            gaze[:, n // 3 : n // 3 + max(1, n // 6)] = np.nan
        gaze[:, n:] = np.nan
        if self.behavior_tail == "nan":
            behavior[:, n:] = np.nan
        videos = np.full((*self.frame_shape, self.n_padded), np.nan, self.dtype)
        videos[..., :n] = np.moveaxis(frames, 0, -1)
        for stream, values in zip(STREAMS, (videos, responses, behavior, gaze), strict=True):
            np.save(self.folder / "data" / stream / f"{truth.trial_id}.npy", values.astype(self.dtype, copy=False))

    def _film(self, shown: Presentation, rng: np.random.Generator) -> NDArray[np.uint8]:
        seeded = np.random.default_rng([self.seed, FILM, shown.number])
        whole = make_film(shown.truth.label, seeded, shown.n_film, self.frame_shape)
        film = whole[: shown.truth.n_valid].copy()
        if shown.nudged:
            at = rng.choice(film.size, min(N_NUDGED, film.size), replace=False)
            # Towards the middle, so that two nudged repeats of one film are within one level of each other as well.
            film.flat[at] = np.where(film.flat[at] > 127, film.flat[at] - 1, film.flat[at] + 1)
        return film


def write_sensorium2023(
    folder: str | Path,
    *,
    name: str = DEFAULT_NAME,
    n_neurons: int = 12,
    n_train: int = 6,
    n_repeats: int = 3,
    seed: int = 0,
    dtype: Dtype = "float64",
    withhold: bool = True,
    holes: bool = False,
    behavior_tail: Tail = "nan",
    fractional: bool = False,
    behavior_nan: bool = False,
    frame_shape: tuple[int, int] = (36, 64),
    lengths: Mapping[str, int] | None = None,
    n_padding: int = 4,
    zipped: Zipped = "",
) -> Path:
    """Write a made-up recording in the published format of Sensorium 2023; equal arguments write equal bytes.

    Each tier but `train` has two films that are shown again and again, the second once less often. Every second of
    three presentations is one grey level off in a few pixels, and one film of `live_test_bonus` is once cut short.

    Parameters
    ----------
    folder : str or Path
        Where the session's own folder, or its zip, is put; made if it is not there.
    name : str
        Of the session. For the ten of the competition the bonus tiers show what they really showed.
    n_neurons : int
    n_train : int
        Training clips, each shown once.
    n_repeats : int
        Presentations of each tier's first film.
    seed : int
        Of everything that is drawn.
    dtype : {"float64", "float32"}
        Of every stream; the five mice of the competition were published in float64, the five before them in float32.
    withhold : bool
        Publish the responses of the four test tiers as zeros, to the end of the padding.
    holes : bool
        Leave some file numbers out, with tier `none`, and leave out `trial_idx.npy`, as for the five old mice.
    behavior_tail : {"nan", "values"}
        What follows the valid samples of behaviour.
    fractional : bool
        Give one training clip fractional grey levels.
    behavior_nan : bool
        Lose the eye for a while in one training trial and in one of `oracle`.
    frame_shape : (y, x), pixels
        At least (4, 4).
    lengths : mapping of str to int, frames at 30 Hz, optional
        Valid length of each kind; kinds that are left out have a tenth of `REAL_LENGTHS`. A reader can tell the two
        kinds of a final bonus tier apart by the real lengths alone.
    n_padding : int, frames
        By how much the padding exceeds the longest trial.
    zipped : {"", "stored", "deflated"}
        Put the folder into a zip, with the litter that macOS adds, and remove it.

    Returns
    -------
    Path
        The session's folder, or the zip.

    Raises
    ------
    BadArgument
        An argument that no recording can have.
    TargetExists
        The folder or the zip is there already; nothing is changed.

    Examples
    --------
    >>> import tempfile
    >>> session = write_sensorium2023(tempfile.mkdtemp(), n_neurons=5)
    >>> np.load(session / "data" / "responses" / "0.npy").shape
    (5, 36)
    """
    _check(name, n_neurons, n_padding, frame_shape, dtype, behavior_tail, zipped)
    plan = plan_sensorium2023(
        name=name, n_train=n_train, n_repeats=n_repeats, seed=seed, withhold=withhold, holes=holes, lengths=lengths
    )
    session = new_recording(Path(folder), name, STREAMS)
    present = [shown for shown in plan if not shown.truth.missing]
    train, oracle = ([s.truth for s in present if s.truth.tier == tier] for tier in ("train", "oracle"))
    neurons = Neurons.make(np.random.default_rng([seed, NEURONS]), n_neurons, frame_shape)
    n_padded = max(shown.truth.n_valid for shown in present) + n_padding
    quarter = train[0].trial_id if fractional else -1
    with_nan = frozenset((train[0].trial_id, oracle[0].trial_id)) if behavior_nan else frozenset()
    writer = _Writer(session, neurons, seed, dtype, n_padded, frame_shape, behavior_tail, quarter, with_nan)
    for shown in present:
        writer.trial(shown)
    _tables(session, neurons, plan, with_trial_idx=not holes)
    for stream in STREAMS:
        write_statistics(session, stream, [truth.trial_id for truth in train], train[0].n_valid)
    return pack(session, zipped) if zipped else session


def _check(
    name: str, n_neurons: int, n_padding: int, frame_shape: Sequence[int], dtype: str, behavior_tail: str, zipped: str
) -> None:
    """Raise BadArgument for what the plan does not look at."""
    folder_name(name)
    one_of(get_args(Dtype), dtype=dtype)
    one_of(get_args(Tail), behavior_tail=behavior_tail)
    one_of(get_args(Zipped), zipped=zipped)
    at_least(1, n_neurons=n_neurons)
    at_least(0, n_padding=n_padding)
    picture_size(frame_shape)


def _tables(session: Path, neurons: Neurons, plan: Sequence[Presentation], *, with_trial_idx: bool) -> None:
    """Write `meta/neurons` and `meta/trials`."""
    for part in ("neurons", "trials"):
        (session / "meta" / part).mkdir(parents=True)
    np.save(session / "meta" / "neurons" / "unit_ids.npy", neurons.unit_ids)
    np.save(session / "meta" / "neurons" / "cell_motor_coordinates.npy", neurons.coordinates)
    np.save(session / "meta" / "trials" / "tiers.npy", np.array([shown.truth.tier for shown in plan], "<U16"))
    if with_trial_idx:
        np.save(session / "meta" / "trials" / "trial_idx.npy", np.array([_trial_idx(shown) for shown in plan]))


def _trial_idx(shown: Presentation) -> str:
    """Return a trial's index as a string: its number, or the images of a sequence."""
    if shown.truth.label == "NaturalImages":
        return "--".join(str(1000 * (shown.number + 1) + i) for i in range(10))
    return str(shown.truth.trial_id)
