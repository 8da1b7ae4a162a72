"""What a model says of whole trials, one after another: memory is that of a batch, however many trials there are."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import torch  # noqa: TID253  # models are torch's

from sensorium_data.errors import BadArgument, counted, near_miss
from sensorium_data.evaluation import TrialPrediction
from sensorium_data.loaders import WindowDataset, WindowLoader, fill_missing
from sensorium_data.loaders.transforms.base import bind
from sensorium_data.progress import Progress, ignore
from sensorium_data.zoo.recordings import recordings_for
from sensorium_data.zoo.tensors import BEHAVIOR, FILMS, PUPIL_CENTER, Inputs, inputs_of, moved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor  # for type checkers alone

    from sensorium_data.progress import Report
    from sensorium_data.viewing.opening import Opened
    from sensorium_data.windows import Tier
    from sensorium_data.zoo.contract import Model
    from sensorium_data.zoo.recordings import Recording

__all__ = ["FilledInputWarning", "Precision", "predictions"]

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]


class FilledInputWarning(UserWarning):
    """Samples of pupil, running or gaze that are missing were given to a model as the mean of the training trials."""

    code = "filled-inputs"


def predictions(
    model: Model,
    sessions: Opened | Iterable[Opened],
    *,
    tier: Tier,
    batch_size: int = 8,
    signals: Iterable[str] | None = None,
    rate_hz: float | str | Fraction | None = None,
    device: str | torch.device | None = None,
    precision: Precision = "float32",
    n_threads: int | None = None,
    report: Report = ignore,
) -> Iterator[TrialPrediction]:
    """Return the predicted responses of every trial of a tier, session after session, in order of presentation.

    Every trial is seen whole: its valid frames from the first one on, as they are stored, through the model's own
    normalisation; a model without one is given what was published with the recording, as the official layouts are.
    Trials of different lengths never meet in one call of the model, so none sees padding. Answers are for the neurons of the
    model, in its order, whatever neurons of a session are selected; responses are not read, and may be withheld. Missing
    samples of pupil, running and gaze become the means of the training trials, and are counted in a warning. Values are what
    the model says, NaN included.

    Parameters
    ----------
    model : Model
    sessions : path, Session, SessionSet, or several of them
        Recordings that it was trained on.
    tier : str, condition, or several
        As for `make_loader`.
    batch_size : int, trials
    signals : iterable of str, optional
        Those of pupil, running and gaze that are inputs; by default those of the model's recipe, or all.
    rate_hz : float, str or Fraction, hertz, optional
        That the model was trained at; by default that of its recipe, or that of the films.
    device : str or torch.device, optional
        Where the model is moved to first; by default it stays where it is.
    precision : {"float32", "bfloat16", "float16"}
        That the network computes in; what it is given, and what it answers, is float32 either way.
    n_threads : int, optional
        Of the loader: as for `make_loader`.
    report : callable
        Told of each batch.

    Returns
    -------
    iterator of TrialPrediction
        Values float32 (time, neuron) from frame `model.n_lost_frames` on, (1, neuron) of an image.

    Raises
    ------
    BadArgument
        A session that the model does not know or that is another recording, films or inputs that it does not take, trials
        shorter than its receptive field: all named, before anything is read. While it runs: a sample is missing that there is
        no mean for.
    NotFound
        No such session, tier or stream.

    Warns
    -----
    FilledInputWarning
        Once for each session with missing inputs, with their number.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.loaders import WindowDataset
    >>> from sensorium_data.testing import make_session
    >>> from sensorium_data.zoo.facts import normalisation_of, session_facts
    >>> from sensorium_data.zoo.registry import build
    >>> store = make_session(tempfile.mkdtemp(), n_neurons=5)
    >>> streams = WindowDataset(store, window=20).streams
    >>> units = normalisation_of(streams)
    >>> model = build("factorised3d", session_facts(streams, units), normalisation=units)
    >>> one, *others = predictions(model, store, tier="oracle")
    >>> one.trial_id, one.first_frame, one.values.shape
    (4, 18, (12, 5))
    """
    if precision not in get_args(Precision):
        hint = near_miss(str(precision), get_args(Precision))
        raise BadArgument(f"precision is {precision!r}", hint=hint, code="bad-precision")
    asked = _asked(model)
    signals = asked.get("signals") if signals is None else signals
    rate_hz = asked.get("rate_hz") if rate_hz is None else rate_hz
    found = recordings_for(model, sessions, tier, signals=signals, rate_hz=rate_hz)
    loaders = [_loader(each, batch_size, rate_hz, n_threads) for each in found]
    if device is not None:
        moved(model, device)
    return _predicted(model, found, loaders, precision, report)


def _asked(model: Model) -> Mapping[str, Any]:
    """Return what the recipe of a model says of its data; nothing, where it has none or one of another program."""
    from pydantic import ValidationError

    from sensorium_data.schemas.recipe import DataPart

    data = (model.recipe or {}).get("data")
    if data is None:
        return {}
    try:
        found = DataPart.model_validate_json(json.dumps(data))
    except (ValidationError, TypeError, ValueError):
        return {}
    every = model.sessions.values()
    used = {
        *(BEHAVIOR if any(one.n_behavior for one in every) else ()),
        *(PUPIL_CENTER if any(one.n_pupil_center for one in every) else ()),
    }
    signals = None if found.signals is None else [name for name in found.signals if name in used]
    return {"signals": signals, "rate_hz": found.rate_hz}


def _loader(
    recording: Recording, batch_size: int, rate_hz: float | str | Fraction | None, n_threads: int | None
) -> WindowLoader:
    """Return batches of the trials that are asked for, in order; on every rank all of them."""
    streams = recording.streams
    dataset = WindowDataset(
        streams.handle, tier=None, trials={streams.key: recording.trials}, window="trial", signals=list(streams),
        require=streams.handle.document.identity.film, rate_hz=rate_hz,
    )  # fmt: skip
    return WindowLoader(dataset, batch_size=batch_size, shuffle=False, n_threads=n_threads, rank=0, world_size=1)


def _predicted(
    model: Model, recordings: Sequence[Recording], loaders: Sequence[WindowLoader], precision: Precision, report: Report
) -> Iterator[TrialPrediction]:
    n_trials, n_done = sum(each.n_trials for each in recordings), 0
    for recording, loader in zip(recordings, loaders, strict=True):
        filling = _Filling(recording)
        for batch in loader:
            made = _answers(model, recording, filling(batch), precision)
            n_done += len(made)
            report(Progress("predict", n_done, n_trials, "trials", recording.streams.key))
            yield from made
        filling.tell()


class _Filling:
    """Puts means of the training trials where inputs are missing, and counts."""

    def __init__(self, recording: Recording) -> None:
        self._key = recording.streams.key
        self._names = [name for name in (*BEHAVIOR, *PUPIL_CENTER) if name in recording.streams]
        self._fill = bind(fill_missing(signals=self._names), recording.streams)
        self._counts = dict.fromkeys(self._names, 0)
        self._n_trials = 0

    def __call__(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        valid = batch["mask"][next(name for name in FILMS if name in batch)]  # (batch, [time])
        holes = {name: _missing(batch[name], valid) for name in self._names}
        if not any(bool(each.any()) for each in holes.values()):
            return batch
        for name, each in holes.items():
            self._counts[name] += int(each.sum())
        trials = torch.stack([each.reshape(len(valid), -1).any(1) for each in holes.values()]).any(0)
        self._n_trials += int(trials.sum())
        filled: Mapping[str, Any] = self._fill(dict(batch))
        for name in self._names:
            if (left := _missing(filled[name], valid).reshape(len(valid), -1).any(1)).any():
                what = f"{self._key}, trial {int(batch['trial_id'][left][0])}: `{name}` is missing"
                hint = (
                    "its store has no training trials, or none with a value: fill it before you convert the recording"
                )
                raise BadArgument(f"{what}, and there is no mean to put there", hint=hint, code="input-nan")
        return filled

    def tell(self) -> None:
        """Warn of what was filled."""
        counts = {name: n for name, n in self._counts.items() if n}
        if counts:
            named = " and ".join(f"{counted(n, 'sample')} of {name}" for name, n in counts.items())
            what = f"{self._key}: {named} in {counted(self._n_trials, 'trial')} are missing; means of the training trials stand in"
            warnings.warn(what, FilledInputWarning, stacklevel=3)


def _missing(values: Tensor, valid: Tensor) -> Tensor:
    """Return which valid samples lack a number, (batch, [time])."""
    lacking: Tensor = ~torch.isfinite(values).reshape(*valid.shape, -1).all(-1) & valid
    return lacking


def _answers(
    model: Model, recording: Recording, batch: Mapping[str, Any], precision: Precision
) -> list[TrialPrediction]:
    """Return what the model says of the trials of a batch, in their order."""
    found: dict[int, NDArray[np.float32]] = {}
    for n, rows in _by_length(batch):
        cut = (slice(None),) if n is None else (slice(None), slice(n))
        whole = inputs_of(batch)
        stimulus = whole.stimulus[rows][cut].to(model.device)
        beside = (None if each is None else each[rows][cut].to(model.device) for each in whole[1:])
        inputs = Inputs(stimulus, *beside)
        made = _predict(model, recording, inputs, precision).cpu().numpy()
        found |= dict(zip(rows.tolist(), made if n is not None else made[:, None], strict=True))
    key, ids = recording.facts.key, batch["trial_id"].tolist()
    first_frame = model.n_lost_frames if model.modality == "dynamic" else 0
    return [
        TrialPrediction(
            key, ids[row], found[row], recording.facts.unit_ids, first_frame=first_frame,
            scaling=model.normalisation.scaling,
        )
        for row in sorted(found)
    ]  # fmt: skip


def _by_length(batch: Mapping[str, Any]) -> Iterator[tuple[int | None, Tensor]]:
    """Yield each length of the trials in a batch, and the rows that have it; of images, which have none, all rows."""
    if "image" in batch:
        yield None, torch.arange(len(batch["image"]))
        return
    lengths = batch["mask"]["video"].cumprod(1).sum(1)  # up to the first frame that shows nothing
    for n in lengths.unique().tolist():
        yield n, torch.nonzero(lengths == n)[:, 0]


def _predict(model: Model, recording: Recording, inputs: Inputs, precision: Precision) -> Tensor:
    stimulus, behavior, pupil_center = inputs
    key, units = recording.facts.key, recording.units
    if units is not None:
        units = units.to(model.device)
        seen, behavior, pupil_center = units.inputs(key, model.modality, stimulus, behavior, pupil_center)
        stimulus = seen[:, 0] if model.modality == "dynamic" else seen
    half = torch.autocast(model.device.type, getattr(torch, precision), enabled=precision != "float32")
    with half:  # closed before anything is given away
        return model.predict(stimulus, behavior, pupil_center, session=key)
