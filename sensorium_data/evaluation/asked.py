"""Which tiers of which sessions are scored: those asked for, or by default; what has no responses is refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from sensorium_data.errors import (
    BadArgument,
    DataInvalid,
    NoSuchItem,
    Problem,
    SensoriumError,
    counted,
    listed,
    near_miss,
)
from sensorium_data.evaluation.presets import preset as preset_named
from sensorium_data.evaluation.truth import Recording
from sensorium_data.viewing.opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sensorium_data.evaluation.presets import Preset
    from sensorium_data.evaluation.truth import TierTrials
    from sensorium_data.viewing.opening import Opened

__all__ = ["DEFAULT_PRESETS", "Asked", "Silent", "ask"]

Silent: TypeAlias = Literal["refuse", "score"]
DEFAULT_PRESETS = {"dynamic": "s23-server", "static": "s22"}


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What is to be scored, and by which definition; nothing of it is withheld.

    Attributes
    ----------
    recordings : tuple of Recording
    tiers : tuple of TierTrials
        By session, and in the order asked for.
    preset : Preset
    """

    recordings: tuple[Recording, ...]
    tiers: tuple[TierTrials, ...]
    preset: Preset


def ask(
    sessions: Opened | Iterable[Opened],
    *,
    tier: str | Iterable[str] | None = None,
    preset: str | Preset | None = None,
    silent: Silent = "refuse",
    storage_options: Mapping[str, object] | None = None,
) -> Asked:
    """Return what is to be scored, or refuse it by name; of the recordings little more than tables is read.

    Parameters
    ----------
    sessions : path, pattern, Session, SessionHandle, or several
        With some of their neurons, where those were selected: they alone are scored.
    tier : str or iterable of str, optional
        By default the tiers of role `validation` that have responses.
    preset : str or Preset, optional
        By default `s23-server` for films and `s22` for images.
    silent : {"refuse", "score"}
        What becomes of tiers with trials in which every response of every recorded neuron is zero: withheld responses
        were published so, but few neurons may also have been silent.
    storage_options : mapping, optional
        How to get in where sessions are URLs.

    Raises
    ------
    NoSuchItem
        No such tier or preset.
    DataInvalid
        Responses of a tier are withheld (code `withheld`) or all zero (`all-zero`), or its trials are shorter than the
        window (`window-empty`). All that is wrong is named.
    BadArgument
        No session, one twice, films together with images, one without responses or without the statistics that the
        preset needs.
    NotFound, StoreInvalid, StorageFailed
        A session cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> ask(make_session(tempfile.mkdtemp()), tier="live_test_main")
    Traceback (most recent call last):
    sensorium_data.errors.DataInvalid: 29515-10-12, tier live_test_main: the responses of 5 trials are withheld
    """
    if silent not in get_args(Silent):
        hint = near_miss(str(silent), get_args(Silent))
        raise BadArgument(f"silent is {silent!r}", hint=hint, code="bad-silent")
    recordings = _recordings(sessions, storage_options)
    chosen = _preset_of(recordings, preset)
    return Asked(recordings, _tiers_of(recordings, tier, chosen, silent), chosen)


def _recordings(
    sessions: Opened | Iterable[Opened], storage_options: Mapping[str, object] | None
) -> tuple[Recording, ...]:
    found = tuple(Recording(session.handle) for session in opened(sessions, storage_options).values())
    if len({each.modality for each in found}) > 1:
        films = listed([each.key for each in found if each.modality == "dynamic"])
        what = f"sessions of films ({films}) and of images are scored by different presets"
        raise BadArgument(what, hint="score them one after the other", code="mixed-modalities")
    return found


def _preset_of(found: Sequence[Recording], asked: str | Preset | None) -> Preset:
    if asked is not None and not isinstance(asked, str):
        return asked
    return preset_named(asked or DEFAULT_PRESETS[found[0].modality])


def _tiers_of(
    found: Sequence[Recording], asked: str | Iterable[str] | None, preset: Preset, silent: Silent
) -> tuple[TierTrials, ...]:
    names = None if asked is None else list(dict.fromkeys([asked] if isinstance(asked, str) else asked))
    wanted = [(each, name) for each in found for name in (_default(each) if names is None else names)]
    problems = [problem for each, name in wanted for problem in _against(each, name, preset)]
    if not problems and silent == "refuse":
        problems = [problem for each, name in wanted for problem in _against_silent(each, name)]
    if not wanted or problems:
        raise _refused(found, problems)
    for each in found:
        each.require(preset.scaling)
    return tuple(each.tier(name) for each, name in wanted)


def _default(recording: Recording) -> list[str]:
    roles = {tier.name: tier.role for tier in recording.handle.document.trials.tiers}
    return [name for name in recording.scorable if roles[name] == "validation"]


def _against(recording: Recording, name: str, preset: Preset) -> Iterator[Problem]:
    """Tell what forbids scoring a tier, as far as the tables say."""
    known = [tier.name for tier in recording.handle.document.trials.tiers if tier.role != "none"]
    where = f"{recording.key}, tier {name}"
    if name not in known:
        yield Problem("no-such-tier", recording.key, f"no tier `{name}`; {near_miss(name, known)}")
        return
    trials = recording.tier(name).trials.values()
    if not trials:
        yield Problem("no-trials", where, "all of its trials are missing")
    if n := recording.n_withheld(name):
        yield Problem("withheld", where, f"the responses of {_of(n, len(trials))} are withheld")
        return
    short = [each for each in trials if _is_empty(preset, each.n_frames)]
    if short:
        lengths = sorted({each.n_frames for each in short})
        what = (
            f"{_of(len(short), len(trials))} have {listed(lengths)} frames, of which preset {preset.name} scores none"
        )
        yield Problem("window-empty", where, what)


def _against_silent(recording: Recording, name: str) -> Iterator[Problem]:
    trials = recording.tier(name)
    if silent := recording.silent(trials):
        what = f"every response of {_of(len(silent), len(trials.trials))} is zero ({listed(silent)})"
        yield Problem("all-zero", f"{recording.key}, tier {name}", what)


def _is_empty(preset: Preset, n_frames: int) -> bool:
    start, stop = preset.window(n_frames)
    return stop <= start


def _of(n: int, of: int) -> str:
    return counted(n, "trial") if n == of else f"{n:,} of {counted(of, 'trial')}"


def _refused(found: Sequence[Recording], problems: Sequence[Problem]) -> SensoriumError:
    """Return what is to be raised: one fault as the message itself, several below it."""
    there = "; ".join(f"{each.key}: {listed(each.scorable) or 'none'}" for each in found[:3])
    hint = f"tiers that can be scored: {there}{' …' if len(found) > 3 else ''}"
    if not problems:
        what = "no session has a tier of role `validation` with responses"
        return DataInvalid(what, hint=f"{hint}; name one with `tier`", code="no-tier")
    codes = {problem.code for problem in problems}
    if codes == {"window-empty"}:
        hint = "another preset, or `dataclasses.replace(preset, skip=…)`, scores shorter trials"
    kind = NoSuchItem if codes == {"no-such-tier"} else DataInvalid
    if len(problems) == 1:
        return kind(f"{problems[0].where}: {problems[0].what}", hint=hint, code=problems[0].code)
    code = codes.pop() if len(codes) == 1 else "not-scorable"
    return kind(f"{counted(len(problems), 'tier')} cannot be scored", hint=hint, problems=problems, code=code)
