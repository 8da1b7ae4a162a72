"""The catalog that comes with the package: one JSON file a collection, read when it is first asked for."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sensorium_data.schemas.catalog import CatalogDocument

__all__ = ["bundled"]

# In the order in which they are listed.
COLLECTIONS = ("sensorium2023", "sensorium2022", "franke2022", "enigma-mouse", "microns", "checkpoints")


@cache
def bundled() -> tuple[CatalogDocument, ...]:
    """Return the packaged catalogs, one for each collection.

    Examples
    --------
    >>> [document.name for document in bundled()][:2]
    ['sensorium2023', 'sensorium2022']
    """
    folder = files("sensorium_data.catalogs") / "data"
    return tuple(CatalogDocument.model_validate_json((folder / f"{name}.json").read_bytes()) for name in COLLECTIONS)
