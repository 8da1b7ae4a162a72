"""Where a run is written, new or gone on with: one call that says which, and leaves everything else alone."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.errors import Interrupted, SensoriumError
from sensorium_data.zoo.runs.data import recorded
from sensorium_data.zoo.runs.differences import require_same
from sensorium_data.zoo.runs.folder import RunFolder
from sensorium_data.zoo.runs.places import DOCUMENT, refuse_contents, require_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch  # for type checkers alone

    from sensorium_data.schemas.recipe import Recipe
    from sensorium_data.schemas.run import RunBest, RunSession
    from sensorium_data.views import Session
    from sensorium_data.zoo.training.distributed import Group
    from sensorium_data.zoo.training.records import EpochRecord, Run

__all__ = ["Follower", "begin", "is_begun", "kept", "require_beginning"]


def is_begun(path: Path) -> bool:
    """True where a run was begun in a folder.

    Parameters
    ----------
    path : Path
    """
    return (path / DOCUMENT).exists()


def begin(
    path: str | Path, recipe: Recipe, data: Sequence[RunSession], *, resume: bool = False,
    device: str | torch.device = "cpu", given: bytes | None = None,
) -> RunFolder:  # fmt: skip
    """Begin a run, or go on with one, and hold its folder until it is closed.

    Parameters
    ----------
    path : str or Path
    recipe, data, device, given
        As for `RunFolder.create`.
    resume : bool
        Go on with the run that is there; where there is none yet, begin.

    Raises
    ------
    BadArgument
        The run was begun with another recipe or other recordings.
    DataInvalid
        Its document is damaged.
    TargetExists
        The folder holds a run that is not to be gone on with, or something else.
    TargetBusy
        Another process writes to it.
    StorageFailed
        It cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.handle import SessionHandle
    >>> from sensorium_data.testing import make_session
    >>> from sensorium_data.zoo.runs import recorded
    >>> from sensorium_data.zoo.training import load_recipe
    >>> folder = tempfile.mkdtemp()
    >>> data = recorded([SessionHandle(make_session(folder, n_neurons=4))], ["train", "oracle"])
    >>> with begin(f"{folder}/run", load_recipe("demo-ln3d"), data) as run:
    ...     sorted(path.name for path in run.path.iterdir())
    ['recipe.toml', 'run.json', 'run.lock']
    """
    path = Path(path)
    if not (resume and is_begun(path)):
        return RunFolder.create(path, recipe, data, device=device, given=given)
    run = RunFolder.open(path, mode="write")
    try:
        run.resume(recipe, data, device=device)
    except BaseException:
        run.close()
        raise
    return run


def require_beginning(path: Path, recipe: Recipe, data: Sequence[RunSession], *, resume: bool) -> None:
    """Raise unless `begin` would; nothing is written.

    Parameters
    ----------
    path : Path
    recipe, data, resume
        As for `begin`.

    Raises
    ------
    BadArgument, DataInvalid, TargetExists, StorageFailed
        As `begin`.
    """
    if resume and is_begun(path):
        require_same(RunFolder.open(path).document, recipe, data, str(path))
    elif path.is_dir():
        refuse_contents(path)
    require_place(path)


@contextmanager
def kept(
    run: Run | str | Path | None, recipe: Recipe, sessions: Mapping[str, Session], group: Group, *, resume: bool
) -> Iterator[Run | None]:
    """Yield where a run is kept; of a path its folder, begun or gone on with, which is told what ended training.

    Parameters
    ----------
    run : RunFolder, str or Path, optional
        What is opened already is left to whoever opened it.
    recipe : Recipe
    sessions : mapping of str to Session
    group : Group
        Of which the first rank writes.
    resume : bool
    """
    if not isinstance(run, str | Path):
        yield run
        return
    path = Path(run).expanduser()
    if not group.is_first:
        yield Follower(path)
        return
    data = recorded([one.handle for one in sessions.values()], [*recipe.data.tiers, recipe.validation.tier])
    with begin(path, recipe, data, resume=resume, device=group.device) as folder:
        try:
            yield folder
        except (Interrupted, KeyboardInterrupt):
            with suppress(SensoriumError):
                folder.interrupt()
            raise
        except SensoriumError as error:
            with suppress(SensoriumError):  # what ended it is said, and not that a full disk takes no note of it
                folder.fail(error)
            raise


@dataclass(frozen=True, slots=True)
class Follower:
    """The folder of a run for a process that does not write: all ranks but the first.

    Parameters
    ----------
    path : Path
    """

    path: Path

    @property
    def state(self) -> Path:
        """The folder that training goes on from."""
        return self.path / "state"

    @property
    def model(self) -> Path:
        """The folder of the best checkpoint."""
        return self.path / "model"

    def record(self, row: EpochRecord) -> None:
        """Leave it to the first rank."""

    def truncate(self, n_epochs: int) -> None:
        """Leave it to the first rank."""

    def finish(self, best: RunBest | None) -> None:
        """Leave it to the first rank."""
