"""What is known of a mouse that a file of predictions names: from its store where one is given, else from the publication."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensorium_data.evaluation.presets import preset
from sensorium_data.evaluation.submissions.facts import OLD, SCORED, WINDOW_LENGTHS, folder_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sensorium_data.evaluation.submissions.facts import Mouse
    from sensorium_data.evaluation.truth import Recording

__all__ = ["KnownMouse", "known_mice"]


@dataclass(frozen=True, slots=True, eq=False)
class KnownMouse:
    """What is known of a mouse.

    Attributes
    ----------
    key : str
        Of its session.
    folder : str
        That it was published in.
    scored : bool
        Whether a server scored it.
    n_neurons : int or None
    n_trials : mapping of tier to int
    recording : Recording or None
    unit_ids : (neuron,) int64 or None
    trials : mapping of trial_id to (tier, frames)
        Empty without a store.
    """

    key: str
    folder: str
    scored: bool
    n_neurons: int | None = None
    n_trials: Mapping[str, int] = field(default_factory=dict)
    recording: Recording | None = None
    unit_ids: NDArray[np.int64] | None = None
    trials: Mapping[int, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, recording: Recording) -> KnownMouse:
        """Return what a store says."""
        identity = recording.handle.document.identity
        tiers = [tier.name for tier in recording.handle.document.trials.tiers if tier.role != "none"]
        found = {tier: recording.tier(tier).trials for tier in tiers}
        return cls(
            key=identity.key,
            folder=folder_of(identity),
            scored=identity.key in SCORED[identity.modality],
            n_neurons=len(recording.unit_ids),
            n_trials={tier: len(trials) for tier, trials in found.items()},
            recording=recording,
            unit_ids=recording.unit_ids,
            trials={each.trial_id: (tier, each.n_frames) for tier, trials in found.items() for each in trials.values()},
        )

    @classmethod
    def published(cls, key: str, mouse: Mouse) -> KnownMouse:
        """Return what is known of a mouse that was scored."""
        return cls(key, mouse.name, scored=True, n_neurons=mouse.n_neurons, n_trials=mouse.n_trials)

    def of_tier(self, tier: str) -> set[int]:
        """Return the trials of a tier."""
        return {trial for trial, (mine, _) in self.trials.items() if mine == tier}

    def lengths(self, trial: int, tier: str, window: str) -> Sequence[int]:
        """Return how many frames of a trial are sent in a window, or how many there may be where no store tells."""
        if trial not in self.trials:
            return WINDOW_LENGTHS[window][: 1 if tier.endswith("_main") else None]
        start, stop = preset(window).window(self.trials[trial][1])
        return (stop - start,)


def known_mice(recordings: Iterable[Recording]) -> dict[str, KnownMouse]:
    """Return all mice by the names that a file may give them: folders, and keys as well.

    Parameters
    ----------
    recordings : iterable of Recording
        What they say goes before what was published.
    """
    mice = [KnownMouse(key, folder, scored=False) for key, folder in OLD.items()]
    mice += [KnownMouse.published(key, mouse) for key, mouse in SCORED["dynamic"].items()]
    found = {name: each for each in mice for name in (each.folder, each.key)}
    for recording in recordings:
        one, name = KnownMouse.of(recording), recording.handle.document.identity.name
        found |= dict.fromkeys((one.folder, one.key, name), one)
    return found
