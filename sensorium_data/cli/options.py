"""Options that several verbs share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from sensorium_data.remote import is_url

__all__ = ["PATH", "PLACE", "json_option", "quiet_option", "source_option", "storage_option", "store_argument"]

# Not even whether it can be read is asked here: the library says what is wrong with a path, in one way everywhere.
PATH = click.Path(path_type=Path, readable=False)


class Place(click.Path):
    """A path, or the text of a URL as it was typed: a path would make one slash of its two."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  # as click says
        """Return the text of a URL as it is, and a path of anything else."""
        return str(value) if is_url(value) else super().convert(value, param, ctx)


PLACE = Place(path_type=Path, readable=False)


def _options(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, Any] | None:
    """Return KEY=VALUE pairs as a mapping, None where there is none; what is no JSON is text."""
    found: dict[str, Any] = {}
    for pair in value:
        key, separator, text = pair.partition("=")
        if not (key and separator):
            # Not the pair itself: it may be a secret that was meant to follow its key.
            raise click.BadParameter("expected KEY=VALUE", ctx=ctx, param=param)
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found or None


SECRETS = "Secrets belong into a profile or the environment: others see command lines."
storage_option = click.option(
    "--storage-option", "storage_options", multiple=True, metavar="KEY=VALUE", callback=_options,
    help=f"How to get into the bucket, as its fsspec file system takes it; may be given more than once. {SECRETS}",
)  # fmt: skip
source_option = click.option(
    "--source-option", "source_options", multiple=True, metavar="KEY=VALUE", callback=_options,
    help="The same for the source, where it lies in another bucket.",
)  # fmt: skip
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Data on standard output as JSON, talk on standard error."
)
quiet_option = click.option("--quiet", is_flag=True, help="No progress.")
store_argument = click.argument("store", type=PLACE)
