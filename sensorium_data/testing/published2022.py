"""A seeded writer of recordings as they were published in 2022, with what a reader of the real ones has to survive.

Written from the description of the format, not with the reader's own code: a mistake in one does not hide in the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from sensorium_data.errors import BadArgument
from sensorium_data.testing.archive import Zipped, new_recording, pack
from sensorium_data.testing.arguments import at_least, folder_name, one_of, picture_size
from sensorium_data.testing.films import make_picture
from sensorium_data.testing.plan2022 import KINDS, Schedule
from sensorium_data.testing.statistics2022 import GreyLevels, measures_by_blocks, write_statistics
from sensorium_data.testing.tables2022 import write_neurons, write_trials
from sensorium_data.testing.traces import Neurons, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensorium_data.testing.plan2022 import ImageIds, Kind, Presentation, Published

__all__ = ["write_sensorium2022"]

STREAMS = ("images", "responses", "behavior", "pupil_center")
NEURONS, PICTURE, TRIAL = 1, 2, 3  # what a seed is for; 0 is the plan
N_NUDGED = 8  # pixels that are one grey level off in a repeat that was nudged
FINEST = (36, 64)  # made-up neurons see little more than this: filters of whole pictures would take 14 MB


@dataclass(frozen=True, slots=True)
class _Quirks:
    """What a recording may have beside its schedule, as `write_sensorium2022` explains."""

    axes_of_one: bool
    nudged: bool
    fractional: bool
    behavior_nan: bool
    sibling: bool


@dataclass(frozen=True, slots=True)
class _Writer:
    """Everything that the files of one trial depend on, and what the statistics are made from.

    Attributes
    ----------
    first : Presentation
        The first of the training trials, the one with the faults.
    """

    folder: Path
    schedule: Schedule
    quirks: _Quirks
    neurons: Neurons
    shape: tuple[int, int, int]
    first: Presentation
    levels: GreyLevels = field(default_factory=GreyLevels)
    train: list[tuple[NDArray[np.float32], ...]] = field(default_factory=list)

    def trial(self, shown: Presentation) -> None:
        """Write the four files of a trial."""
        truth = shown.truth
        rng = np.random.default_rng([self.schedule.seed, TRIAL, truth.trial_id])
        behavior, gaze = self._mouse(truth.trial_id, rng)
        levels = self._levels(shown, rng)
        picture = levels.astype(np.float32)
        if self.quirks.fractional and shown.number == self.first.number:
            picture = np.minimum(picture, 254) + np.float32(0.25)
        responses = np.zeros(len(self.neurons.gain))
        if not truth.withheld:
            responses = self.neurons.glance(_seen(levels), rng)
        rest = tuple(values.astype(np.float32) for values in (responses, behavior, gaze))
        for stream, values in zip(STREAMS, (picture, *rest), strict=True):
            np.save(self.folder / "data" / stream / f"{truth.trial_id}.npy", values)
        if truth.tier == "train":
            self.levels.add(picture)
            self.train.append(rest)

    def _mouse(self, trial_id: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        behavior, gaze = moment(rng)
        if self.schedule.published.hides_mouse:
            behavior[:], gaze[:] = 0, 0
        if self.quirks.behavior_nan and trial_id == self.first.truth.trial_id:
            # The eye was closed; the treadmill went on.
            behavior[:2], gaze[:] = np.nan, np.nan
        return (behavior[None], gaze[None]) if self.quirks.axes_of_one else (behavior, gaze)

    def _levels(self, shown: Presentation, rng: np.random.Generator) -> NDArray[np.uint8]:
        seeded = np.random.default_rng([self.schedule.seed, PICTURE, shown.number])
        picture = make_picture(seeded, self.shape[0], self.shape[1:])
        if self.quirks.nudged and shown.repeat % 3 == 1:
            at = rng.choice(picture.size, min(N_NUDGED, picture.size), replace=False)
            # Towards the middle, so that two nudged repeats of one picture are within one level of each other as well.
            picture.flat[at] = np.where(picture.flat[at] > 127, picture.flat[at] - 1, picture.flat[at] + 1)
        return picture

    def statistics(self) -> None:
        """Write the statistics of the training trials that were written."""
        images = self.levels.measures()
        if self.quirks.sibling:
            images = {name: np.broadcast_to(value, self.shape) for name, value in images.items()}
        write_statistics(self.folder, STREAMS[0], images)
        for stream, trials in zip(STREAMS[1:], zip(*self.train, strict=True), strict=True):
            write_statistics(self.folder, stream, measures_by_blocks(trials))


def write_sensorium2022(
    folder: str | Path,
    *,
    kind: Kind = "pretrain",
    name: str | None = None,
    n_neurons: int = 12,
    n_train: int = 16,
    n_validation: int = 3,
    n_test: int = 2,
    n_repeats: int = 4,
    seed: int = 0,
    frame_shape: tuple[int, int] | None = None,
    axes_of_one: bool = False,
    image_ids: ImageIds = "published",
    one_id_two_pictures: bool = False,
    two_ids_one_picture: bool = False,
    nudged: bool = False,
    fractional: bool = False,
    behavior_nan: bool = False,
    sibling: bool = False,
    zipped: Zipped = "",
) -> Path:
    """Write a made-up recording in the published format of Sensorium 2022; equal arguments write equal bytes.

    One file of each stream a trial, one sample a file, all float32; file numbers say nothing of time. Of the images
    that are shown again and again every second one is shown once less often, and the last one of `test` at most three
    times. The same seed and counts show the same pictures under the same ids, in every grey kind.

    Parameters
    ----------
    folder : str or Path
        Where the session's own folder, or its zip, is put; made if it is not there.
    kind : {"pretrain", "splus", "s", "colour"}
        `pretrain` has all its labels. `splus` has a tier more, `final_test`, publishes the responses of both test
        tiers as zeros and hashes in place of `trial_idx`; `s` also publishes behaviour and gaze of all trials as
        zeros. `colour` has pictures of two channels, and the tables about them have another prefix.
    name : str, optional
        Of the session; the kind's own published name if left out. Animal, session and scan are taken from it.
    n_neurons : int
    n_train, n_validation : int
        Images of these tiers, each shown once.
    n_test : int
        Images of `test`, and as many of `final_test`.
    n_repeats : int
        Presentations of each test tier's first image; really 8 to 10.
    seed : int
        Of everything that is drawn.
    frame_shape : (y, x), pixels, optional
        At least (4, 4); as published if left out: (144, 256), in colour (36, 64).
    axes_of_one : bool
        Write behaviour as (1, 3) and gaze as (1, 2), as the tutorial of the competition has them.
    image_ids : {"published", "absent", "with-holes"}
        Of the trials: one each, no table of them, or -1 for some training and validation images and, in each test
        tier, for the first image's second presentation.
    one_id_two_pictures : bool
        A fault: the first two images of `test` have one id.
    two_ids_one_picture : bool
        The first two training images are one picture.
    nudged : bool
        Every second of three repeats is one grey level off in a few pixels.
    fractional : bool
        Give one training picture fractional grey levels.
    behavior_nan : bool
        Lose the eye in one training trial.
    sibling : bool
        As in data sets that share the format: `condition_hash` for each trial, one a picture; the statistics of images
        repeated to the full shape; numbers of animal, session and scan as strings.
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
    >>> session = write_sensorium2022(tempfile.mkdtemp(), n_neurons=5, frame_shape=(9, 16))
    >>> np.load(session / "data" / "images" / "0.npy").shape, np.load(session / "data" / "responses" / "0.npy").shape
    ((1, 9, 16), (5,))
    """
    schedule = Schedule(
        kind=kind, n_train=n_train, n_validation=n_validation, n_test=n_test, n_repeats=n_repeats, seed=seed,
        image_ids=image_ids, one_id_two_pictures=one_id_two_pictures, two_ids_one_picture=two_ids_one_picture,
    )  # fmt: skip
    published = KINDS[kind]
    name = published.name if name is None else name
    shape = (published.picture_shape[0], *(published.picture_shape[1:] if frame_shape is None else frame_shape))
    _check(published, name, zipped, n_neurons, shape[1:], behavior_nan=behavior_nan)
    session = new_recording(Path(folder), name, STREAMS)
    quirks = _Quirks(axes_of_one, nudged, fractional, behavior_nan, sibling)
    _write(session, schedule, quirks, n_neurons, shape)
    return pack(session, zipped, stream=STREAMS[0]) if zipped else session


def _check(
    published: Published, name: str, zipped: str, n_neurons: int, frame_shape: Sequence[int], *, behavior_nan: bool
) -> None:
    """Raise BadArgument for what the schedule does not look at."""
    folder_name(name)
    one_of(get_args(Zipped), zipped=zipped)
    at_least(1, n_neurons=n_neurons)
    picture_size(frame_shape)
    if behavior_nan and published.hides_mouse:
        raise BadArgument("behavior_nan is True, but this kind publishes zeros for the behaviour of every trial")


def _write(session: Path, schedule: Schedule, quirks: _Quirks, n_neurons: int, shape: tuple[int, int, int]) -> None:
    """Write all files of a recording into its empty folders."""
    plan = schedule.presentations()
    first = next(shown for shown in plan if shown.truth.tier == "train")
    seen = _seen(np.zeros(shape, np.uint8)).shape
    neurons = Neurons.make(np.random.default_rng([schedule.seed, NEURONS]), n_neurons, (seen[0], seen[1]))
    writer = _Writer(session, schedule, quirks, neurons, shape, first)
    for shown in plan:
        writer.trial(shown)
    writer.statistics()
    write_neurons(session, schedule, neurons, as_text=quirks.sibling)
    write_trials(session, schedule, plan, with_conditions=quirks.sibling)


def _seen(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (y, x): what the neurons see of a picture, its channels as one and fine detail left out."""
    step = max(1, min(size // finest for size, finest in zip(picture.shape[1:], FINEST, strict=True)))
    seen: NDArray[np.uint8] = picture[:, ::step, ::step].mean(axis=0).astype(np.uint8)
    return seen
