"""What the page is told, and which commands it can begin."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pfnlab.errors import Misuse
from pfnlab.explorer import asked
from pfnlab.explorer.answers import Answers
from pfnlab.explorer.jobs import JobProgress, Jobs
from pfnlab.explorer.recorded import golden_of
from pfnlab.explorer.stories import Storyteller
from pfnlab.programs.library import find_program

MIDDLE = find_program("munmap-middle").read_text(encoding="utf-8")


class Begun:
    """The command that was begun: its words, its program, and what reads its output."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.words: list[str] = []
        self.program: str | None = None
        self.read: Callable[[str], Any] = str
        monkeypatch.setattr(Jobs, "begin", lambda _, *words: self._begin(*words))

    def _begin(
        self, words: Sequence[str], read: Callable[[str], Any], program: str | None = None
    ) -> JobProgress:
        self.words, self.read, self.program = list(words), read, program
        return JobProgress("job", False, "", 0)


def answers() -> Answers:
    return Answers(Storyteller(golden_of))


def pfnlab(*words: str) -> str:
    command = [sys.executable, "-m", "pfnlab", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_what_a_real_kernel_did_is_shown_after_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program goes in a file, and what the command printed is a machine like any other."""
    begun, some = Begun(monkeypatch), answers()
    question = asked.AskedKernelRun(MIDDLE, "qemu:6.1")
    some.kernel(question)
    path = str(find_program("munmap-middle"))

    begun.read(pfnlab("run", path, "--on", "model:6.1", "--json"))

    assert ["run", "program.pfn", "--on", "qemu:6.1"] == begun.words[:4]
    assert begun.program == MIDDLE
    story = some.story(asked.AskedStory(MIDDLE, ("qemu:6.1", "model:7.3")))
    assert "qemu:6.1" == story["machines"][0]["name"]
    assert "book" in story["steps"][2]["differs"]


def test_a_search_gives_ways_that_can_be_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way to a violation is one of the graph's, and what it should break is broken at its end."""
    begun, some = Begun(monkeypatch), answers()
    some.search(asked.AskedSearch("model:6.1", "small"))

    found = begun.read(pfnlab(*begun.words))

    broken = [item for item in found["properties"] if item["verdict"] == "violated" and item["path"]]
    assert broken
    for item in broken:
        here = some.graph(asked.AskedGraph("model:6.1", "small", tuple(item["path"])))
        assert {item["name"]: False}.items() <= {
            seen["name"]: seen["holds"] for seen in here["properties"]
        }.items()


def test_a_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends after some time and some states, whatever the scope is."""
    begun = Begun(monkeypatch)

    answers().search(asked.AskedSearch("model:6.1", "wide"))

    assert {"--seconds", "--states"} <= set(begun.words)


def test_only_kernels_run_on_request() -> None:
    """A model needs no request."""
    with pytest.raises(Misuse, match="qemu"):
        answers().kernel(asked.AskedKernelRun(MIDDLE, "model:6.1"))


def test_a_picture_is_of_a_step_there_is() -> None:
    """A number behind the last step is told from a mistake in the program."""
    with pytest.raises(Misuse, match="has 4 steps"):
        answers().picture(asked.AskedPicture(MIDDLE, ("model:6.1",), 4))


def test_every_answer_is_plain_json() -> None:
    """What the page is told can be written as JSON as it stands."""
    some = answers()

    for answer in (
        some.start(asked.AskedStart()),
        some.story(asked.AskedStory(MIDDLE, ("model:6.1", "model:7.3"))),
        some.picture(asked.AskedPicture(MIDDLE, ("model:6.1",), 1)),
        some.graph(asked.AskedGraph("model:6.1", "small", (0,))),
    ):
        assert json.loads(json.dumps(answer))


def test_a_state_of_the_graph_is_a_program_too() -> None:
    """The way can be opened in the editor, and gives the same state there."""
    some = answers()
    here = some.graph(asked.AskedGraph("model:6.1", "small", (0, 2)))

    story = some.story(asked.AskedStory(here["program"], ("model:6.1",)))

    assert here["ops"] == [step["op"] for step in story["steps"][:-1]]
