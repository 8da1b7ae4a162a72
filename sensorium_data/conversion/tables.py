"""The small arrays of a store: neurons, trials, stimuli and statistics, a chunk each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium_data.schemas import Column, Statistic
from sensorium_data.store.layout import ArraySpec, Codec, Paths, codec_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.moments import Moments
    from sensorium_data.schemas import Preset, Stimulus, Trial
    from sensorium_data.sources import RawColumn

__all__ = ["TRAIN_DEFINITION", "Small", "columns_of", "small", "table_arrays", "train_statistics"]

TRAIN_DEFINITION = (
    "over all valid samples of the trials of role `train` whose responses are not withheld, one number a channel; "
    "accumulated in float64; population standard deviation (ddof 0); NaN and infinity left out; n counts what went in"
)

TRIAL_TEXTS = {
    "trial_id": "number of the trial; of published recordings that of its files",
    "tier": "as published",
    "role": "train, validation, test or none",
    "variant": "row of stimuli/, -1 where the trial is missing or showed no film that is kept",
    "stimulus": "stimulus group: trials with one number showed the same film",
    "start": "first tick, of the clock that the session document gives the trials",
    "stop": "tick after the last",
    "n_valid": "frames shown, or where no film is kept samples recorded; without padding",
    "responses_withheld": "published as zeros; the responses have no samples here",
    "missing": "listed by the source without data",
    "order": "presentation order",
    "segment": "trials of one segment were shown back to back",
}


@dataclass(frozen=True, slots=True)
class Small:
    """An array that is one chunk, and its values."""

    spec: ArraySpec
    values: NDArray[Any]


def small(path: str, values: NDArray[Any], dims: tuple[str, ...], preset: Preset, **attrs: str | bool | None) -> Small:
    """Return an array of one chunk; attributes that are empty are left out."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    said = {name: value for name, value in attrs.items() if value not in (None, "")}
    # Small tables gain nothing from pcodec, and every reader of Zarr has zstd.
    codec: Codec = (
        "raw" if preset == "fast" else codec_for("portable", values.dtype) if preset == "portable" else "zstd"
    )
    return Small(ArraySpec(path, values.shape, values.dtype, dims, codec, attrs=said), values)


def columns_of(columns: Mapping[str, RawColumn]) -> tuple[Column, ...]:
    """Return the columns of a table as the session document lists them."""
    kinds = {"U": "string", "S": "string"}
    return tuple(
        Column(
            name=n, dtype=kinds.get(c.values.dtype.kind, str(c.values.dtype)), unit=c.unit, description=c.description
        )
        for n, c in columns.items()
    )


def _rows(documents: Sequence[Trial] | Sequence[Stimulus], name: str, dtype: type) -> NDArray[Any]:
    values = [getattr(document, name) for document in documents]
    return np.array(values, np.str_) if dtype is str else np.array(values, dtype)


def table_arrays(
    neurons: Mapping[str, RawColumn],
    variables: Mapping[str, RawColumn],
    trials: Sequence[Trial],
    variants: Sequence[Stimulus],
    preset: Preset,
) -> list[Small]:
    """Return the arrays of neurons/, trials/ (with what a source has beside the known columns) and stimuli/."""
    arrays = [
        small(f"{Paths.neurons}/{name}", c.values, c.dims, preset, units=c.unit, description=c.description)
        for name, c in neurons.items()
    ]
    kinds: dict[str, type] = {"tier": str, "role": str, "responses_withheld": np.bool_, "missing": np.bool_}
    for name, text in TRIAL_TEXTS.items():
        values = _rows(trials, name, kinds.get(name, np.int64))
        units = "ticks" if name in ("start", "stop") else None
        inferred = True if name == "order" else None
        path = f"{Paths.trials}/{name}"
        arrays.append(small(path, values, ("trial",), preset, units=units, description=text, inferred=inferred))
    for name, c in variables.items():
        path = f"{Paths.trials}/{name if name not in TRIAL_TEXTS else f'published_{name}'}"
        arrays.append(small(path, c.values, c.dims, preset, units=c.unit, description=c.description))
    texts: dict[str, type] = {"label": str, "label_source": str, "digest": str, "max_difference": np.float64}
    for name in ("variant", "group", "first_frame", "n_frames", "label", "label_source", "digest", "max_difference",
                 "n_different"):  # fmt: skip
        values = _rows(variants, name, texts.get(name, np.int64))
        units = "grey levels" if name == "max_difference" else None
        arrays.append(small(f"{Paths.stimuli}/{name}", values, ("variant",), preset, units=units))
    return arrays


def train_statistics(
    signal: str, moments: Moments, dims: tuple[str, ...], n_trials: int, preset: Preset
) -> tuple[list[Small], Statistic]:
    """Return the store's own statistics of a signal over the train tier."""
    arrays = [
        small(f"{Paths.train_statistics}/{signal}/{name}", values if dims else values.reshape(()), dims, preset)
        for name, values in moments.measures().items()
    ]
    document = Statistic(
        signal=signal,
        origin="train",
        measures=("mean", "std", "min", "max", "n"),
        dims=dims,
        definition=TRAIN_DEFINITION,
        n_trials=n_trials,
    )
    return arrays, document
