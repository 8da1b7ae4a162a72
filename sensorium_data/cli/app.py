"""The group of verbs, and the one place where failures become messages and exit codes."""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING

import click

from sensorium_data.cli.failures import PROGRAM, as_error, require_text
from sensorium_data.cli.output import attach_streams, error_text, out, say, settle_streams
from sensorium_data.errors import BadArgument, StorageFailed, near_miss

if TYPE_CHECKING:
    from sensorium_data.errors import SensoriumError

__all__ = ["VERBS", "cli", "main"]

# Order of a user's life; each verb lives in the module of its name. The one-line help stands here so that `--help` does
# not import the verbs: 30 ms instead of 600.
VERBS = {
    "demo": "Make a small mouse, convert it, check it, open it; no network needed.",
    "download": "Fetch published files by name; resumed, checked, pinned.",
    "convert": "Turn a published recording into a verified session store.",
    "copy": "Copy a session store to a bucket, from one, or between folders, verified by digest.",
    "ls": "List what can be fetched, or the session stores in a folder.",
    "info": "Say what a store or an entry of the catalog holds, how big it is and where it comes from.",
    "check": "Check a store, or prove it equal to its source.",
    "stats": "Show the statistics of a store's signals.",
    "stimuli": "Show which films sessions share, and whether training sets hold test films.",
    "train": "Train a model by a recipe; resumable, reproducible.",
    "evaluate": "Score a model or a file of predictions as the benchmarks do.",
    "submit": "Write what a benchmark takes, or name what is wrong with it.",
    "schema": "Print the JSON Schema of a document.",
    "cache": "Say where downloads are kept, list them, or remove them.",
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb named by the first word; unknown ones are answered with near misses."""
        # A shell that completes a wrong word wants no answer, rather than an error.
        if args and args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            meant = near_miss(args[0], list(VERBS))
            hint = f"{meant}{'' if meant.endswith('?') else ';'} `{PROGRAM} --help` says what each does"
            raise BadArgument(f"no verb `{args[0]}`", hint=hint, code="usage")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="sensorium-data", prog_name=PROGRAM)
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
def cli(debug: bool) -> None:
    """Published recordings of mouse visual cortex as verified, lazy, chunked stores."""
    del debug  # read by main, which must know it even when parsing fails


def _fail(error: SensoriumError, *, as_json: bool) -> int:
    if as_json:
        out(json.dumps({"error": error.as_dict()}, ensure_ascii=False))
    say(error_text(error))
    return error.exit_code


def _dispatch(words: list[str]) -> int:
    if os.environ.get("_SENSORIUM_DATA_COMPLETE"):
        cli.main(words, prog_name=PROGRAM)  # answers the shell and exits
    require_text(words)
    if not words:
        with cli.make_context(PROGRAM, [], resilient_parsing=True) as context:
            say(context.get_help())
        return 2
    # Not `cli.main`: it makes 1 of a broken pipe, and with standard error closed it writes to standard output.
    try:
        with cli.make_context(PROGRAM, list(words)) as context:
            cli.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return 0


def _run(words: list[str]) -> int:
    """Run a command and return its exit code; nothing is raised."""
    try:
        return _dispatch(words)
    except BrokenPipeError:
        return 0  # of `--help`: the reader has enough; verbs write with `out`, which knows
    except (Exception, KeyboardInterrupt, click.Abort) as seen:  # noqa: BLE001  # this is where all failures end
        if "--debug" in words:
            say("".join(traceback.format_exception(seen)).rstrip())
        return _fail(as_error(seen, words), as_json="--json" in words)


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    attach_streams()
    try:
        code = _run(sys.argv[1:] if args is None else args)
    except StorageFailed as error:  # standard output takes nothing, not even the error as JSON
        code = _fail(error, as_json=False)
    settle_streams()
    sys.exit(code)
