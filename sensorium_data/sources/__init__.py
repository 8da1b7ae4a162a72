"""Readers of published formats; none of them writes, and a new one is found by its entry point."""

from __future__ import annotations

from sensorium_data.sources.base import RawColumn, RawSession, RawSignal, RawStatistic, RawTrial, Scan, Source
from sensorium_data.sources.registry import installed_sources, open_source, reader_version

__all__ = [
    "RawColumn",
    "RawSession",
    "RawSignal",
    "RawStatistic",
    "RawTrial",
    "Scan",
    "Source",
    "installed_sources",
    "open_source",
    "reader_version",
]
