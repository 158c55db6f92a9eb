"""The folder that VS Code takes as an extension."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.problems import problems_of

FOLDER = Path(__file__).parents[2] / "editors" / "vscode"
PACKAGE: dict[str, Any] = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
SNIPPETS: dict[str, Any] = json.loads((FOLDER / "snippets.json").read_text(encoding="utf-8"))


def filled(body: str | list[str]) -> str:
    """A snippet as it stands once it was accepted unchanged."""
    text = body if isinstance(body, str) else "\n".join(body)
    values = dict(re.findall(r"\$\{(\d+)[:|]([^},]*)[^}]*\}", text))
    text = re.sub(r"\$\{(\d+)[:|]([^},]*)[^}]*\}", lambda match: values[match[1]], text)
    return re.sub(r"\$(\d+)", lambda match: values.get(match[1], ""), text)


def test_every_file_of_the_package_is_there() -> None:
    """What package.json names lies beside it."""
    parts = PACKAGE["contributes"]
    grammar, snippets = parts["grammars"][0]["path"], parts["snippets"][0]["path"]
    named = [parts["languages"][0]["configuration"], grammar, snippets]

    assert [path for path in named if not (FOLDER / path).is_file()] == []


@pytest.mark.parametrize(
    "line, groups",
    [
        ("a.pfn:7:8: write `munmap a`", ("a.pfn", "7", "8", "write `munmap a`")),
        ("pfnlab: b:c.pfn:2:1: this is: so", ("b:c.pfn", "2", "1", "this is: so")),
    ],
)
def test_the_problem_matcher_reads_what_fmt_prints(line: str, groups: tuple[str, ...]) -> None:
    """With or without the name of the program in front."""
    match = re.match(PACKAGE["contributes"]["problemMatchers"][0]["pattern"]["regexp"], line)

    assert match is not None and match.groups() == groups


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_is_canonical_text(name: str) -> None:
    """Accepted unchanged, each stands in a program as fmt would write it."""
    text = filled(SNIPPETS[name]["body"])
    if name != "Program":
        top = filled(SNIPPETS["Program"]["body"]).replace("\n\nmunmap a", "")
        between = "\n\n" if name == "Expectation" else "\n"
        text = top + between + text.replace("a = mmap", "b = mmap").replace("\n\n", "\n")
    else:
        text = text.replace("\n\nmunmap", "\nmunmap")

    assert problems_of(text + "\n") == []
    assert load_text(text + "\n").ops
