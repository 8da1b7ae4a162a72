"""How each known fault shows: one function a code, from evidence to (where, what was seen), with numbers."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sensorium_data.errors import listed
from sensorium_data.schemas import ROLES
from sensorium_data.sources.members import MemberError
from sensorium_data.sources.sensorium2023_facts import MICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sensorium_data.conversion.audit_trials import Evidence, Seen
    from sensorium_data.sources import RawSession, RawStatistic

__all__ = ["LOOKS"]

Remark: TypeAlias = tuple[str, str]  # where, what

FIRST_SET = "ABCDE"
PARTNERS = {"A": "F", "B": "J", "C": "G", "D": "H", "E": "I"}
HASHED = re.compile(r"[0-9a-f]{32}")
TIERS_2022 = ("validation", "test", "final_test")
GLITCH = 1.15  # lengths of image sequences vary by 7 %; the two known glitches exceed them by a quarter


def _letter(raw: RawSession) -> str:
    mouse = MICE.get(raw.identity.key)
    return mouse.letter if mouse else ""


def _of_tests(evidence: Evidence) -> list[Seen]:
    return [seen for seen in evidence.seen if ROLES.get(seen.trial.tier) == "test"]


def _by_tier(trials: Sequence[Seen]) -> dict[str, list[Seen]]:
    tiers: dict[str, list[Seen]] = {}
    for seen in trials:
        tiers.setdefault(seen.trial.tier, []).append(seen)
    return tiers


def _ids(trials: Sequence[Seen]) -> str:
    return listed([seen.trial.trial_id for seen in trials])


def first_set(evidence: Evidence) -> Iterator[Remark]:
    """Find mice A to E by their key."""
    if (letter := _letter(evidence.raw)) and letter in FIRST_SET:
        yield evidence.raw.identity.name, f"is mouse {letter} of the first set"


def secret_labels(evidence: Evidence) -> Iterator[Remark]:
    """Find responses where mice F to J have none."""
    if not (letter := _letter(evidence.raw)) or letter in FIRST_SET:
        return
    for tier, trials in _by_tier(_of_tests(evidence)).items():
        if labelled := [seen for seen in trials if not seen.withheld and seen.n_valid]:
            what = f"{len(labelled)} of {len(trials)} trials of mouse {letter} have responses ({_ids(labelled)})"
            yield f"tier {tier}", what


def old_copy(evidence: Evidence) -> Iterator[Remark]:
    """Find mice A to E whose test responses are zeros."""
    tests = _of_tests(evidence)
    if _letter(evidence.raw) in [*FIRST_SET] and (withheld := [seen for seen in tests if seen.withheld]):
        tiers = ", ".join(_by_tier(withheld))
        what = f"is the first copy: responses of {len(withheld)} of {len(tests)} test trials are zeros ({tiers})"
        yield evidence.raw.identity.name, what


def statistics_per_frame(evidence: Evidence) -> Iterator[Remark]:
    """Find statistics with time among their dims."""
    folders: dict[str, list[RawStatistic]] = {}
    for statistic in evidence.raw.statistics:
        if statistic.framed:
            folders.setdefault(statistic.member.rpartition("/")[0], []).append(statistic)
    for folder, found in folders.items():
        # The one that responses are divided by, where it is there.
        shown = next((statistic for statistic in found if statistic.measure == "std"), found[0])
        try:
            values = evidence.raw.statistic(shown).array
        except MemberError:
            continue  # it is among what keeps the recording from being converted
        empty = int(np.isnan(values).reshape(len(values), -1).all(axis=1).sum()) if values.dtype.kind == "f" else 0
        measures = ", ".join(statistic.measure for statistic in found)
        yield folder, f"{measures}: a value for each of {len(values)} frames, NaN in {empty} of them ({shown.measure})"


def film_leaks(evidence: Evidence) -> Iterator[Remark]:
    """Find films that are shown for training and for something else."""
    for film in evidence.films:
        train = [seen for seen in film if ROLES.get(seen.trial.tier) == "train"]
        others = [seen for seen in film if ROLES.get(seen.trial.tier) in ("validation", "test")]
        if train and others:
            tiers = ", ".join(f"`{tier}` ({_ids(shown)})" for tier, shown in _by_tier(others).items())
            where = f"trial {train[0].trial.trial_id}"
            yield where, f"its {_films(evidence)} is shown in `train` ({_ids(train)}) and in {tiers}"


def partner_films(evidence: Evidence) -> Iterator[Remark]:
    """Find the mouse that saw the same films, from the table of facts."""
    letter = _letter(evidence.raw)
    pairs = PARTNERS | {new: old for old, new in PARTNERS.items()}
    if letter in pairs:
        key = next(key for key, mouse in MICE.items() if mouse.letter == pairs[letter])
        yield evidence.raw.identity.name, f"is mouse {letter}: mouse {pairs[letter]} ({key}) saw nearly the same films"


def repeats_ragged(evidence: Evidence) -> Iterator[Remark]:
    """Count the presentations of each film within a tier."""
    counts: dict[str, Counter[int]] = {}
    for film in evidence.films:
        for tier, shown in _by_tier(film).items():
            counts.setdefault(tier, Counter())[len(shown)] += 1
    for tier, films in counts.items():
        if len(films) > 1:
            how = ", ".join(f"{n} × {times}" for times, n in sorted(films.items()))
            told = f"{films.total()} {_films(evidence, 2)} are shown {min(films)} to {max(films)} times"
            yield f"tier {tier}", f"{told}: {how}"


def repeats_unequal(evidence: Evidence) -> Iterator[Remark]:
    """Find films whose presentations differ in their pixels or in their length."""
    tiers: dict[str, list[tuple[Seen, ...]]] = {}
    for film in evidence.films:
        if len(film) > 1:
            tiers.setdefault(film[0].trial.tier, []).append(film)
    for tier, repeated in tiers.items():
        versions = [{(seen.n_valid, seen.digest) for seen in film} for film in repeated]
        lengths = [{n_valid for n_valid, _ in found} for found in versions]
        # Two versions of one length differ in their pixels: by one level at most, or they were two films.
        counts = {
            "within one grey level": sum(len(found) > len(n) for found, n in zip(versions, lengths, strict=True)),
            "in their length": sum(len(n) > 1 for n in lengths),
        }
        if any(counts.values()):
            how = ", ".join(f"{n} {what}" for what, n in counts.items() if n)
            unequal = sum(len(found) > 1 for found in versions)
            yield (
                f"tier {tier}",
                f"presentations of {unequal} of {len(repeated)} repeated {_films(evidence, 2)} differ: {how}",
            )


def _films(evidence: Evidence, n: int = 1) -> str:
    word = "image" if evidence.raw.identity.modality == "static" else "film"
    return word if n == 1 else word + "s"


def tier_none(evidence: Evidence) -> Iterator[Remark]:
    """Find the numbers without files."""
    missing = [trial.trial_id for trial in evidence.raw.trials if trial.missing]
    if missing:
        what = f"{len(missing)} of {len(evidence.raw.trials)} file numbers have tier `none` and no files: {listed(missing)}"
        yield "meta/trials/tiers.npy", what


def padding(evidence: Evidence) -> Iterator[Remark]:
    """Compare the published lengths with the valid ones."""
    whole = [seen for seen in evidence.seen if seen.n_valid and seen.n_padded]
    if any(seen.n_valid < seen.n_padded for seen in whole):
        lengths = Counter(seen.n_valid for seen in whole).most_common()
        shown = listed([f"{n} of {length}" for length, n in lengths], 6)
        padded = " and ".join(map(str, sorted({seen.n_padded for seen in whole})))
        yield "data/videos", f"padded to {padded} samples; valid lengths: {shown}"


def padding_glitch(evidence: Evidence) -> Iterator[Remark]:
    """Find the one trial that is much longer than all others."""
    whole = sorted((seen for seen in evidence.seen if seen.n_padded), key=lambda seen: -seen.n_valid)
    if len(whole) > 1 and whole[0].n_valid > GLITCH * whole[1].n_valid:
        what = f"lasts {whole[0].n_valid} samples, the next longest {whole[1].n_valid}: it sets the padding of all"
        yield f"trial {whole[0].trial.trial_id}", what


def responses_zero(evidence: Evidence) -> Iterator[Remark]:
    """Find responses of zeros alone, in any tier."""
    for tier, trials in _by_tier(evidence.seen).items():
        if withheld := [seen for seen in trials if seen.withheld]:
            yield f"tier {tier}", f"{len(withheld)} of {len(trials)} trials have responses of zeros ({_ids(withheld)})"


def no_stimulus_ids(evidence: Evidence) -> Iterator[Remark]:
    """Look for a trial variable that names the stimulus."""
    if evidence.raw.stimulus_ids is None:
        names = ", ".join(evidence.raw.trial_variables) or "none"
        yield "meta/trials", f"variables beside `tiers`: {names}; none names a stimulus"


def behavior_width(evidence: Evidence) -> Iterator[Remark]:
    """Count the channels of behaviour."""
    names = [c.name for s in evidence.raw.signals if s.name in ("pupil", "running") for c in s.channels]
    if len(names) > 2:
        yield "data/behavior", f"has {len(names)} channels: {', '.join(names)}"


def behavior_zero(evidence: Evidence) -> Iterator[Remark]:
    """Find signals that are zero in every trial."""
    for signal in evidence.raw.signals:
        if evidence.seen and all(signal.name in seen.zero for seen in evidence.seen):
            yield f"signal {signal.name}", f"is zero in all {len(evidence.seen)} trials"


def trial_ids_hashed(evidence: Evidence) -> Iterator[Remark]:
    """Look at the text of `trial_idx`."""
    column = evidence.raw.trial_variables.get("trial_idx")
    if column is None or column.values.dtype.kind != "U" or not column.values.size:
        return
    hashed = [value for value in column.values.reshape(-1).tolist() if HASHED.fullmatch(value)]
    if hashed:
        yield column.member, f"{len(hashed)} of {column.values.size} values are hashes, such as {hashed[0]}"


def tier_names(evidence: Evidence) -> Iterator[Remark]:
    """Look for the names of 2022."""
    tiers = {trial.tier for trial in evidence.raw.trials}
    if found := [tier for tier in TIERS_2022 if tier in tiers]:
        yield "meta/trials/tiers.npy", f"has the tiers of 2022: {', '.join(found)}"


def litter(evidence: Evidence) -> Iterator[Remark]:
    """Name the files that were left out."""
    if names := evidence.raw.members.litter:
        shown = listed(names, 3)
        yield evidence.raw.members.path.name, f"{len(names)} files beside the recording: {shown}"


def behavior_nan(evidence: Evidence) -> Iterator[Remark]:
    """Count the samples that were lost."""
    for signal in evidence.raw.signals:
        found = [seen for seen in evidence.seen if seen.n_nan.get(signal.name)]
        if found:
            n, of = sum(seen.n_nan[signal.name] for seen in found), sum(seen.n_valid for seen in evidence.seen)
            what = f"{n:,} of {of:,} samples are NaN, in {len(found)} trials ({_ids(found)})"
            yield f"signal {signal.name}", what


LOOKS: dict[str, Callable[[Evidence], Iterator[Remark]]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        first_set, secret_labels, old_copy, statistics_per_frame, film_leaks, partner_films, repeats_ragged,
        repeats_unequal, tier_none, padding, padding_glitch, responses_zero, no_stimulus_ids, behavior_width,
        behavior_zero, trial_ids_hashed, tier_names, litter, behavior_nan,
    )
}  # fmt: skip
