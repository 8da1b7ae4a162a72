"""What `copy` tells: which store went where, how much of it was sent, and how that was held against the source."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sensorium_data.schemas.base import Document, Name, NonNegative, Text

__all__ = ["CopyReport", "Verify"]

Verify = Literal["digest", "size"]


class CopyReport(Document):
    """The outcome of `copy`."""

    source: Text = Field(description="the store, without anything that lets one in")
    target: Text
    status: Literal["copied", "resumed", "up-to-date", "skipped", "planned"] = Field(
        description="all was sent; some was there already; all was there; left as it was; not begun"
    )
    key: Name = Field(description="of the session in the store")
    n_objects: NonNegative = Field(default=0, description="files of the store")
    store_bytes: NonNegative = Field(default=0, description="bytes of all files of the store")
    n_sent: NonNegative = Field(default=0, description="files that were written")
    sent_bytes: NonNegative = 0
    verify: Verify = Field(default="digest", description="whether each file was read back, or asked for its size alone")
