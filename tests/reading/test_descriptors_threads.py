"""Open files: few stay open, none is closed or mixed up under a thread that reads, none is handed to a child."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sensorium_data.reading.descriptors import Descriptors, File, Key, descriptors, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_FILES = 20


def still_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.fixture
def keys(tmp_path: Path) -> list[Key]:
    for number in range(N_FILES):
        (tmp_path / str(number)).write_bytes(number.to_bytes(4, "little") * 50)
    return [(str(path), stamp_of(path.stat())) for path in (tmp_path / str(n) for n in range(N_FILES))]


def opener(key: Key) -> Callable[[], int]:
    return lambda: os.open(key[0], os.O_RDONLY)


def test_threads_read_their_own_file_whatever_is_closed_meanwhile(keys: list[Key]) -> None:
    table = Descriptors(most=3)

    def work(seed: int) -> int:
        chosen, n_right = random.Random(seed), 0
        for _ in range(400):
            number = chosen.randrange(N_FILES)
            file = table.file(keys[number], opener(keys[number]))
            n_right += os.pread(file.fd, 4, 4 * chosen.randrange(50)) == number.to_bytes(4, "little")
            if chosen.random() < 0.05:
                table.retire([keys[chosen.randrange(N_FILES)]])
        return n_right

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [400] * 8
    assert len(table) <= 3
    table.close()
    assert len(table) == 0


def test_no_descriptor_is_left_open(keys: list[Key]) -> None:
    table, opened = Descriptors(most=4), []

    def counted(key: Key) -> int:
        opened.append(os.open(key[0], os.O_RDONLY))
        return opened[-1]

    with ThreadPoolExecutor(4) as pool:
        for file in pool.map(lambda n: table.file(keys[n % 7], lambda: counted(keys[n % 7])), range(60)):
            assert still_open(file.fd)
    del file
    table.close()
    assert not any(still_open(fd) for fd in opened)


def test_the_file_used_last_stays(keys: list[Key]) -> None:
    table, opened = Descriptors(most=2), []

    def ask(number: int) -> None:
        def note() -> int:
            opened.append(number)
            return opener(keys[number])()

        table.file(keys[number], note)

    for number in (0, 1, 0, 2, 0, 1):
        ask(number)
    assert opened == [0, 1, 2, 1]
    table.close()


def test_a_file_in_use_is_closed_when_nobody_holds_it(keys: list[Key]) -> None:
    table = Descriptors(most=1)
    files = [table.file(key, opener(key)) for key in keys[:5]]
    fds = [file.fd for file in files]
    assert len(table) == 1
    assert all(map(still_open, fds))
    files.clear()
    assert [still_open(fd) for fd in fds] == [False] * 4 + [True]
    table.close()
    assert not still_open(fds[-1])


def test_two_threads_that_open_the_same_file_share_it(keys: list[Key]) -> None:
    table = Descriptors()

    def slow() -> int:
        # Another thread is faster, between the look and the opening.
        first.append(table.file(keys[0], opener(keys[0])))
        twice.append(opener(keys[0])())
        return twice[0]

    first: list[File] = []
    twice: list[int] = []
    second = table.file(keys[0], slow)
    assert second is first.pop()
    assert not still_open(twice[0])
    table.close()
    fd = second.fd
    assert still_open(fd)
    del second
    assert not still_open(fd)


def test_as_many_files_stay_open_as_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    for allowed, most in ((1024, 384), (100, 64), (1 << 20, 2048), (resource.RLIM_INFINITY, 2048)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, allowed=allowed: (allowed, allowed))
        assert Descriptors().most == most


def test_files_retired_while_the_table_is_busy_go_with_the_next(keys: list[Key]) -> None:
    table = Descriptors()
    table.file(keys[0], opener(keys[0]))
    with table._lock:  # as when a collection begins in the middle of it
        table.retire([keys[0]])
    assert len(table) == 1
    table.file(keys[1], opener(keys[1]))
    assert len(table) == 1
    table.retire([keys[1], keys[5]])
    assert len(table) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_has_no_file_of_its_parent(keys: list[Key]) -> None:
    mine = descriptors()
    file = mine.file(keys[0], opener(keys[0]))
    fd = file.fd
    with mine._lock:  # held by a thread that does not come along
        child = os.fork()
        if not child:
            theirs = descriptors()
            good = not still_open(fd) and theirs is not mine and len(theirs) == 0
            theirs.file(keys[1], opener(keys[1]))
            os._exit(0 if good and len(theirs) == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert still_open(fd)
    mine.retire([keys[0]])
    assert still_open(fd)
    del file
    assert not still_open(fd)
