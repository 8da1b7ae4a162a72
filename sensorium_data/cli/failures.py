"""Every way a command can end badly, as one error: the command line, the system, an interrupt, a document, a bug."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

import click

from sensorium_data.errors import (
    STORAGE_WORDS,
    BadArgument,
    DataInvalid,
    Interrupted,
    NotFound,
    Problem,
    SensoriumError,
    StorageFailed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PROGRAM", "as_error", "of_system", "require_text"]

PROGRAM = "sensorium-data"
REPORT = f"`{PROGRAM} --debug …` shows where; please report it"
# What is said of a path that leads nowhere; whatever else the system says is about storage that fails.
NOWHERE = {
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EISDIR: "is a folder, not a file",
    errno.ENAMETOOLONG: "the name is too long for the file system",
    errno.ELOOP: "symbolic links lead in a circle",
}


def as_error(seen: BaseException, words: Sequence[str]) -> SensoriumError:
    """Return what ended a command as an error with a code, a hint and an exit code.

    Parameters
    ----------
    seen : BaseException
        Whatever was raised.
    words : sequence of str
        The command line: what an interrupt leaves behind depends on the verb.
    """
    if isinstance(seen, SensoriumError):
        return seen
    if isinstance(seen, click.ClickException):
        return _usage(seen)
    if isinstance(seen, (KeyboardInterrupt, click.Abort)):
        return _interrupted(words)
    if isinstance(seen, OSError):
        return of_system(seen)
    return _invalid(seen) or _bug(seen)


def of_system(error: OSError, where: object = None) -> SensoriumError:
    """Return what the operating system says about a path as `NotFound` or `StorageFailed`.

    Parameters
    ----------
    error : OSError
    where : path, optional
        Named when the system does not say which path it means.

    Examples
    --------
    >>> print(of_system(NotADirectoryError(20, "Not a directory", "file/x.zarr")))
    file/x.zarr: a part of the path is a file
    """
    if isinstance(error, SensoriumError):
        return error
    named = error.filename if error.filename is not None else where
    path = os.fsdecode(named) if isinstance(named, (str, bytes, os.PathLike)) else "the system"
    if error.errno in NOWHERE:
        return NotFound(f"{path}: {NOWHERE[error.errno]}", hint="name a path that exists")
    said = STORAGE_WORDS.get(error.errno or 0) or (error.strerror or type(error).__name__).lower()
    return StorageFailed(f"{path}: {said}", hint="make room or get access, then run the same command again")


def require_text(words: Sequence[str]) -> None:
    """Raise BadArgument for a word that is no text: such names cannot be recorded in a document.

    Parameters
    ----------
    words : sequence of str
        The command line, with bytes that are not UTF-8 as Python smuggles them in: as lone surrogates.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            shown = word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            hint = "rename the file, or make a link to it whose name is"
            raise BadArgument(f"{shown}: the name is not UTF-8 text", hint=hint, code="undecodable-name") from None


def _usage(error: click.ClickException) -> BadArgument:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else PROGRAM
    close = getattr(error, "possibilities", None)
    if isinstance(error, click.NoSuchOption):  # which each release of click words in another way
        message = f"no such option `{error.option_name}`"
    else:
        message = " ".join(error.format_message().split()).rstrip(".")
    meant = f"did you mean {', '.join(f'`{word}`' for word in close)}? " if close else ""
    return BadArgument(
        message[:1].lower() + message[1:], hint=f"{meant}`{command} --help` says how it is called", code="usage"
    )


def _interrupted(words: Sequence[str]) -> Interrupted:
    verb = next((word for word in words if not word.startswith("-")), "")
    resumes = verb in ("convert", "copy", "download") and "--dry-run" not in words
    return Interrupted("interrupted; run the same command again to resume" if resumes else "interrupted")


def _invalid(seen: BaseException) -> DataInvalid | None:
    if "pydantic" not in sys.modules:  # then nobody has made a document, and help need not import it
        return None
    from pydantic import ValidationError

    if not isinstance(seen, ValidationError):
        return None
    problems = [
        Problem("document-invalid", ".".join(map(str, found["loc"])) or seen.title, found["msg"])
        for found in seen.errors(include_url=False, include_context=False, include_input=False)
    ]
    return DataInvalid(f"{seen.title} cannot be recorded", hint=REPORT, problems=problems, code="document-invalid")


def _bug(seen: BaseException) -> SensoriumError:
    first = (str(seen).splitlines() or [""])[0]
    return SensoriumError(f"{type(seen).__name__}: {first}".removesuffix(": "), hint=REPORT, code="bug")
