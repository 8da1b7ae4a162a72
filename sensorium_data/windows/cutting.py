"""From sessions and what was asked to windows: read it, choose the trials, find the legal starts, place the windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sensorium_data.windows.asked import read_asked
from sensorium_data.windows.chosen import check_present, check_required, check_sessions, choose
from sensorium_data.windows.conditions import read_conditions
from sensorium_data.windows.cut import Cut, stride_of
from sensorium_data.windows.faults import Faults
from sensorium_data.windows.legal import legal_starts
from sensorium_data.windows.placing import pooled
from sensorium_data.windows.refusals import check_chosen, check_found
from sensorium_data.windows.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from sensorium_data.streams import Streams
    from sensorium_data.windows.asked import Stride, Within
    from sensorium_data.windows.conditions import Tier

__all__ = ["legal_windows"]


def legal_windows(
    streams: Sequence[Streams],
    *,
    tier: Tier = "train",
    trials: Mapping[str, ArrayLike] | None = None,
    window: int | Literal["trial"] = 80,
    stride: Stride = None,
    require: str | Iterable[str] | None = None,
    burn_in: int = 0,
    within: Within = "trial",
    seed: int = 0,
) -> Windows:
    """Return the windows of some sessions.

    A window is legal where it lies in one run of trials, after the run's burn-in, and every frame of every required
    stream rests on valid data of chosen trials of the window's tier alone, wherever a lag or an interpolation reaches.

    Parameters
    ----------
    streams : sequence of Streams
        One for each session.
    tier : str, mapping, iterable of either, or None
        Tiers, or conditions: a mapping of columns of the trial table, or `label` of the stimulus, to a value, several
        values, a range or a slice (half-open), all of which must hold. Of several conditions one must hold. None is
        every trial.
    trials : mapping of session key to (trial,) bool, optional
        Only these trials, as of a split by stimulus group. It may know further sessions.
    window : int or "trial", samples
        Or whole trials, each as long as it is, from the first frame after the burn-in on.
    stride : int, "random" or None, samples
        A window every so many legal starts, counted from the first of each stretch of contiguous legal starts; or one
        for each trial at a start drawn from all legal ones of its run. None draws where every chosen trial is for
        training, and elsewhere takes the window.
    require : str, iterable of str, or None
        Streams that must be valid throughout; in windows of whole trials, somewhere. None is all, each wherever it is
        not withheld or absent by design.
    burn_in : int, samples
        Of each run that no window holds.
    within : {"trial", "segment"}
        StartRuns are single trials, or contiguous trials of one tier that were all chosen.
    seed : int
        Of random starts.

    Returns
    -------
    Windows

    Raises
    ------
    BadArgument
        Something is no number of samples, a window is longer than any trial, or a tier has no window at all.
    NoSuchItem
        No tier, column, value, stream or session of a name; the hint names near misses.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.handle import SessionHandle
    >>> from sensorium_data.streams import open_streams
    >>> from sensorium_data.testing import make_session
    >>> streams = open_streams(SessionHandle(make_session(tempfile.mkdtemp(), n_neurons=3)))
    >>> windows = legal_windows([streams], tier="oracle", window=12)
    >>> windows
    Windows: 10 of 12 samples, every 12, in 1 session
    >>> windows[1]
    Window(session='29515-10-12', trial_id=4, start_frame=12, start_s=4.4, n_samples=12)
    >>> print(windows.explain("29515-10-12", 4, 25))
    29515-10-12, trial 4, frames 25 to 37: refused
      12 samples from frame 25 on go 7 past the end of the trial, which has 30 frames
    """
    faults = Faults()
    check_sessions(streams, faults)
    asked = read_asked(window, stride, require, burn_in, within, seed, faults)
    conditions = read_conditions(tier, faults)
    check_required(streams, asked.require, faults)
    chosen = choose(streams, conditions, trials, faults)
    faults.refuse()
    cut = Cut(tuple(streams), tuple(chosen), conditions, asked, stride_of(asked, streams, chosen))
    check_chosen(cut, faults)
    faults.refuse()
    check_present(streams, chosen, asked.require, faults)
    faults.refuse()
    found = [legal_starts(each, one.trials, asked) for each, one in zip(streams, chosen, strict=True)]
    check_found(cut, found, faults)
    faults.refuse()
    return Windows(cut, pooled(found))
