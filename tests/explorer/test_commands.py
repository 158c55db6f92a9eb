"""The commands that the page can begin, and what is read of them."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from heavy_work import lives

from pfnlab.base.errors import Misuse
from pfnlab.explorer import questions
from pfnlab.explorer.answers import Answers, KeptRun
from pfnlab.explorer.commands import PROGRAM, Commands, JobProgress, Jobs
from pfnlab.explorer.stories import Storyteller
from pfnlab.explorer.workers import MOST_MEMORY
from pfnlab.programs.lang.library import find_program

PER_VMA = Path(__file__).parents[2] / "docs" / "own-policy" / "per_vma.py"
MIDDLE = find_program("munmap-middle").read_text(encoding="utf-8")


class BegunCommand:
    """The command that was begun: its words, its program, and what reads its output."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.words: list[str] = []
        self.program: str | None = None
        self.read: Callable[[str], Any] = str
        self.memory: int | None = None
        monkeypatch.setattr(Jobs, "begin", lambda _, *words, **bounds: self._begin(*words, **bounds))

    def _begin(
        self,
        words: Sequence[str],
        read: Callable[[str], Any],
        program: str | None = None,
        memory: int | None = None,
    ) -> JobProgress:
        self.words, self.read, self.program, self.memory = list(words), read, program, memory
        return JobProgress("job", False, "", 0)


def commands(kept: list[KeptRun] | None = None) -> Commands:
    return Commands((kept if kept is not None else []).append)


def pfnlab(*words: str) -> str:
    command = [sys.executable, "-m", "pfnlab", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_what_a_real_kernel_did_is_shown_after_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program goes in a file, and what the command printed is a machine like any other."""
    kept: list[KeptRun] = []
    begun = BegunCommand(monkeypatch)
    commands(kept).kernel(questions.KernelRunQuestion(MIDDLE, "qemu:6.1"))
    path = str(find_program("munmap-middle"))

    begun.read(pfnlab("run", path, "--on", "model:6.1", "--json"))

    assert ["run", PROGRAM, "--on", "qemu:6.1"] == begun.words[:4]
    assert begun.program == MIDDLE
    answers = Answers(Storyteller())
    answers.keep(kept[0])
    story = answers.story(questions.StoryQuestion(MIDDLE, ("qemu:6.1", "model:7.3")))
    assert "qemu:6.1" == story["machines"][0]["name"]
    assert "book" in story["steps"][2]["differs"]


@pytest.mark.target("long")
def test_a_search_gives_ways_that_can_be_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way to a violation is one of the graph's, and what it should break is broken at its end."""
    begun, answers = BegunCommand(monkeypatch), Answers(Storyteller())
    commands().search(questions.SearchQuestion("model:6.1", "small"))

    found = begun.read(pfnlab(*begun.words))

    broken = [item for item in found["properties"] if item["verdict"] == "violated" and item["path"]]
    assert broken
    for item in broken:
        here = answers.graph(questions.GraphQuestion("model:6.1", "small", tuple(item["path"])))
        assert {item["name"]: False}.items() <= {
            seen["name"]: seen["holds"] for seen in here["properties"]
        }.items()


def test_a_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends after some time and some states, whatever the scope is, and has a bound of its memory."""
    begun = BegunCommand(monkeypatch)

    commands().search(questions.SearchQuestion("model:6.1", "wide"))

    assert {"--seconds", "--states"} <= set(begun.words)
    assert begun.memory == MOST_MEMORY


def test_only_kernels_run_on_request() -> None:
    """A model needs no request."""
    with pytest.raises(Misuse, match="qemu"):
        commands().kernel(questions.KernelRunQuestion(MIDDLE, "model:6.1"))


@pytest.mark.target("long")
def test_a_search_finds_the_file_of_a_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of the command line names its file as it is named where the explorer was started."""
    shutil.copy(PER_VMA, tmp_path / "mine.py")
    monkeypatch.chdir(tmp_path)
    machine = "model:7.2,tracker=mine.py"
    some = Commands(lambda _: None, [machine])
    try:
        progress = some.search(questions.SearchQuestion(machine, "small"))
        deadline = time.monotonic() + 200
        while not progress.done and time.monotonic() < deadline:
            time.sleep(0.2)
            progress = some.job(questions.JobQuestion(progress.job))
    finally:
        some.end()

    assert progress.failed is None
    assert progress.answer["properties"]


WHOLE = "pfnlab program 1\ntitle   x\ndevice  bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n"


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
    begun = jobs.begin(["run", "program.pfn", "--on", "model:7.3", "--json"], json.loads, WHOLE)

    answer: Any = ended(jobs, begun).answer

    assert "program" == answer["program"]["name"]
    assert 2 == len(answer["machines"][0]["steps"])


def test_a_command_that_fails_says_why(jobs: Jobs) -> None:
    """Its one line of trouble is shown."""
    progress = ended(
        jobs, jobs.begin(["run", "program.pfn", "--on", "model:99.9", "--json"], json.loads, WHOLE)
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
    monkeypatch.setattr("pfnlab.explorer.commands.LIMIT", -1)

    begun = jobs.begin(["check", "--on", "model:6.1", "--scope", "wide"], json.loads)

    assert begun.done
    assert "ended after -1 s" == begun.failed
    assert begun == jobs.progress(begun.job)


@pytest.mark.target("long")
def test_a_command_does_not_outlive_an_explorer_that_is_killed() -> None:
    """Not even by SIGKILL, which it cannot answer."""
    begin = (
        "from pfnlab.explorer.commands import Jobs; jobs = Jobs()\n"
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
