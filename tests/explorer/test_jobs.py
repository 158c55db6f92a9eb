"""Commands in the background: they answer, fail and end."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from heavy_work import lives

from pfnlab.base.errors import Misuse
from pfnlab.explorer.jobs import JobProgress, Jobs

PROGRAM = "pfnlab program 1\ntitle   x\ndevice  bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n"


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    """No command, and none is left."""
    some = Jobs()
    yield some
    some.end()


def ended(jobs: Jobs, progress: JobProgress) -> JobProgress:
    end = time.monotonic() + 200
    while not progress.done and time.monotonic() < end:
        time.sleep(0.2)
        progress = jobs.progress(progress.job)
    return progress


def test_a_command_answers(jobs: Jobs) -> None:
    """What it prints is read, and the program reached it as a file."""
    begun = jobs.begin(["run", "program.pfn", "--on", "model:7.3", "--json"], json.loads, PROGRAM)

    answer: Any = ended(jobs, begun).answer

    assert "program" == answer["program"]["name"]
    assert 2 == len(answer["machines"][0]["steps"])


def test_a_command_that_fails_says_why(jobs: Jobs) -> None:
    """Its one line of trouble is shown."""
    progress = ended(
        jobs, jobs.begin(["run", "program.pfn", "--on", "model:99.9", "--json"], json.loads, PROGRAM)
    )

    assert progress.failed is not None
    assert "99.9" in progress.failed


def test_a_command_has_a_bound_of_its_memory(jobs: Jobs) -> None:
    """As the system keeps it."""
    begun = jobs.begin(["check", "--on", "model:6.1", "--scope", "wide"], json.loads, memory=1 << 30)

    process = jobs._jobs[begun.job]._process.pid
    assert resource.prlimit(process, resource.RLIMIT_AS) == (1 << 30, 1 << 30)


def test_a_command_can_be_stopped(jobs: Jobs) -> None:
    """Who stops one need not wait for it, and it is forgotten."""
    begun = jobs.begin(["check", "--on", "model:6.1", "--scope", "wide"], json.loads)

    jobs.stop(begun.job)

    with pytest.raises(Misuse, match="nothing of that name"):
        jobs.progress(begun.job)


def test_a_command_that_takes_too_long_is_ended(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks again is told the same."""
    monkeypatch.setattr("pfnlab.explorer.jobs.LIMIT", -1)

    begun = jobs.begin(["check", "--on", "model:6.1", "--scope", "wide"], json.loads)

    assert begun.done
    assert "ended after -1 s" == begun.failed
    assert begun == jobs.progress(begun.job)


@pytest.mark.target("long")
def test_a_command_does_not_outlive_an_explorer_that_is_killed() -> None:
    """Not even by SIGKILL, which it cannot answer."""
    begin = (
        "from pfnlab.explorer.jobs import Jobs; jobs = Jobs()\n"
        "name = jobs.begin(['check', '--on', 'model:6.1', '--scope', 'wide'], str).job\n"
        "print(jobs._jobs[name]._process.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", begin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as explorer:
        assert explorer.stdout is not None
        command = int(explorer.stdout.readline())
        explorer.kill()

    deadline = time.monotonic() + 20
    while lives(command) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not lives(command)


@pytest.mark.target("long")
def test_only_a_few_go_on_at_once(jobs: Jobs) -> None:
    """A page cannot fill the machine with commands."""
    for _ in range(2):
        jobs.begin(["check", "--on", "model:6.1", "--scope", "wide"], json.loads)

    with pytest.raises(Misuse, match="still running"):
        jobs.begin(["check", "--on", "model:6.1", "--scope", "wide"], json.loads)
