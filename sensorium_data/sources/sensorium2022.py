"""Reader of Sensorium 2022 recordings: an image, a vector of responses and the animal's state, one file a trial each.

Nothing says when a trial was shown, so no trial follows another. Responses of the test tiers of the two competition
mice are zeros, and of one of them pupil, running and gaze are zeros in every trial: withheld, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sensorium_data.errors import SourceInvalid
from sensorium_data.sources.base import RawSession, RawStatistic, RawTrial, Scan
from sensorium_data.sources.behaviour import behaviour_signals, identity_of
from sensorium_data.sources.filetree import Tree
from sensorium_data.sources.films import infinite, valid_image
from sensorium_data.sources.members import MemberError
from sensorium_data.sources.npy import Loaded, common_dtype, load
from sensorium_data.sources.sensorium2022_facts import (
    CITATIONS,
    COLOUR,
    COLOUR_CITATIONS,
    LICENCE,
    MICE,
    ORDER_BASIS,
)
from sensorium_data.sources.sensorium2022_headers import Shapes, image_classes, shapes_of, stimulus_ids
from sensorium_data.sources.withheld import is_withheld

if TYPE_CHECKING:
    from sensorium_data.errors import Problem
    from sensorium_data.schemas import Citation, Identity, Licence
    from sensorium_data.schemas.stimulus import LabelSource
    from sensorium_data.sources.members import Members, Memory

__all__ = ["Sensorium2022"]

STREAMS = ("images", "responses", "behavior", "pupil_center")
BATCH = 200  # trials a task: 30 MB of images of 144 × 256

NOTES = {
    "film-not-integral": "holds fractional grey levels; every image of this session is kept in floating point",
    "film-not-finite": "holds NaN or infinite pixels, let in as asked; every image is kept in floating point",
    "behavior-nan": "behaviour or pupil has NaN; it is kept to the bit",
}


@dataclass(frozen=True)
class Recording(RawSession):
    """A Sensorium 2022 recording."""

    shapes: Shapes = field(default_factory=dict)
    classes: dict[int, str] = field(default_factory=dict)

    def _load(self, stream: str, trial: RawTrial, memory: Memory | None = None) -> Loaded:
        loaded = load(self.members, f"data/{stream}/{trial.trial_id}.npy", memory)
        if loaded.array.dtype.kind not in "fiu":  # text of as many bytes: one header was read for each size of file
            raise MemberError("npy-dtype", f"holds {loaded.array.dtype}, expected numbers")
        if loaded.array.shape != self.shapes[stream]:
            what = f"has shape {loaded.array.shape}, expected {self.shapes[stream]} as its siblings"
            raise MemberError("npy-shape", what)
        return loaded

    def scan(self, trial: RawTrial, *, allow_nan: bool, memory: Memory | None = None) -> Scan:
        """Return image, pupil, running and gaze of one trial, and whether its responses are withheld."""
        digests: dict[str, str] = {}
        problems: list[Problem] = []
        arrays = {}
        for stream in ("images", "behavior", "pupil_center"):
            name = f"data/{stream}/{trial.trial_id}.npy"
            try:
                loaded = self._load(stream, trial, memory if stream == "images" else None)
                arrays[stream], digests[name] = loaded.array, loaded.sha256
            except MemberError as error:
                problems.append(error.problem(name))
        name, withheld = f"data/responses/{trial.trial_id}.npy", False
        try:
            withheld = is_withheld(self.members, name, None, digests, allow_nan=allow_nan)
        except MemberError as error:
            problems.append(error.problem(name))
        if len(arrays) < 3:
            return Scan(np.zeros((0, *self.frame_shape), np.uint8), {}, withheld, digests, (), tuple(problems))
        where = f"data/images/{trial.trial_id}.npy"
        image = valid_image(arrays["images"].reshape(self.frame_shape), where, allow_nan=allow_nan)
        behavior, gaze = arrays["behavior"].reshape(1, -1), arrays["pupil_center"].reshape(1, -1)
        pupil = behavior[:, 0] if behavior.shape[1] == 2 else behavior[:, :2]
        notes: tuple[str, ...] = ()
        if not (np.isfinite(behavior).all() and np.isfinite(gaze).all()):
            notes = ("behavior-nan",) if np.isnan(behavior).any() or np.isnan(gaze).any() else ()
            few = {s: arrays[s] for s in ("behavior", "pupil_center") if not allow_nan}
            problems += [infinite(f"data/{s}/{trial.trial_id}.npy") for s, v in few.items() if np.isinf(v).any()]
        # An eye of no size, or in the very corner of its camera, was not measured; an animal may stand still.
        blank = (() if behavior.any() else ("pupil", "running")) + (() if gaze.any() else ("gaze",))
        signals = {"pupil": pupil, "running": behavior[:, -1], "gaze": gaze}
        found = (*image.problems, *problems)
        return Scan(image.frames, signals, withheld, digests, (*notes, *image.notes), found, blank)

    def responses(self, trial: RawTrial, n_valid: int, memory: Memory | None = None) -> Loaded:
        """Return the responses of one trial, (1, neuron).

        Raises
        ------
        MemberError
            The file cannot be read, or has another shape than its siblings.
        """
        del n_valid
        loaded = self._load("responses", trial, memory)
        return Loaded(loaded.array.reshape(1, -1), loaded.sha256)

    def statistic(self, statistic: RawStatistic) -> Loaded:
        """Return one array of the shipped statistics."""
        return load(self.members, statistic.member)

    def label(self, trial: RawTrial, n_valid: int, still: float) -> tuple[str, LabelSource]:
        """Return the class of image that the source names."""
        del n_valid, still
        label = self.classes.get(trial.trial_id, "")
        return (label, "source") if label else ("", "")


class Sensorium2022:
    """Reader of the folders and zips of the Sensorium 2022 competition, and of Franke et al. 2022 in colour."""

    name: ClassVar[str] = "sensorium2022"
    looks_for: ClassVar[str] = "data/images/N.npy, data/responses/N.npy and meta/trials/tiers.npy"

    def recognises(self, members: Members) -> bool:
        """True when there are images and responses, one file a trial."""
        folders = {tuple(name.split("/")[:2]) for name in members.sizes}
        return ("data", "images") in folders and ("data", "responses") in folders

    def open(self, members: Members) -> RawSession:
        """Return the recording; names, tables and one header for each size of file are read, and nothing else.

        Raises
        ------
        SourceInvalid
            With every problem found.
        """
        tree = Tree(members)
        identity = identity_of(members, "static", MICE.get)
        files = {stream: tree.stream(stream) for stream in STREAMS}
        trials = tuple(replace(trial, contiguous=False) for trial in tree.trials(files))
        headers = {stream: tree.header_of_each_size(found) for stream, found in files.items()}
        shapes = shapes_of(tree, headers)
        n_neurons = shapes["responses"][-1]
        neurons, statistics = tree.neurons(n_neurons), tree.statistics(_dims_of(shapes))
        variables = tree.trial_variables(trials)
        licence, citations = _terms(tree, identity)
        ids = stimulus_ids(tree, variables, trials)
        if tree.problems:
            hint = "are the files as published? download them again"
            raise SourceInvalid(f"{members.path}: {tree.count}", hint=hint, problems=tree.problems)
        behavior, centre = (common_dtype(headers[stream]) for stream in ("behavior", "pupil_center"))
        return Recording(
            identity=identity,
            licence=licence,
            citations=citations,
            trials=trials,
            signals=behaviour_signals(shapes["behavior"][-1], behavior, centre),
            neurons=neurons,
            trial_variables=variables,
            statistics=statistics,
            n_neurons=n_neurons,
            response_dtype=common_dtype(headers["responses"]),
            film_dtype=np.result_type(*{header.dtype for header in headers["images"].values()}),
            frame_shape=_frame_shape(shapes["images"]),
            members=members,
            digests=tree.digests,
            notes=tuple(tree.notes),
            rate=Fraction(1),
            order_basis=ORDER_BASIS,
            note_texts=NOTES,
            batch=BATCH,
            stimulus_ids=ids,
            shapes=shapes,
            classes=image_classes(variables, trials),
        )


def _frame_shape(published: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an image in the store: a single channel is no axis."""
    return published[1:] if len(published) == 3 and published[0] == 1 else published


def _dims_of(shapes: Shapes) -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
    names = {
        "images": ("channel", "y", "x"),
        "responses": ("neuron",),
        "behavior": ("channel",),
        "pupil_center": ("axis",),
    }
    return {
        stream: (
            tuple(f"one_{i}" for i in range(len(shape) - len(names[stream]))) + names[stream][-len(shape) :],
            shape,
        )
        for stream, shape in shapes.items()
    }


def _terms(tree: Tree, identity: Identity) -> tuple[Licence | None, tuple[Citation, ...]]:
    if identity.key in MICE:
        return LICENCE, CITATIONS
    if COLOUR in identity.name:
        return None, COLOUR_CITATIONS
    text = f"`{identity.name}` names none of the published recordings: licence and citation are not known"
    tree.note("recording-unknown", text)
    return None, ()
