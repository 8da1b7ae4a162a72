"""One name, one model: those that were published, by name; one's own, by folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument, NotFound, near_miss
from sensorium_data.zoo.cards import CARD
from sensorium_data.zoo.checkpoints import from_pretrained
from sensorium_data.zoo.hub import SCHEME, local_folder
from sensorium_data.zoo.tensors import moved

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from sensorium_data.zoo.contract import Model, SessionFacts

__all__ = ["PUBLISHED", "RUN_MODEL", "load"]

PUBLISHED = ("sensorium2022-cnn", "sensorium2022-ln", "sensorium2022-cnn-behavior", "sensorium2022-ln-behavior")
RUN_MODEL = "model"  # where a run folder has its best model


def load(
    name_or_folder: str | Path,
    path: str | Path | None = None,
    *,
    sessions: Sequence[SessionFacts] = (),
    device: str | torch.device = "cpu",
) -> Model:
    """Return a model: a published one by name, or one's own by folder.

    Parameters
    ----------
    name_or_folder : str or Path
        ``sensorium2022-cnn``, ``-ln``, ``-cnn-behavior`` or ``-ln-behavior``; or the folder of a checkpoint or of a run,
        whose best model it is; or ``hf://owner/name``.
    path : str or Path, optional
        File of the published weights, which know their neurons by place and order alone.
    sessions : sequence of SessionFacts, optional
        With published weights, as for `load_published`: `session_facts(stores)` gives the neurons their ids.
    device : str or torch.device

    Raises
    ------
    NotFound
        No such name or folder; the hint names near misses.
    BadArgument
        A published name without the file of its weights, `sessions` that are not those of the weights or are given with
        a folder, or no such device.
    DataInvalid
        What is there is damaged, or not what the name says.

    Examples
    --------
    >>> load("sensorium2022-cmm", "sensorium_sota_model.pth")
    Traceback (most recent call last):
    sensorium_data.errors.NotFound: no published model `sensorium2022-cmm`
    """
    name = str(name_or_folder)
    if name in PUBLISHED and not (path is None and Path(name).is_dir()):
        if path is None:
            hint = f'zoo.load("{name}", "sensorium_sota_model.pth"), or `--weights FILE`: the file that was published'
            raise BadArgument(f"{name} needs the file of its weights", hint=hint, code="no-weights")
        from sensorium_data.zoo.published2022 import load_published

        return moved(load_published(name, path, sessions=sessions), device)
    if len(sessions) and path is None:
        hint = f"leave `sessions` out; it is for {PUBLISHED[0]} and its like"
        raise BadArgument(f"{name}: a checkpoint knows its neurons by id", hint=hint, code="sessions-known")
    if path is not None:
        raise NotFound(f"no published model `{name}`", hint=near_miss(name, PUBLISHED), code="no-such-model")
    return from_pretrained(name if name.startswith(SCHEME) else _folder(name), device=device)


def _folder(name: str) -> Path:
    """Return the folder of the checkpoint that a path means."""
    folder = local_folder(name)
    if folder is None:
        hint = f"name a folder, {SCHEME}owner/name, or what was published: {near_miss(name, PUBLISHED)}"
        raise NotFound(f"{name} is no folder and no published model", hint=hint, code="no-such-model")
    best = local_folder(folder / RUN_MODEL)
    return folder if best is None or (folder / CARD).is_file() else best
