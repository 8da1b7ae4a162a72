"""The published loaders' chains, step by step in plain numpy from the published files: slow, and nobody else's code.

Everything is computed in float64 from what the files hold. Frames are not cut where something is NaN, as the published
loader does it: what it would have cut is NaN here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def published(folder: Path, stream: str, trial: int) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.load(folder / "data" / stream / f"{trial}.npy").astype(np.float64)
    return values


def measure(folder: Path, stream: str, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.load(folder / "meta/statistics" / stream / "all" / f"{name}.npy").astype(
        np.float64
    )
    return values


def precision(folder: Path) -> NDArray[np.float64]:
    std = measure(folder, "responses", "std")
    threshold = 0.01 * np.nanmean(std)
    found = np.ones_like(std) / threshold
    above = std > threshold
    found[above] = 1 / std[above]
    return found


def normalised(folder: Path, trial: int, film: str) -> dict[str, NDArray[np.float64]]:
    """What the first step of both chains makes of a trial, in the published order of axes."""
    values = {stream: published(folder, stream, trial) for stream in (film, "responses", "behavior", "pupil_center")}
    with np.errstate(all="ignore"):
        for stream in (film, "pupil_center"):
            mean, std = (measure(folder, stream, name) for name in ("mean", "std"))
            values[stream] = (values[stream] - mean) / std
        values["behavior"] = values["behavior"] / measure(folder, "behavior", "std")
    values["responses"] = values["responses"] * precision(folder)
    return values


def cut_length(values: dict[str, NDArray[np.float64]]) -> int:
    """How many frames the published loader keeps of a trial: up to the first NaN of any stream."""
    n: int = values["responses"].shape[-1]
    for array in values.values():
        for frame in range(n):
            if np.isnan(array[..., frame]).any():
                n = min(n, frame)
                break
    return n


def chain2023(folder: Path, trial: int, start: int, n: int, *, pupil: bool = False) -> dict[str, Any]:
    """The fields of the published dynamic loader for frames [start, start + n), and how many frames it keeps."""
    values = normalised(folder, trial, "videos")
    kept = cut_length(values)
    frames = range(start, start + n)
    y, x = values["videos"].shape[:2]
    channels = [np.stack([values["videos"][:, :, frame] for frame in frames])]
    planes = [*values["behavior"], *(values["pupil_center"] if pupil else ())]
    channels += [np.stack([np.full((y, x), plane[frame]) for frame in frames]) for plane in planes]
    fields = {stream: np.stack([values[stream][:, frame] for frame in frames], axis=1) for stream in list(values)[1:]}
    return {"videos": np.stack(channels), **fields, "kept": kept}


def shrunk(plane: NDArray[np.float64], step: int, *, area: bool) -> NDArray[np.float64]:
    """A plane of which each block of pixels became one: the mean of the block, or of the four in its centre."""
    y, x = (size // step for size in plane.shape)
    out = np.empty((y, x))
    for i in range(y):
        for j in range(x):
            block = plane[i * step : (i + 1) * step, j * step : (j + 1) * step]
            middle = slice(None) if area else slice(step // 2 - 1, step // 2 + 1)
            out[i, j] = block[middle, middle].mean()
    return out


def chain2022(
    folder: Path, trial: int, *, step: int = 4, area: bool = False, behavior: str | None, pupil: str | None
) -> dict[str, NDArray[np.float64]]:
    """The fields of the published static loader: normalised, planes appended, all planes shrunk."""
    values = {
        name: array.reshape(-1) if name != "images" else array
        for name, array in normalised(folder, trial, "images").items()
    }
    planes = list(values["images"])
    for place, vector in ((behavior, values["behavior"]), (pupil, values["pupil_center"])):
        if place == "channels":
            planes += [np.full(planes[0].shape, number) for number in vector]
    if step > 1:
        planes = [shrunk(plane, step, area=area) for plane in planes]
    fields = {"images": np.stack(planes), "responses": values["responses"]}
    fields |= {"behavior": values["behavior"]} if behavior else {}
    return fields | ({"pupil_center": values["pupil_center"]} if pupil else {})
