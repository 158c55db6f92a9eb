"""The form of help: it fits the terminal, and cuts no sentence."""

from __future__ import annotations

import pytest
from asking import Ask
from for_each import for_each

from pfnlab.cli.verbs import verb_pages

VERBS = [page.words for page in verb_pages()]
EXAMPLES = {example.line for page in verb_pages() for example in page.examples}


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

    assert "\n  --findings DIR\n      Folder for findings.  [default:\n      findings]\n" in answer.out


@for_each("columns", [40, 80, 200])
def test_no_verb_of_the_list_is_cut(ask: Ask, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its whole sentence."""
    monkeypatch.setenv("COLUMNS", str(columns))

    words = " ".join(ask("--help").out.split())

    assert "..." not in words.partition("Commands:")[2]
    assert (
        "try Build a tree, compare its kernel with a model, and print a report for a cover letter." in words
    )
