"""The form of help: it fits the terminal, and cuts no sentence."""

from __future__ import annotations

import pytest
from asking import Ask
from for_each import for_each

from pfnlab.cli.verbs import MOVED, verb_pages

VERBS = [page.words for page in verb_pages()]
EXAMPLES = {line for page in verb_pages() for line, _ in page.examples}


@for_each("words", VERBS, ids=" ".join)
@for_each("columns", [22, 40, 80])
def test_help_fits_the_terminal(
    ask: Ask, words: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All lines but the commands of examples, which are there to be copied."""
    monkeypatch.setenv("COLUMNS", str(columns))

    lines = ask(*words, "--help").out.splitlines()

    assert [] == [
        line for line in lines if len(line) > columns and len(line.split()) > 1 and line[2:] not in EXAMPLES
    ]


def test_on_a_narrow_terminal_an_option_stands_above_its_meaning(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which has nearly all columns then."""
    monkeypatch.setenv("COLUMNS", "40")

    answer = ask("fuzz", "--help")

    assert "\n  --findings DIR\n      Folder for findings. [default:\n      findings]\n" in answer.out


@for_each("columns", [40, 80, 200])
def test_no_verb_of_the_list_is_cut(ask: Ask, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its whole sentence."""
    monkeypatch.setenv("COLUMNS", str(columns))

    words = " ".join(ask("--help").out.split())

    assert "..." not in words.partition("Commands:")[2]
    assert "try Build a kernel, compare it with a model or the kernel without a patch, and report" in words
    assert "or a mailed patch (what it touches)." in words


def test_help_has_few_commands() -> None:
    """At most 23 at the top, and 51 in all: a further one takes the place of another.

    The last one is `mcp`, which adds nothing to learn: it serves the others to programs.
    """
    pages = [page for page in verb_pages() if page.words]

    assert 23 >= sum(len(page.words) == 1 for page in pages)
    assert 51 >= len(pages)


def test_every_command_is_under_one_heading(ask: Ask) -> None:
    """The six that everyone needs come first."""
    whole = verb_pages()[0]
    headings = [line for line in ask("--help").out.splitlines() if line.endswith(":") and line[0] != " "]

    assert ("run", "review", "explain", "inspect", "try", "export") == whole.groups[0][1]
    assert sorted(whole.verbs) == sorted(name for _, names in whole.groups for name in names)
    assert [f"{heading}:" for heading, _ in whole.groups] == headings[: len(whole.groups)]


@for_each("words", [("kernels", "build"), ("run",), ()])
def test_help_of_a_command_is_its_page(ask: Ask, words: tuple[str, ...]) -> None:
    """As with --help; without a word, that of pfnlab."""
    assert ask("help", *words) == ask(*words, "--help")


@for_each(("words", "instead"), [(verb.split(), now) for verb, now in MOVED.items()])
def test_a_command_that_moved_names_its_new_form(ask: Ask, words: list[str], instead: str) -> None:
    """And does nothing."""
    answer = ask(*words)

    assert (2, "") == (answer.code, answer.out)
    assert answer.err.endswith(f": write pfnlab {instead}\n")


def test_an_unknown_word_proposes_the_nearest(ask: Ask) -> None:
    """In one line."""
    answer = ask("help", "no_leek")

    assert (2, "pfnlab: no help for 'no_leek': did you mean no_leak?\n") == (answer.code, answer.err)


@for_each(
    ("word", "is_told"),
    [("kmalloc", True), ("vfs_read()", True), ("untrack_pfm", False), ("Some words", False), ("0x77", False)],
)
def test_a_kernel_function_outside_the_subject_is_told_so(ask: Ask, word: str, is_told: bool) -> None:
    """In the line that refuses it; not a misspelling, nor a text."""
    answer = ask("help", word)

    assert (2, 1) == (answer.code, answer.err.count("\n"))
    assert is_told == ("if it is a kernel function, it is not one of the " in answer.err)


def test_a_word_like_no_other_leads_to_the_search(ask: Ask) -> None:
    """Of texts."""
    assert "`pfnlab bugs find 'xyzzy plugh'` searches" in ask("help", "xyzzy", "plugh").err


@for_each("word", ["untrack", "A06", "no_leak", "book", "S9.3", "S2", "msg", "title", "freeing_invalid"])
def test_an_explanation_fits_one_screen(ask: Ask, word: str) -> None:
    """80 columns and 40 lines."""
    lines = ask("help", word).out.splitlines()

    assert 40 >= len(lines)
    assert not [line for line in lines if len(line) > 80 and " " in line.strip()]
