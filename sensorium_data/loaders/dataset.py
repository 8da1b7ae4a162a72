"""Windows of sessions as a map-style dataset: the tensors of one window, or of many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from torch.utils.data import Dataset  # noqa: TID253  # the loaders are torch's face

from sensorium_data.errors import counted, listed
from sensorium_data.loaders.fill import Filler
from sensorium_data.loaders.fitting import check_fit, check_signals, check_transform, float_dtype
from sensorium_data.loaders.items import Items, item_of
from sensorium_data.loaders.state import digest
from sensorium_data.loaders.transforms.base import bind
from sensorium_data.streams import open_streams
from sensorium_data.viewing.opening import opened
from sensorium_data.windows import legal_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from fractions import Fraction

    import torch
    import xarray as xr
    from numpy.typing import ArrayLike

    from sensorium_data.loaders.pool import BufferPool
    from sensorium_data.loaders.transforms.base import Bound, Item
    from sensorium_data.reading import Verify
    from sensorium_data.resample import Method
    from sensorium_data.streams import Streams
    from sensorium_data.viewing.opening import Opened
    from sensorium_data.windows import Served, Tier, Windows

__all__ = ["Transform", "WindowDataset"]

Transform: TypeAlias = "Callable[[Item], Any]"
Number: TypeAlias = "float | str | Fraction"

DEFAULT_WINDOW = 80  # samples of a film


class WindowDataset(Dataset[Any]):
    """Windows of one or more sessions.

    Parameters
    ----------
    sessions : path, Session, SessionSet, or several of them
    tier : str, condition, or several, optional
        Tier names; a condition maps columns of the trial table (or `label`) to a value, a collection or a range, all of
        which must hold; of several conditions one must. None takes every trial.
    window : int, "trial" or None
        Samples; whole valid trials; or 80 for films and one presentation for images.
    stride : int or "random", optional, samples
        Between starts. By default one random start a trial and epoch where all trials are training trials, else the
        window.
    rate_hz : float, str or Fraction, hertz, optional
        By default that of the films.
    signals : iterable of str, optional
        What is served: signals, and `video` or `image`; by default everything.
    trials : mapping of session key to (trial,) bool, optional
        Trials to choose from, beside ``tier``: one side of a split.
    require : iterable of str, optional
        Streams that must be valid in every sample of a window; by default all that are served, but responses where
        they are withheld.
    burn_in : int, samples
        At the start of a trial that are in no window.
    within : {"trial", "segment"}
        What a window may not leave: its trial, or a run of trials of one tier that were shown back to back.
    method : {"linear", "previous", "nearest", "mean"} or mapping by signal
        How signals of another rate are resampled.
    lag_s : float, str or Fraction, seconds, or mapping by stream
        What is served at time t is the stream at t + lag.
    offsets_s : mapping of signal to (channel,) float, seconds, optional
        When each channel is really sampled; by default the column `offset_s` of the neurons.
    transform : callable, optional
        From item to item. One with a method ``bind(streams)`` is given each session's streams first.
    dtype : torch.dtype or str, optional
        Of every floating stream: float32, float16 or bfloat16. By default as stored, and of float64 stores float32,
        but for a transform, which sees what is stored.
    seed : int
        Of the random starts.
    verify : {"first", "always", "never"}
        When the digest of a chunk is checked.

    Attributes
    ----------
    windows : Windows
        Which window each item is; ``windows.explain`` says why others are not among them.

    Raises
    ------
    BadArgument
        Options that no data could make right, sessions that do not fit together, or no window at all.
    NotFound
        A session, tier, column or stream that is not there; the hint names near misses.

    Examples
    --------
    >>> import tempfile
    >>> from sensorium_data.testing import make_session
    >>> dataset = WindowDataset(make_session(tempfile.mkdtemp(), n_neurons=5), tier="train", window=12, seed=1)
    >>> dataset[0]["responses"].shape, dataset[0]["video"].dtype
    (torch.Size([12, 5]), torch.uint8)
    """

    windows: Windows

    def __init__(
        self,
        sessions: Opened | Iterable[Opened],
        *,
        tier: Tier = "train",
        window: int | Literal["trial"] | None = None,
        stride: int | Literal["random"] | None = None,
        rate_hz: Number | None = None,
        signals: Iterable[str] | None = None,
        trials: Mapping[str, ArrayLike] | None = None,
        require: Iterable[str] | None = None,
        burn_in: int = 0,
        within: Literal["trial", "segment"] = "trial",
        method: Method | Mapping[str, Method] = "linear",
        lag_s: Number | Mapping[str, Number] = 0,
        offsets_s: Mapping[str, ArrayLike] | None = None,
        transform: Transform | None = None,
        dtype: torch.dtype | str | None = None,
        seed: int = 0,
        verify: Verify = "first",
    ) -> None:
        names = check_signals(signals)
        streams = [
            open_streams(
                session.handle, names, rate_hz=rate_hz, method=method, lag_s=lag_s, offsets_s=offsets_s, verify=verify
            )
            for session in opened(sessions).values()
        ]
        self._assemble(streams, transform, dtype)
        self.windows = legal_windows(
            streams, tier=tier, trials=trials, window=self._length(window), stride=stride, require=require,
            burn_in=burn_in, within=within, seed=seed,
        )  # fmt: skip

    def _assemble(
        self, streams: Sequence[Streams], transform: Transform | None, dtype: torch.dtype | str | None
    ) -> None:
        self.transform, self.dtype = check_transform(transform), float_dtype(dtype)
        self.static = check_fit(streams)
        self.streams = tuple(streams)
        self.filler = Filler(self.streams, self.dtype, narrow=transform is None)
        self._bound: dict[int, Bound] = {}

    def _length(self, window: int | Literal["trial"] | None) -> int | Literal["trial"]:
        if window is None:
            return 1 if self.static else DEFAULT_WINDOW
        return window

    @classmethod
    def from_views(
        cls,
        views: xr.Dataset | Iterable[xr.Dataset] | Mapping[str, xr.Dataset],
        *,
        names: Sequence[str] | None = None,
        window: int | None = None,
        stride: int | Literal["random"] | None = None,
        require: Iterable[str] | None = None,
        transform: Transform | None = None,
        dtype: torch.dtype | str | None = None,
        seed: int = 0,
    ) -> WindowDataset:
        """Return a dataset of windows of lazy views: whatever xarray or dask makes of `session.resample`.

        Parameters
        ----------
        views : xarray.Dataset, several, or a mapping of name to view
            Each of one session, over `time`.
        names : sequence of str, optional
            Of the views; by default their attribute `session`.
        window, stride, require, transform, dtype, seed
            As for `WindowDataset`.

        Raises
        ------
        BadArgument
            A view without time, with times that are not regular, or two views of one name.

        Warns
        -----
        SlowReadWarning
            What is read goes through xarray: 13 to 54 times the cost of the sessions themselves.
        """
        from sensorium_data.loaders.fromviews import streams_of_views

        self = cls.__new__(cls)
        streams = streams_of_views(views, names=names)
        self._assemble(streams, transform, dtype)
        self.windows = legal_windows(
            streams, tier=None, window=self._length(window), stride=stride, require=require, seed=seed
        )
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what each process has of its own."""
        return self.__dict__ | {"_bound": {}}

    def __repr__(self) -> str:
        keys = ", ".join(self.keys[:3]) + (" …" if len(self.keys) > 3 else "")
        return f"WindowDataset: {counted(len(self), 'window')} of {counted(len(self.keys), 'session')} ({keys}), {', '.join(self.streams[0])}"

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the sessions."""
        return tuple(streams.key for streams in self.streams)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many windows each session has; they come one session after another."""
        return tuple(np.bincount(self.windows.session, minlength=len(self.streams)).tolist())

    @property
    def per_neuron(self) -> frozenset[str]:
        """Streams whose channels are neurons, and so differ between sessions."""
        return frozenset(name for s in self.streams for name, one in s.items() if "neuron" in one.dims)

    def fingerprint(self) -> dict[str, str]:
        """Return digests of what batches rest on: the recordings, what is served of them, and the windows."""
        windows = self.windows.of_epoch(0)
        rate = ", ".join(sorted({str(streams.rate) for streams in self.streams}))
        pairs = [pair for streams in self.streams for pair in streams.items()]
        served = [part for name, one in pairs for part in (f"{name} {one.dtype} {one.shape}", *one.options)]
        return {
            "sessions": f"{listed(self.keys)} {digest(*(_identity(streams) for streams in self.streams))}",
            "streams": f"{listed(list(self.streams[0]))} at {rate} Hz, {self.dtype} {digest(*served)}",
            "windows": f"{windows!r} {digest(windows.session, windows.trial_row, windows.start_frame, windows.n_samples)}",
        }

    def set_epoch(self, epoch: int) -> None:
        """Draw the random starts of an epoch; a loader does so by itself.

        Parameters
        ----------
        epoch : int
        """
        self.windows = self.windows.of_epoch(epoch)

    def __len__(self) -> int:
        return len(self.windows)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Any:  # noqa: ANN401  # a dict, or what the transform makes of it
        """Return the tensors of one window, without a batch axis."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")  # how Python knows where iteration ends
        placed = self.windows.served(index % len(self))
        self.filler.prefetch((placed,))  # all of its streams at once, where each is a request
        return self.transformed(placed.session, self.item(placed))

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return several windows, as `torch.utils.data.DataLoader` asks for a batch; whole trials padded to the longest."""
        placed = [self.windows.served(index) for index in indices]
        self.filler.prefetch(placed)
        n_samples = max((one.n_samples for one in placed), default=0)
        if self.transform is not None or len({one.session for one in placed}) != 1:
            return [self.transformed(one.session, self.item(one, n_samples)) for one in placed]
        return Items.of_one_session(self, placed, n_samples)

    def item(self, placed: Served, n_samples: int | None = None, pool: BufferPool | None = None) -> Item:
        """Return the tensors of a window before any transform, padded to ``n_samples``; in memory of a pool if given."""
        return item_of(self, placed, n_samples or placed.n_samples, pool)

    def names(self, placed: Served) -> Item:
        """Return what an item says of its window."""
        ids = self.streams[placed.session].handle.trials["trial_id"]
        trial_id = int(ids[placed.trial_row])
        return {"session": self.keys[placed.session], "trial_id": trial_id, "start_frame": placed.start_frame}

    def transformed(self, session: int, item: Item) -> Any:  # noqa: ANN401  # what the transform makes of it
        """Return what the transform makes of an item of a session."""
        bound = self.bound(session)
        return item if bound is None else bound(item)

    def bound(self, session: int) -> Bound | None:
        """Return the transform, bound to a session; None where there is none."""
        if self.transform is not None and session not in self._bound:
            self._bound[session] = bind(self.transform, self.streams[session])
        return self._bound.get(session)


def _identity(streams: Streams) -> str:
    """Return what tells a recording and its neurons: conversions of one source with the same options differ in nothing."""
    provenance = streams.handle.document.provenance
    selected = streams.handle.selected
    neurons = "" if selected is None else digest(selected)
    return f"{streams.key} {provenance.source_digest} {provenance.options.precision} {neurons}"
