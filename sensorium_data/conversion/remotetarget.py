"""Convert to a URL: build on this disk, check, send, and remove what was built; only whole stores travel."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_data.conversion.outcome import report_of, skipped, up_to_date
from sensorium_data.conversion.recipe import Recipe
from sensorium_data.copying import copy_store
from sensorium_data.copying.settling import settle_url
from sensorium_data.settings import settings
from sensorium_data.sources import open_source
from sensorium_data.store.check import check_codes
from sensorium_data.store.opened import OpenStore
from sensorium_data.store.publish import storage_errors
from sensorium_data.store.target import is_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensorium_data.progress import Report
    from sensorium_data.remote import Location
    from sensorium_data.schemas import ConvertOptions, ConvertReport, Existing
    from sensorium_data.sources import RawSession

__all__ = ["ToUrl", "build_folder", "nothing_to_do"]


def build_folder(target: Location) -> Path:
    """Return where the store for a URL is built before it is sent, so that the next run finds it."""
    digest = hashlib.sha256(target.url.encode()).hexdigest()[:32]
    return settings().cache_folder / "conversions" / digest


def nothing_to_do(
    source: Path | Location, target: Location, raw: RawSession, reader: str, options: ConvertOptions, existing: Existing, *,
    dry_run: bool = False,
) -> ConvertReport | None:  # fmt: skip
    """Return the report where the store at a URL may stay as it is, else None; raise where it must not be touched."""
    settled = settle_url(target, source, existing, dry_run=dry_run)
    if settled.is_left:
        return skipped(target, raw.identity)
    if settled.is_store and existing == "resume":
        return up_to_date(target, raw, reader, options, thorough=not dry_run)
    return None


@dataclass(frozen=True, slots=True)
class ToUrl:
    """A conversion whose store goes to a URL.

    ``build`` makes the store at a path of this machine, replaces what is there, and returns its report.
    """

    source: Path | Location
    target: Location
    reader: str | None
    options: ConvertOptions
    existing: Existing
    build: Callable[[Path], ConvertReport]

    def run(self, report: Report) -> ConvertReport:
        """Build the store, or find it built, send it, and remove what was built.

        Raises
        ------
        TargetExists, TargetBusy
            Something is in the way; nothing is changed.
        StorageFailed
            The bucket cannot be reached or written to; what was done is kept.
        """
        found, raw = open_source(self.source, self.reader)
        done = nothing_to_do(self.source, self.target, raw, found.name, self.options, self.existing)
        folder = build_folder(self.target)
        if done is None:
            place = str(self.source.resolve()) if isinstance(self.source, Path) else self.source
            recipe = Recipe(place, found.name, raw.members.fingerprint(), self.options, "")
            here = folder / (self.target.name or "store.zarr")
            built = self._built(here, json.dumps(recipe.document(), sort_keys=True))
            copy_store(here, self.target, existing="replace" if self.existing == "replace" else "error", report=report)
            done = built.model_copy(update={"target": str(self.target)})
        shutil.rmtree(folder, ignore_errors=True)
        return done

    def _built(self, here: Path, recipe: str) -> ConvertReport:
        note = here.with_name("recipe.json")
        if is_store(here) and note.is_file() and note.read_text("utf-8") == recipe:
            # The run before was stopped while it sent; every file is held against its digest on the way.
            return report_of(here, "resumed", OpenStore(here).session, check_codes(thorough=False))
        note.unlink(missing_ok=True)
        built = self.build(here)
        with storage_errors(here):
            note.write_text(recipe, "utf-8")
        return built
