"""`sensorium-data stimuli STORE STORE …`."""

from __future__ import annotations

import csv
import io
import warnings
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from sensorium_data.cli.failures import of_system
from sensorium_data.cli.options import PATH, PLACE, json_option, quiet_option, storage_option
from sensorium_data.cli.output import emit_json, out, progress_bars, say, table
from sensorium_data.errors import NotFound, StimulusLeakWarning, TargetExists

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sensorium_data.handle import SessionHandle
    from sensorium_data.sharing import StimulusGroups

__all__ = ["command"]

SHOWN = 20  # pairs of sessions, and kinds of films, that are printed
COLUMNS = ("group", "identity", "label", "n_frames", "session", "tier", "role", "n_trials")


def _train(words: Sequence[str], handles: Sequence[SessionHandle]) -> dict[str, list[str]] | list[str]:
    """Return what `--train` says: tiers of all sessions, or of those that are named."""
    if not any(":" in word for word in words):
        return list(words) or ["train"]
    known = {h.document.identity.key: {tier.name for tier in h.document.trials.tiers} for h in handles}
    chosen: dict[str, list[str]] = {}
    for word in words:
        key, colon, tier = word.rpartition(":")
        # A tier that no session has is asked of all: the library names near misses.
        for each in [key] if colon else [k for k in known if tier in known[k]] or known:
            chosen.setdefault(each, []).append(tier)
    return chosen


def _lines(groups: StimulusGroups) -> list[str]:
    """Return what people see: pairs of sessions, then kinds of films, a bounded number of lines."""
    lines = [repr(groups).partition(": ")[2]]
    pairs = [(s.one, s.other, f"{s.n_groups:,}") for s in sorted(groups.shared, key=lambda s: -s.n_groups)]
    if pairs:
        lines += ["", table([("session", "session", "films in both"), *pairs[:SHOWN]], right=(2,)), *_more(pairs)]
    n_trials = Counter[int]()
    sessions: dict[int, set[str]] = {}
    for each in groups.occurrences:
        n_trials[each.group] += each.n_trials
        sessions.setdefault(each.group, set()).add(each.session)
    kinds: dict[str, Counter[str]] = {}
    for group, label in enumerate(groups.labels):
        counts = kinds.setdefault(label or "(no label)", Counter())
        counts.update(films=1, shared=len(sessions.get(group, ())) > 1, trials=n_trials[group])
    rows = [(kind, f"{n['films']:,}", f"{n['shared']:,}", f"{n['trials']:,}") for kind, n in sorted(kinds.items())]
    if rows:
        header = ("kind", "films", "in several sessions", "trials")
        lines += ["", table([header, *rows[:SHOWN]], right=(1, 2, 3)), *_more(rows)]
    if within := {(leak.train_session, leak.group) for leak in groups.leaks_within}:
        lines += [
            "",
            f"{len(within):,} films are in the training set and a test tier of one session; --json lists them",
        ]
    return lines


def _more(rows: Sequence[object]) -> list[str]:
    return [f"… and {len(rows) - SHOWN:,} more; --json lists all"] if len(rows) > SHOWN else []


def _as_json(groups: StimulusGroups) -> dict[str, Any]:
    shown: list[list[dict[str, Any]]] = [[] for _ in groups.identities]
    for group, session, tier, role, n in groups.occurrences:
        shown[group].append({"session": session, "tier": tier, "role": role, "n_trials": n})
    facts = zip(groups.identities, groups.labels, groups.n_frames, shown, strict=True)
    warning = groups.warning()
    return {
        "sessions": list(groups.keys),
        "shared": [pair._asdict() for pair in groups.shared],
        "warnings": [{"code": StimulusLeakWarning.code, "message": warning}] if warning else [],
        "leaks": [leak._asdict() for leak in groups.leaks],
        "leaks_within": [leak._asdict() for leak in groups.leaks_within],
        "groups": [
            {"group": group, "identity": identity, "label": label, "n_frames": n_frames, "occurrences": found}
            for group, (identity, label, n_frames, found) in enumerate(facts)
        ],
    }


def _taken(path: Path) -> TargetExists:
    return TargetExists(f"{path}: is there already", hint="name a file that is not there; nothing was changed")


def _writable(path: Path) -> None:
    """Refuse before the work what would be refused after it."""
    if path.exists():
        raise _taken(path)
    if not path.parent.is_dir():
        raise NotFound(f"{path.parent}: no such folder", hint="name a file in a folder that exists")


def _write(path: Path, groups: StimulusGroups) -> None:
    """Write one row a group, session and tier; a file that could not be written whole is removed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for group, session, tier, role, n in groups.occurrences:
        facts = (groups.identities[group], groups.labels[group], groups.n_frames[group])
        writer.writerow((group, *facts, session, tier, role, n))
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            try:
                file.write(text.getvalue())
                file.flush()
            except BaseException:
                with suppress(OSError):
                    path.unlink()
                raise
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        raise of_system(error, path) from None


@click.command(
    "stimuli",
    epilog="""\b
Examples:
  sensorium-data stimuli mouse-A.zarr mouse-F.zarr
  sensorium-data stimuli *.zarr --out films.csv
  sensorium-data stimuli mouse-A.zarr mouse-F.zarr --train train --train 29156-11-10:oracle
  sensorium-data stimuli *.zarr --json
  sensorium-data stimuli 's3://bucket/stores/*.zarr'

Exit codes: 0 (a warning changes nothing), 4 no such store, tier or session, 5 not a store, or damaged,
6 a bucket cannot be reached, 7 FILE is there already.""",
)
@click.argument("stores", metavar="STORE...", type=PLACE, nargs=-1, required=True)
@click.option(
    "--train", multiple=True, metavar="TIER|KEY:TIER",
    help="What is trained on, in all sessions or in one; may be given more than once. Default: train.",
)  # fmt: skip
@click.option("--out", "target", type=PATH, metavar="FILE", help="Write the whole table as CSV; FILE must not exist.")
@storage_option
@quiet_option
@json_option
def command(
    stores: tuple[str | Path, ...], train: tuple[str, ...], target: Path | None,
    storage_options: dict[str, Any] | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show which films sessions share, by content, and whether a training set holds test films of another session."""
    from sensorium_data.stimuli import stimulus_groups
    from sensorium_data.viewing.opening import opened

    if target is not None:
        _writable(target)
    handles = [session.handle for session in opened(stores, storage_options).values()]
    with progress_bars(quiet=quiet or as_json) as report, warnings.catch_warnings():
        warnings.simplefilter("ignore", StimulusLeakWarning)
        groups = stimulus_groups(handles, train=_train(train, handles), report=report)
    if target is not None:
        _write(target, groups)
    if as_json:
        emit_json(_as_json(groups))
    else:
        out("\n".join(_lines(groups)))
    if text := groups.warning():
        say(f"warning[{StimulusLeakWarning.code}]: {text}")
