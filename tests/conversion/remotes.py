"""Recordings that are served by a web server, and what tests hold the stores that come of them against."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import sensorium_data as sd
from sensorium_data.errors import Interrupted
from sensorium_data.settings import settings
from sensorium_data.testing import write_sensorium2022, write_sensorium2023
from tests.sources.webserver import Web, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sensorium_data.progress import Progress

FORMS = ["2023-stored", "2023-deflated", "2022-stored", "2022-deflated"]
SECRET = "s3cret"


@contextmanager
def impatient() -> Iterator[Web]:
    """Serve, and ask again only once."""
    with pytest.MonkeyPatch.context() as patch, serving() as web:
        patch.setenv("SENSORIUM_DATA_N_RETRIES", "1")
        settings.cache_clear()
        yield web
    settings.cache_clear()


def write(folder: Path, form: str, seed: int = 0, n_neurons: int = 30) -> Path:
    year, zipped = form.split("-")
    if year == "2023":
        return write_sensorium2023(
            folder, n_neurons=n_neurons, n_train=12, n_repeats=2, frame_shape=(12, 20), seed=seed,
            zipped=zipped,  # type: ignore[arg-type]
        )  # fmt: skip
    return write_sensorium2022(folder, n_neurons=30, n_train=40, seed=seed, zipped=zipped)  # type: ignore[arg-type]


def all_forms(folder: Path) -> dict[str, Path]:
    """Write recordings of both years, stored and deflated, and beside each the store that comes of it here."""
    made = {form: write(folder / form, form) for form in FORMS}
    for path in made.values():
        sd.convert(path, path.with_name("here.zarr"))
    return made


def at(web: Web, path: Path) -> str:
    """Serve a file and return where, signed."""
    web.files[f"in/{path.name}"] = path.read_bytes()
    return f"{web.url}/in/{path.name}?signature={SECRET}"


def contents(store: Path) -> dict[str, bytes]:
    """Return every file, with the time of the conversion blanked."""
    files = {path.relative_to(store).as_posix(): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    root = json.loads(files["zarr.json"])
    assert root["attributes"]["sensorium_data"]["session"]["provenance"].pop("converted_at")
    return files | {"zarr.json": json.dumps(root).encode()}


def holds_no_secret(folder: Path) -> bool:
    return not any(SECRET.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def stops(after: int) -> Callable[[Progress], None]:
    """Return a callback that ends a conversion when so many shards are written."""

    def report(progress: Progress) -> None:
        if progress.stage == "write" and progress.done >= after:
            raise Interrupted("enough")

    return report
