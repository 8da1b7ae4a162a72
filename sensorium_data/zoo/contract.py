"""What every model of the zoo is: it knows its sessions by name, carries its normalisation, and answers in one shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import torch  # noqa: TID253  # models are torch's
from torch import Tensor, nn  # noqa: TID253

from sensorium_data.errors import BadArgument, counted, near_miss
from sensorium_data.zoo.normalisation import Normalisation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from pydantic import BaseModel

__all__ = ["Modality", "Model", "SessionFacts"]

Modality: TypeAlias = Literal["static", "dynamic"]


@dataclass(frozen=True, slots=True, eq=False)
class SessionFacts:
    """What a model must know of a session to be built for it.

    Attributes
    ----------
    key : str
    unit_ids : (neuron,) int64
        In the order of what the model answers.
    image_shape : (channel, y, x)
        Of a frame or image as the model sees it: shrunk, without planes of behaviour.
    n_behavior : int
        Channels of behaviour: dilation, where there is one its change, speed.
    n_pupil_center : int
        Channels of the position of the pupil.
    coordinates : (neuron, axis = x, y, z) float64, µm, optional
    mean_responses : (neuron,) float64, optional
        Over the training trials, in the units that the model is trained in: where biases begin.
    source_digest : str
        Tells the recording.
    """

    key: str
    unit_ids: NDArray[np.int64]
    image_shape: tuple[int, int, int]
    n_behavior: int = 0
    n_pupil_center: int = 0
    coordinates: NDArray[np.float64] | None = None
    mean_responses: NDArray[np.float64] | None = None
    source_digest: str = ""

    @property
    def n_neurons(self) -> int:
        """How many neurons are answered for."""
        return len(self.unit_ids)


class Model(nn.Module, ABC):
    """A model of the responses of some sessions.

    Parameters
    ----------
    config : BaseModel
        Everything that it is built from beside the sessions.
    sessions : sequence of SessionFacts
    normalisation : Normalisation, optional
        What makes raw samples into what the model was trained on; by default none: inputs come normalised.

    Attributes
    ----------
    name : str
        In the registry.
    modality : {"static", "dynamic"}
    config_type : type of BaseModel
        What it is configured by; its defaults are the published values.
    n_lost_frames : int
        Frames at the beginning of a window that it has no answer to: its receptive field in time, less one.
    recipe : mapping or None
        What it was trained by, as its card says; None where that is not known.
    """

    name: ClassVar[str]
    modality: ClassVar[Modality]
    config_type: ClassVar[type[BaseModel]]
    n_lost_frames: int = 0
    recipe: Mapping[str, Any] | None = None

    def __init__(
        self, config: BaseModel, sessions: Sequence[SessionFacts], normalisation: Normalisation | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.sessions: Mapping[str, SessionFacts] = {each.key: each for each in sessions}
        self.normalisation = Normalisation() if normalisation is None else normalisation

    @abstractmethod
    def forward(
        self, stimulus: Tensor, *, behavior: Tensor | None = None, pupil_center: Tensor | None = None, session: str
    ) -> Tensor:
        """Return the responses to normalised inputs.

        Parameters
        ----------
        stimulus : (batch, channel, [time,] y, x) float
        behavior : (batch, [time,] channel) float, optional
        pupil_center : (batch, [time,] axis = x, y) float, optional
        session : str

        Returns
        -------
        (batch, [time - n_lost_frames,] neuron)
            Of the last frames; never negative.
        """

    @abstractmethod
    def regularizer(self, session: str) -> Tensor:
        """Return the penalty that is added to the loss of a batch of a session, ()."""

    def parts(self) -> Mapping[str, nn.Module]:
        """Return what parameters are counted by: core, readouts, shifters."""
        return {
            name: part for name in ("core", "readouts", "shifters") if (part := getattr(self, name, None)) is not None
        }

    def n_parameters(self) -> dict[str, int]:
        """Return how many parameters are trained, by part and in all."""
        counts = {
            name: sum(each.numel() for each in part.parameters() if each.requires_grad)
            for name, part in self.parts().items()
        }
        return counts | {"total": sum(each.numel() for each in self.parameters() if each.requires_grad)}

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.parameters()).device

    def predict(
        self,
        stimulus: Tensor | NDArray[np.generic],
        behavior: Tensor | NDArray[np.generic] | None = None,
        pupil_center: Tensor | NDArray[np.generic] | None = None,
        *,
        session: str,
        first_frame: int | Tensor = 0,
    ) -> Tensor:
        """Return the responses to stimuli as they are stored, in evaluation mode and without gradients.

        Parameters
        ----------
        stimulus : (batch, time, y, x) or (batch, [channel,] y, x) uint8 or float
            A video or images, as the store holds them, a tensor or an array; of a model without normalisation, normalised.
        behavior : (batch, [time,] channel), optional
            Dilation, for images its change, and speed.
        pupil_center : (batch, [time,] axis = x, y), optional
        session : str
            Whose neurons answer.
        first_frame : int or (batch,) int
            Of its trial, that a window begins with: what was published of films has numbers for every frame.

        Returns
        -------
        (batch, time - n_lost_frames, neuron) or (batch, neuron) float32
            Of the last frames of the window, in units of `normalisation.scaling`.

        Raises
        ------
        BadArgument
            No such session, other shapes than the model takes, a missing input, NaN, or a window that is too short.
        """
        from sensorium_data.zoo.inputs import as_input

        self.require_session(session)
        stimulus = as_input("stimulus", stimulus)
        behavior = None if behavior is None else as_input("behavior", behavior)
        pupil_center = None if pupil_center is None else as_input("pupil_center", pupil_center)
        self.require_inputs(stimulus, behavior, pupil_center, session)
        stimulus = stimulus.to(self.device)
        behavior, pupil_center = (None if one is None else one.to(self.device) for one in (behavior, pupil_center))
        seen, moved, looked = self.normalisation.inputs(
            session, self.modality, stimulus, behavior, pupil_center, first_frame=first_frame
        )
        was_training = self.training
        self.eval()
        try:
            with torch.no_grad():
                made: Tensor = self(seen, behavior=moved, pupil_center=looked, session=session).float()
        finally:
            self.train(was_training)
        return made

    def require_session(self, session: str) -> SessionFacts:
        """Return what is known of a session.

        Raises
        ------
        BadArgument
            The model does not know it.
        """
        if session not in self.sessions:
            what = f"{self.name}: no session `{session}` among {counted(len(self.sessions), 'session')}"
            raise BadArgument(what, hint=near_miss(session, list(self.sessions)), code="no-such-session")
        return self.sessions[session]

    def require_inputs(
        self, stimulus: Tensor, behavior: Tensor | None, pupil_center: Tensor | None, session: str
    ) -> None:
        """Raise unless stored inputs are such as the model takes.

        Raises
        ------
        BadArgument
            They are not; all that is wrong is named.
        """
        from sensorium_data.zoo.inputs import require_inputs

        require_inputs(self, stimulus, behavior, pupil_center, session)
