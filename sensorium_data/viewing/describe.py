"""What a session is, how big, from where: one set of facts for the text repr, the HTML repr and `info`."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from sensorium_data.clock import TickClock
from sensorium_data.errors import listed
from sensorium_data.spelling import human_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensorium_data.clock import Clock
    from sensorium_data.handle import SessionHandle
    from sensorium_data.schemas import Tier

__all__ = ["as_html", "as_text", "facts_of"]


def _tier(tier: Tier) -> str:
    extra = [f"{n} {what}" for n, what in ((tier.n_withheld, "withheld"), (tier.n_missing, "missing")) if n]
    return f"{tier.name} {tier.n_trials}" + (f" ({', '.join(extra)})" if extra else "")


def _neurons(handle: SessionHandle) -> str:
    n = handle.document.neurons.n
    return f"{n:,}" if handle.selected is None else f"{handle.n_neurons:,} of {n:,} neurons"


def _signals(handle: SessionHandle) -> list[str]:
    lines = []
    for name, signal in handle.signals.items():
        sizes = [f"time {handle.clocks[name].n_samples:,}"]
        sizes += [f"neuron {handle.n_neurons:,}" if d == "neuron" else d for d in signal.dims[1:]]
        rounding = signal.rounding
        kept = (
            "" if rounding.exact else f", rounded from {rounding.source_dtype} by at most {rounding.max_abs_error:.2g}"
        )
        unit = f" {signal.unit}" if signal.unit else ""
        withheld = ", withheld: published as zeros in every trial, not served" if signal.withheld else ""
        lines.append(f"{name} ({' × '.join(sizes)}) {rounding.stored_dtype}{unit}{kept}{withheld}")
    return lines


def _time(handle: SessionHandle) -> list[str]:
    """Return a line for each clock that several signals share or one has."""
    if handle.document.identity.modality == "static":
        return ["one sample a trial; when each was shown was not published"]
    lines: dict[str, list[str]] = {}
    for name, clock in handle.clocks.items():
        if clock.n_samples:
            lines.setdefault(_clock(clock), []).append(name)
    if not lines:
        return ["no samples"]
    return [line if len(lines) == 1 else f"{line}: {', '.join(names)}" for line, names in lines.items()]


def _clock(clock: Clock) -> str:
    if not isinstance(clock, TickClock):
        seconds = float(clock.times_ns[-1] - clock.times_ns[0]) / 1e9
        return f"a time for every sample, over {seconds / 60:.1f} min"
    minutes, runs = float(clock.n_samples / clock.rate / 60), len(clock.segments)
    nominal = "nominal " if clock.nominal else ""
    return f"{float(clock.rate):g} Hz {nominal}clock, {minutes:.1f} min in {runs} contiguous run{'s' * (runs != 1)}"


def _stimuli(handle: SessionHandle) -> list[str]:
    stimuli = handle.document.stimuli
    if not stimuli.n_variants:
        named = np.unique(handle.trials["stimulus"][handle.trials["stimulus"] >= 0])
        return [f"{len(named)} by name, without frames"] if len(named) else []
    shape = "×".join(map(str, stimuli.frame_shape))
    kind = "films" if handle.document.identity.modality == "dynamic" else "images"
    frames = f"{stimuli.n_frames:,} frames of {shape} {stimuli.dtype}"
    labels = sorted(set(handle.stimuli["label"].tolist()) - {""})
    lines = [f"{stimuli.n_variants} {kind} in {stimuli.n_groups} groups, {frames}"]
    return [*lines, listed(labels)] if labels else lines


def facts_of(handle: SessionHandle) -> list[tuple[str, Sequence[str]]]:
    """Return labelled facts about a session, each with one or more lines."""
    document, made = handle.document, handle.document.provenance
    digest = f", sha256 {made.source_digest[:12]}…" if made.source_digest else ""
    source = f"{made.reader} {made.source_name}, {human_bytes(made.source_bytes)}{digest}, {made.converted_at:%Y-%m-%d}"
    facts: list[tuple[str, Sequence[str]]] = [
        ("where", [f"{handle.where}, {human_bytes(handle.store.n_bytes)}, {made.options.preset} ({made.codec})"]),
        ("source", [source]),
        ("neurons", [f"{_neurons(handle)}: {', '.join(column.name for column in document.neurons.columns)}"]),
        ("trials", [f"{document.trials.n}: " + ", ".join(_tier(tier) for tier in document.trials.tiers)]),
        ("stimuli", _stimuli(handle)),
        ("signals", _signals(handle)),
        ("time", _time(handle)),
        ("licence", [document.licence.name if document.licence else "not known"]),
        ("cite", [citation.text for citation in document.citations]),
        ("notes", [note.text for note in made.notes]),
    ]
    return [(label, lines) for label, lines in facts if lines]


def _title(handle: SessionHandle) -> str:
    identity = handle.document.identity
    mouse = f", mouse {identity.mouse}" if identity.mouse else ""
    return f"Session {identity.key}{mouse}"


def as_text(handle: SessionHandle) -> str:
    """Return the facts as lines of text."""
    lines = [_title(handle)]
    for label, values in facts_of(handle):
        lines += [f"  {label if i == 0 else '':8} {value}" for i, value in enumerate(values)]
    return "\n".join(lines)


def as_html(handle: SessionHandle) -> str:
    """Return the facts as a table for notebooks; every value is escaped."""
    rows = "".join(
        f"<tr><th style='text-align:left;vertical-align:top'>{html.escape(label)}</th>"
        f"<td style='text-align:left'>{'<br>'.join(html.escape(value) for value in values)}</td></tr>"
        for label, values in facts_of(handle)
    )
    return f"<div><strong>{html.escape(_title(handle))}</strong><table>{rows}</table></div>"
