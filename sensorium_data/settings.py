"""The one place where settings come from: environment, then file, then defaults; read once."""

from __future__ import annotations

import os
import tomllib
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument, near_miss

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Settings", "limited_threads", "load_settings", "settings"]

PREFIX = "SENSORIUM_DATA_"
# Set where somebody else says how many threads there are: on the worker of a cluster, whose processes may be many.
_LIMIT: ContextVar[int] = ContextVar("_LIMIT", default=0)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may set for every command.

    Attributes
    ----------
    threads : int
        Threads a conversion or a check uses; 0 means every core.
    max_member_bytes : int, bytes
        Largest single array a source may hold; checked before memory is taken.
    keep_bytes : int, bytes
        Unpacked chunks that loaders and resampled views of a process keep in memory, a quarter of what is available at
        most; 0 keeps none.
    no_progress : bool
        Never draw bars.
    cluster_wait_s : int, seconds
        How long a cluster may be without a worker, or its scheduler out of reach, before work on it is given up.
    cache : str
        Folder for what is downloaded and streamed; by default the one that the system has for such things.
    offline : bool
        Nothing is asked of the network: what is in the cache is used, and the rest is refused by name.
    mirrors : str
        Where to look instead: `FROM=TO`, both beginnings of URLs, several with spaces between them.
    catalogs : str
        Further catalogs beside the one that is built in: files and URLs with spaces between them.
    stream_cache_bytes : int, bytes
        Compressed chunks of remote stores that are kept on disk; 0 keeps none.
    timeout_s : int, seconds
        How long a server may be silent before it is asked again.
    deadline_s : int, seconds
        How long one request may take with all its repetitions.
    n_retries : int
        How often a request that failed is repeated.
    client : str
        What reads from S3: ``fsspec``, or ``obstore`` where it is installed, whose threads no fork takes along.
    n_requests : int
        Requests for the data of one store that are under way at the same time.
    """

    threads: int = 0
    max_member_bytes: int = 1 << 30
    keep_bytes: int = 2 << 30
    no_progress: bool = False
    cluster_wait_s: int = 30
    cache: str = ""
    offline: bool = False
    mirrors: str = ""
    catalogs: str = ""
    stream_cache_bytes: int = 16 << 30
    timeout_s: int = 20
    deadline_s: int = 120
    n_retries: int = 5
    client: str = "fsspec"
    n_requests: int = 16

    @property
    def n_threads(self) -> int:
        """Threads to use, with 0 resolved to the cores this process may run on."""
        if limit := _LIMIT.get():
            return limit
        return self.threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else self.threads or 1

    @property
    def cache_folder(self) -> Path:
        """Where downloads and streamed chunks are kept; it need not be there yet."""
        if self.cache:
            return Path(self.cache).expanduser()
        from platformdirs import user_cache_path

        return user_cache_path("sensorium-data", appauthor=False)


def _parse(name: str, text: object, default: object, where: str) -> object:
    try:
        if isinstance(default, str):
            return str(text)
        if isinstance(default, bool):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[str(text).lower()]
        value = int(str(text))
    except (KeyError, ValueError):
        kind = "yes or no" if isinstance(default, bool) else "a whole number"
        raise BadArgument(f"{where}: `{name}` is {text!r}, expected {kind}", code="bad-setting") from None
    if value < 0:
        raise BadArgument(f"{where}: `{name}` is {value}, expected 0 or more", code="bad-setting")
    return value


def load_settings(environ: dict[str, str]) -> Settings:
    """Return the settings of an environment and of the file that ``SENSORIUM_DATA_CONFIG`` names.

    Parameters
    ----------
    environ : dict of str
        Usually ``os.environ``.

    Raises
    ------
    BadArgument
        A setting that is unknown or cannot be read; the message says where it came from.

    Examples
    --------
    >>> load_settings({"SENSORIUM_DATA_THREADS": "2"}).threads
    2
    """
    defaults = {field.name: getattr(Settings(), field.name) for field in fields(Settings)}
    found: dict[str, tuple[object, str]] = {}
    config = environ.get(PREFIX + "CONFIG")
    if config:
        try:
            loaded = tomllib.loads(Path(config).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BadArgument(f"{config}: cannot be read as settings ({error})", code="bad-setting") from None
        found |= {name: (value, config) for name, value in loaded.items()}
    for name in defaults:
        if (text := environ.get(PREFIX + name.upper())) is not None:
            found[name] = (text, PREFIX + name.upper())
    for name in found.keys() - defaults.keys():
        hint = near_miss(name, list(defaults))
        raise BadArgument(f"{found[name][1]}: `{name}` is not a setting", hint=hint, code="bad-setting")
    parsed = {name: _parse(name, value, defaults[name], where) for name, (value, where) in found.items()}
    return Settings(**parsed)  # type: ignore[arg-type]  # _parse returns the default's own type


@cache
def settings() -> Settings:
    """Return this process's settings, read from the environment at the first call."""
    return load_settings(dict(os.environ))


@contextmanager
def limited_threads(n: int) -> Iterator[None]:
    """Let whatever runs in this context use so many threads, whatever the settings say.

    Parameters
    ----------
    n : int

    Examples
    --------
    >>> with limited_threads(3):
    ...     settings().n_threads
    3
    """
    before = _LIMIT.set(n)
    try:
        yield
    finally:
        _LIMIT.reset(before)
