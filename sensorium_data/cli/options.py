"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sensorium_data.remote import is_url

__all__ = ["PATH", "PLACE", "json_option", "quiet_option", "store_argument"]

# Not even whether it can be read is asked here: the library says what is wrong with a path, in one way everywhere.
PATH = click.Path(path_type=Path, readable=False)


class Place(click.Path):
    """A path, or the text of a URL as it was typed: a path would make one slash of its two."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  # as click says
        """Return the text of a URL as it is, and a path of anything else."""
        return str(value) if is_url(value) else super().convert(value, param, ctx)


PLACE = Place(path_type=Path, readable=False)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Data on standard output as JSON, talk on standard error."
)
quiet_option = click.option("--quiet", is_flag=True, help="No progress.")
store_argument = click.argument("store", type=PATH)
