"""The group of verbs, and the one place where failures become messages and exit codes."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

import click

from sensorium_data.errors import SensoriumError

__all__ = ["VERBS", "cli", "main"]

# Order of a user's life; each verb lives in the module of its name. The one-line help stands here so that `--help` does
# not import the verbs: 30 ms instead of 600.
VERBS = {
    "demo": "Make a small mouse, convert it, check it, open it; no network needed.",
    "convert": "Turn a published recording into a verified session store.",
    "ls": "List the session stores in a folder.",
    "info": "Say what a store holds, how big it is and where it comes from.",
    "check": "Check a store, or prove it equal to its source.",
    "stats": "Show the statistics of a store's signals.",
    "schema": "Print the JSON Schema of a document.",
    "doctor": "Say which versions, settings and disks this installation sees.",
}

EPILOG = """\b
Exit codes: 0 done, or nothing to do; 1 a bug; 2 bad command line; 4 no such session or file;
5 the data are not what they should be; 6 storage failed, safe to run again; 7 would overwrite,
nothing changed; 130 interrupted, run again to resume."""


class Verbs(click.Group):
    """A group that imports a verb when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of a user's life."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb, or None, which makes click suggest near misses."""
        del ctx
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"sensorium_data.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs without importing them."""
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb named by the first word; unknown ones are answered with near misses."""
        from sensorium_data.errors import near_miss

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"no verb `{args[0]}`; {near_miss(args[0], list(VERBS))}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="sensorium-data", prog_name="sensorium-data")
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
def cli(debug: bool) -> None:
    """Published recordings of mouse visual cortex as verified, lazy, chunked stores."""
    del debug  # read by main, which must know it even when parsing fails


def _fail(error: SensoriumError, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"error": error.as_dict()}, ensure_ascii=False))
    message = f"error[{error.code}]: {error}"
    hint = f"\nhint: {error.hint}" if error.hint else ""
    click.echo(message + hint, err=True)


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    words = sys.argv[1:] if args is None else args
    debug = "--debug" in words
    try:
        result: Any = cli.main(words, prog_name="sensorium-data", standalone_mode=False)
    except SensoriumError as error:
        if debug:
            raise
        _fail(error, as_json="--json" in words)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\ninterrupted; run the same command again to resume", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe has enough; there is nobody left to tell. Python would complain again at exit.
        sys.stdout = None
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        text = f"error[bug]: {type(error).__name__}: {error}\nhint: run it again with `sensorium-data --debug …` and report it"
        click.echo(text, err=True)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)
