"""Training: epochs of steps, a score after each, and what the schedule makes of it; written so that a kill costs one epoch.

Plain torch carries it: `torch.amp` for half precision, `torch.distributed` for several processes, safetensors for what is
saved. Lightning and accelerate would each take over one of three things that must be ours. An exact resume needs the
loader's own place between weights and moments, in one file that is written at once; gradients are added up over sessions
whose readouts take turns, which wrappers of data parallelism do not expect (`distributed`); and the published schedule
restores the best state in the middle of training.

The loss of a batch is that of `loss`, plus `model.regularizer(session)`. So a step over five sessions has the penalty of the
core five times, as published. What a penalty holds is the model's own: those of the published shifters were never added,
and are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sensorium_data.errors import Interrupted
from sensorium_data.progress import ignore
from sensorium_data.viewing.opening import opened
from sensorium_data.zoo.training.distributed import device_of, joined
from sensorium_data.zoo.training.recipes import load_recipe
from sensorium_data.zoo.training.seeds import n_threads, own_generator
from sensorium_data.zoo.training.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import torch  # for type checkers alone

    from sensorium_data.progress import Report
    from sensorium_data.schemas.recipe import Recipe
    from sensorium_data.viewing.opening import Opened
    from sensorium_data.zoo.contract import Model
    from sensorium_data.zoo.training.records import EpochRecord, Run

__all__ = ["TrainingResult", "train"]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What training made.

    Attributes
    ----------
    model : Model
        As it was when it was best, in evaluation mode.
    history : tuple of EpochRecord
        From epoch 0, the score before the first step.
    best_epoch : int
    best_score : float
    ended_by : {"patience", "max_epochs"}
    """

    model: Model
    history: tuple[EpochRecord, ...]
    best_epoch: int
    best_score: float
    ended_by: Literal["patience", "max_epochs"]


def train(
    recipe: Recipe | str | Path,
    sessions: Opened | Iterable[Opened],
    *,
    run: Run | str | Path | None = None,
    device: str | torch.device | None = None,
    resume: bool = False,
    report: Report = ignore,
    stop: Callable[[], bool] | None = None,
) -> TrainingResult:
    """Train the model of a recipe on some sessions.

    The same recipe, sessions and number of threads give the same numbers to the bit on a CPU, whether training was killed
    and resumed in between or not. Under ``torchrun`` all processes call it; rank 0 writes.

    Parameters
    ----------
    recipe : Recipe, str or Path
        Itself, the name of one that is shipped, or a TOML file.
    sessions : path, Session, SessionSet, or several of them
    run : RunFolder, str or Path, optional
        Where rows, states and the best model go, as `sensorium-data train --run` has it; by default nothing is written.
    device : str or torch.device, optional
        By default a GPU, where there is one.
    resume : bool
        Go on from the run's state. Where there is none yet, begin.
    report : callable
        Told of every step and epoch.
    stop : callable, optional
        Asked after every step whether to save and stop.

    Returns
    -------
    TrainingResult

    Raises
    ------
    BadArgument
        Recipe, model and sessions do not fit together; or the state is of others. All differences are named.
    NotFound
        A recipe, session, tier or model that is not there.
    DataInvalid
        The loss is not finite, which ends training in the state before; or the saved state is damaged.
    StorageFailed
        The state cannot be written; the one before is whole.
    TargetExists, TargetBusy
        The folder holds a run that is not to be gone on with, or something else; or another process writes there.
    Interrupted
        `stop` said so; `resume=True` goes on at the next step.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> recipe = load_recipe("demo-ln3d")
    >>> recipe = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"max_epochs": 2})})
    >>> result = train(recipe, make_session(tempfile.mkdtemp(), n_neurons=4))
    >>> [row.epoch for row in result.history], result.best_score >= result.history[0].validation_score
    ([0, 1, 2], True)
    """
    from sensorium_data.zoo.runs.beginning import kept

    made, there = load_recipe(recipe), opened(sessions)
    with joined(device_of(device)) as group, own_generator(group.device), n_threads(made.n_threads):
        standing = Standing(made, list(there.values()), group)
        with kept(run, made, there, group, resume=resume) as folder:
            standing.keep_in(folder)
            return _trained(standing, resume=resume, stop=stop or _never, report=report)


def _trained(standing: Standing, *, resume: bool, stop: Callable[[], bool], report: Report) -> TrainingResult:
    """Make epochs until the schedule is done."""
    if not (resume and standing.load()):
        standing.begin()
    while not standing.schedule.done:
        for wants_to_stop in standing.steps_of_epoch(stop, report):
            if wants_to_stop:
                standing.save()
                what = f"stopped in epoch {standing.epoch}, after step {standing.tally.n_steps}"
                raise Interrupted(what, hint="resume=True goes on with the next step")
        standing.judge(report)
    standing.finish()
    return TrainingResult(
        standing.model,
        tuple(standing.history),
        standing.schedule.best_epoch,
        standing.history[standing.schedule.best_epoch].validation_score,
        "patience" if standing.schedule.out_of_patience else "max_epochs",
    )


def _never() -> bool:
    return False
