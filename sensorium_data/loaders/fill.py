"""Fill one window into its place in a batch: each stream straight from its bytes, cast on the way where asked."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from threading import local
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import torch  # noqa: TID253  # the loaders are torch's face

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sensorium_data.loaders.pool import Spec
    from sensorium_data.streams import Stream, Streams
    from sensorium_data.windows import Served

__all__ = ["MASK", "Arrays", "Filler"]

Arrays: TypeAlias = "Mapping[str, NDArray[Any]]"
T = TypeVar("T")
REMEMBERED = 4096
MASK = "mask/"  # before the name of a stream, that of its mask

TORCH_DTYPES: dict[str, torch.dtype] = {
    "bool": torch.bool,
    "uint8": torch.uint8,
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
}


class Filler:
    """Writes windows into arrays.

    Parameters
    ----------
    streams : sequence of Streams
        One for each session.
    dtype : torch.dtype, optional
        Of every floating stream; by default each as stored.
    narrow : bool
        By default float64 is served as float32.
    """

    def __init__(self, streams: Sequence[Streams], dtype: torch.dtype | None, *, narrow: bool) -> None:
        self._streams, self._dtype, self._narrow = streams, dtype, narrow
        self._each = [[(name, MASK + name, stream) for name, stream in one.items()] for one in streams]
        self._scratch = _Scratch()
        # No `lru_cache` of own methods: with them this and all that it reads would live until the next collection.
        self._trusted: dict[tuple[Any, ...], NDArray[np.bool_] | None] = {}
        self._specs: dict[tuple[Any, ...], Spec] = {}  # asked for with every batch

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a recipe."""
        return partial(type(self), narrow=self._narrow), (self._streams, self._dtype)

    def served(self, stream: Stream) -> torch.dtype:
        """Return the dtype in which a stream is served."""
        own = TORCH_DTYPES[np.dtype(stream.dtype).name]
        if self._dtype is None:  # models are of float32, and the numbers of stores in source precision are not for them
            return torch.float32 if self._narrow and own == torch.float64 else own
        return self._dtype if own.is_floating_point else own

    def spec(self, session: int, lead: tuple[int, ...]) -> Spec:
        """Return shape and dtype of every array of a session that has the leading axes ``lead``; not to be changed."""
        if (known := self._specs.get((session, lead))) is not None:
            return known
        spec: dict[str, tuple[tuple[int, ...], torch.dtype]] = {}
        for name, stream in self._streams[session].items():
            spec[name] = ((*lead, *stream.shape), self.served(stream))
            spec[MASK + name] = (lead, torch.bool)
        return _remembered(self._specs, (session, lead), spec)

    def fill(self, views: Arrays, windows: Sequence[Served]) -> None:
        """Write windows of one session; what the arrays have beyond them is masked.

        Parameters
        ----------
        views : mapping of name to (window, time, …) array
            Of the dtypes that `spec` says, bfloat16 as uint16.
        windows : sequence of Served
        """
        n = windows[0].n_samples
        if any(window.n_samples != n for window in windows):
            for k, window in enumerate(windows):
                self.fill({name: array[k : k + 1] for name, array in views.items()}, (window,))
            return
        places = [(window.trial_row, window.start_frame) for window in windows]
        for name, its_mask, stream in self._each[windows[0].session]:
            out, mask = views[name], views[its_mask]
            if n < mask.shape[1]:
                out[:, n:], mask[:, n:] = _empty(out, stream), False
                out, mask = out[:, :n], mask[:, :n]
            if out.dtype == stream.dtype:
                stream.fill_each(out, mask, places)
                self._hide(stream, out, mask, windows)
            else:
                self._through(stream, out, mask, windows)

    def prefetch(self, windows: Sequence[Served]) -> None:
        """Have the disk, or a server, read windows that will be filled soon."""
        for session, run in groupby(windows, key=lambda window: window.session):
            its_own = list(run)
            for _, _, stream in self._each[session]:
                if stream.announced:
                    continue
                for n, same in groupby(its_own, key=lambda window: window.n_samples):
                    stream.prefetch_each([(window.trial_row, window.start_frame) for window in same], n)

    def _through(self, stream: Stream, out: NDArray[Any], mask: NDArray[np.bool_], windows: Sequence[Served]) -> None:
        """Write windows by way of memory in which they are as stored, one by one so that it stays in the cache."""
        for k, window in enumerate(windows):
            values = self._scratch.like((1, *out.shape[1:]), stream.dtype)
            stream.fill_each(values, mask[k : k + 1], ((window.trial_row, window.start_frame),))
            self._hide(stream, values, mask[k : k + 1], (window,))
            _cast(values, out[k : k + 1], self.served(stream))

    def _hide(self, stream: Stream, out: NDArray[Any], mask: NDArray[np.bool_], windows: Sequence[Served]) -> None:
        """Mask the samples that rest on trials which were not chosen; of a required stream no window has any."""
        for k, window in enumerate(windows):
            if stream.name in window.required:
                continue
            stop = window.start_frame + window.n_samples
            trusted = self._ask(window.session, stream, window.trial_row, stop, window.allowed)
            if trusted is not None and not (own := trusted[window.start_frame :]).all():
                out[k, ~own] = np.nan if out.dtype.kind == "f" else 0
                mask[k] &= own

    def _ask(
        self, session: int, stream: Stream, trial_row: int, n: int, allowed: NDArray[np.bool_]
    ) -> NDArray[np.bool_] | None:
        key = session, stream.name, trial_row, n, allowed.tobytes()
        try:
            return self._trusted[key]
        except KeyError:
            return _remembered(self._trusted, key, stream.trusted(trial_row, n, allowed))


def _remembered(known: dict[tuple[Any, ...], T], key: tuple[Any, ...], value: T) -> T:
    """Return a value that is remembered from now on; of too many, all are forgotten."""
    if len(known) >= REMEMBERED:
        known.clear()
    known[key] = value
    return value


def _empty(out: NDArray[Any], stream: Stream) -> Any:  # noqa: ANN401  # a number of the array's kind
    if stream.dtype.kind != "f":
        return 0
    return np.nan if out.dtype.kind == "f" else np.uint16(0x7FC0)  # NaN of bfloat16


def _cast(values: NDArray[Any], out: NDArray[Any], dtype: torch.dtype) -> None:
    # torch casts to half precision at the speed of a copy; numpy takes 25 times as long.
    place = torch.from_numpy(out)
    (place.view(dtype) if place.dtype != dtype else place).copy_(torch.from_numpy(values))


class _Scratch(local):
    """Memory of each thread for values that are cast on their way."""

    def __init__(self) -> None:
        self._held: dict[tuple[tuple[int, ...], str], NDArray[Any]] = {}

    def like(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        key = shape, dtype.str
        if (found := self._held.get(key)) is None:
            if len(self._held) > 16:  # whole trials have many lengths
                self._held.clear()
            found = self._held[key] = np.empty(shape, dtype)
        return found
