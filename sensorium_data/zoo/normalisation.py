"""The numbers a model was trained with, carried by it: raw samples in, what the network knows out.

`(value - shift) * gain`, one rule for every stream, with a row for every frame of a trial or one for all. What was
published of films ends where the training clips do; later frames of inputs are taken by the last row there is, later
responses have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import unquote

import numpy as np
import torch  # noqa: TID253  # models are torch's
from torch import Tensor, nn  # noqa: TID253

from sensorium_data.errors import BadArgument, near_miss
from sensorium_data.zoo.sessions import BySession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensorium_data.evaluation import ResponseScale
    from sensorium_data.scales import Scale

__all__ = ["INPUTS", "Normalisation"]

Stream: TypeAlias = Literal["stimulus", "behavior", "pupil_center", "responses"]
INPUTS: tuple[Stream, ...] = ("stimulus", "behavior", "pupil_center")


class Normalisation(nn.Module):
    """Shift and gain of every stream of every session, moved and saved with the model.

    Without tables nothing is changed: inputs come as the network takes them.

    Parameters
    ----------
    tables : mapping of session key to mapping of stream to Scale, optional
        Streams `stimulus` (frame, channel, y, x), `behavior`, `pupil_center` (frame, channel), `responses` (frame, neuron);
        a first axis of 1 holds for all frames, any other axis of 1 for all its channels or pixels.
    scaling : {"official", "per_neuron", "raw"}
        Units of the responses.
    step : int
        Pixels of a side of a stored image that become one.

    Examples
    --------
    >>> from sensorium_data.scales import Scale
    >>> halved = Scale.by_std(np.full((1, 1, 1, 1), 2.0))
    >>> made = Normalisation({"a": {"stimulus": halved}}, scaling="raw")
    >>> made.inputs("a", "static", torch.ones(1, 4, 4))[0].shape, made.inputs("a", "static", torch.ones(1, 4, 4))[0].unique()
    (torch.Size([1, 1, 4, 4]), tensor([0.5000]))
    """

    def __init__(
        self,
        tables: Mapping[str, Mapping[Stream, Scale]] | None = None,
        *,
        scaling: ResponseScale = "official",
        step: int = 1,
    ) -> None:
        super().__init__()
        self.scaling, self.step = scaling, step
        self.tables = _by_session(
            {
                key: {name: _Table.of(one, inputs=name != "responses") for name, one in each.items()}
                for key, each in (tables or {}).items()
            }
        )

    def extra(self) -> dict[str, Any]:
        """Return what it is beside its tensors, as plain values: what `from_tensors` takes to make it again."""
        return {"scaling": self.scaling, "step": self.step}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], *, scaling: ResponseScale, step: int) -> Normalisation:
        """Return a normalisation from what its `state_dict` held.

        Parameters
        ----------
        tensors : mapping of str to Tensor
            `tables.<session>.<stream>.shift` and `.gain`.
        scaling, step
            As `extra` said.

        Raises
        ------
        BadArgument
            A name that is none of those.
        """
        made = cls(scaling=scaling, step=step)
        found: dict[str, dict[str, dict[str, Tensor]]] = {}
        for name, tensor in tensors.items():
            parts = name.split(".")
            if len(parts) != 4 or parts[0] != "tables" or parts[3] not in ("shift", "gain"):
                raise BadArgument(f"`{name}` is no table of a normalisation", code="bad-normalisation")
            found.setdefault(unquote(parts[1]), {}).setdefault(parts[2], {})[parts[3]] = tensor
        made.tables = _by_session(
            {key: {name: _Table(**one) for name, one in each.items()} for key, each in found.items()}
        )
        return made

    def inputs(
        self,
        session: str,
        modality: str,
        stimulus: Tensor,
        behavior: Tensor | None = None,
        pupil_center: Tensor | None = None,
        *,
        first_frame: int | Tensor = 0,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return inputs as the network takes them.

        Parameters
        ----------
        session : str
        modality : {"static", "dynamic"}
        stimulus : (batch, time, y, x) or (batch, [channel,] y, x)
        behavior : (batch, [time,] channel), optional
        pupil_center : (batch, [time,] axis), optional
        first_frame : int or (batch,) int

        Returns
        -------
        (batch, channel, [time,] y, x), (batch, [time,] channel) or None, (batch, [time,] axis) or None
            float32.
        """
        dynamic = modality == "dynamic"
        film = stimulus[:, :, None] if dynamic else (stimulus if stimulus.ndim == 4 else stimulus[:, None])[:, None]
        film = self._film(session, film, first_frame)  # (batch, time, channel, y, x)
        seen = film.transpose(1, 2) if dynamic else film[:, 0]
        beside = []
        for name, values in (("behavior", behavior), ("pupil_center", pupil_center)):
            timed = values if values is None or dynamic else values[:, None]
            made = None if timed is None else self._scaled(session, name, timed, first_frame)
            beside.append(made if made is None or dynamic else made[:, 0])
        return seen, beside[0], beside[1]

    def responses(self, session: str, values: Tensor, *, first_frame: int | Tensor = 0) -> Tensor:
        """Return responses in the units that the network answers in, NaN where no number is known for a frame.

        Parameters
        ----------
        session : str
        values : (batch, time, neuron) or (batch, neuron) float
        first_frame : int or (batch,) int
        """
        if values.ndim == 2:
            return self._scaled(session, "responses", values[:, None], first_frame)[:, 0]
        return self._scaled(session, "responses", values, first_frame)

    def _film(self, session: str, film: Tensor, first_frame: int | Tensor) -> Tensor:
        """Return images scaled and shrunk; where all pixels share their numbers they are shrunk first, which is the same."""
        known = session in self.tables and "stimulus" in self.tables[session]
        if known and self.tables[session]["stimulus"].gain.shape[-1] > 1:
            return _shrunk(self._scaled(session, "stimulus", film, first_frame), self.step)
        return self._scaled(session, "stimulus", _shrunk(film, self.step), first_frame)

    def _scaled(self, session: str, stream: str, values: Tensor, first_frame: int | Tensor) -> Tensor:
        values = values.float()
        if not len(self.tables):
            return values
        if session not in self.tables:
            hint = near_miss(session, list(self.tables))
            raise BadArgument(f"no normalisation is known for session `{session}`", hint=hint, code="no-such-session")
        streams = self.tables[session]
        if stream not in streams:
            return values
        made: Tensor = streams[stream](values, first_frame, hold=stream != "responses")
        return made


class _Table(nn.Module):
    """Shift and gain of one stream, (frame, …)."""

    shift: Tensor | None
    gain: Tensor

    def __init__(self, gain: Tensor, shift: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("gain", gain)
        self.register_buffer("shift", shift)

    @classmethod
    def of(cls, scale: Scale, *, inputs: bool = True) -> _Table:
        """Return the rows that hold numbers; what follows the last of them holds none.

        What never varied has no gain. As an input it says nothing, and becomes 0; as a response it stays unknown.
        """
        known = np.isfinite(scale.gain).reshape(len(scale.gain), -1).any(axis=1)
        n = int(np.flatnonzero(known)[-1]) + 1 if known.any() else 1
        gain = torch.from_numpy(scale.gain[:n].astype(np.float32))
        if inputs:
            gain = gain.nan_to_num(0, 0, 0)
        if scale.shift is None:
            return cls(gain)
        shift = torch.from_numpy(scale.shift[:n].astype(np.float32))
        return cls(gain, shift.nan_to_num(0, 0, 0) if inputs else shift)

    def forward(self, values: Tensor, first_frame: int | Tensor, *, hold: bool) -> Tensor:
        """Return (batch, time, …) values, scaled; past the last row by it, or NaN."""
        n = len(self.gain)
        if n == 1:
            return (values if self.shift is None else values - self.shift) * self.gain
        first = torch.as_tensor(first_frame, device=values.device).reshape(-1, 1)
        frames = first + torch.arange(values.shape[1], device=values.device)
        rows = frames.clamp(0, n - 1)
        made = (values if self.shift is None else values - _row(self.shift, rows)) * _row(self.gain, rows)
        if hold:
            return made
        beyond = (frames >= n).reshape(*frames.shape, *(1 for _ in values.shape[2:]))
        return made.masked_fill(beyond, float("nan"))


def _by_session(tables: Mapping[str, Mapping[str, _Table]]) -> BySession[BySession[_Table]]:
    return BySession({key: BySession(streams) for key, streams in tables.items()})


def _row(table: Tensor, rows: Tensor) -> Tensor:
    return table[rows if len(table) > 1 else torch.zeros_like(rows)]


def _shrunk(film: Tensor, step: int) -> Tensor:
    """Return images of which every block of step × step pixels is the mean of those around its centre, as published."""
    if step == 1:
        return film
    near = sorted({(step - 1) // 2, step // 2})
    parts = [film[..., row::step, column::step].float() for row in near for column in near]
    return torch.stack(parts).mean(0)
