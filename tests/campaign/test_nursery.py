"""A shard runs in a process of its own: it may crash, hang or be killed, and it ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import msgspec
import pytest
from made_campaigns import odd_tracker

from pfnlab import __version__
from pfnlab.campaign.nursery import Nursery
from pfnlab.campaign.shard import Attempt, AttemptEnd, encode
from pfnlab.campaign.store.rows import Shard, this_host


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    """One that ends with the test."""
    opened = Nursery()
    yield opened
    opened.end()


def begun(nursery: Nursery, shard: Shard) -> Future[Attempt]:
    """Run *shard* in a thread."""
    attempt = Future[Attempt]()
    threading.Thread(target=lambda: attempt.set_result(nursery.run(shard)), daemon=True).start()
    return attempt


def process_of(nursery: Nursery) -> int:
    """The number of the process."""
    wait_for(lambda: nursery._worker)
    assert nursery._worker is not None
    return nursery._worker.process.pid


def check(machine: str = "model:7.2", seconds: float = 60.0) -> Shard:
    """A shard that searches two operations deep."""
    return Shard(task="check", work={"machine": machine, "scope": "small", "depth": 2}, seconds=seconds)


def odd(folder: Path, does: str, seconds: float = 60.0) -> Shard:
    """The same with a tracker that does something."""
    return check(f"model:7.2,tracker={odd_tracker(folder, does)}", seconds)


def children_of(process: int) -> list[int]:
    """The processes whose parent is *process*."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = status.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == process and words[0] != "Z":
            found.append(int(status.parent.name))
    return found


def is_alive(process: int) -> bool:
    """Whether it runs, and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what: object, seconds: float = 60.0) -> None:
    """Wait until *what*, when called, is true."""
    assert callable(what)
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def child_of(nursery: Nursery) -> int:
    """The process in which the shard of *nursery* runs."""
    process = process_of(nursery)
    wait_for(lambda: children_of(process))
    return children_of(process)[0]


def test_a_shard_gives_what_it_found(nursery: Nursery) -> None:
    """With the version and the host."""
    attempt = nursery.run(check())

    assert (AttemptEnd.DONE, "") == (attempt.end, attempt.reason)
    assert (__version__, this_host()) == (attempt.version, attempt.host)
    assert attempt.content is not None and "run" == attempt.content.results[0].kind


def test_the_same_shard_finds_the_same_again(nursery: Nursery) -> None:
    """In another process too."""
    other = Nursery()

    contents = [one.run(check()).content for one in (nursery, other)]

    other.end()
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("crash", "crash.py: it was killed by SIGABRT"),
        ("raise", "vm_area_free: it raised ValueError: odd"),
    ],
)
def test_a_shard_that_fails_says_why(nursery: Nursery, tmp_path: Path, does: str, reason: str) -> None:
    """In one line, and the next one runs."""
    attempt = nursery.run(odd(tmp_path, does))

    assert AttemptEnd.FAILED is attempt.end
    assert reason in attempt.reason and "\n" not in attempt.reason
    assert AttemptEnd.DONE is nursery.run(check()).end


def test_a_process_that_crashes_fails(nursery: Nursery, tmp_path: Path) -> None:
    """It counts as a try."""
    ended = begun(nursery, odd(tmp_path, "hang"))
    os.kill(child_of(nursery), signal.SIGABRT)

    attempt = ended.result(60)
    assert (AttemptEnd.FAILED, "its process crashed (signal 6)") == (attempt.end, attempt.reason)


@pytest.mark.target("long")
def test_a_policy_that_hangs_is_named_before_the_limit(
    nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no signal reaches it."""
    shard = odd(tmp_path, "deaf", seconds=3600.0)

    attempt = nursery.run(shard)

    assert AttemptEnd.FAILED is attempt.end
    assert attempt.reason.endswith("deaf.py: it did not return within 10 processor seconds: does it loop?")


def test_an_unknown_task_fails(nursery: Nursery) -> None:
    """As one from a newer version would."""
    attempt = nursery.run(Shard(task="dream", work={}, seconds=60.0))

    assert (AttemptEnd.FAILED, "there is no task 'dream'") == (attempt.end, attempt.reason)


@pytest.mark.target("long")
def test_a_shard_that_hangs_is_ended_at_its_limit(nursery: Nursery, tmp_path: Path) -> None:
    """With its process, and the next one runs."""
    ended = begun(nursery, odd(tmp_path, "hang", seconds=1.0))
    child = child_of(nursery)

    attempt = ended.result(60)
    assert (AttemptEnd.HUNG, "it did not end within 1 s") == (attempt.end, attempt.reason)
    wait_for(lambda: not is_alive(child))
    assert AttemptEnd.DONE is nursery.run(check()).end


@pytest.mark.target("long")
@pytest.mark.parametrize("whole", [False, True], ids=["the shard", "the nursery"])
def test_a_process_that_is_killed_from_outside_is_lost(nursery: Nursery, tmp_path: Path, whole: bool) -> None:
    """That is no fault of the shard."""
    ended = begun(nursery, odd(tmp_path, "hang"))
    child = child_of(nursery)
    os.kill(process_of(nursery) if whole else child, signal.SIGKILL)

    assert AttemptEnd.LOST is ended.result(60).end
    wait_for(lambda: not is_alive(child))
    assert AttemptEnd.DONE is nursery.run(check()).end


def test_an_attempt_that_nobody_wants_is_lost(nursery: Nursery, tmp_path: Path) -> None:
    """It ends long before its limit, with its process."""
    started = threading.Event()
    ended = Future[Attempt]()
    shard = odd(tmp_path, "hang", seconds=3600.0)

    def run() -> None:
        ended.set_result(nursery.run(shard, wanted=lambda: not started.is_set()))

    threading.Thread(target=run, daemon=True).start()
    child = child_of(nursery)

    started.set()

    assert AttemptEnd.LOST is ended.result(60).end
    wait_for(lambda: not is_alive(child))


PARENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_nursery import begun, child_of, odd, process_of
from pfnlab.campaign.nursery import Nursery
nursery = Nursery()
begun(nursery, odd(Path(sys.argv[2]), "hang"))
print(process_of(nursery), child_of(nursery), flush=True)
time.sleep(3600)
"""


def test_everything_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """However that ends."""
    command = [sys.executable, "-c", PARENT, str(Path(__file__).parent), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        processes = [int(word) for word in parent.stdout.readline().split()]
        assert 2 == len(processes) and all(map(is_alive, processes))
        parent.kill()

    wait_for(lambda: not any(map(is_alive, processes)))


def test_the_key_of_a_shard_is_of_what_it_does() -> None:
    """Its limit is no part of that, and a shard comes back from JSON with it."""
    assert (
        check().digest == check(seconds=5.0).digest == msgspec.json.decode(encode(check()), type=Shard).digest
    )
    assert check().digest != check("model:7.3").digest


def test_an_attempt_comes_back_from_json(nursery: Nursery) -> None:
    """As it was."""
    attempt = nursery.run(check())

    assert attempt == msgspec.json.decode(encode(attempt), type=Attempt)
