"""`sensorium-data schema [NAME]`."""

from __future__ import annotations

import click

from sensorium_data.cli.options import json_option
from sensorium_data.cli.output import emit_json, out

__all__ = ["command"]


@click.command(
    "schema",
    epilog="""\b
Examples:
  sensorium-data schema
  sensorium-data schema session > session.schema.json

Exit codes: 0, 4 no such document.""",
)
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """Print the JSON Schema of document NAME, or list the documents."""
    from sensorium_data.schemas import DOCUMENTS
    from sensorium_data.schemas.render import render

    if name is not None:
        out(render(name).removesuffix("\n"))
        return
    texts = {key: (model.__doc__ or "").strip().splitlines()[0] for key, model in DOCUMENTS.items()}
    if as_json:
        emit_json(texts)
    else:
        width = max(map(len, texts))
        out("\n".join(f"{key:{width}} {text}" for key, text in texts.items()))
