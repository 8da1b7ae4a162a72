"""Sessions in memory, of films that a test makes up: what matching reads of a store, and a note of what it read."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.grouping import group_films, signature
from sensorium_data.handle import SessionHandle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROLE = {"train": "train", "oracle": "validation", "test": "test", "final_test": "test", "none": "none"}


class Store:
    """The frames of a session, one film after the other; notes the runs of rows that are read."""

    identity = ""  # of a folder

    def __init__(self, frames: NDArray[Any], document: Any) -> None:
        self.frames, self.session = frames, document
        self.runs: list[tuple[int, int]] = []

    def array(self, path: str) -> Any:
        assert path == "stimuli/frames"
        return self.frames

    def read(self, array: NDArray[Any], rows: slice) -> NDArray[Any]:
        start, stop, _ = rows.indices(len(array))
        self.runs.append((start, stop))
        return array[rows]


class Made(SessionHandle):
    """A session whose trial i shows the i-th film; a trial without a film is missing."""

    def __init__(
        self, key: str, films: Sequence[NDArray[Any] | None], tiers: Sequence[str] | None = None, *,
        label: str = "", modality: str = "dynamic", kept: bool = True, stimuli: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        shown = [film for film in films if film is not None]
        groups = group_films([signature(film) for film in shown], shown.__getitem__) if stimuli is None else stimuli
        of_trial = np.full(len(films), -1)
        of_trial[[film is not None for film in films]] = groups
        tier = np.array(["train"] * len(films) if tiers is None else tiers, np.str_)
        missing = np.array([film is None for film in films], bool)
        document = SimpleNamespace(
            identity=SimpleNamespace(key=key, modality=modality),
            stimuli=SimpleNamespace(n_variants=len(shown) if kept else 0),
            trials=SimpleNamespace(tiers=[SimpleNamespace(name=name) for name in sorted(set(tier.tolist()))]),
        )
        frames = np.concatenate(shown) if shown else np.zeros((0, 8, 12), np.uint8)
        store: Any = Store(frames, document)
        self.made: Store = store
        self.store, self.where = store, f"{key}.zarr"
        lengths = np.array([len(film) for film in shown], np.int64)
        digests = [hashlib.sha256(f"{f.dtype}{f.shape}".encode() + f.tobytes()).hexdigest() for f in shown]
        self.__dict__["trials"] = {
            "tier": tier,
            "role": np.array([ROLE[name] for name in tier.tolist()], np.str_),
            "stimulus": of_trial,
            "missing": missing,
        }
        self.__dict__["stimuli"] = {
            "group": np.asarray(groups, np.int64),
            "first_frame": np.cumsum(lengths) - lengths,
            "n_frames": lengths,
            "label": np.array([label] * len(shown), np.str_),
            "digest": np.array(digests, np.str_),
        }


def noise(seed: int, n: int = 23, shape: tuple[int, ...] = (8, 12)) -> NDArray[np.uint8]:
    # Away from both ends, so that a level up or down never wraps.
    return np.random.default_rng(seed).integers(2, 254, (n, *shape), np.uint8)
