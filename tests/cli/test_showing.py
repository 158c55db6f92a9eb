"""A line on a terminal for whatever takes more than two seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stderr, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from for_each import for_each
from terminals import Clock, Screen

from pfnlab.base.errors import Undecided
from pfnlab.base.result import PlainText
from pfnlab.cli import verbs as module
from pfnlab.cli.showing import show
from pfnlab.cli.verbs import function_of, loaded, performed, request_of, verb_pages

#: Verbs that have no end of their own: nobody waits for it.
ENDLESS = frozenset({"explore", "mcp"})

VERBS = [
    page.name for page in verb_pages() if getattr(function_of(page.name), "__name__", "prepare") != "prepare"
]


class Slow(Undecided):
    """The work of a verb was slow, and is over."""


def shown(verb: str, seconds: float, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> str:
    """The screen while *verb* works for so many seconds, before it answers."""
    clock, screen = Clock(monkeypatch), Screen()
    seen = ""

    def perform(request: Any, say: Any) -> Iterator[Any]:
        nonlocal seen
        clock.pass_by(seconds)
        seen = screen.seen
        yield from ()

    monkeypatch.setattr(module, "function_of", lambda _: perform)
    request = SimpleNamespace(**{"output": None, "form": None, "as_json": False, "quiet": False, **fields})
    with redirect_stderr(screen):
        performed(verb, request)
    return seen


@for_each("verb", VERBS)
def test_every_verb_that_is_slow_shows_a_line(verb: str) -> None:
    """After two seconds, whatever it does, and with its name."""
    with pytest.MonkeyPatch.context() as patch:
        seen = shown(verb, 2.0, patch)

    assert (verb not in ENDLESS) == (f"pfnlab {verb}" in seen), seen


@for_each("verb", VERBS)
def test_a_verb_that_is_quick_shows_none(verb: str) -> None:
    """Before two seconds have passed."""
    with pytest.MonkeyPatch.context() as patch:
        seen = shown(verb, 1.9, patch)

    assert seen == ""


def test_nothing_is_shown_while_a_result_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of progress and a line of the output are not in one another's way."""
    clock, screen = Clock(monkeypatch), Screen()

    def perform(request: Any, say: Any) -> Iterator[Any]:
        clock.pass_by(5.0)
        yield PlainText("one\n")
        clock.pass_by(5.0)
        yield PlainText("two\n")

    printed: list[tuple[str, bool]] = []

    def write(path: Path | None, text: str, *, append: bool = False) -> None:
        # The last that a line of progress does is to erase itself.
        printed.append((text, screen.getvalue().rstrip().endswith("\x1b[2K")))

    monkeypatch.setattr(module, "function_of", lambda _: perform)
    monkeypatch.setattr("pfnlab.base.files.write_output", write)
    with redirect_stderr(screen):
        performed("campaign results", SimpleNamespace(output=None, as_json=False))

    assert [("one\n", True), ("two\n", True)] == printed


def slow_step(monkeypatch: pytest.MonkeyPatch, step: str, verb: str, **fields: Any) -> str:
    """The screen where a verb is really done, and one step of it takes long and then fails."""
    clock, screen = Clock(monkeypatch), Screen()
    seen = ""

    def slow(*arguments: Any, **options: Any) -> Any:
        nonlocal seen
        for piece in arguments[0] if step.endswith("explain") else ():
            assert piece is not None
        clock.pass_by(2.0)
        seen = screen.seen
        raise Slow("over")

    request = request_of(verb)(**fields)
    loaded(verb)
    monkeypatch.setattr(step, slow)
    with redirect_stderr(screen), suppress(Slow):
        performed(verb, request)
    return seen


@for_each(
    ("verb", "step", "fields", "says"),
    [
        (
            "explain",
            "pfnlab.diagnosis.messages.explaining.explain",
            {"words": (__file__,)},
            "pfnlab explain",
        ),
        (
            "fmt",
            "pfnlab.programs.lang.problems.problems_of",
            {"programs": ("munmap-middle",), "check": True},
            "checking programs",
        ),
        (
            "inspect",
            "pfnlab.diagnosis.inspector.inspection.inspected",
            {},
            "reading the reservations and mappings of this machine",
        ),
        ("inspect", "pfnlab.diagnosis.inspector.parsing.memory_lists.IomemTable", {}, "reading this machine"),
        (
            "report",
            "pfnlab.present.document.read.read_results",
            {"results": (Path("x.json"),)},
            "pfnlab report",
        ),
        (
            "bugs affects",
            "pfnlab.kernel.bugs.affected.affecting",
            {"version": "6.1"},
            "pfnlab bugs affects",
        ),
        (
            "discussions show",
            "pfnlab.discussions.claim_results.ask_again",
            {"number": ("001.1",)},
            "pfnlab discussions show",
        ),
    ],
)
def test_a_slow_step_is_shown_in_its_own_words(
    verb: str, step: str, fields: dict[str, Any], says: str
) -> None:
    """The words of the step where it has some, else those of the verb."""
    with pytest.MonkeyPatch.context() as patch:
        seen = slow_step(patch, step, verb, **fields)

    assert says in " ".join(seen.split()), seen


def test_nothing_to_say_makes_no_file(tmp_path: Path) -> None:
    """As if every kernel of a meeting fails: whoever looks for the file knows that there is none."""
    output = tmp_path / "met.txt"
    request = SimpleNamespace(output=output, as_json=False)

    show("kernels meet", request, iter([PlainText(""), PlainText("")]))

    assert not output.exists()
