"""Questions worked out in processes: beside each other, with a limit, and no longer than somebody waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from for_each import for_each
from heavy_work import HEAVY, lives, works
from hostile_bundle import LEAK, with_log_of
from hostile_policies import METHOD, RAISES, tracker

from pfnlab.base import answerer
from pfnlab.diagnosis.inspector.sources.bundle import Entry, packed, written
from pfnlab.explorer import workers as module
from pfnlab.explorer.answers import KeptRun
from pfnlab.explorer.questions import (
    BundleQuestion,
    DeviceQuestion,
    GraphQuestion,
    PictureQuestion,
    StoryQuestion,
)
from pfnlab.explorer.stories import Storyteller
from pfnlab.explorer.workers import MOST_MEMORY, Workers
from pfnlab.programs.lang.library import find_program

MIDDLE = find_program("munmap-middle").read_text(encoding="utf-8")
QUICK = StoryQuestion(MIDDLE, ("model:7.3",))

TOO_MUCH = StoryQuestion(HEAVY, ("model:7.3",))

T = TypeVar("T")


def on_workers(
    work: Callable[[Workers], Awaitable[T]], *given: str, limit: float = 600, memory: int = MOST_MEMORY
) -> T:
    """Do *work* in an event loop, with workers that are ended behind it."""

    async def main() -> T:
        some = Workers(given, limit, memory)
        try:
            return await work(some)
        finally:
            some.end()

    return asyncio.run(main())


def pids(some: Workers) -> list[int]:
    return [one._worker.process.pid for one in some._workers if one._worker is not None]


async def begun(some: Workers) -> asyncio.Task[bytes]:
    """A heavy question that is being worked out."""
    heavy = some.ask(TOO_MUCH)
    while not pids(some) or not works(pids(some)[0]):
        await asyncio.sleep(0.05)
    return heavy


def test_a_question_is_answered_while_another_is_worked_out() -> None:
    """Nobody waits who asks something else."""

    async def work(some: Workers) -> tuple[Any, bool]:
        heavy = await begun(some)
        return json.loads(await some.ask(QUICK)), heavy.done()

    answer, heavy_done = on_workers(work)

    assert 4 == len(answer["steps"])
    assert not heavy_done


def test_a_question_has_a_limit() -> None:
    """Over it, one line says so, and the process is gone."""

    async def work(some: Workers) -> tuple[Any, list[int], list[int]]:
        await some.begin()
        before = pids(some)
        return json.loads(await some.ask(TOO_MUCH)), before, pids(some)

    answer, before, after = on_workers(work, limit=5)

    assert answer["refused"].startswith("ended after 5 s without an answer: shorten the program")
    assert not any(map(lives, before))
    assert before != after


@pytest.mark.target("long")
def test_a_question_that_nobody_waits_for_is_not_worked_out() -> None:
    """Its process ends, and the next question finds another one."""

    async def work(some: Workers) -> tuple[list[int], Any]:
        heavy = await begun(some)
        before = pids(some)
        heavy.cancel()
        await asyncio.wait({heavy})
        return before, json.loads(await some.ask(QUICK))

    before, answer = on_workers(work)

    assert not any(map(lives, before))
    assert 4 == len(answer["steps"])


@pytest.mark.target("long")
def test_a_question_that_waits_behind_another_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up before its turn, it costs nothing."""
    monkeypatch.setattr(module, "_MOST", 1)

    async def work(some: Workers) -> tuple[list[int], list[int], bool]:
        heavy = await begun(some)
        before = pids(some)
        waiting = some.ask(QUICK)
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        return before, pids(some), heavy.done()

    before, after, heavy_done = on_workers(work)

    assert before == after
    assert not heavy_done


@pytest.mark.target("long")
def test_an_answer_that_is_nearly_there_keeps_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Typing on gives up one question after the other, and processes need their time to start."""
    monkeypatch.setattr(answerer, "GRACE", 100)

    async def work(some: Workers) -> tuple[list[int], list[int]]:
        await some.ask(QUICK)
        before = pids(some)
        given_up = some.ask(StoryQuestion(MIDDLE, ("model:6.1",)))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait({given_up})
        return before, pids(some)

    before, after = on_workers(work)

    assert before == after


@pytest.mark.target("long")
def test_one_process_answers_all_about_one_program() -> None:
    """It has run the program; another one would run it again for each picture."""

    async def work(some: Workers) -> list[int]:
        await some.ask(QUICK)
        await asyncio.gather(*(some.ask(PictureQuestion(MIDDLE, ("model:7.3",), at)) for at in range(4)))
        return pids(some)

    assert 1 == len(on_workers(work))


@pytest.mark.target("long")
def test_the_end_refuses_what_is_worked_out() -> None:
    """The server ends at once, and who still waits is told."""

    async def work(some: Workers) -> Any:
        heavy = await begun(some)
        some.end()
        return json.loads(await heavy)

    answer = on_workers(work)

    assert {"refused": "the server has ended"} == answer


@pytest.mark.target("long")
def test_a_process_that_a_policy_ends_is_told(tmp_path: Path) -> None:
    """A policy may do what it likes: the page says what became of it, and other questions are answered."""
    file = tmp_path / "mine.py"
    file.write_text("import os\nos._exit(7)\n", encoding="utf-8")
    given = f"model:7.2,tracker={file}"

    async def work(some: Workers) -> tuple[Any, Any]:
        ended = json.loads(await some.ask(StoryQuestion(MIDDLE, (given,))))
        return ended, json.loads(await some.ask(QUICK))

    ended, answer = on_workers(work, given)

    assert "the process that computed this ended (exit 7): change the question" == ended["refused"]
    assert 4 == len(answer["steps"])


@pytest.mark.target("long")
def test_the_mistake_of_a_policy_is_said(tmp_path: Path) -> None:
    """In the words of the command line; what is asked next is answered."""
    names, raises = {}, {body: says for body, says in RAISES.items() if "<<" not in body}
    for at, body in enumerate(raises):
        file = tmp_path / f"mine{at}.py"
        file.write_text(tracker(body), encoding="utf-8")
        names[body] = f"model:7.2,tracker={file}"

    async def work(some: Workers) -> dict[str, tuple[Any, Any]]:
        return {
            body: (
                json.loads(await some.ask(StoryQuestion(MIDDLE, (name,)))),
                json.loads(await some.ask(QUICK)),
            )
            for body, name in names.items()
        }

    answers = on_workers(work, *names.values())

    refusals = {body: answer["refused"].partition(f"{METHOD}: ")[2] for body, (answer, _) in answers.items()}
    assert raises == refusals
    assert {4} == {len(after["steps"]) for _, after in answers.values()}


@pytest.mark.target("long")
def test_what_a_policy_prints_is_no_answer(tmp_path: Path) -> None:
    """Standard output is the policy's, answers go another way."""
    file = tmp_path / "mine.py"
    text = Path(__file__).parents[2].joinpath("docs", "own-policy", "per_vma.py").read_text(encoding="utf-8")
    file.write_text(text + '\nprint("loud", flush=True)\n', encoding="utf-8")
    given = f"model:7.2,tracker={file}"

    answer = on_workers(lambda some: some.ask(StoryQuestion(MIDDLE, (given,))), given)

    assert 4 == len(json.loads(answer)["steps"])


@pytest.mark.target("long")
def test_every_process_hears_of_a_run_of_a_kernel() -> None:
    """Also one that was started behind it."""
    (run,) = Storyteller().story(MIDDLE, ("model:7.3",)).result.runs
    about = StoryQuestion(MIDDLE, ("qemu:7.3",))

    async def work(some: Workers) -> list[Any]:
        await some.ask(QUICK)
        some.keep(KeptRun(MIDDLE, "qemu:7.3", run))
        first = json.loads(await some.ask(about))
        await begun(some)
        return [first, json.loads(await some.ask(about)), len(pids(some))]

    first, second, processes = on_workers(work)

    assert ["qemu:7.3"] == [item["name"] for item in first["machines"]]
    assert first == second
    assert 2 == processes


@pytest.mark.target("long")
def test_a_graph_is_walked_in_one_process() -> None:
    """Its states are kept there."""

    async def work(some: Workers) -> tuple[Any, list[int]]:
        here = b""
        for path in [(), (0,), (0, 0)]:
            here = await some.ask(GraphQuestion("model:7.3", "small", path))
        return json.loads(here), pids(some)

    here, processes = on_workers(work)

    assert 2 == len(here["ops"])
    assert 1 == len(processes)


def test_a_bundle_has_a_limit_and_a_process_of_its_own() -> None:
    """Over it one line says what has none; programs go on being answered."""
    bundle = BundleQuestion("1", "b", with_log_of(1 << 20))

    async def work(some: Workers) -> tuple[Any, Any]:
        some._inspector._limit = 0.01
        asked, other = some.ask(bundle), some.ask(QUICK)
        return json.loads(await asked), json.loads(await other)

    refused, answer = on_workers(work)

    assert "ended after 0.01 s without an answer: ask `pfnlab inspect`" in refused["refused"]
    assert 4 == len(answer["steps"])


def test_a_bundle_is_open_until_its_process_ends() -> None:
    """A device of it is asked about; a new process says that it is not open."""
    bundle = BundleQuestion("1", "b", LEAK.read_bytes())
    device = DeviceQuestion("1", "0000:00:10.0")

    async def work(some: Workers) -> tuple[Any, Any]:
        await some.ask(bundle)
        before = json.loads(await some.ask(device))
        some._inspector._end()
        return before, json.loads(await some.ask(device))

    before, after = on_workers(work)

    assert "write-combining, all of it: no." in before["says"]
    assert after["gone"]


def of_many_reservations(count: int) -> bytes:
    """A small bundle, packed, that takes much memory: a list of so many reservations."""
    lines = (f"uncached @ {at * 8192:#x}-{at * 8192 + 4096:#x}\n" for at in range(1, count + 1))
    path = "/sys/kernel/debug/x86/pat_memtype_list"
    return packed(written([Entry("file", path, "".join(lines).encode())], []))


@for_each(
    ("question", "next_one"),
    lambda: [
        (
            BundleQuestion("1", "b", of_many_reservations(1_000_000)),
            BundleQuestion("2", "b", LEAK.read_bytes()),
        ),
        (BundleQuestion("1", "b", bytes(30 << 20)), BundleQuestion("2", "b", LEAK.read_bytes())),
        (TOO_MUCH, QUICK),
    ],
    ids=("of a bundle", "of what is sent", "of a program"),
)
def test_what_wants_more_memory_is_refused_in_one_line(question: Any, next_one: Any) -> None:
    """The process has no more than its bound; the next question of its kind is answered."""

    async def work(some: Workers) -> tuple[Any, Any]:
        return json.loads(await some.ask(question)), json.loads(await some.ask(next_one))

    refused, answer = on_workers(work, memory=128 << 20)

    assert (True, None) == ("more memory than" in refused.get("refused", ""), answer.get("refused")), refused
