"""`sensorium-data demo`: the whole way in a minute, without network or account."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.failures import of_system
from sensorium_data.cli.options import PATH, json_option
from sensorium_data.cli.output import emit_json, out
from sensorium_data.errors import StorageFailed, TargetExists

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command"]

STORE = "demo.zarr"


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield _kept(keep)
        return
    try:
        made = tempfile.TemporaryDirectory(prefix="sensorium-data-demo-")
    except OSError as error:
        hint = "--keep FOLDER puts it elsewhere, and so does the variable TMPDIR"
        raise StorageFailed(f"no temporary folder: {error.strerror or error}", hint=hint) from None
    with made as folder:
        yield Path(folder)


def _kept(folder: Path) -> Path:
    """Return the folder, made if need be; it may hold other things, but no demo and no file of its name."""
    hint = "choose another folder"
    if os.path.lexists(folder) and not folder.is_dir():
        raise TargetExists(f"{folder} is a file, not a folder", hint=hint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(str(of_system(error, folder)), hint=hint) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageFailed(f"{folder}: permission was denied", hint=hint)
    if os.path.lexists(folder / STORE):
        raise TargetExists(f"{folder / STORE} exists already", hint=hint)
    return folder


@click.command(
    "demo",
    epilog="""\b
Examples:
  sensorium-data demo
  sensorium-data demo --keep demo/ --neurons 200 --clips 60

Exit codes: 0, 5 the store does not equal its source (a bug), 6 FOLDER cannot be written,
7 FOLDER holds a demo already, or is a file.""",
)
@click.option("--keep", type=PATH, metavar="FOLDER", help="Keep the recording and the store there.")
@click.option(
    "--neurons", type=click.IntRange(1, 10_000), default=60, show_default=True, help="Neurons of the small mouse."
)
@click.option(
    "--clips", type=click.IntRange(1, 1000), default=6, show_default=True, help="Training clips of 10 s that it sees."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed is another mouse.")
@json_option
@click.pass_context
def command(ctx: click.Context, keep: Path | None, neurons: int, clips: int, seed: int, as_json: bool) -> None:
    """Make a small mouse in the published format, convert it, check it against its source, open it, and load batches."""
    with _folder(keep) as folder:
        outcome = _run(folder, neurons, clips, seed, quiet=as_json)
    if as_json:
        emit_json(outcome)
    if not outcome["sound"]:
        ctx.exit(5)


def _run(folder: Path, n_neurons: int, n_train: int, seed: int, *, quiet: bool) -> dict[str, Any]:
    from sensorium_data import convert, open_session
    from sensorium_data.cli.check import as_lines
    from sensorium_data.cli.convert import summary
    from sensorium_data.cli.demo_loading import loading, said
    from sensorium_data.conversion import check_store
    from sensorium_data.testing import REAL_LENGTHS, write_sensorium2023

    def tell(text: str) -> None:
        if not quiet:
            out(text)

    tell("1. a small mouse in the published format: one .npy a trial and stream, padded, repeats, withheld responses")
    source = write_sensorium2023(
        folder, n_neurons=n_neurons, n_train=n_train, seed=seed, lengths=REAL_LENGTHS, zipped="deflated"
    )
    target = folder / STORE
    tell(f"   {source.name}\n\n2. sensorium-data convert {source.name} {target.name}")
    done = convert(source, target)
    tell(f"{summary(done, source)}\n\n3. sensorium-data check {target.name} --against {source.name}")
    checked = check_store(target, against=source)
    tell("\n".join(as_lines(checked)))
    session = open_session(target)
    tell(f"\n4. session = sensorium_data.open_session({target.name!r})\n{session!r}\n")
    shown = next(
        int(t) for t, w in zip(session.trials["trial_id"], session.trials["responses_withheld"], strict=True) if not w
    )
    trial = session.trial(shown)
    tell(f"5. session.trial({shown})\n{trial!r}\n")
    loaded = loading(target)
    tell("\n".join(said(loaded)))
    sizes = {name: dict(zip(map(str, variable.dims), variable.shape, strict=True)) for name, variable in trial.items()}
    return {
        "sound": checked.ok,
        "convert": done.model_dump(mode="json"),
        "check": checked.model_dump(mode="json"),
        "loading": loaded,
        "trial": {"trial_id": shown, "sizes": {str(name): value for name, value in sizes.items()}},
    }
