"""nginx: plain http with ranges, validators and no listing, and a log that counts every request."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tests.servers.process import HOST
from tests.servers.server import Server, fresh_name

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  log_format counted escape=json
    '{{"method":"$request_method","path":"$request_uri","status":$status,"range":"$http_range","n_bytes":$body_bytes_sent}}';
  access_log {folder}/access.log counted;
  client_body_temp_path {folder}/temporary;
  proxy_temp_path {folder}/temporary;
  fastcgi_temp_path {folder}/temporary;
  uwsgi_temp_path {folder}/temporary;
  scgi_temp_path {folder}/temporary;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 600s;
  keepalive_requests 1000000;
  server {{
    listen {host}:{port} backlog=511;
    root {folder}/root;
    autoindex off;
  }}
}}
"""


@dataclass(frozen=True)
class Logged:
    """One request as the server counted it; `range` is empty where none was asked for, `n_bytes` are of the body."""

    method: str
    path: str
    status: int
    range: str
    n_bytes: int


@dataclass(frozen=True)
class Nginx(Server):
    """A running nginx that serves its folder `root`."""

    name: ClassVar[str] = "nginx"

    @classmethod
    def reason(cls) -> str | None:
        return None if _program() else "no nginx: it comes with the system's package nginx-light or nginx"

    @classmethod
    def command(cls, folder: Path, port: int) -> list[str]:
        (folder / "root").mkdir()
        (folder / "temporary").mkdir()
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, host=HOST, port=port), "utf-8")
        prefix = ["-p", str(folder), "-e", str(folder / "error.log")]
        return [str(_program()), *prefix, "-c", str(folder / "nginx.conf")]

    def is_ready(self) -> bool:
        return self.ask("GET", "/").status == 403

    @property
    def url(self) -> str:
        return self.endpoint

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def new_folder(self) -> tuple[str, Path]:
        """Make a folder of a name that no other test uses; return its URL, without a slash at the end, and its path."""
        name = fresh_name("tests")
        (self.root / name).mkdir()
        return f"{self.url}/{name}", self.root / name

    def mark(self) -> int:
        """Return a place in the log, for `requests` to start at."""
        self._settled()
        return self._log.stat().st_size

    def requests(self, since: int = 0, under: str = "") -> list[Logged]:
        """Return what was asked for since a mark, in order, under a path such as that of a folder of one's own."""
        self._settled()
        with self._log.open("rb") as log:
            log.seek(since)
            logged = [Logged(**json.loads(line)) for line in log.read().splitlines()]
        return [one for one in logged if one.path.startswith(under) and not one.path.startswith("/settled-")]

    def _settled(self) -> None:
        """Return once all earlier requests are in the log.

        The one process writes a line after the last byte of a reply, before it looks at the next request: with this
        request's own line, all lines of replies that someone has read to the end are there.
        """
        name = fresh_name("/settled")
        self.ask("GET", name, headers={"connection": "close"})
        while name.encode() not in self._log.read_bytes()[-4096:]:
            if not self.is_running:
                raise RuntimeError("nginx has ended")

    @property
    def _log(self) -> Path:
        return self.folder / "access.log"


def _program() -> str | None:
    # Where it is installed for the system, its folder is on the path of administrators only.
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
