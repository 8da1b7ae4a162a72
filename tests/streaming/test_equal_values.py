"""What comes from a URL is what is in the store on the disk, to the bit, in every public way of reading."""

from __future__ import annotations

import shutil
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

import sensorium_data as sd
from sensorium_data.errors import SlowReadWarning
from sensorium_data.reading import ZarrReader, open_reader
from sensorium_data.store.layout import quiet_zarr
from tests.streaming.everything import batches, everything, items, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.servers.azurite import Azurite
    from tests.servers.gcs import Gcs
    from tests.servers.seaweed import Seaweed
    from tests.streaming.conftest import Stores

RESPONSES = "signals/responses/values"


def uploaded(kind: str, needs: str, options: dict[str, Any], bucket: str, stores: Iterable[Path]) -> str:
    """Put stores into a bucket and return the URL of their folder."""
    pytest.importorskip(needs)
    import fsspec

    files = fsspec.filesystem(kind, skip_instance_cache=True, use_listings_cache=False, **options)
    for store in stores:
        for file in sorted(path for path in store.rglob("*") if path.is_file()):
            files.pipe_file(f"{bucket}/in/{store.name}/{file.relative_to(store).as_posix()}", file.read_bytes())
    return f"{kind}://{bucket}/in"


def equal(store: Path, url: str, options: dict[str, Any] | None = None) -> None:
    """Hold a store at a URL against the one on this disk, in every way."""
    near, far = sd.open_session(store), sd.open_session(url, storage_options=options)
    same(everything(near), everything(far))
    window: dict[str, Any] = {} if near.document.identity.modality == "static" else {"window": 12}
    same(items(near, **window), items(far, **window))
    same(batches(near, batch_size=3, shuffle=True, **window), batches(far, batch_size=3, shuffle=True, **window))


@pytest.mark.parametrize("name", ["compact", "fast", "portable", "static", "other"])
def test_web(stores: Stores, web: Callable[[Path], str], name: str) -> None:
    equal(getattr(stores, name), web(getattr(stores, name)))


@pytest.mark.parametrize("name", ["compact", "fast"])
def test_s3_signed(stores: Stores, seaweed: Seaweed, name: str) -> None:
    store = getattr(stores, name)
    options = seaweed.storage_options
    folder = uploaded("s3", "s3fs", options, seaweed.create_bucket(), [store])
    equal(store, f"{folder}/{store.name}", options)


@pytest.mark.parametrize("listed", [True, False])
def test_s3_for_anyone(stores: Stores, seaweed: Seaweed, listed: bool) -> None:
    bucket = seaweed.public if listed else seaweed.unlisted
    folder = uploaded("s3", "s3fs", seaweed.storage_options, bucket, [stores.compact])
    options = {name: value for name, value in seaweed.options_at(seaweed.endpoint).items() if name != "anon"}
    equal(stores.compact, f"{folder}/{stores.compact.name}", options)


def test_gs(stores: Stores, gcs: Gcs) -> None:
    options = gcs.storage_options
    folder = uploaded("gs", "gcsfs", options, gcs.create_bucket(), [stores.compact])
    equal(stores.compact, f"{folder}/{stores.compact.name}", options)


def test_az(stores: Stores, azurite: Azurite) -> None:
    pytest.importorskip("adlfs")
    options = azurite.storage_options
    folder = uploaded("az", "adlfs", options, azurite.create_container(), [stores.compact])
    equal(stores.compact, f"{folder}/{stores.compact.name}", options)


def test_several_by_pattern(stores: Stores, seaweed: Seaweed) -> None:
    options, both = seaweed.storage_options, [stores.compact, stores.other]
    folder = uploaded("s3", "s3fs", options, seaweed.create_bucket(), both)
    near, far = sd.open_sessions(both), sd.open_sessions(f"{folder}/*.zarr", storage_options=options)
    assert far.keys == near.keys
    for order in ("mixed", "round_robin"):
        some: dict[str, Any] = {"window": 10, "batch_size": 3, "order": order, "shuffle": True}
        same(batches(near, **some), batches(far, **some))


def test_sessions_of_two_places(stores: Stores, web: Callable[[Path], str]) -> None:
    some: dict[str, Any] = {"window": 10, "batch_size": 3, "order": "mixed"}
    far = sd.open_sessions([stores.compact, web(stores.other)])
    same(batches(sd.open_sessions([stores.compact, stores.other]), **some), batches(far, **some))


def test_trials_of_their_length(stores: Stores, web: Callable[[Path], str]) -> None:
    url = web(stores.compact)
    some: dict[str, Any] = {"window": "trial", "dtype": "float16", "rate_hz": 12, "lag_s": 0.1}
    same(items(stores.compact, **some), items(url, **some))


def foreign(store: Path, target: Path, **options: Any) -> None:
    """Let zarr-python write the responses anew, as it does by itself."""
    shutil.copytree(store, target)
    with quiet_zarr():
        before = zarr.open_array(target, path=RESPONSES, mode="r")
        values, names = np.asarray(before[...]), ("time", "neuron")
        shutil.rmtree(target / RESPONSES)
        made = zarr.create_array(
            target,
            name=RESPONSES,
            shape=values.shape,
            dtype=values.dtype,
            zarr_format=3,
            dimension_names=names,
            **options,
        )
        made[...] = values
        zarr.open_array(target, path="sidecar/index", mode="r+").attrs.clear()  # what the root was written with
        zarr.consolidate_metadata(target, zarr_format=3)


WAYS: dict[str, dict[str, Any]] = {
    "chunk by chunk": {"chunks": (50, 3)},
    "cut along neurons": {"chunks": (50, 2), "shards": (100, 4)},
}


@pytest.mark.parametrize("way", WAYS)
def test_what_zarr_wrote(stores: Stores, web: Callable[[Path], str], tmp_path: Path, way: str) -> None:
    store = tmp_path / "foreign.zarr"
    foreign(stores.compact, store, **WAYS[way])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowReadWarning)
        far = sd.open_session(web(store))
        assert isinstance(open_reader(far.handle.store, RESPONSES), ZarrReader)
        # Its mean and deviations are those of the store that it was, so what is shipped says the same.
        same(everything(sd.open_session(stores.compact)), everything(far))
        same(items(stores.compact, window=12), items(far, window=12))
