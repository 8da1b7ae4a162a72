"""Fetch files by name: several at once, each gone on with where it stopped, checked, and pinned."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from sensorium_data.catalogs.obtain import Obtaining
from sensorium_data.catalogs.outcome import failed, failure_of
from sensorium_data.catalogs.planned import Plan, plan_download
from sensorium_data.catalogs.watch import Stopped, Watch
from sensorium_data.errors import Interrupted
from sensorium_data.progress import Progress, Report, ignore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sensorium_data.catalogs.decide import Existing
    from sensorium_data.catalogs.merged import Catalog
    from sensorium_data.schemas.download import DownloadedFile, DownloadReport

__all__ = ["download", "run_plan"]

TELL_S = 0.1  # between records of progress
LEAVE_S = 1.0  # that are waited for workers when nobody needs them any more; they end when their server answers
UNITS = ((10**6, "MB"), (10**3, "kB"), (1, "B"))


def download(
    names: str | Iterable[str], to: str | Path | None = None, *, existing: Existing = "skip", jobs: int = 4,
    offline: bool | None = None, dry_run: bool = False, catalog: Catalog | str | Path | None = None,
    report: Report = ignore,
) -> DownloadReport:  # fmt: skip
    """Fetch published files by name, or by URL.

    A file is there when it is whole, and has the size and digest that the catalog names; where it names none, those of the
    first download, which are pinned in ``sensorium-data.lock.json`` beside the files. What was interrupted goes on where it
    stopped. Two processes that want one file fetch it once.

    Parameters
    ----------
    names : str or iterable of str
        Names of the catalog (entry, mouse, key, collection, pattern), and URLs of single files.
    to : str or Path, optional
        Folder for the files; by default the one of downloads in the cache.
    existing : {"skip", "error", "refresh", "replace"}
        What to do with a file that is there: keep it when it is the right one; refuse; ask the server whether it has
        changed, and check it again; fetch it anew.
    jobs : int
        Files that are fetched at the same time.
    offline : bool, optional
        Ask nothing of the network; by default as the setting `offline` says.
    dry_run : bool
        Say what would be done; sizes that are not published are asked for.
    catalog : Catalog, str or Path, optional
        What names mean: a catalog, or the file or URL of a further one.
    report : callable
        Receives `Progress` records of the stage ``download``.

    Returns
    -------
    DownloadReport
        Every file with its path, and what failed; a file that fails stops no other.

    Raises
    ------
    NoSuchItem
        Nothing has such a name; the hint names near misses.
    BadArgument
        An option is unknown, or a file would lie outside its folder.
    TargetExists
        Files are there, with ``existing="error"``; nothing is fetched.
    StorageFailed
        There is no room, a token is missing, or the network is switched off; nothing is fetched.
    Interrupted
        By Ctrl-C; what came is kept.

    Examples
    --------
    >>> import tempfile, sensorium_data as sd
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "published.csv").write_text("1,2,3")
    >>> done = sd.download((folder / "published.csv").as_uri(), to=folder / "here")
    >>> [(file.name, file.status, file.bytes) for file in done.files]
    [('published.csv', 'fetched', 5)]
    """
    plan = plan_download(names, to, existing=existing, jobs=jobs, offline=offline, catalog=catalog)
    return plan.report() if dry_run else run_plan(plan, report)


def run_plan(plan: Plan, report: Report = ignore) -> DownloadReport:
    """Do what was planned; see `download`."""
    return _Run(plan, report).run()


class _Run:
    """The workers of one download, and the thread that waits for them and tells of them."""

    def __init__(self, plan: Plan, report: Report) -> None:
        self.plan, self.report = plan, report
        self.stop = Event()
        self.watches = [Watch(self.stop) for _ in plan.steps]
        self.outcomes: dict[int, DownloadedFile | Exception] = {}
        self._todo: SimpleQueue[int] = SimpleQueue()
        self._done: SimpleQueue[int] = SimpleQueue()
        for n, step in enumerate(plan.steps):
            self.watches[n].size = step.size
            self._todo.put(n)

    def run(self) -> DownloadReport:
        before = self.plan.report()
        n_workers = min(self.plan.jobs, len(self.plan.steps))
        # Daemons: a server that says nothing must not keep the interpreter from ending.
        workers = [Thread(target=self._work, daemon=True, name="sensorium-download") for _ in range(n_workers)]
        for worker in workers:
            worker.start()
        try:
            self._wait()
        except KeyboardInterrupt:
            hint = "run the same command again to resume"
            raise Interrupted("interrupted; what came is kept, run again to resume", hint=hint) from None
        finally:
            self.stop.set()
            until = monotonic() + LEAVE_S
            for worker in workers:
                worker.join(max(0.0, until - monotonic()))
        listed = [(step, self.outcomes[n]) for n, step in enumerate(self.plan.steps)]
        files = tuple(
            failed(step, self.watches[n].n_received) if isinstance(outcome, Exception) else outcome
            for n, (step, outcome) in enumerate(listed)
        )
        failures = tuple(failure_of(outcome, step) for step, outcome in listed if isinstance(outcome, Exception))
        return before.model_copy(update={"files": files, "failures": failures})

    def _work(self) -> None:
        while not self.stop.is_set():
            try:
                n = self._todo.get_nowait()
            except Empty:
                return
            step, plan = self.plan.steps[n], self.plan
            try:
                obtaining = Obtaining(step.wanted, plan.existing, self.watches[n], offline=plan.offline, info=step.info)
                self.outcomes[n] = obtaining.run()
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001  # one file's failure must not stop the others
                self.outcomes[n] = error
            self._done.put(n)

    def _wait(self) -> None:
        last = None
        waits: dict[int, str] = {}
        while len(self.outcomes) < len(self.plan.steps) or not self._done.empty():
            text = self._next() or self._waits(waits)
            told = self._told(text)
            if text or told != last:  # the last one ends a file, and is the only one in which all is done
                self.report(told)
                last = told

    def _next(self) -> str:
        """Wait for a moment; return what has come of a file, if one has ended."""
        try:
            n = self._done.get(timeout=TELL_S)
        except Empty:
            return ""
        outcome = self.outcomes[n]
        came = (
            f"error[{failure_of(outcome, self.plan.steps[n]).error.code}]"
            if isinstance(outcome, Exception)
            else outcome.status
        )
        return f"{self.plan.steps[n].wanted.name}: {came}"

    def _waits(self, before: dict[int, str]) -> str:
        """Return what a file has begun to wait for."""
        for n, watch in enumerate(self.watches):
            if watch.text != before.get(n, ""):
                before[n] = watch.text
                if watch.text:
                    return watch.text
        return ""

    def _told(self, text: str) -> Progress:
        done = [self._at(n) for n in range(len(self.watches))]
        total = sum(max(watch.size or 0, here) for watch, here in zip(self.watches, done, strict=True))
        scale, unit = next((scale, unit) for scale, unit in UNITS if total >= 10 * scale or scale == 1)
        # Whole only when it is: the last file is not there before it is checked and has its name.
        ended = len(self.outcomes) == len(self.watches)
        least = -(-total // scale)
        return Progress("download", least if ended else max(0, min(sum(done) // scale, least - 1)), least, unit, text)

    def _at(self, n: int) -> int:
        outcome = self.outcomes.get(n)
        return (
            outcome.bytes or 0 if outcome is not None and not isinstance(outcome, Exception) else self.watches[n].done
        )
