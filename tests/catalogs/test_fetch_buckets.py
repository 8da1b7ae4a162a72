"""Files in buckets: by blocks, gone on with, and begun anew when the object is another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sensorium_data.catalogs import blocks
from sensorium_data.catalogs.fetch import download
from sensorium_data.catalogs.sink import Sink
from sensorium_data.remote import Location, open_objects
from tests.catalogs.made import names_in, sha256
from tests.servers.fixtures import seaweed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.seaweed import Seaweed

__all__ = ["seaweed"]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_in_a_bucket_goes_on(
    seaweed: Seaweed, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool,
    setting: Callable[[str, object], None],
) -> None:  # fmt: skip
    pytest.importorskip("s3fs")
    setting("timeout_s", 20)
    url = f"s3://{seaweed.create_bucket()}/lab/mouse.zip"
    there = open_objects(Location(url, seaweed.storage_options))
    there.put("", data)
    named = {"ACCESS_KEY_ID": seaweed.key, "SECRET_ACCESS_KEY": seaweed.secret, "ENDPOINT_URL": seaweed.endpoint}
    for name, value in named.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr(blocks, "FIRST", 1 << 16)
    real = Sink.write

    def write(self: Sink, piece: bytes) -> None:
        if self.size >= 150_000:
            raise OSError(28, "No space left on device")
        real(self, piece)

    with monkeypatch.context() as patched:
        patched.setattr(Sink, "write", write)
        (failure,) = download(url, tmp_path).failures
    assert failure.error.code == "disk-full"
    if replaced:
        there.put("", data := b"PK\x03\x04" + data[:3:-1])
    (done,) = download(url, tmp_path).files
    assert (done.status, done.sha256) == ("fetched" if replaced else "resumed", sha256(data))
    assert names_in(tmp_path) == ["mouse.zip"]
    assert seaweed.secret not in "".join(path.read_text("latin-1") for path in tmp_path.iterdir())
