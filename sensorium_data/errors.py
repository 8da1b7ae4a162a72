"""Everything that can go wrong, grouped by what the caller does next.

::

    SensoriumError
    ├── BadArgument          (ValueError)         fix the call                    exit 2
    ├── NotFound             (FileNotFoundError)  name something that exists      exit 4
    │   └── NoSuchItem       (KeyError)           pick one of the near misses     exit 4
    ├── DataInvalid          (ValueError)         look at the data                exit 5
    │   ├── SourceInvalid                         what was published is wrong
    │   │   └── ArchiveUnsafe                     the archive must not be trusted
    │   └── StoreInvalid                          the session store is wrong
    ├── StorageFailed        (OSError)            make room or get access, rerun  exit 6
    ├── ClusterFailed        (ConnectionError)    start or mend the cluster, rerun exit 6
    ├── TargetExists         (FileExistsError)    choose what happens to it       exit 7
    │   └── TargetBusy                            wait for the other conversion
    └── Interrupted                               run again to resume             exit 130

Every class also is the builtin a caller would catch. ``code`` is stable and meant for programs, ``hint`` names the
next command, and ``problems`` holds everything that was found, not only the first.
"""

from __future__ import annotations

import errno
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "STORAGE_WORDS",
    "ArchiveUnsafe",
    "BadArgument",
    "ClusterFailed",
    "DataInvalid",
    "Interrupted",
    "NoSuchItem",
    "NotFound",
    "Problem",
    "SensoriumError",
    "SlowReadWarning",
    "SourceInvalid",
    "StimulusLeakWarning",
    "StorageFailed",
    "StoreInvalid",
    "TargetBusy",
    "TargetExists",
    "counted",
    "listed",
    "near_miss",
]

# What the system says of storage that fails.
STORAGE_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission was denied",
    errno.EPERM: "permission was denied",
    errno.EIO: "the device failed",
}
SHOWN = 20  # problems printed in full; a broken session can have one for each of 700 files


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a stable code, where, and what was seen against what was expected."""

    code: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} [{self.code}]"


class SensoriumError(Exception):
    """A failure that is not a bug of this package.

    Parameters
    ----------
    message : str
        One line: what was seen, where, and what was expected.
    hint : str, optional
        The next command or step.
    problems : iterable of Problem, optional
        Everything that was found.
    code : str, optional
        A more exact stable code than the class's own.
    """

    code: str = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, hint: str = "", problems: Iterable[Problem] = (), code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        """Return the message and its problems, at most 20 of them."""
        lines = [self.message, *(f"  {problem}" for problem in self.problems[:SHOWN])]
        if len(self.problems) > SHOWN:
            lines.append(f"  … and {len(self.problems) - SHOWN} more")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip between processes with every field."""
        return (_rebuild, (type(self), self.message, self.hint, self.problems, self.code))

    def as_dict(self) -> dict[str, object]:
        """Return the error as ``--json`` prints it."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "problems": [asdict(problem) for problem in self.problems],
        }


def _rebuild(
    kind: type[SensoriumError], message: str, hint: str, problems: tuple[Problem, ...], code: str
) -> SensoriumError:
    return kind(message, hint=hint, problems=problems, code=code)


class BadArgument(SensoriumError, ValueError):
    """An argument that no data could make right."""

    code = "bad-argument"
    exit_code = 2


class NotFound(SensoriumError, FileNotFoundError):
    """No such file, store or session."""

    code = "not-found"
    exit_code = 4


class NoSuchItem(NotFound, KeyError):
    """No such signal, trial, tier or reader; the hint names near misses."""

    code = "no-such-item"


class DataInvalid(SensoriumError, ValueError):
    """The data are not what they should be."""

    code = "data-invalid"
    exit_code = 5


class SourceInvalid(DataInvalid):
    """A published recording breaks its format."""

    code = "source-invalid"


class ArchiveUnsafe(SourceInvalid):
    """An archive that could write outside its folder, is encrypted, or expands to more than it says."""

    code = "archive-unsafe"


class StoreInvalid(DataInvalid):
    """A session store is damaged, or is none."""

    code = "store-invalid"


class StorageFailed(SensoriumError, OSError):
    """Storage is full, read-only or out of reach; nothing is lost, run again."""

    code = "storage-failed"
    exit_code = 6


class ClusterFailed(SensoriumError, ConnectionError):
    """A cluster cannot be reached, has lost its workers, or cannot do the work; nothing is lost, run again."""

    code = "cluster-failed"
    exit_code = 6


class TargetExists(SensoriumError, FileExistsError):
    """Something is already there; nothing was changed."""

    code = "target-exists"
    exit_code = 7


class TargetBusy(TargetExists):
    """Another process is converting to the same target."""

    code = "target-busy"


class Interrupted(SensoriumError):
    """Stopped by the user; what was done is kept and the same command goes on from there."""

    code = "interrupted"
    exit_code = 130


class StimulusLeakWarning(UserWarning):
    """A training set holds films that test tiers of another session show."""

    code = "shared-films"


class SlowReadWarning(UserWarning):
    """A store that can only be read in a slow way; the values are the same."""

    code = "slow-read"


def counted(n: int, word: str) -> str:
    """Return a number of things in words.

    Examples
    --------
    >>> counted(1, "problem"), counted(2000, "problem")
    ('1 problem', '2,000 problems')
    """
    return f"{n:,} {word}{'s' * (n != 1)}"


def listed(values: Sequence[object], most: int = 8, between: str = ", ") -> str:
    """Return the first of some values as text, and whether there are more.

    Examples
    --------
    >>> listed([3, 1]), listed("abcd", most=2)
    ('3, 1', 'a, b …')
    """
    return between.join(map(str, values[:most])) + (" …" if len(values) > most else "")


def near_miss(word: str, known: Sequence[str]) -> str:
    """Return a hint naming the closest known words, or all of them when none is close.

    Examples
    --------
    >>> near_miss("respones", ["responses", "pupil"])
    'did you mean `responses`?'
    >>> near_miss("x", ["responses", "pupil"])
    'known: `responses`, `pupil`'
    """
    close = get_close_matches(word, known, n=3, cutoff=0.6)
    names = ", ".join(f"`{name}`" for name in close or known[:SHOWN])
    return f"did you mean {names}?" if close else f"known: {names}"
