"""What every server of the tests is: a process id, a port on 127.0.0.1 and a folder, which is all it takes to share it."""

from __future__ import annotations

import http.client
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tests.servers.process import HOST, NotStarted, end, free_port, is_running, spawn, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

TRIES = 3  # another process can take a port between our look and the server's start
ANSWER_S = 30.0


class Unavailable(RuntimeError):
    """A server that cannot run here, with the reason."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Server:
    """A running server.

    Each kind says how it is started; what is left once it runs are these three values, so that one process can start
    it and others use it.
    """

    pid: int
    port: int
    folder: Path

    name: ClassVar[str]
    n_ports: ClassVar[int] = 1
    environment: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def reason(cls) -> str | None:
        """Return why it cannot run here; None where it can."""
        raise NotImplementedError

    @classmethod
    def command(cls, folder: Path, port: int) -> list[str]:
        """Return the command line, after writing what it reads into the folder."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Say whether it answers; an OSError is a no."""
        raise NotImplementedError

    def sweep(self) -> None:
        """Remove what a killed server leaves outside its folder."""

    @classmethod
    def start(cls, folder: Path, *, tied: bool = True) -> Self:
        """Start one in a folder and wait until it answers.

        Raises
        ------
        Unavailable
            Its program is not here, or it did not start in three tries.
        """
        if reason := cls.reason():
            raise Unavailable(reason)
        for left in reversed(range(TRIES)):
            # A folder of its own for each try: a server that failed half way leaves files of its own.
            home = folder.resolve() / f"{cls.name}-{uuid.uuid4().hex[:8]}"
            home.mkdir(parents=True)
            port = free_port(cls.n_ports)
            pid = spawn(cls.command(home, port), home, environment={**cls.environment, "HOME": str(home)}, tied=tied)
            server = cls(pid, port, home)
            try:
                wait_for(server.is_ready, pid, home)
            except NotStarted as problem:
                if not left:
                    raise Unavailable(f"{cls.name} did not start: {problem}") from problem
            except BaseException:  # Ctrl-C while waiting
                server.stop()
                raise
            else:
                return server
        raise AssertionError

    def stop(self) -> None:
        """Kill it by its process id and wait until it is gone. A second stop does nothing."""
        end(self.pid, self.folder)
        self.sweep()

    @property
    def is_running(self) -> bool:
        return is_running(self.pid, self.folder)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, as sockets and the fault proxy take them."""
        return (HOST, self.port)

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Send one plain request and return the whole reply."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            got = connection.getresponse()
            return Reply(got.status, {key.lower(): value for key, value in got.getheaders()}, got.read())
        except http.client.HTTPException as problem:
            raise OSError(str(problem)) from problem
        finally:
            connection.close()

    def values(self) -> dict[str, Any]:
        """Return what `from_values` takes, for a JSON file."""
        return {"pid": self.pid, "port": self.port, "folder": str(self.folder)}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        return cls(pid=values["pid"], port=values["port"], folder=Path(values["folder"]))


def fresh_name(prefix: str) -> str:
    """Return a name that no other test uses; it is valid for buckets and containers everywhere."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"
