"""Recordings of one's own: arrays with clocks, units and channels become a session store."""

from __future__ import annotations

from sensorium_data.writing.session import write_session
from sensorium_data.writing.signals import SignalData

__all__ = ["SignalData", "write_session"]
