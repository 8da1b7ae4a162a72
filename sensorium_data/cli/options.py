"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["PATH", "json_option", "quiet_option", "store_argument"]

# Not even whether it can be read is asked here: the library says what is wrong with a path, in one way everywhere.
PATH = click.Path(path_type=Path, readable=False)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Data on standard output as JSON, talk on standard error."
)
quiet_option = click.option("--quiet", is_flag=True, help="No progress.")
store_argument = click.argument("store", type=PATH)
