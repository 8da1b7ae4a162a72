"""What a copy tells its caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensorium_data.schemas import CopyReport

if TYPE_CHECKING:
    from pathlib import Path

    from sensorium_data.copying.manifest import Manifest
    from sensorium_data.remote import Location
    from sensorium_data.schemas import Verify
    from sensorium_data.store.opened import OpenStore

__all__ = ["report_of"]


def report_of(
    store: OpenStore, target: Path | Location, status: str, verify: Verify, manifest: Manifest | None = None,
    n_sent: int = 0, sent_bytes: int = 0,
) -> CopyReport:  # fmt: skip
    """Return the report of a copy; without a manifest nothing was looked at."""
    sizes: dict[str, Any] = {}
    if manifest is not None:
        sizes = {"n_objects": len(manifest.parts) + 1, "store_bytes": manifest.n_bytes}
    return CopyReport.model_validate(
        {
            "source": str(store.path),
            "target": str(target),
            "status": status,
            "key": store.session.identity.key,
            "verify": verify,
            "n_sent": n_sent,
            "sent_bytes": sent_bytes,
            **sizes,
        }
    )
