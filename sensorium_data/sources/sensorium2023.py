"""Reader of Sensorium 2023 recordings: films of (y, x, time), responses of (neuron, time), one file a trial and stream.

Every trial is padded to the longest of its session. The valid length comes from the film (its first frame that is NaN
everywhere), never from the responses: withheld ones are zeros to the very end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sensorium_data.errors import SourceInvalid
from sensorium_data.schemas import Channel, Identity
from sensorium_data.sources.base import RawSession, RawSignal, RawStatistic, RawTrial, Scan
from sensorium_data.sources.filetree import Tree
from sensorium_data.sources.films import valid_film
from sensorium_data.sources.members import MemberError
from sensorium_data.sources.npy import Loaded, header_of, load
from sensorium_data.sources.sensorium2023_facts import (
    CITATIONS,
    KIND_LENGTHS,
    LICENCE,
    MICE,
    NATURAL_TIERS,
    ORDER_BASIS,
    SHORTEST_IMAGES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensorium_data.errors import Problem
    from sensorium_data.schemas.stimulus import LabelSource
    from sensorium_data.sources.members import Members, Memory
    from sensorium_data.sources.npy import Header

__all__ = ["Sensorium2023"]

STREAMS = ("videos", "responses", "behavior", "pupil_center")
PROBE = 65536  # bytes of a response file read to see that it is not withheld
STILL = 0.5  # sequences of images stand still in 0.9 of their frames, moving noise in none

NOTES = {
    "film-not-integral": "holds fractional grey levels; every film of this session is kept in floating point",
    "behavior-tail": "behaviour goes on past the end of the film; only the film's valid samples are kept",
    "gaze-tail": "gaze goes on past the end of the film; only the film's valid samples are kept",
    "behavior-nan": "behaviour or pupil has NaN in its valid samples; they are kept to the bit",
}


def _identity(members: Members) -> Identity:
    name = members.root
    match = re.match(r"dynamic((\d+)-(\d+)-(\d+))(?:-|$)", name)
    key, animal, session, scan = match.groups() if match else (name, None, None, None)
    mouse = MICE[key].letter if key in MICE else None
    species = "mouse" if match else None
    return Identity(
        key=key,
        name=name,
        modality="dynamic",
        animal_id=animal,
        session=session,
        scan=scan,
        mouse=mouse,
        species=species,
    )


def _shapes(tree: Tree, headers: Mapping[str, Mapping[int, Header]]) -> tuple[int, tuple[int, int], int]:
    """Return neurons, frame size and behaviour channels; every file that disagrees becomes a problem."""
    ranks = {"videos": 3, "responses": 2, "behavior": 2, "pupil_center": 2}
    leading: dict[str, tuple[int, ...]] = {}
    for stream, rank in ranks.items():
        for number, header in headers[stream].items():
            where, shape = f"data/{stream}/{number}.npy", header.shape
            if len(shape) != rank or 0 in shape:
                tree.fault("npy-shape", where, f"has shape {shape}, expected {rank} axes, time last, none empty")
                continue
            if header.dtype.kind not in "fiu":
                tree.fault("npy-dtype", where, f"holds {header.dtype}, expected numbers")
            expected = leading.setdefault(stream, shape[:-1])
            if shape[:-1] != expected:
                tree.fault("npy-shape", where, f"has shape {shape}, expected {(*expected, shape[-1])} as its siblings")
            film = headers["videos"].get(number)
            if film is not None and len(film.shape) == 3 and shape[-1] != film.shape[-1]:
                tree.fault("length-mismatch", where, f"has {shape[-1]} samples, but the film has {film.shape[-1]}")
    _check_channels(tree, leading)
    y, x = (*leading.get("videos", (1, 1)), 1)[:2]
    return leading.get("responses", (0,))[0], (y, x), leading.get("behavior", (2,))[0]


def _check_channels(tree: Tree, leading: Mapping[str, tuple[int, ...]]) -> None:
    for stream, allowed in (("behavior", (2, 3)), ("pupil_center", (2,))):
        n_channels = leading.get(stream, (2,))[0]
        if n_channels not in allowed:
            expected_text = " or ".join(map(str, allowed))
            tree.fault("npy-shape", f"data/{stream}", f"has {n_channels} channels, expected {expected_text}")


def _dtype(headers: Mapping[int, Header]) -> np.dtype[Any]:
    return np.result_type(*{header.dtype for header in headers.values()}, np.float16)


def _signals(n_behavior: int, headers: Mapping[str, Mapping[int, Header]]) -> tuple[RawSignal, ...]:
    behavior, centre = _dtype(headers["behavior"]), _dtype(headers["pupil_center"])
    axes = (Channel(name="x", unit="px"), Channel(name="y", unit="px"))
    pupil = RawSignal("pupil", (), behavior, "px", (Channel(name="dilation", unit="px"),), "pupil dilation")
    if n_behavior == 3:
        channels = (*pupil.channels, Channel(name="dilation_change", unit="px/s"))
        pupil = RawSignal("pupil", ("channel",), behavior, None, channels, "pupil dilation and its change")
    running = RawSignal("running", (), behavior, "cm/s", (Channel(name="speed", unit="cm/s"),), "treadmill speed")
    return pupil, running, RawSignal("gaze", ("axis",), centre, "px", axes, "centre of the pupil in the eye camera")


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
        name = self._name("responses", trial)
        try:
            withheld = self._withheld(name, digests)
        except MemberError as error:
            withheld = False
            problems.append(error.problem(name))
        if problems:
            return Scan(np.zeros((0, *self.frame_shape), np.uint8), {}, withheld, digests, (), tuple(problems))
        name = self._name("videos", trial)
        film = valid_film(arrays["videos"], name, allow_nan=allow_nan, length_from=arrays["pupil_center"])
        problems += film.problems
        signals, notes = self._behaviour(arrays["behavior"], arrays["pupil_center"], len(film.frames))
        if not allow_nan:
            problems += [_infinite(self._name(s, trial)) for s in arrays if s != "videos" and np.isinf(arrays[s]).any()]
        notes += () if film.integral else ("film-not-integral",)
        return Scan(film.frames, signals, withheld, digests, notes, tuple(problems))

    def _withheld(self, name: str, digests: dict[str, str]) -> bool:
        header = header_of(self.members, name)
        size = header.dtype.itemsize
        probe = self.members.head(name, header.offset + PROBE)[header.offset :]
        if np.frombuffer(probe[: len(probe) // size * size], header.dtype).any():
            return False
        loaded = load(self.members, name)
        # Zeros to the end is how responses are withheld; a NaN tail behind zeros would be zeros just the same.
        withheld = not np.nan_to_num(loaded.array).any() and not np.isnan(loaded.array).all()
        if withheld:
            digests[name] = loaded.sha256
        return withheld

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
        if statistic.dims[:1] == ("frame",):
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


def _infinite(where: str) -> Problem:
    from sensorium_data.errors import Problem

    return Problem("infinite", where, "holds infinite values (--allow-nan lets them in)")


class Sensorium2023:
    """Reader of the folders and zips of the Sensorium 2023 competition."""

    name: ClassVar[str] = "sensorium2023"
    looks_for: ClassVar[str] = "data/videos/N.npy, data/responses/N.npy and meta/trials/tiers.npy"

    def recognises(self, members: Members) -> bool:
        """True when there are films and responses, one file a trial."""
        folders = {tuple(name.split("/")[:2]) for name in members.sizes}
        return ("data", "videos") in folders and ("data", "responses") in folders

    def open(self, members: Members) -> RawSession:
        """Return the recording; names, headers and tables are read, and nothing else.

        Raises
        ------
        SourceInvalid
            With every problem found.
        """
        tree = Tree(members)
        identity = _identity(members)
        files = {stream: tree.stream(stream) for stream in STREAMS}
        mouse = MICE.get(identity.key)
        trials = tree.trials(files, mouse.appended_from if mouse else None)
        headers = {stream: tree.headers(found) for stream, found in files.items()}
        n_neurons, frame_shape, n_behavior = _shapes(tree, headers)
        dims = {
            "videos": (("y", "x", "time"), (*frame_shape, 0)),
            "responses": (("neuron", "time"), (n_neurons, 0)),
            "behavior": (("channel", "time"), (n_behavior, 0)),
            "pupil_center": (("axis", "time"), (2, 0)),
        }
        neurons, statistics = tree.neurons(n_neurons), tree.statistics(dims)
        variables = tree.trial_variables(trials)
        if tree.problems:
            hint = "the files are as published? download them again; nothing was written"
            raise SourceInvalid(f"{members.path}: {_count(tree)}", hint=hint, problems=tree.problems)
        return Recording(
            identity=identity,
            licence=LICENCE if mouse else None,
            citations=CITATIONS if mouse else (),
            trials=trials,
            signals=_signals(n_behavior, headers),
            neurons=neurons,
            trial_variables=variables,
            statistics=statistics,
            n_neurons=n_neurons,
            response_dtype=_dtype(headers["responses"]),
            film_dtype=np.result_type(*{header.dtype for header in headers["videos"].values()}),
            frame_shape=frame_shape,
            members=members,
            digests=tree.digests,
            notes=tuple(tree.notes),
            order_basis=ORDER_BASIS,
            note_texts=NOTES,
        )


def _count(tree: Tree) -> str:
    n = len(tree.problems)
    return "1 problem" if n == 1 else f"{n} problems"
