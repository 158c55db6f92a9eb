"""The work that the page can begin, and what becomes of it."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from heavy_work import lives

from pfnlab.base.errors import Misuse
from pfnlab.explorer import commands as module
from pfnlab.explorer import questions
from pfnlab.explorer.answers import Answers, KeptRun
from pfnlab.explorer.commands import Commands, JobProgress, kernel_run, searched
from pfnlab.explorer.stories import Storyteller
from pfnlab.explorer.workers import MOST_MEMORY
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_text
from pfnlab.verbs.check import CheckRequest
from pfnlab.verbs.run import RunRequest

PER_VMA = Path(__file__).parents[2] / "docs" / "own-policy" / "per_vma.py"
MIDDLE = find_program("munmap-middle").read_text(encoding="utf-8")
WIDE = partial(searched, CheckRequest(on=("model:6.1",), scope="wide"))


class BegunWork:
    """The work that was begun, with what reads its reply, and its bound."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.work: Any = None
        self.read: Callable[[Any], Any] = str
        self.memory: int | None = None
        monkeypatch.setattr(Commands, "_begin", lambda _, *given: self._begin(*given))

    def _begin(self, work: Any, read: Callable[[Any], Any], memory: int | None) -> JobProgress:
        self.work, self.read, self.memory = work, read, memory
        return JobProgress("job", False, "", 0)


def commands(kept: list[KeptRun] | None = None, given: tuple[str, ...] = ()) -> Commands:
    return Commands((kept if kept is not None else []).append, given)


def ran(program: str, machine: str) -> Any:
    """A run as a job replies."""
    found = kernel_run(load_text(program), RunRequest(programs=(), on=(machine,)))
    return msgspec.json.decode(msgspec.json.encode(found))


def with_jobs(do: Callable[[Commands], Awaitable[Any]], given: tuple[str, ...] = ()) -> Any:
    """What *do* returns; no job is left."""

    async def done() -> Any:
        some = commands(given=given)
        try:
            return await do(some)
        finally:
            some.end()

    return asyncio.run(done())


async def ended(some: Commands, progress: JobProgress) -> JobProgress:
    end = time.monotonic() + 200
    while not progress.done and time.monotonic() < end:
        await asyncio.sleep(0.1)
        progress = some.job(questions.JobQuestion(progress.job))
    return progress


def test_what_a_real_kernel_did_is_shown_after_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a machine like any other."""
    kept: list[KeptRun] = []
    begun = BegunWork(monkeypatch)
    commands(kept).kernel(questions.KernelRunQuestion(MIDDLE, "qemu:6.1"))

    begun.read(ran(MIDDLE, "model:6.1"))

    assert (load_text(MIDDLE, "program"), ("qemu:6.1",)) == (begun.work.args[0], begun.work.args[1].on)
    answers = Answers(Storyteller())
    answers.keep(kept[0])
    story = answers.story(questions.StoryQuestion(MIDDLE, ("qemu:6.1", "model:7.3")))
    assert "qemu:6.1" == story["machines"][0]["name"]
    assert "book" in story["steps"][2]["differs"]


@pytest.mark.target("long")
def test_a_search_gives_ways_that_can_be_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way to a violation is one of the graph's, and what it should break is broken at its end."""
    begun, answers = BegunWork(monkeypatch), Answers(Storyteller())
    commands().search(questions.SearchQuestion("model:6.1", "small"))

    found = begun.read(begun.work())

    broken = [item for item in found["properties"] if item["verdict"] == "violated" and item["path"]]
    assert broken
    for item in broken:
        here = answers.graph(questions.GraphQuestion("model:6.1", "small", tuple(item["path"])))
        assert {item["name"]: False}.items() <= {
            seen["name"]: seen["holds"] for seen in here["properties"]
        }.items()


def test_a_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends after some time and some states, whatever the scope is, and has a bound of its memory."""
    begun = BegunWork(monkeypatch)

    commands().search(questions.SearchQuestion("model:6.1", "wide"))

    (request,) = begun.work.args
    assert None not in (request.seconds, request.states)
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

    async def do(some: Commands) -> JobProgress:
        return await ended(some, some.search(questions.SearchQuestion(machine, "small")))

    progress = with_jobs(do, (machine,))

    assert progress.failed is None
    assert progress.answer["properties"]


def test_a_job_answers() -> None:
    """With what its work returns."""

    async def do(some: Commands) -> JobProgress:
        request = RunRequest(programs=(), on=("model:7.3",))
        return await ended(some, some._begin(partial(kernel_run, load_text(MIDDLE), request), dict, None))

    answer: Any = with_jobs(do).answer

    assert ("model:7.3", 4) == (answer["machine"], len(answer["steps"]))


def test_a_job_that_fails_says_why() -> None:
    """Its one line of trouble is shown."""

    async def do(some: Commands) -> JobProgress:
        work = partial(searched, CheckRequest(on=("model:99.9",), scope="small"))
        return await ended(some, some._begin(work, dict, None))

    failed = with_jobs(do).failed

    assert failed is not None
    assert "99.9" in failed


def test_a_job_has_a_bound_of_its_memory() -> None:
    """As the system keeps it, once its process works."""

    async def do(some: Commands) -> tuple[int, int]:
        begun = some._begin(partial(resource.getrlimit, resource.RLIMIT_AS), tuple, 1 << 30)
        limits: tuple[int, int] = (await ended(some, begun)).answer
        return limits

    assert (1 << 30, 1 << 30) == with_jobs(do)


def test_a_job_can_be_stopped() -> None:
    """It is forgotten, and its process ends."""

    async def do(some: Commands) -> bytes:
        begun = some._begin(WIDE, dict, None)
        reply = some._jobs[begun.job].reply
        await asyncio.sleep(0.2)
        assert {"stopped": True} == some.job(questions.JobQuestion(begun.job, stop=True))
        with pytest.raises(Misuse, match="nothing of that name"):
            some.job(questions.JobQuestion(begun.job))
        return await reply

    assert b'{"refused":"the server has ended"}' == with_jobs(do)


def test_a_job_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks again is told the same."""
    monkeypatch.setattr(module, "LIMIT", 0.5)

    async def do(some: Commands) -> list[JobProgress]:
        last = await ended(some, some._begin(WIDE, dict, None))
        return [last, some.job(questions.JobQuestion(last.job))]

    first, again = with_jobs(do)

    assert (first.failed or "").startswith("ended after 0.5 s")
    assert first.failed == again.failed


@pytest.mark.target("long")
def test_a_job_does_not_outlive_an_explorer_that_is_killed() -> None:
    """Not even by SIGKILL, which it cannot answer."""
    begin = (
        "import asyncio, test_commands as here\n"
        "async def do():\n"
        "    some = here.commands()\n"
        "    name = some._begin(here.WIDE, dict, None).job\n"
        "    await asyncio.sleep(1)\n"
        "    print(some._jobs[name].worker.begin().process.pid, flush=True)\n"
        "    await asyncio.sleep(100)\n"
        "asyncio.run(do())\n"
    )
    words, paths = [sys.executable, "-c", begin], {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=paths) as explorer:
        assert explorer.stdout is not None
        process = int(explorer.stdout.readline())
        explorer.kill()

    deadline = time.monotonic() + 20
    while lives(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not lives(process)


@pytest.mark.target("long")
def test_only_a_few_go_on_at_once() -> None:
    """A page cannot fill the machine with jobs."""

    async def do(some: Commands) -> None:
        for _ in range(2):
            some._begin(WIDE, dict, None)
        with pytest.raises(Misuse, match="still running"):
            some._begin(WIDE, dict, None)

    with_jobs(do)
