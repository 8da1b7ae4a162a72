"""The command line `sensorium-data`: one file a verb, nothing heavy imported before a verb runs."""

from __future__ import annotations

from sensorium_data.cli.app import cli, main

__all__ = ["cli", "main"]
