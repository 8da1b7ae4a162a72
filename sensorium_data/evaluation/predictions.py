"""What a model says of one trial, with the names of all that it is about: nothing is ever joined by order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from sensorium_data.errors import BadArgument, near_miss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ResponseScale", "TrialPrediction"]

# As stored; divided by each neuron's standard deviation over the train tier; or times what was published for it, which for
# the films of 2023 is a number of its own for every frame.
ResponseScale: TypeAlias = Literal["raw", "per_neuron", "official"]


@dataclass(frozen=True, slots=True, eq=False)
class TrialPrediction:
    """Predicted responses of one trial.

    Parameters
    ----------
    session : str
        Its key.
    trial_id : int
        The published number.
    values : (time, neuron) float
        One sample for an image.
    unit_ids : (neuron,) int
        Of the columns of `values`.
    first_frame : int
        Of the trial: the frame that `values` begins with. A model of films has no answer to its first frames.
    scaling : {"raw", "per_neuron", "official"}
        What the numbers are multiples of.

    Raises
    ------
    BadArgument
        The parts do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> one = TrialPrediction("29515-10-12", 7, np.zeros((282, 3)), np.array([11, 12, 14]), first_frame=18)
    >>> one.stop_frame
    300
    """

    session: str
    trial_id: int
    values: NDArray[np.floating]
    unit_ids: NDArray[np.integer]
    first_frame: int = field(default=0, kw_only=True)
    scaling: ResponseScale = field(default="raw", kw_only=True)

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together."""
        what = f"a prediction of trial {self.trial_id} of {self.session}"
        if self.values.ndim != 2 or self.values.dtype.kind != "f":
            seen = f"{self.values.dtype} of shape {self.values.shape}"
            raise BadArgument(f"{what} is {seen}, expected floats (time, neuron)", code="bad-prediction")
        if self.unit_ids.shape != self.values.shape[1:]:
            seen = f"{self.values.shape[1]:,} columns and {self.unit_ids.size:,} unit ids"
            raise BadArgument(f"{what} has {seen}, expected as many", code="bad-prediction")
        if self.first_frame < 0:
            raise BadArgument(f"{what} begins with frame {self.first_frame}, expected 0 or more", code="bad-prediction")
        if self.scaling not in get_args(ResponseScale):
            hint = near_miss(str(self.scaling), get_args(ResponseScale))
            raise BadArgument(f"{what} has the scale {self.scaling!r}", hint=hint, code="bad-prediction")

    @property
    def stop_frame(self) -> int:
        """The frame after the last one."""
        return self.first_frame + len(self.values)
