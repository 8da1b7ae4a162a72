"""What a published recording can be faulty of, and what the toolkit does about it: the audit's table, as data.

The numbers are those of the 21 faults that people who worked with Sensorium 2022, Sensorium 2023 and Enigma-Mouse wrote
down. Seven of them show in no file: they are listed all the same, with the place where they matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium_data.errors import BadArgument, near_miss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.schemas import Severity

__all__ = ["AUDITS", "NOTED", "REFUSED", "Audit", "chosen_audits"]


@dataclass(frozen=True, slots=True)
class Audit:
    """One thing an audit looks for.

    Attributes
    ----------
    code : str
        Never changes once released.
    severity : {"error", "warning", "note"}
        Conversion refuses it; it moves scores or can mislead; worth knowing.
    text : str
        What the fault is.
    action : str
        What the toolkit does about it.
    faults : tuple of int
        Numbers among the 21 known faults; empty for what was not on that list.
    in_files : bool
        A published folder or zip can show it.
    reads_trials : bool
        Only films, signals and responses show it, and they must be read.
    """

    code: str
    severity: Severity
    text: str
    action: str
    faults: tuple[int, ...] = ()
    in_files: bool = True
    reads_trials: bool = False


REFUSED = Audit(
    "refused",
    "error",
    "What keeps a recording from being converted, each fault under the code that `convert` gives it.",
    "`convert` refuses the recording and writes nothing",
    reads_trials=True,
)
NOTED = Audit(
    "noted",
    "note",
    "What `convert` would note in the store, each under its own code.",
    "it is converted, and the store says so in its notes",
    reads_trials=True,
)

OUTSIDE = "not in the files"
AUDITS = (
    REFUSED,
    Audit(
        "first-set",
        "note",
        "Mice A to E of 2023 are the first set: their test responses were public from June 2023, scores are of F to J.",
        "the mouse's letter is recorded; use the recording for training, not for scores to compare with the competition",
        (1,),
    ),
    Audit(
        "secret-labels",
        "warning",
        "A mouse of the competition (F to J) has responses in tiers whose responses were withheld.",
        "they are kept like any others; scores on them compare with no published one",
        (1,),
        reads_trials=True,
    ),
    Audit(
        "old-copy",
        "warning",
        "Mice A to E were published twice; in the first copy the responses of the test tiers are zeros.",
        "those trials are flagged as withheld; the second copy of the same recording has their responses",
        (12,),
        reads_trials=True,
    ),
    Audit(
        "statistics-per-frame",
        "warning",
        "Shipped statistics have a value for each frame, NaN where no training film goes that far.",
        "kept untouched in `statistics/source`; `statistics/train` has one value a neuron: say which of them you divide by",
        (2,),
    ),
    Audit(
        "film-leaks",
        "warning",
        "A film is shown in the train tier and in a tier for validation or test.",
        "the trials share a stimulus group, found by content: split by group, not by trial",
        (6,),
        reads_trials=True,
    ),
    Audit(
        "partner-films",
        "warning",
        "Each of the mice F to J of 2023 saw the films of one of A to E, its test films among that mouse's.",
        "stimulus groups are found by content, in several sessions together as well: split by group across mice",
        (6,),
    ),
    Audit(
        "repeats-ragged",
        "note",
        "The films of a tier are not all shown equally often.",
        "every presentation is a trial of its own; count the trials of a stimulus group, do not reshape by ten",
        (7,),
        reads_trials=True,
    ),
    Audit(
        "repeats-unequal",
        "warning",
        "Presentations of one film are not equal to the bit.",
        "within one grey level, or one the beginning of the other, they are variants of one stimulus group",
        (8,),
        reads_trials=True,
    ),
    Audit(
        "tier-none",
        "note",
        "File numbers are listed with tier `none` and have no files.",
        "they are rows of the trial table, flagged as missing, with no samples",
        (9,),
    ),
    Audit(
        "padding",
        "note",
        "Trials are padded with NaN to the longest of the session.",
        "padding is not stored; a trial ends where its film does",
        (10,),
        reads_trials=True,
    ),
    Audit(
        "padding-glitch",
        "note",
        "One trial is much longer than all others and sets the padding of them all.",
        "no other trial is stored any longer for it; look at the trial before you use it",
        (10,),
        reads_trials=True,
    ),
    Audit(
        "responses-zero",
        "warning",
        "Responses are zeros alone: withheld, and nothing in the metadata says so.",
        "flagged as `responses_withheld` and not served; no score can be made on them",
        (11,),
        reads_trials=True,
    ),
    Audit(
        "no-stimulus-ids",
        "note",
        "No variable says which stimulus a trial showed, of what kind, or when.",
        "groups are found by content; kinds (of the ten mice of 2023) and order are inferred, and marked so",
        (13,),
    ),
    Audit(
        "behavior-width",
        "note",
        "Behaviour has three channels (dilation, its change, speed) as in 2022; in 2023 it has two.",
        "channels are named: `pupil` has dilation and its change, `running` has speed",
        (14,),
    ),
    Audit(
        "behavior-zero",
        "warning",
        "Behaviour or gaze is zero in every trial (mouse S0 of 2022): withheld, not measured.",
        "flagged as withheld and not served",
        (15,),
        reads_trials=True,
    ),
    Audit(
        "trial-ids-hashed",
        "note",
        "`trial_idx` holds hashes (mice S0 and S1 of 2022): neither numbers nor an order.",
        "kept as text",
        (15,),
    ),
    Audit(
        "tier-names",
        "note",
        "Tiers are called validation, test and final_test in 2022, oracle, live_test_* and final_test_* in 2023.",
        "names are kept as published, and every trial has a role: train, validation, test or none",
        (15,),
    ),
    Audit(
        "litter",
        "note",
        "Files are no part of the recording: `__MACOSX`, `.DS_Store`, a loader's `config.json`.",
        "left out: not read, not counted, not in the source's digest",
        (17,),
    ),
    Audit(
        "behavior-nan",
        "warning",
        "Pupil, running or gaze has NaN where the film is valid.",
        "kept to the bit; fill or skip them before you average",
        reads_trials=True,
    ),
    NOTED,
    Audit("server-average", "note", "The server's correlation to average was wrong until 15 September 2023.",
          f"{OUTSIDE}: do not compare with averages published before that day", (3,), in_files=False),
    Audit("upload-size", "note", "Uploads over 5 GB failed, and the official writer names files otherwise than asked.",
          f"{OUTSIDE}: it concerns submissions, which this version does not write", (4,), in_files=False),
    Audit("bonus-ambiguity", "note", "Which mice the out-of-distribution track scored was unclear for long.",
          f"{OUTSIDE}: scores were of mice F to J; `info` says which mouse a store holds", (5,), in_files=False),
    Audit("download-all", "note", "The host's way to download a whole repository breaks.",
          f"{OUTSIDE}: download the zips one by one; `check` finds one that is cut short", (16,), in_files=False),
    Audit("input-scaling", "note", "The official loader's scaling gave NaN under some versions of numpy until 28 May 2024.",
          f"{OUTSIDE}: nothing is scaled here, and padding is cut before anything else is done", (18,), in_files=False),
    Audit("deeplake", "note", "deeplake 4 and later cannot open the copies on `hub://`.",
          f"{OUTSIDE}: the published zips are read, no other service is needed", (19,), in_files=False),
    Audit("enigma-counts", "note", "Counts of Enigma-Mouse differ from place to place.",
          f"{OUTSIDE}: no reader for that collection is part of this version", (20,), in_files=False),
    Audit("screen-invalid", "note", "Fourteen sessions of Enigma-Mouse hold INVALID screen trials.",
          "not in the files of 2022 and 2023: no reader for that collection is part of this version", (21,), in_files=False),
)  # fmt: skip


def chosen_audits(codes: Sequence[str] | None) -> list[Audit]:
    """Return the audits that files can show, or those of them that were asked for.

    Raises
    ------
    BadArgument
        A code that no audit has, or one of a fault that no file shows.

    Examples
    --------
    >>> [audit.faults for audit in chosen_audits(["litter"])]
    [(17,)]
    """
    known = {audit.code: audit for audit in AUDITS}
    for code in codes or ():
        if code not in known:
            raise BadArgument(f"no audit `{code}`", hint=near_miss(code, list(known)), code="no-such-check")
        if not known[code].in_files:
            hint = f"{known[code].text} {known[code].action}"
            raise BadArgument(f"`{code}` cannot be looked for in files", hint=hint, code="no-such-check")
    return [audit for audit in AUDITS if audit.in_files and (codes is None or audit.code in codes)]
