"""Stores copied between folders and buckets: verified by digest, resumed after an interruption, visible when whole."""

from __future__ import annotations

from sensorium_data.copying.front import copy_store, plan_copy

__all__ = ["copy_store", "plan_copy"]
