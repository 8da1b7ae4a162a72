"""The card of a model as a page for people, `README.md`: nothing on it that the card does not say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sensorium_data.errors import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sensorium_data.schemas.card import ModelCard, ModelSession

__all__ = ["page_of"]

SHOWN = {"dynamic": "films", "static": "images"}
UNITS = {
    "raw": "as stored",
    "per_neuron": "divided by each neuron's standard deviation over the training trials",
    "official": "times what was published for each neuron, as scored",
}


def page_of(card: ModelCard) -> str:
    """Return the page, in Markdown with the head that Hugging Face reads.

    Parameters
    ----------
    card : ModelCard
    """
    parts = [_head(card), _about(card), _use(card), _sessions(card), _scores(card), _recipe(card), _made(card)]
    return "\n".join(part for part in parts if part)


def _head(card: ModelCard) -> str:
    # A text in JSON is one in YAML as well.
    tags = "".join(f"- {tag}\n" for tag in ("neuroscience", "visual-cortex", "sensorium", json.dumps(card.model)))
    return f"---\nlibrary_name: sensorium-data\ntags:\n{tags}---\n"


def _about(card: ModelCard) -> str:
    n_neurons = sum(each.n_neurons for each in card.sessions)
    who = f"{counted(n_neurons, 'neuron')} of {counted(len(card.sessions), 'session')}"
    beside = [name for name, n in _beside(card) if n]
    given = f", given {' and '.join(beside)}" if beside else ""
    n_trained = card.n_parameters.get("total")
    size = "" if n_trained is None else f" {counted(n_trained, 'parameter')} are trained."
    what = f"Predicts the responses of {who} in visual cortex to {SHOWN[card.modality]}{given}.{size}"
    units = f"Answers are multiples of responses {UNITS[card.normalisation.scaling]}."
    rest = "What makes stored samples into what the model was trained on is with the weights."
    return f"# {card.model}, {who}\n\n{what}\n{units} {rest}\n"


def _beside(card: ModelCard) -> list[tuple[str, int]]:
    behavior = max(each.n_behavior for each in card.sessions)
    return [("behaviour", behavior), ("the position of the pupil", max(each.n_pupil_center for each in card.sessions))]


def _use(card: ModelCard) -> str:
    stimulus = "video" if card.modality == "dynamic" else "images"
    return (
        "## Use\n\n```python\nfrom sensorium_data.zoo import from_pretrained\n\n"
        'model = from_pretrained("FOLDER")  # the folder that this file is in, or owner/name of its repository\n'
        f"model.predict({stimulus}, behavior, pupil_center, session={json.dumps(card.sessions[0].key)})\n```\n"
    )


def _sessions(card: ModelCard) -> str:
    rows = [
        (
            one.key,
            f"{one.n_neurons:,}",
            " × ".join(map(str, one.image_shape)),
            one.source_digest[:12] or "not known",
            _terms(one),
        )
        for one in card.sessions
    ]
    table = _table(("session", "neurons", "channel × y × x", "recording", "licence of the recording"), rows)
    texts = dict.fromkeys(
        " ".join(filter(None, (each.text, each.url or (each.doi and f"https://doi.org/{each.doi}"))))
        for one in card.sessions
        for each in one.citations
    )
    cited = "".join(f"- {_plain(text)}\n" for text in texts)
    return f"## Recordings\n\n{table}" + (f"\nWho uses this model cites them:\n\n{cited}" if cited else "")


def _terms(session: ModelSession) -> str:
    if session.licence is None:
        return "not known"
    return session.licence.name + (f", {session.licence.url}" if session.licence.url else "")


def _scores(card: ModelCard) -> str:
    if not card.scores:
        return ""
    rows = [
        (
            one.metric,
            one.tier,
            one.session or "all",
            one.preset,
            "not defined" if one.value is None else f"{one.value:.4f}",
        )
        for one in card.scores
    ]
    return f"## Scores\n\n{_table(('metric', 'tier', 'session', 'preset', 'value'), rows)}"


def _recipe(card: ModelCard) -> str:
    if card.recipe is None:
        return ""
    return f"## Trained by\n\n```json\n{json.dumps(card.recipe, indent=2, ensure_ascii=False)}\n```\n"


def _made(card: ModelCard) -> str:
    made = f"sensorium-data {card.package_version}, torch {card.torch_version}, {card.created_at:%Y-%m-%d %H:%M %Z}"
    return f"## Made with\n\n{made}\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_plain, line))} |\n" for line in lines)


def _plain(text: str) -> str:
    """Return a text that neither ends a cell nor begins anything else."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
