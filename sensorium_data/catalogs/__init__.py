"""What can be fetched, and fetching it: entries by name, files with their digests."""

from __future__ import annotations

from sensorium_data.catalogs.merged import Catalog, catalog
from sensorium_data.catalogs.resolve import find_entries

__all__ = ["Catalog", "catalog", "find_entries"]
