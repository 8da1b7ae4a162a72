"""Run tasks on a dask.distributed cluster that somebody else started, and never wait for one that is gone.

dask runs a task again when its worker dies. What it does not do is end: without a scheduler or without any worker its
futures wait for ever. So nothing here waits for a future alone: the cluster is looked at all the while.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from sensorium_data import __version__
from sensorium_data.conversion.worker import on_worker
from sensorium_data.errors import BadArgument, ClusterFailed
from sensorium_data.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

__all__ = ["connect", "outcomes"]

Task = TypeVar("Task")
Result = TypeVar("Result")
Client: TypeAlias = Any  # a dask.distributed.Client, which is not a dependency

CONNECT_S = 8  # a scheduler that is there answers in milliseconds
LOOK_S = 1.0  # between two looks at the cluster
POLL_S = 0.25  # between two looks at the futures, where none calls before
FETCH_S = 10  # for a result; a worker that dies with it has it computed again elsewhere
AGAIN = "what is done is kept: run the same command again and it goes on from there"


@contextmanager
def connect(address: str) -> Iterator[Client]:
    """Return a client of the scheduler at an address, closed at the end; the cluster goes on.

    Parameters
    ----------
    address : str
        Such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    BadArgument
        The package `distributed` is missing, or this is no address.
    ClusterFailed
        No scheduler answers there.
    """
    try:
        import distributed
    except ImportError:
        hint = "pip install 'sensorium-data[cluster]'"
        raise BadArgument("a scheduler needs the package `distributed`", hint=hint, code="missing-extra") from None
    where = _address(address)
    # It reports each attempt to reconnect on standard error; what came of it is said here, once.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = distributed.Client(where, timeout=CONNECT_S, set_as_default=False)
    except OSError:
        hint = "is `dask scheduler` running, and is this the address that it prints? nothing was changed"
        text = f"{where}: no scheduler answers"
        raise ClusterFailed(text, hint=hint, code="cluster-unreachable") from None
    with client:
        yield client


def _address(text: str) -> str:
    """Return an address with its protocol; one that cannot be meant never reaches dask, which would hang on it."""
    whole = text if "://" in text else f"tcp://{text}"
    try:
        parts = urlsplit(whole)
        sound = bool(parts.hostname and parts.port)
    except ValueError:
        sound = False
    if not sound:
        hint = "an address looks like tcp://10.0.0.1:8786"
        raise BadArgument(f"`{text}` is no address of a scheduler", hint=hint, code="bad-address")
    return whole


def outcomes(
    client: Client, function: Callable[[Task], Result], tasks: Sequence[Task], *, one_a_worker: bool = False
) -> Generator[tuple[int, Result | Exception]]:
    """Yield the number and the result of each task, or the exception it raised, as they come.

    Parameters
    ----------
    client : dask.distributed.Client
    function : callable
        Importable by name on the workers.
    tasks : sequence
        Picklable; earlier ones start first.
    one_a_worker : bool
        Give out as many tasks at a time as there are workers, for tasks that use all threads of a worker.

    Raises
    ------
    BadArgument
        The client is none, or an asynchronous one.
    ClusterFailed
        The scheduler is gone, or there has been no worker for some time.
    """
    watch = _Watch(_checked(client))
    run = uuid4().hex  # dask takes two tasks of one name for the same task, even those of other clients
    waiting: deque[tuple[int, Task]] = deque(enumerate(tasks))
    running: dict[int, Any] = {}
    wake = threading.Event()
    try:
        while waiting or running:
            wake.clear()
            watch.look()
            n_room = max(1, watch.n_workers) if one_a_worker else len(tasks)
            while watch.reached and waiting and len(running) < n_room:
                i, task = waiting.popleft()
                name = f"sensorium-{run}-{i}"
                running[i] = client.submit(on_worker, function, task, __version__, key=name, pure=False, priority=-i)
                running[i].add_done_callback(lambda _: wake.set())
            done = [(i, outcome) for i, future in running.items() if (outcome := _outcome(future)) is not _NOTHING]
            for i, outcome in done:
                running.pop(i).release()
                yield i, outcome
            if not done:
                wake.wait(POLL_S)
    finally:
        for future in running.values():
            future.release()  # nobody waits for it any more, which stops it


def _checked(client: Client) -> Client:
    """Return a client that can be waited for."""
    try:
        from distributed import Client as Known
    except ImportError:
        Known = None  # noqa: N806  # a class, were it there
    if Known is None or not isinstance(client, Known):
        raise BadArgument(f"client is a {type(client).__name__}", hint="expected a dask.distributed.Client")
    if client.asynchronous:
        raise BadArgument("client is asynchronous", hint="expected one made without `asynchronous=True`")
    return client


class _Watch:
    """Whether a cluster is there and has workers, looked at once a second."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.n_workers = 0
        self.reached = True
        self._well = time.monotonic()  # when all was well last
        self._due = 0.0

    def look(self) -> None:
        """Count the workers when it is time to.

        Raises
        ------
        ClusterFailed
            There has been none for as long as the settings allow.
        """
        if time.monotonic() < self._due:
            return
        self.reached, self.n_workers = self._count()
        if self.n_workers:
            self._well = time.monotonic()
        limit = settings().cluster_wait_s
        if not self.n_workers and time.monotonic() - self._well >= limit:
            raise _lost(self.client) if not self.reached else _idle(self.client, limit)
        self._due = time.monotonic() + LOOK_S

    def _count(self) -> tuple[bool, int]:
        if self.client.status != "running":
            return False, 0
        try:
            return True, len(self.client.nthreads())
        except (OSError, TimeoutError):
            return False, 0


def _where(client: Client) -> str:
    scheduler = getattr(client, "scheduler", None)
    return str(getattr(scheduler, "address", "the scheduler"))


def _lost(client: Client) -> ClusterFailed:
    return ClusterFailed(f"{_where(client)}: the connection to the scheduler is lost", hint=AGAIN, code="cluster-lost")


def _idle(client: Client, limit: int) -> ClusterFailed:
    text = f"{_where(client)}: the cluster has had no worker for {limit} s"
    hint = (
        f"start one with `dask worker {_where(client)}`; SENSORIUM_DATA_CLUSTER_WAIT_S sets how long to wait; {AGAIN}"
    )
    return ClusterFailed(text, hint=hint, code="cluster-without-workers")


_NOTHING: Any = object()  # of a task that is not done


def _outcome(future: Any) -> Any:  # noqa: ANN401  # a dask.distributed.Future, and whatever a task returns
    """Return the result of a task or the exception it raised, or `_NOTHING` while there is neither.

    Raises
    ------
    ClusterFailed
        The scheduler has gone and taken the task with it.
    """
    status = future.status
    if status == "cancelled":
        raise _lost(future.client)
    if status not in {"finished", "error"}:
        return _NOTHING
    try:
        return future.result(timeout=FETCH_S)
    except Exception as error:  # noqa: BLE001  # whatever a task may raise is its outcome
        # That the result did not arrive is no outcome: the task is run again where its worker has died meanwhile.
        return _told(error) if future.status == "error" else _NOTHING


def _told(error: Exception) -> Exception:
    """Return what went wrong with a task in words of this package, where it is the cluster's doing."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        n_died = error.allowed_failures + 1
        count = "a worker" if n_died == 1 else f"{n_died} workers"
        text = f"{count} died over it, the last one at {error.last_worker.address}"
        hint = f"their logs say why, too little memory for one; {AGAIN}"
        return ClusterFailed(text, hint=hint, code="worker-died")
    if isinstance(error, ImportError) or "deserialization" in str(error):
        hint = f"install sensorium-data {__version__} in the environment of every worker"
        return ClusterFailed(f"the workers cannot run it: {error}", hint=hint, code="worker-environment")
    return error
