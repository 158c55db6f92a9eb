"""The examples of every verb: accepted as they stand, shown by help, and true where they are cheap to run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asking import Answer
from for_each import for_each

from pfnlab.cli.app import UsageError
from pfnlab.cli.examples import EXAMPLES, Example
from pfnlab.cli.verbs import VerbPage, framework_command, verb_pages

ROOT = Path(__file__).parents[2]
PAGES = verb_pages()
ALL = [example for page in PAGES for example in page.examples]
LINES = sorted({example.line for example in ALL})

#: What needs another machine, the network, a browser, minutes, or the user's own files.
COSTLY = (
    "qemu:",
    "pfnlab explore",
    "pfnlab fuzz",
    "pfnlab sweep all",
    "pfnlab try",
    "pfnlab kernels",
    "pfnlab cache",
    "matrix",
    "/tmp/",
    "--tree",
    "--cluster",
    "inspect --device",
    # The same options with smaller numbers are among the examples that run.
    "--swarm 8",
    "--random 200",
)

#: What takes some seconds.
SLOW = ("--swarm", "--guided", "@all")

#: What would write files where the test runs.
WRITING = ("pfnlab litmus copy", "mine.pfn", " -o ", "--collect", "--script >")

#: What reads results that other commands write.
READING = (".strace", "repro.syz", "runs.json", "nightly", "--store", "dmesg.txt", "host.bundle", "vmcore")


def words_of(line: str) -> list[str]:
    """The words behind pfnlab, without what is for the shell or for git."""
    return shlex.split(re.split("[>)]", line[line.index("pfnlab") :])[0])[1:]


def accept(line: str) -> None:
    """Read a command line as the framework does, without doing it."""
    words = words_of(line)
    command: Any = framework_command()
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    command.make_context("pfnlab", words)


@for_each("page", PAGES, ids=lambda page: page.name or "pfnlab")
def test_every_verb_has_two_examples(page: VerbPage) -> None:
    """Whoever adds a verb adds examples of it to its module."""
    assert len(page.examples) >= 2


def test_examples_are_of_verbs_that_are_there() -> None:
    """A verb that is renamed takes its examples along."""
    assert set(EXAMPLES) <= {page.name for page in PAGES}


@for_each("page", PAGES, ids=lambda page: page.name or "pfnlab")
def test_an_example_is_of_its_verb(page: VerbPage) -> None:
    """The first example of a verb uses it."""
    assert f"pfnlab {page.name}".rstrip() in page.examples[0].line


@for_each("line", LINES)
def test_options_and_arguments_of_an_example_are_accepted(line: str) -> None:
    """No example has an option that its verb has not."""
    accept(line)


@for_each("line", ["pfnlab run a.pfn --stepwise", "pfnlab fmt", "pfnlab kernels diff 6.1"])
def test_a_wrong_example_is_refused(line: str) -> None:
    """The test above can fail."""
    with pytest.raises(UsageError):
        accept(line)


@for_each("page", PAGES, ids=lambda page: page.name or "pfnlab")
def test_help_ends_with_the_examples(page: VerbPage, ask: Callable[..., Answer]) -> None:
    """They stand there as one types them: not wrapped, not shortened; their meaning may be wrapped."""
    answer = ask(*page.words, "--help")

    shown: list[list[str]] = []
    for line in answer.out.partition("\nExamples:\n")[2].splitlines():
        if line.startswith(" " * 6):
            shown[-1].append(line.strip())
        else:
            shown.append([line.removeprefix("  ")])
    assert [[line, f"{says}."] for line, says in page.examples] == [
        [line, " ".join(says)] for line, *says in shown
    ]


@for_each("example", ALL, ids=lambda example: example.line)
def test_what_an_example_says_is_a_phrase(example: Example) -> None:
    """A full stop is put behind it where one is needed."""
    assert example.says[0].isupper() and example.says[-1].isalnum()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=[pytest.mark.target("long")] * any(word in line for word in SLOW))
        for line in LINES
        if not any(word in line for word in (*COSTLY, *WRITING, *READING))
    ],
)
def test_a_cheap_example_runs(line: str, ask: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, maybe with a discovery: nothing of it is misuse, undecided or a defect."""
    monkeypatch.chdir(ROOT)

    answer = ask(*words_of(line))

    assert answer.code in (0, 1), answer.err
