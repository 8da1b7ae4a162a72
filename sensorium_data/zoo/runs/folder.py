"""The folder of a run: what it follows from, how it went, and what it made, each file whole at any time.

::

    run.json        recipe in full, recordings with their digests, versions, seed, what has become of it
    recipe.toml     as it was given
    curves.csv      a row an epoch; curves.png, the same as a picture; tensorboard/, where it is installed
    state/          what training goes on from
    model/          the best checkpoint
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from sensorium_data.catalogs.locks import is_locked
from sensorium_data.errors import BadArgument, SensoriumError
from sensorium_data.schemas.report import Fault, Refusal
from sensorium_data.schemas.run import Run, RunBest, RunState
from sensorium_data.zoo.runs.board import Board
from sensorium_data.zoo.runs.curves import Curves
from sensorium_data.zoo.runs.differences import require_same
from sensorium_data.zoo.runs.files import replace_file
from sensorium_data.zoo.runs.picture import curves_png
from sensorium_data.zoo.runs.places import DOCUMENT, LOCK, hold, read_document, refuse_contents
from sensorium_data.zoo.runs.toml import recipe_toml

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch  # for type checkers alone

    from sensorium_data.schemas.recipe import Recipe
    from sensorium_data.schemas.run import RunSession
    from sensorium_data.zoo.training.records import EpochRecord

__all__ = ["RunFolder"]

RECIPE = "recipe.toml"


class RunFolder:
    """A training run on disk; made by `create` and `open`.

    One process at a time may write. Where it was opened to be written it is closed with ``with`` or `close`.

    Attributes
    ----------
    path : Path
    document : Run
    curves : Curves
    """

    def __init__(self, path: Path, document: Run, held: ExitStack | None) -> None:
        self.path, self.document, self._held = path, document, held
        self.curves = Curves(path / "curves.csv")
        self._board = Board(path / "tensorboard")

    @classmethod
    def create(
        cls, path: str | Path, recipe: Recipe, data: Sequence[RunSession], *, device: str | torch.device = "cpu",
        given: bytes | None = None,
    ) -> RunFolder:  # fmt: skip
        """Begin a run in a folder that is made, or is empty.

        Parameters
        ----------
        path : str or Path
        recipe : Recipe
        data : sequence of RunSession
            As `recorded` makes them.
        device : str or torch.device
        given : bytes, optional
            The file that the recipe is from, kept as it is; by default one that says the same is made.

        Raises
        ------
        TargetExists
            The folder holds something; nothing was changed.
        TargetBusy
            Another process begins a run there.
        StorageFailed
            It cannot be written.
        """
        from sensorium_data.zoo.runs.versions import versions

        path = Path(path)
        with ExitStack() as stack:
            hold(stack, path)
            refuse_contents(path)
            now = datetime.now(UTC)
            document = Run(
                recipe=recipe, data=tuple(data), seed=recipe.seed, versions=(versions(device, recipe.n_threads),), created_at=now,
                changed_at=now,
            )  # fmt: skip
            run = cls(path, document, stack.pop_all())
        try:
            run._save()
            run._keep_recipe(given)
        except BaseException:
            run.close()
            raise
        return run

    @classmethod
    def open(cls, path: str | Path, *, mode: Literal["read", "write"] = "read") -> RunFolder:
        """Open a run that was begun.

        Parameters
        ----------
        path : str or Path
        mode : {"read", "write"}
            To look at it, which is possible while it is trained, or to go on with it.

        Raises
        ------
        NotFound
            No run is there.
        DataInvalid
            `run.json` is none, is damaged, or is of a later version.
        TargetBusy
            Another process writes to it.
        StorageFailed
            It cannot be read.
        """
        path = Path(path)
        document = read_document(path)
        if mode == "read":
            return cls(path, document, None)
        with ExitStack() as stack:
            hold(stack, path)
            return cls(path, read_document(path), stack.pop_all())

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let others write."""
        self.close()

    def close(self) -> None:
        """Let others write."""
        with suppress(SensoriumError):  # what TensorBoard could not write is in the table
            self._board.close()
        if self._held is not None:
            self._held.close()
            self._held = None

    @property
    def state(self) -> Path:
        """The folder that training goes on from."""
        return self.path / "state"

    @property
    def model(self) -> Path:
        """The folder of the best checkpoint."""
        return self.path / "model"

    @property
    def status(self) -> RunState | Literal["stopped"]:
        """What has become of it; stopped, where its process is no more and could not say so."""
        gone = self.document.state == "running" and self._held is None and not is_locked(self.path / LOCK)
        return "stopped" if gone else self.document.state

    def resume(self, recipe: Recipe, data: Sequence[RunSession], *, device: str | torch.device = "cpu") -> None:
        """Go on with the run.

        Parameters
        ----------
        recipe, data, device
            As for `create`.

        Raises
        ------
        BadArgument
            The recipe or the recordings are others than those it was begun with; all differences are named.
        StorageFailed
            It cannot be written.
        """
        from sensorium_data.zoo.runs.versions import versions

        require_same(self.document, recipe, data, str(self.path))
        used, here = self.document.versions, versions(device, recipe.n_threads)
        if not (self.path / RECIPE).exists():  # killed as it began
            self._keep_recipe(None)
        self._save(state="running", error=None, versions=used if used[-1] == here else (*used, here))

    def rows(self) -> list[EpochRecord]:
        """Return the rows of the epochs that were finished, from epoch 0.

        Raises
        ------
        DataInvalid
            The table is damaged.
        """
        return self.curves.rows()

    def record(self, row: EpochRecord) -> None:
        """Add the row of an epoch, in place of those of it and of later epochs.

        Parameters
        ----------
        row : EpochRecord

        Raises
        ------
        StorageFailed
            The disk is full or fails; the table is as it was.
        """
        self._require_held()
        self.curves.add(row)
        self._board.add(row)

    def truncate(self, n_epochs: int) -> None:
        """Drop the rows of epochs after one, which are trained again.

        Parameters
        ----------
        n_epochs : int
            The last epoch that is kept.
        """
        self._require_held()
        self.curves.truncate(n_epochs)

    def draw(self) -> Path | None:
        """Draw the curves and return the picture, None without matplotlib or without a row.

        Raises
        ------
        StorageFailed
            The disk is full or fails; the picture is as it was.
        """
        rows = self.rows()
        if not rows:
            return None
        preset = self.document.recipe.validation.preset
        measure = f"correlation, {self.document.recipe.validation.tier}, {preset or 'all valid samples'}"
        try:
            content = curves_png(rows, title=f"{self.document.recipe.name}  ({self.path.name})", measure=measure)
        except ImportError:
            return None
        replace_file(self.path / "curves.png", content)
        return self.path / "curves.png"

    def finish(self, best: RunBest | None) -> None:
        """Say that training has ended by itself, and draw the curves.

        Parameters
        ----------
        best : RunBest or None
        """
        self._save(state="finished", best=best, error=None)
        self.draw()

    def interrupt(self) -> None:
        """Say that the user has stopped it, and draw the curves."""
        self._save(state="interrupted", best=self.best())
        self.draw()

    def fail(self, error: SensoriumError) -> None:
        """Say what has ended it, and draw the curves.

        Parameters
        ----------
        error : SensoriumError
        """
        problems = tuple(Fault(code=one.code, where=one.where, what=one.what) for one in error.problems)
        refusal = Refusal(code=error.code, message=error.message, hint=error.hint, problems=problems)
        self._save(state="failed", error=refusal, best=self.best())
        self.draw()

    def best(self) -> RunBest | None:
        """Return the best epoch so far, None before the first score."""
        best = [row for row in self.rows() if row.is_best]
        preset = self.document.recipe.validation.preset
        return RunBest(epoch=best[-1].epoch, score=best[-1].validation_score, preset=preset) if best else None

    def _keep_recipe(self, given: bytes | None) -> None:
        content = recipe_toml(self.document.recipe) if given is None else given
        if content is not None:
            replace_file(self.path / RECIPE, content)

    def _save(self, **changed: Any) -> None:  # noqa: ANN401  # fields of a document, which refuses others
        self._require_held()
        values = {name: getattr(self.document, name) for name in Run.model_fields}
        self.document = Run(**(values | {"changed_at": datetime.now(UTC)} | changed))
        replace_file(self.path / DOCUMENT, self.document.model_dump_json(indent=1).encode() + b"\n")

    def _require_held(self) -> None:
        if self._held is None:
            hint = '`RunFolder.open(path, mode="write")` goes on with it'
            raise BadArgument(f"{self.path} was opened to be read", hint=hint, code="run-read-only")
