"""Reader of Sensorium 2023 recordings: films of (y, x, time), responses of (neuron, time), one file a trial and stream.

Every trial is padded to the longest of its session. The valid length comes from the film (its first frame that is NaN
everywhere), never from the responses: withheld ones are zeros to the very end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sensorium_data.errors import SourceInvalid
from sensorium_data.sources.base import RawSession, RawStatistic, RawTrial, Scan
from sensorium_data.sources.behaviour import behaviour_signals, identity_of
from sensorium_data.sources.filetree import Tree
from sensorium_data.sources.films import infinite, valid_film
from sensorium_data.sources.members import MemberError
from sensorium_data.sources.npy import Loaded, common_dtype, load
from sensorium_data.sources.sensorium2023_facts import (
    CITATIONS,
    KIND_LENGTHS,
    LICENCE,
    MICE,
    NATURAL_TIERS,
    ORDER_BASIS,
    SHORTEST_IMAGES,
)
from sensorium_data.sources.sensorium2023_headers import shapes_of
from sensorium_data.sources.withheld import is_withheld

if TYPE_CHECKING:
    from sensorium_data.errors import Problem
    from sensorium_data.schemas import Identity
    from sensorium_data.schemas.stimulus import LabelSource
    from sensorium_data.sources.members import Members, Memory
    from sensorium_data.sources.sensorium2023_facts import Mouse

__all__ = ["Sensorium2023"]

STREAMS = ("videos", "responses", "behavior", "pupil_center")
STILL = 0.5  # sequences of images stand still in 0.9 of their frames, moving noise in none

NOTES = {
    "film-not-integral": "holds fractional grey levels; every film of this session is kept in floating point",
    "film-not-finite": "holds NaN or infinite pixels, let in as asked; every film of this session is kept in floating point",
    "behavior-tail": "behaviour goes on past the end of the film; only the film's valid samples are kept",
    "gaze-tail": "gaze goes on past the end of the film; only the film's valid samples are kept",
    "behavior-nan": "behaviour or pupil has NaN in its valid samples; they are kept to the bit",
}


@dataclass(frozen=True)
class Recording(RawSession):
    """A Sensorium 2023 recording."""

    def _name(self, stream: str, trial: RawTrial) -> str:
        return f"data/{stream}/{trial.trial_id}.npy"

    def scan(self, trial: RawTrial, *, allow_nan: bool, memory: Memory | None = None) -> Scan:
        """Return film, pupil, running and gaze of one trial, and whether its responses are withheld."""
        digests: dict[str, str] = {}
        problems: list[Problem] = []
        arrays = {}
        for stream in ("videos", "behavior", "pupil_center"):
            name = self._name(stream, trial)
            try:
                loaded = load(self.members, name, memory if stream == "videos" else None)
                arrays[stream], digests[name] = loaded.array, loaded.sha256
            except MemberError as error:
                problems.append(error.problem(name))
        withheld = False
        n_valid, film = 0, None
        if not problems:
            name = self._name("videos", trial)
            film = valid_film(arrays["videos"], name, allow_nan=allow_nan, length_from=arrays["pupil_center"])
            problems += film.problems
            n_valid = len(film.frames)
        name = self._name("responses", trial)
        try:
            withheld = is_withheld(self.members, name, n_valid, digests, allow_nan=allow_nan)
        except MemberError as error:
            problems.append(error.problem(name))
        if film is None:
            return Scan(np.zeros((0, *self.frame_shape), np.uint8), {}, withheld, digests, (), tuple(problems))
        signals, notes = self._behaviour(arrays["behavior"], arrays["pupil_center"], n_valid)
        if not allow_nan:
            problems += [infinite(self._name(s, trial)) for s in arrays if s != "videos" and np.isinf(arrays[s]).any()]
        return Scan(film.frames, signals, withheld, digests, (*notes, *film.notes), tuple(problems))

    def _behaviour(
        self, behavior: np.ndarray[Any, Any], centre: np.ndarray[Any, Any], n_valid: int
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        valid, gaze = behavior[:, :n_valid], centre[:, :n_valid]
        pupil = valid[0] if len(behavior) == 2 else valid[:2].T
        tails = {"behavior-tail": behavior[:, n_valid:], "gaze-tail": centre[:, n_valid:]}
        notes = tuple(code for code, tail in tails.items() if tail.size and not np.isnan(tail).all())
        if np.isnan(valid).any() or np.isnan(gaze).any():
            notes += ("behavior-nan",)
        return {"pupil": pupil, "running": valid[-1], "gaze": gaze.T}, notes

    def responses(self, trial: RawTrial, n_valid: int, memory: Memory | None = None) -> Loaded:
        """Return the valid responses, (time, neuron), a transposed view of the published array in the memory.

        Raises
        ------
        MemberError
            The file cannot be read, or holds values past the end of the film.
        """
        loaded = load(self.members, self._name("responses", trial), memory)
        tail = loaded.array[:, n_valid:]
        if tail.size and not np.isnan(
            np.fmax.reduce(tail, axis=None)
        ):  # NaN only where all are, and no array of truths
            what = f"has values past sample {n_valid}, where the film ends and NaN was expected"
            raise MemberError("length-mismatch", what)
        return Loaded(loaded.array[:, :n_valid].T, loaded.sha256)

    def statistic(self, statistic: RawStatistic) -> Loaded:
        """Return one array of the shipped statistics, time first."""
        loaded = load(self.members, statistic.member)
        if statistic.framed:
            return Loaded(np.moveaxis(loaded.array, -1, 0), loaded.sha256)
        return loaded

    def label(self, trial: RawTrial, n_valid: int, still: float) -> tuple[str, LabelSource]:
        """Return the kind of stimulus from the table of facts, by length and content where a tier mixes two kinds."""
        mouse = MICE.get(self.identity.key)
        if mouse is None or trial.tier == "none":
            return "", ""
        if trial.tier in NATURAL_TIERS:
            return "NaturalVideo", "facts"
        kinds = mouse.live if trial.tier == "live_test_bonus" else mouse.final
        if len(kinds) == 1:
            return kinds[0], "facts"
        fitting = [kind for kind in kinds if _fits(kind, n_valid)]
        if len(fitting) == 2 and "NaturalImages" in fitting:
            images = still > STILL
            return next(kind for kind in fitting if (kind == "NaturalImages") == images), "facts+content"
        return (fitting[0], "facts+length") if len(fitting) == 1 else ("", "")


def _fits(kind: str, n_valid: int) -> bool:
    return n_valid == KIND_LENGTHS[kind] if kind in KIND_LENGTHS else n_valid >= SHORTEST_IMAGES


class Sensorium2023:
    """Reader of the folders and zips of the Sensorium 2023 competition."""

    name: ClassVar[str] = "sensorium2023"
    looks_for: ClassVar[str] = "data/videos/N.npy, data/responses/N.npy and meta/trials/tiers.npy"

    def recognises(self, members: Members) -> bool:
        """True when there are films and responses, one file a trial, or a table of trials and no data at all."""
        folders = {tuple(name.split("/")[:2]) for name in members.sizes}
        hollow = "meta/trials/tiers.npy" in members.sizes and not any(folder[0] == "data" for folder in folders)
        return hollow or (("data", "videos") in folders and ("data", "responses") in folders)

    def open(self, members: Members) -> RawSession:
        """Return the recording; names, headers and tables are read, and nothing else.

        Raises
        ------
        SourceInvalid
            With every problem found.
        """
        tree = Tree(members)
        identity = identity_of(members, "dynamic", lambda key: MICE[key].letter if key in MICE else None)
        files = {stream: tree.stream(stream) for stream in STREAMS}
        mouse = _mouse(tree, identity)
        trials = tree.trials(files, mouse.appended_from if mouse else None)
        headers = {stream: tree.headers(found) for stream, found in files.items()}
        n_neurons, frame_shape, n_behavior = shapes_of(tree, headers)
        dims = {
            "videos": (("y", "x", "time"), (*frame_shape, 0)),
            "responses": (("neuron", "time"), (n_neurons, 0)),
            "behavior": (("channel", "time"), (n_behavior, 0)),
            "pupil_center": (("axis", "time"), (2, 0)),
        }
        neurons, statistics = tree.neurons(n_neurons), tree.statistics(dims)
        variables = tree.trial_variables(trials)
        if tree.problems:
            hint = "are the files as published? download them again"
            raise SourceInvalid(f"{members.path}: {tree.count}", hint=hint, problems=tree.problems)
        return Recording(
            identity=identity,
            licence=LICENCE if mouse else None,
            citations=CITATIONS if mouse else (),
            trials=trials,
            signals=behaviour_signals(
                n_behavior, common_dtype(headers["behavior"]), common_dtype(headers["pupil_center"])
            ),
            neurons=neurons,
            trial_variables=variables,
            statistics=statistics,
            n_neurons=n_neurons,
            response_dtype=common_dtype(headers["responses"]),
            film_dtype=np.result_type(*{header.dtype for header in headers["videos"].values()}),
            frame_shape=frame_shape,
            members=members,
            digests=tree.digests,
            notes=tuple(tree.notes),
            order_basis=ORDER_BASIS,
            note_texts=NOTES,
        )


def _mouse(tree: Tree, identity: Identity) -> Mouse | None:
    mouse = MICE.get(identity.key)
    if mouse is None:
        text = f"`{identity.name}` names none of the ten published mice: kinds of stimuli and licence are not known"
        tree.note("recording-unknown", text)
    return mouse
