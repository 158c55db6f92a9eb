"""The examples of every verb: accepted as they stand, shown by help, and true where they are cheap to run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import tooling
from asking import Answer
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.cli.reader import read
from pfnlab.cli.verbs import VerbPage, module_of, verb_pages

ROOT = Path(__file__).parents[2]
PAGES = verb_pages()
ALL = [example for page in PAGES for example in page.examples]
LINES = sorted({line for line, _ in ALL})

#: What needs another machine, the network, a browser, minutes, or the user's own files.
COSTLY = (
    "qemu:",
    "pfnlab explore",
    "pfnlab mcp",
    "pfnlab fuzz --on",
    "pfnlab try",
    "pfnlab kernels",
    "/tmp/",
    "--tree",
    "--cluster",
    "inspect --device",
    "pfnlab review",
    "discussions review",
    "--random 200",
)

#: What takes some seconds.
SLOW = ("--random", "@all")

#: What would write files where the test runs.
WRITING = ("pfnlab litmus copy", "pfnlab campaign new hunt", "mine.pfn", " -o ", "--collect", "--script >")

#: What reads results that other commands write.
READING = (
    ".strace",
    "runs.json",
    "nightly",
    "--store",
    "dmesg.txt",
    "changelog.txt",
    "host.bundle",
    "vmcore",
)


def commands(typed: str) -> Iterator[list[str]]:
    """The words behind each pfnlab of a line, without what is for the shell or for git."""
    reader = shlex.shlex(typed, posix=True, punctuation_chars="|&;<>()")
    reader.whitespace_split = True
    words: list[str] = []
    for word in (*reader, ";"):
        if set(word) - set("|&;<>()"):
            words.append(word)
            continue
        if "pfnlab" in words:
            yield words[words.index("pfnlab") + 1 :]
        words = []


def words_of(line: str) -> list[str]:
    """The words of the first pfnlab of a line."""
    return next(commands(line))


@for_each("page", PAGES, ids=lambda page: page.name or "pfnlab")
def test_every_verb_has_two_examples(page: VerbPage) -> None:
    """Whoever adds a verb adds examples of it to ``examples.txt``."""
    assert len(page.examples) >= 2


def test_every_module_of_verbs_is_in_the_help() -> None:
    """Whoever adds a verb says where in the list of its group it stands."""
    files = (ROOT / "src" / "pfnlab" / "verbs").glob("*.py")
    modules = {path.stem for path in files if "\ndef perform" in path.read_text(encoding="utf-8")}

    # Both are parts of a group.
    assert modules - {"kernels_compared", "campaign_results"} == {module_of(page.name) for page in PAGES} - {
        "pfnlab"
    }


@for_each("page", PAGES, ids=lambda page: page.name or "pfnlab")
def test_an_example_is_of_its_verb(page: VerbPage) -> None:
    """The first example of a verb uses it."""
    assert f"pfnlab {page.name}".rstrip() in page.examples[0][0]


@cache
def shown_lines() -> set[str]:
    """The commands that pages show on a terminal, and that are no mistakes."""
    pages = {str(path): path.read_text(encoding="utf-8") for path in tooling.markdown_pages().page_files()}
    terminals = [one for name, text in pages.items() for one in tooling.shown().terminals(text, name)]
    return {command.typed for one in terminals if 2 not in one.codes for command in one.commands}


@for_each("line", lambda: sorted({*LINES, *shown_lines()}))
def test_an_example_makes_a_request(line: str) -> None:
    """No example of a help or a page has an option that its verb has not."""
    for words in commands(line):
        asked = read(words)

        assert asked.request is not None or asked.is_help


def test_examples_of_pages_are_found() -> None:
    """So the test above means something."""
    assert 50 < len(shown_lines())


@for_each("line", ["pfnlab run a.pfn --stepwise", "pfnlab fmt", "pfnlab kernels diff 6.1"])
def test_a_wrong_example_is_refused(line: str) -> None:
    """The test above can fail."""
    with pytest.raises(Misuse):
        read(words_of(line))


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


@for_each("example", ALL, ids=lambda example: example[0])
def test_what_an_example_says_is_a_phrase(example: tuple[str, str]) -> None:
    """A full stop is put behind it where one is needed."""
    assert example[1][0].isupper() and example[1][-1].isalnum()


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
