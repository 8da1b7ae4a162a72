"""What names, headers and tables of a Sensorium 2022 recording tell, before any image is read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.errors import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sensorium_data.sources.base import RawColumn, RawTrial
    from sensorium_data.sources.filetree import Tree
    from sensorium_data.sources.npy import Header

__all__ = ["Shapes", "image_classes", "shapes_of", "stimulus_ids"]

# Ranks that were published or are documented: the tutorial writes vectors with a leading axis of one.
RANKS = {"images": (2, 3), "responses": (1, 2), "behavior": (1, 2), "pupil_center": (1, 2)}
Shapes = dict[str, tuple[int, ...]]  # by stream, or by member


def shapes_of(tree: Tree, headers: Mapping[str, Mapping[int, Header]]) -> Shapes:
    """Return the shape of each stream's files; every file that disagrees with most of them becomes a problem."""
    shapes: Shapes = {}
    for stream, ranks in RANKS.items():
        sound: Shapes = {}
        for number, header in headers[stream].items():
            where, shape = f"data/{stream}/{number}.npy", header.shape
            if len(shape) not in ranks or 0 in shape:
                tree.fault("npy-shape", where, f"has shape {shape}, expected {' or '.join(map(str, ranks))} axes")
                continue
            if header.dtype.kind not in "fiu":
                tree.fault("npy-dtype", where, f"holds {header.dtype}, expected numbers")
            sound[where] = shape
        if sound:
            shapes[stream] = usual = Counter(sound.values()).most_common(1)[0][0]
            for where, shape in sound.items():
                if shape != usual:
                    tree.fault("npy-shape", where, f"has shape {shape}, expected {usual} as its siblings")
    _check_vectors(tree, shapes)
    shapes.setdefault("images", (1, 1, 1))
    return shapes


def _check_vectors(tree: Tree, shapes: Shapes) -> None:
    for stream, allowed in (("behavior", (2, 3)), ("pupil_center", (2,))):
        shape = shapes.setdefault(stream, allowed[-1:])
        if shape[-1] not in allowed or shape[:-1] not in ((), (1,)):
            expected = " or ".join(map(str, allowed))
            tree.fault("npy-shape", f"data/{stream}", f"has shape {shape}, expected {expected} values a trial")
    responses = shapes.setdefault("responses", (0,))
    if responses[:-1] not in ((), (1,)):
        tree.fault("npy-shape", "data/responses", f"has shape {responses}, expected one value a neuron")


def _image_variable(variables: Mapping[str, RawColumn], what: str) -> RawColumn | None:
    """Return the trial variable of an image, `frame_image_id` or, in colour, `colorframeprojector_image_id`."""
    named = [column for name, column in sorted(variables.items()) if name.endswith(f"_image_{what}")]
    return named[0] if named and named[0].dims == ("trial",) else None


def _unknown(value: Any) -> bool:  # noqa: ANN401  # whatever numpy holds
    """True for what tables have where nothing is known: a negative number or none at all, empty text or what says so."""
    if isinstance(value, str):
        return value.strip().lower() in ("", "nan", "none", "-1", "-1.0")
    return not np.isfinite(value) or value < 0


def stimulus_ids(tree: Tree, variables: Mapping[str, RawColumn], trials: Sequence[RawTrial]) -> dict[int, str] | None:
    """Return the published id of each trial's image, by trial id; those that are missing are left out and noted."""
    column = _image_variable(variables, "id")
    if column is None:
        tree.note("image-ids-absent", "no trial variable names the images shown; repeats are found by content alone")
        return None
    values = dict(zip((trial.trial_id for trial in trials), column.values.tolist(), strict=True))
    lacking = [number for number, value in values.items() if _unknown(value)]
    if lacking:
        text = f"{column.member} has no id for {len(lacking)} trials: {listed(lacking)}; their repeats are found by content alone"
        tree.note("image-ids-missing", text)
    known = values.keys() - set(lacking)
    classes = image_classes(variables, trials)
    if len(set(classes.values())) < 2:
        return {number: str(value) for number, value in values.items() if number in known}
    # Images are numbered within their class: 7 of one is not 7 of another.
    return {number: f"{classes[number]} {value}".lstrip() for number, value in values.items() if number in known}


def image_classes(variables: Mapping[str, RawColumn], trials: Sequence[RawTrial]) -> dict[int, str]:
    """Return the published class of each trial's image, by trial id; empty where none is known."""
    column = _image_variable(variables, "class")
    if column is None:
        return {}
    values = zip(trials, column.values.tolist(), strict=True)
    return {trial.trial_id: "" if _unknown(value) else str(value) for trial, value in values}
