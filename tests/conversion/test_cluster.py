"""On a cluster a conversion gives the same bytes, outlives its workers, and never waits for a cluster that is gone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from distributed import Client

import sensorium_data as sd
from sensorium_data.conversion import cluster as cluster_module
from sensorium_data.conversion.cluster import outcomes
from sensorium_data.conversion.sessiontask import SessionTask, convert_on_worker, require_written
from sensorium_data.conversion.worker import on_worker
from sensorium_data.errors import BadArgument, ClusterFailed, NotFound
from sensorium_data.settings import Settings
from sensorium_data.store.publish import Scratch, scratch_path
from sensorium_data.testing import write_sensorium2023
from tests.conversion.clusters import Cluster, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensorium_data.progress import Progress

KEYS = [f"{29510 + i}-1-1" for i in range(4)]


def contents(store: Path) -> dict[str, bytes]:
    """Return every file, with the time of the conversion blanked."""
    files = {path.relative_to(store).as_posix(): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    root = json.loads(files["zarr.json"])
    assert root["attributes"]["sensorium_data"]["session"]["provenance"].pop("converted_at")
    return files | {"zarr.json": json.dumps(root).encode()}


def all_of(function: Any, tasks: list[Any], client: Client) -> list[Any]:
    with closing(outcomes(client, function, tasks)) as found:
        came = dict(found)
    return [came[i] for i in range(len(tasks))]


@contextmanager
def at_first_record(out: Path, action: Callable[[], object]) -> Iterator[None]:
    """Do something in a thread when the first session has begun to leave records, far from its end."""
    journal = scratch_path(out / f"{KEYS[0]}.zarr") / "journal"

    def act() -> None:
        wait_for("a first record", lambda: any(journal.glob("*.npz")))
        action()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four recordings; the first takes a second or two to convert, so that there is a way to be killed on."""
    folder = tmp_path_factory.mktemp("sources")
    for i, key in enumerate(KEYS):
        size: dict[str, Any] = {"n_neurons": 12, "n_train": 4, "frame_shape": (8, 12)}
        if i == 0:
            size = {"n_neurons": 1500, "n_train": 40}
        write_sensorium2023(folder, name=f"dynamic{key}-Video-x", seed=i, **size)
    return folder


@pytest.fixture(scope="module")
def local(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("local")
    assert sd.convert_all(f"{sources}/*", folder).ok
    return {key: contents(folder / f"{key}.zarr") for key in KEYS}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that no test harms; one worker has two threads."""
    with running(tmp_path_factory.mktemp("cluster"), threads=(1, 2)) as cluster:
        yield cluster


def test_a_collection_outlives_a_worker_killed_on_the_way(
    tmp_path: Path, sources: Path, local: dict[str, dict[str, bytes]]
) -> None:
    out = tmp_path / "out"
    with (
        running(tmp_path / "cluster") as cluster,
        at_first_record(out, lambda: cluster.worker_at("-0").send_signal(signal.SIGKILL)),
    ):
        done = sd.convert_all(f"{sources}/*", out, client=cluster.client)
        assert sum(process.poll() is not None for process in cluster.workers.values()) == 1
    assert [(session.key, session.status) for session in done.sessions] == [
        (KEYS[0], "resumed"),
        *((key, "converted") for key in KEYS[1:]),
    ]
    assert done.ok
    assert {key: contents(out / f"{key}.zarr") for key in KEYS} == local
    assert sorted(path.name for path in out.iterdir()) == [f"{key}.zarr" for key in KEYS]


def test_interrupted_the_workers_stop_and_the_same_command_goes_on(
    tmp_path: Path, sources: Path, local: dict[str, dict[str, bytes]], cluster: Cluster
) -> None:
    words = ["convert", f"{sources}/*", "out", "--scheduler", cluster.address]
    command = [sys.executable, "-m", "sensorium_data", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True) as process:
        with at_first_record(tmp_path / "out", lambda: process.send_signal(signal.SIGINT)):
            pass
        _, err = process.communicate()
    assert process.returncode == 130, err
    assert err.endswith("error[interrupted]: interrupted; run the same command again to resume\n")
    assert "Traceback" not in err
    assert not (tmp_path / f"out/{KEYS[0]}.zarr").exists()
    again = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)
    assert report["sessions"][0]["status"] == "resumed"
    assert [session["target"] for session in report["sessions"]] == [f"out/{key}.zarr" for key in KEYS]
    assert {key: contents(tmp_path / f"out/{key}.zarr") for key in KEYS} == local


def test_one_session_is_spread(
    tmp_path: Path, sources: Path, local: dict[str, dict[str, bytes]], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # which is not where the workers are
    seen: list[Progress] = []
    source = Path(os.path.relpath(sources / f"dynamic{KEYS[1]}-Video-x"))
    done = sd.convert(source, "out.zarr", client=cluster.client, report=seen.append)
    assert (done.status, done.target) == ("converted", "out.zarr")
    assert contents(tmp_path / "out.zarr") == local[KEYS[1]]
    for stage in ("scan", "write"):
        steps = [(p.done, p.total) for p in seen if p.stage == stage]
        assert steps == [(n, steps[0][1]) for n in range(steps[0][1] + 1)]


def test_a_target_in_the_way_is_not_sent(tmp_path: Path, sources: Path, cluster: Cluster) -> None:
    out = tmp_path / "deep/out"
    first = sd.convert_all(sources / f"dynamic{KEYS[2]}-Video-x", out, client=cluster.client, existing="error")
    assert [session.status for session in first.sessions] == ["converted"]
    again = sd.convert_all(sources / f"dynamic{KEYS[2]}-Video-x", out, client=cluster.client, existing="error")
    assert [(f.error.code, f.exit_code) for f in again.failures] == [("target-exists", 7)]


def test_a_lock_that_is_about_to_be_released_is_waited_for(tmp_path: Path, sources: Path, cluster: Cluster) -> None:
    target = tmp_path / f"{KEYS[3]}.zarr"
    with Scratch(target) as held:
        threading.Timer(0.7, held.__exit__).start()
        done = sd.convert_all(sources / f"dynamic{KEYS[3]}-Video-x", tmp_path, client=cluster.client)
    assert done.ok, done.failures


def test_a_session_has_its_worker_to_itself(cluster: Cluster) -> None:
    def occupy(task: int) -> tuple[str, int, float, float]:
        from distributed import get_worker

        from sensorium_data.conversion.worker import whole_worker
        from sensorium_data.settings import settings

        with whole_worker() as report:
            began = time.monotonic()
            time.sleep(0.1)
            report(task)  # type: ignore[arg-type]  # it looks at the worker alone
            return get_worker().address, settings().n_threads, began, time.monotonic()

    came = all_of(occupy, list(range(6)), cluster.client)
    threads = cluster.client.nthreads()
    assert {address for address, *_ in came} == set(threads)
    for address in threads:
        turns = sorted((began, ended, n) for where, n, began, ended in came if where == address)
        assert {n for *_, n in turns} == {threads[address]}
        assert all(before[1] <= after[0] for before, after in pairwise(turns))


def test_what_a_worker_does_not_see_is_named_with_the_worker(tmp_path: Path, cluster: Cluster) -> None:
    task = SessionTask(str(tmp_path / "in.zip"), str(tmp_path / "out/a.zarr"), None, "fast", "source", "resume", False)
    (missing,) = all_of(convert_on_worker, [task], cluster.client)
    assert isinstance(missing, NotFound)
    assert missing.code == "not-on-worker"
    assert f"{tmp_path}/in.zip is not there" in missing.message
    assert any(address in missing.message for address in cluster.workers)
    assert "every worker sees them under the same path" in missing.hint
    (unread,) = all_of(os.stat, [str(tmp_path / "x.npy")], cluster.client)
    assert isinstance(unread, NotFound)
    assert f"does not see {tmp_path}/x.npy" in unread.message
    (tmp_path / "out").mkdir()
    with pytest.raises(NotFound, match="where this machine does not see it"):
        require_written(task)


def test_what_a_task_raises_is_its_outcome(cluster: Cluster) -> None:
    good, bad, unknown = all_of(len, ["abc", 3, range(2)], cluster.client)
    assert (good, unknown) == (3, 2)
    assert isinstance(bad, TypeError)

    def lacking(_: object) -> None:
        import a_package_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401  # that is the point

    (told,) = all_of(lacking, [0], cluster.client)
    assert isinstance(told, ClusterFailed)
    assert told.code == "worker-environment"


def test_another_version_on_the_workers_is_refused() -> None:
    with pytest.raises(ClusterFailed, match=r"this process has sensorium-data .* comes from 0\.0\.0") as caught:
        on_worker(len, "abc", "0.0.0")
    assert "install sensorium-data 0.0.0" in caught.value.hint


def test_workers_that_die_of_it_fail_the_task_and_without_any_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "settings", lambda: Settings(cluster_wait_s=1))
    with running(tmp_path, threads=(1,), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as cluster:
        (died,) = all_of(os._exit, [1], cluster.client)
        assert isinstance(died, ClusterFailed)
        assert died.code == "worker-died"
        assert died.message.startswith("a worker died over it, the last one at tcp://127.0.0.1:")
        with pytest.raises(ClusterFailed, match="no worker for 1 s") as caught:
            all_of(len, ["abc"], cluster.client)
        assert caught.value.code == "cluster-without-workers"
        assert f"dask worker {cluster.address}" in caught.value.hint


def test_a_scheduler_that_goes_away_ends_it(tmp_path: Path, sources: Path) -> None:
    out = tmp_path / "out"
    with (
        running(tmp_path / "cluster", threads=(1,)) as cluster,
        at_first_record(out, cluster.scheduler.kill),
        pytest.raises(ClusterFailed, match="the connection to the scheduler is lost") as caught,
    ):
        sd.convert_all(f"{sources}/*", out, client=cluster.client)
    assert "run the same command again" in caught.value.hint
    done = sd.convert_all(f"{sources}/*", out)
    assert done.ok
    assert done.sessions[0].status == "resumed"


def test_only_a_client_that_can_be_waited_for_is_taken(tmp_path: Path, sources: Path, cluster: Cluster) -> None:
    source = sources / f"dynamic{KEYS[1]}-Video-x"
    for wrong in (cluster.address, object()):
        with pytest.raises(BadArgument, match="client is a"):
            sd.convert_all(source, tmp_path / "out", client=wrong)

    async def asynchronous() -> None:
        async with Client(cluster.address, asynchronous=True, set_as_default=False) as client:
            with pytest.raises(BadArgument, match="asynchronous"):
                sd.convert(source, tmp_path / "a.zarr", client=client)

    asyncio.run(asynchronous())
    assert not (tmp_path / "out").exists()
