"""`sensorium-data doctor`."""

from __future__ import annotations

import platform
import shutil
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from sensorium_data import __version__
from sensorium_data.cli.options import json_option
from sensorium_data.cli.output import emit_json, out

__all__ = ["command"]

PACKAGES = (
    "zarr",
    "numcodecs",
    "pcodec",
    "numpy",
    "xarray",
    "dask",
    "distributed",
    "fsspec",
    "pydantic",
    "click",
    "torch",
    "pyarrow",
    "obstore",
)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _facts() -> dict[str, Any]:
    from sensorium_data.settings import settings
    from sensorium_data.sources import installed_sources
    from sensorium_data.store.layout import LAYOUT

    usage = shutil.disk_usage(Path.cwd())
    return {
        "sensorium-data": __version__,
        "layout": LAYOUT,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "readers": {name: source.looks_for for name, source in installed_sources().items()},
        "settings": asdict(settings()) | {"threads": settings().n_threads},
        "disk": {"here_free_bytes": usage.free},
    }


@click.command(
    "doctor",
    epilog="""\b
Examples:
  sensorium-data doctor
  sensorium-data doctor --json

Exit codes: 0, 2 a setting cannot be read.""",
)
@json_option
def command(as_json: bool) -> None:
    """Say which versions, readers, settings and disks this installation sees."""
    from sensorium_data.spelling import human_bytes

    facts = _facts()
    if as_json:
        emit_json(facts)
        return
    lines = [f"sensorium-data {facts['sensorium-data']}, store layout {facts['layout']}"]
    lines.append(f"python   {facts['python']} on {facts['platform']}")
    lines += [f"package  {name} {found or 'not installed'}" for name, found in facts["packages"].items()]
    lines += [f"reader   {name}: looks for {what}" for name, what in facts["readers"].items()]
    lines += [f"setting  SENSORIUM_DATA_{name.upper()} = {value}" for name, value in facts["settings"].items()]
    lines.append(f"disk     {human_bytes(facts['disk']['here_free_bytes'])} free here")
    out("\n".join(lines))
