"""Tensors out of files that torch saved, and nothing else: no code is run, nothing is unpacked that does not fit."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch  # noqa: TID253  # models are torch's
from torch import Tensor  # noqa: TID253

from sensorium_data.errors import BadArgument, DataInvalid, NotFound, StorageFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_state_dict"]

PTH = "give the path of the published .pth file"
MOST_BYTES = 2**32  # of a checkpoint; the published ones have at most 16 MB


def read_state_dict(path: str | Path) -> Mapping[str, Tensor]:
    """Return the tensors of a state dict that torch saved, on the CPU whatever device they were saved on.

    Parameters
    ----------
    path : str or Path
        A `.pth` or `.pt` file.

    Raises
    ------
    NotFound
        No such file.
    BadArgument
        A folder.
    StorageFailed
        The file cannot be read.
    DataInvalid
        The file is truncated or damaged, is none that torch saved, holds code, or something else than tensors by name.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "weights.pth"
    >>> torch.save({"bias": torch.ones(3)}, file)
    >>> read_state_dict(file)["bias"]
    tensor([1., 1., 1.])
    """
    file = Path(path)
    try:
        if file.is_dir():
            raise BadArgument(f"{file}: is a folder, expected a file of weights", hint=PTH, code="not-a-checkpoint")
        _require_archive(file)
        held = _loaded(file)
    except FileNotFoundError:
        raise NotFound(f"{file}: no such file", hint=PTH) from None
    except OSError as error:
        raise StorageFailed(f"{file}: cannot be read: {error.strerror or error}") from error
    strange = [name for name, value in held.items() if not isinstance(name, str) or not _whole(value)]
    if strange or not held:
        what = f"`{strange[0]}` is no tensor with a number for each of its elements" if strange else "it is empty"
        raise DataInvalid(f"{file}: holds no state dict: {what}", code="not-a-checkpoint")
    return cast("Mapping[str, Tensor]", held)


def _whole(value: object) -> bool:
    """Return whether a value is a tensor with as much in the file as it says: a stride of 0 makes millions of one."""
    if not isinstance(value, Tensor) or value.layout != torch.strided:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _require_archive(file: Path) -> None:
    """Raise unless a file is an intact archive as torch writes it, that unpacks to what it takes on disk."""
    with file.open("rb") as opened:
        begins = opened.read(4)
    if begins[:1] == b"\x80":
        what = f"{file}: is a bare pickle, which could run code: refused"
        raise DataInvalid(what, hint="only tensors in torch's own archives are read", code="checkpoint-unsafe")
    if begins != b"PK\x03\x04":
        raise DataInvalid(
            f"{file}: is no file that torch saved: it begins with {begins!r}", hint=PTH, code="not-a-checkpoint"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            n_bytes = sum(entry.file_size for entry in entries)
            if n_bytes > min(file.stat().st_size, MOST_BYTES):  # torch packs nothing
                raise DataInvalid(f"{file}: would unpack to {n_bytes:,} bytes: refused", code="checkpoint-unsafe")
            damaged = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        what = f"{file}: is truncated or damaged ({file.stat().st_size:,} bytes, its table of contents is missing)"
        raise DataInvalid(what, hint="download it again", code="checkpoint-truncated") from None
    if damaged is not None:
        what = f"{file}: is damaged: {damaged} is not what its checksum says"
        raise DataInvalid(what, hint="download it again", code="checkpoint-truncated")
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise DataInvalid(f"{file}: holds a program (TorchScript): refused", code="checkpoint-unsafe")


def _loaded(file: Path) -> dict[object, object]:
    try:
        held = torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except pickle.UnpicklingError:
        what = f"{file}: holds code or objects beside tensors: refused"
        raise DataInvalid(what, hint="only state dicts are read", code="checkpoint-unsafe") from None
    except Exception as error:  # noqa: BLE001  # of a damaged file torch raises anything: IndexError, EOFError …
        what = f"{file}: is damaged: {error}".splitlines()[0]
        raise DataInvalid(what, hint="download it again", code="checkpoint-truncated") from None
    if not isinstance(held, dict):
        raise DataInvalid(f"{file}: holds a {type(held).__name__}, expected a state dict", code="not-a-checkpoint")
    return held
