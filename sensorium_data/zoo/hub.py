"""Where a checkpoint is: a folder here; or a repository of Hugging Face, asked for by its name and by nothing else."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sensorium_data.errors import BadArgument, DataInvalid, NotFound, SensoriumError, StorageFailed, listed, near_miss
from sensorium_data.settings import settings
from sensorium_data.store.publish import scratch_path
from sensorium_data.zoo.cards import CARD
from sensorium_data.zoo.weights import NO_PICKLE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PICKLES", "WEIGHTS", "checkpoint_folder", "local_folder"]

WEIGHTS = "model.safetensors"
PICKLES = (".pth", ".pt", ".bin", ".pkl", ".pickle", ".ckpt", ".tar")
SCHEME = "hf://"
REPOSITORY = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?", re.ASCII)


class _Repository(NamedTuple):
    name: str
    revision: str | None


def checkpoint_folder(where: str | Path, *, revision: str | None = None, token: str | None = None) -> Path:
    """Return the folder of a checkpoint, fetched where it is a repository's.

    Parameters
    ----------
    where : str or Path
    revision, token : str, optional
        As for `from_pretrained`.

    Raises
    ------
    NotFound
        No such folder or repository, or no checkpoint in it.
    DataInvalid
        What is there is a pickle.
    BadArgument
        Neither a folder nor the name of a repository.
    StorageFailed
        A repository is out of reach.
    """
    if (folder := local_folder(where)) is not None:
        if revision is not None:
            what = f"{where} is a folder, which has no revision"
            raise BadArgument(what, hint=f"{SCHEME}owner/name names a repository", code="bad-revision")
        _require(folder, str(where))
        return folder
    repository = _repository(str(where))
    if repository.revision and revision and repository.revision != revision:
        what = f"{where} names revision {repository.revision}, and revision is {revision!r}"
        raise BadArgument(what, hint="name it once", code="bad-revision")
    folder = _fetched(_Repository(repository.name, revision or repository.revision), token)
    _require(folder, f"{SCHEME}{repository.name}")
    return folder


def local_folder(where: str | Path) -> Path | None:
    """Return the folder that is at a path, or None where nothing is.

    One that was being replaced as its writer was killed lies beside, whole, until somebody saves there again.

    Raises
    ------
    DataInvalid
        It is a pickle.
    BadArgument
        It is a file.
    """
    if str(where).startswith(SCHEME) or not str(where):
        return None
    path = Path(where).expanduser()
    if path.is_dir():
        return path
    if path.is_file():
        if path.suffix in PICKLES:
            raise DataInvalid(f"{path} is a pickle, which is not opened", hint=NO_PICKLE, code="checkpoint-pickle")
        raise BadArgument(
            f"{path} is a file", hint=f"name the folder that it is in: {path.parent}", code="not-a-folder"
        )
    aside = scratch_path(path.resolve()) / "replaced" if path.name else path
    return aside if aside.is_dir() else None


def _require(folder: Path, where: str) -> None:
    """Raise unless a folder holds both files of a checkpoint."""
    there = sorted(path.name for path in folder.iterdir())
    if WEIGHTS in there and CARD in there:
        return
    if pickles := [name for name in there if Path(name).suffix in PICKLES and WEIGHTS not in there]:
        what = f"{where} holds {listed(pickles, most=4)} instead of {WEIGHTS}: a pickle, which is not opened"
        raise DataInvalid(what, hint=NO_PICKLE, code="checkpoint-pickle")
    lacking = listed([name for name in (WEIGHTS, CARD) if name not in there], between=" and ")
    inside = [name for name in there if (folder / name / CARD).is_file()]
    hint = f"did you mean {where}/{inside[0]}?" if inside else "`save_pretrained` writes both files"
    raise NotFound(f"{where} holds no {lacking}", hint=hint, code="no-such-model")


def _repository(where: str) -> _Repository:
    """Return the repository that a text names; a path that leads nowhere is not taken for one."""
    found = REPOSITORY.fullmatch(where.removeprefix(SCHEME))
    if found is None:
        if where.startswith(SCHEME):
            raise BadArgument(
                f"{where} names no repository",
                hint=f"{SCHEME}owner/name, or {SCHEME}owner/name@revision",
                code="bad-repository",
            )
        hint = "a folder that `save_pretrained` wrote, or owner/name of a repository of Hugging Face"
        raise BadArgument(f"{where} is neither a folder nor the name of a repository", hint=hint, code="no-such-model")
    parent = Path(where).parent
    if not where.startswith(SCHEME) and parent.is_dir():
        siblings = sorted(str(parent / path.name) for path in parent.iterdir() if path.is_dir())
        hint = (
            f"{near_miss(where, siblings)}; a repository of Hugging Face is {SCHEME}{where}"
            if siblings
            else f"a repository of Hugging Face is {SCHEME}{where}"
        )
        raise NotFound(f"{where}: no such folder", hint=hint, code="no-such-model")
    return _Repository(found["name"], found["revision"])


# -- the network


def _fetched(repository: _Repository, token: str | None) -> Path:
    try:
        import huggingface_hub as hub
    except ImportError as error:
        what = f"{SCHEME}{repository.name} needs huggingface_hub: pip install 'sensorium-data[cloud]'"
        raise ImportError(what) from error
    offline = settings().offline
    try:
        with _without_bars():
            return Path(
                hub.snapshot_download(
                    repository.name, revision=repository.revision, token=token, allow_patterns=[WEIGHTS, CARD],
                    local_files_only=offline, library_name="sensorium-data",
                )
            )  # fmt: skip
    except Exception as error:  # noqa: BLE001  # its versions have trees of failures of their own, and of three clients
        raise _said(repository, error, offline=offline) from None


@contextmanager
def _without_bars() -> Iterator[None]:
    """Let the library draw nothing: how that looks is for the command line."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _said(repository: _Repository, error: Exception, *, offline: bool) -> SensoriumError:
    """Return what went wrong in the words of this package; of an answer no more than its kind, for it may tell a secret."""
    where = f"{SCHEME}{repository.name}" + (f"@{repository.revision}" if repository.revision else "")
    kinds = {each.__name__ for each in type(error).__mro__}  # which module they are in differs between versions
    if "GatedRepoError" in kinds:
        hint = "ask for access on its page, and give a token"
        return StorageFailed(f"{where} lets in only those who asked for access", hint=hint, code="access-denied")
    if "RepositoryNotFoundError" in kinds:
        hint = "is the name right? one that is not public needs a token"
        return NotFound(f"{where}: no such repository", hint=hint, code="no-such-model")
    if "RevisionNotFoundError" in kinds:
        return NotFound(
            f"{where}: no such revision", hint="name a branch, tag or commit of it", code="no-such-revision"
        )
    if "HFValidationError" in kinds:
        return BadArgument(f"{where} names no repository", hint=f"{SCHEME}owner/name", code="bad-repository")
    if offline:
        hint = "fetch it once with the network, or name a folder"
        return StorageFailed(f"{where} was never fetched, and settings say offline", hint=hint, code="offline")
    return StorageFailed(f"{where} is out of reach ({type(error).__name__})", hint="try again", code="unreachable")
