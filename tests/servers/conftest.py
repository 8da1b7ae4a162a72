"""The servers."""

from __future__ import annotations

from tests.servers.fixtures import azurite, gcs, nginx, seaweed

__all__ = ["azurite", "gcs", "nginx", "seaweed"]
