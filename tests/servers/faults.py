"""What the proxy can do wrong, and the functions that say to which request."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Choose = Callable[["Request"], "Fault | None"]

KINDS = (
    "reset",  # RST: before forwarding (`at` None), or after `at` bytes of the body
    "lost",  # forwarded and done, but the reply is thrown away and the connection reset
    "truncate",  # `at` bytes of the body, fewer than announced, and an orderly end
    "stall",  # no answer (`at` None), or none after `at` bytes of the body, until one side closes
    "wrong-length",  # announces `by` more (or, negative, fewer) bytes than follow; the connection ends after them
    "wrong-range",  # 206 with the range that starts `by` bytes further
    "wrong-bytes",  # the byte at `at` is another one
    "ignore-range",  # 200 with the whole object
    "replace",  # calls `hook` before forwarding, which may change the object upstream
    "html",  # 200 with a page
    "redirect",  # 302 to `location`
    "drop-header",  # the reply without its `header`
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has reached the proxy; `index` counts them from 0, header names are in lower case."""

    index: int
    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    `kind` is one of `KINDS`, or a status of three digits that is answered without forwarding. `at` is a place in the
    body: a number of bytes, or below 1.0 a share of the body as a float; None is the middle, or before the answer where
    `KINDS` says so.
    """

    kind: str
    at: int | float | None = None
    by: int = 1
    retry_after_s: int | None = None
    location: str = ""
    header: str = ""
    hook: Callable[[Request], None] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS and not self.is_status:
            raise ValueError(f"{self.kind!r} is no fault; there are {', '.join(KINDS)}, and statuses")

    @property
    def is_status(self) -> bool:
        return len(self.kind) == 3 and self.kind.isdigit()

    def place(self, n: int) -> int:
        """Return the place in a body of n bytes, which is inside it."""
        at = n // 2 if self.at is None else self.at
        return max(0, min(int(at * n) if isinstance(at, float) else at, n - 1))


def once(fault: str | Fault, *, at: int = 0, only: Callable[[Request], bool] | None = None) -> Choose:
    """Return what faults one request: the one with this number, from 0, among those that `only` is true of."""
    one = as_fault(fault)
    lock = threading.Lock()
    n_before = 0

    def choose(request: Request) -> Fault | None:
        nonlocal n_before
        if only is not None and not only(request):
            return None
        with lock:
            n_before += 1
            return one if n_before == at + 1 else None

    return choose


def always(fault: str | Fault, *, only: Callable[[Request], bool] | None = None) -> Choose:
    """Return what faults every request that `only` is true of."""
    one = as_fault(fault)
    return lambda request: one if only is None or only(request) else None


def scripted(*faults: str | Fault | None) -> Choose:
    """Return what faults the first requests as listed, and no later ones."""
    listed = [None if fault is None else as_fault(fault) for fault in faults]
    return lambda request: listed[request.index] if request.index < len(listed) else None


def seeded(rng: random.Random, share: float, kinds: Sequence[str | Fault]) -> Choose:
    """Return what faults a share of all requests, each with one of the kinds at places of their own.

    What happens to the request with index n depends on the seed and on n alone, whatever the threads do. A kind given
    as a `Fault` is taken as it is.
    """
    seed = rng.getrandbits(64)

    def choose(request: Request) -> Fault | None:
        own = random.Random(f"{seed} {request.index}")
        if own.random() >= share:
            return None
        kind = own.choice(list(kinds))
        return kind if isinstance(kind, Fault) else _drawn(kind, own)

    return choose


def as_fault(fault: str | Fault) -> Fault:
    return fault if isinstance(fault, Fault) else Fault(fault)


def _drawn(kind: str, rng: random.Random) -> Fault:
    at: float | None = rng.random()
    if kind in {"reset", "stall"} and rng.random() < 0.5:
        at = None
    by = rng.choice([-1, 1]) * rng.randrange(1, 1000)
    header = rng.choice(["etag", "content-length", "accept-ranges", "last-modified", "content-range"])
    return Fault(kind, at=at, by=by, retry_after_s=rng.choice([None, 0]), header=header)
