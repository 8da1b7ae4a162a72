"""A bucket `lab` with a mouse in it on the S3 server of the tests, and the environment in which pages reach it by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.seaweed import Seaweed

BUCKET = "lab"


def lab_environment(seaweed: Seaweed, folder: Path) -> dict[str, str]:
    """Put a mouse into the bucket; return what the environment says of where it is and who asks."""
    from sensorium_data import convert
    from sensorium_data.testing import write_sensorium2023

    store = folder / "mouse-F.zarr"
    convert(write_sensorium2023(folder / "published", n_neurons=12, n_train=9, lengths={"NaturalVideo": 300}), store)
    if seaweed.request("HEAD", BUCKET).status != 200:
        seaweed.create_bucket(BUCKET)
    for path in store.rglob("*"):
        if path.is_file():
            seaweed.put(BUCKET, f"stores/mouse-F.zarr/{path.relative_to(store).as_posix()}", path.read_bytes())
    return credentials(seaweed, folder)


def credentials(seaweed: Seaweed, folder: Path) -> dict[str, str]:
    """Return what the environment says of where the server is and who asks, by a profile written to a folder."""
    profiles = folder / "credentials"
    profiles.write_text(f"[lab]\naws_access_key_id = {seaweed.key}\naws_secret_access_key = {seaweed.secret}\n")
    return {
        "AWS_ENDPOINT_URL": seaweed.endpoint,
        "AWS_SHARED_CREDENTIALS_FILE": str(profiles),
        "AWS_PROFILE": "lab",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
