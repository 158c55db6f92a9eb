"""The choices of the page, and the texts it looks up: answered at once.

Among them are the rules behind what a picture shows: the steps of docs/semantics by number, and their code. A
bug is found by its identifier in the same way.
"""

import ast
import re
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import one_line
from pfnlab.base.version import VERSION
from pfnlab.explorer import questions
from pfnlab.explorer.serving import MOST_SENT
from pfnlab.explorer.stories import SEAMS, series_on_offer
from pfnlab.explorer.walk import walkable_scopes
from pfnlab.kernel.bugs.known_bugs import all_bugs
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.programs.lang.library_list import library_entries
from pfnlab.programs.lang.tokens import token_table
from pfnlab.programs.lang.words import HEADERS, MODES, VERBS, VIAS

_PACKAGE = Path(__file__).resolve().parents[1]
_SECTION = re.compile(r"^#{1,2} (?P<number>S[0-9]+(?:\.[0-9]+)?) (?P<title>.+)$")
_STEP = re.compile(r"^- \*\*(?P<number>S[0-9]+\.[0-9]+\.[0-9]+[a-z]?)\*\* ?(?P<text>.*)$")
_PLACE = re.compile(r"`(?P<file>[a-z0-9_/]+\.py):(?P<name>[A-Za-z0-9_.]+)`")


class RulePlace(msgspec.Struct, frozen=True):
    """Where below ``src/pfnlab``, and in which line from 1 (None: not found), a rule is implemented."""

    file: str
    name: str
    line: int | None


class Rule(msgspec.Struct, frozen=True):
    """A step or a section of docs/semantics, or a bug (:mod:`pfnlab.kernel.bugs.known_bugs`).

    :param title: of its section; for a bug its heading, e.g. ``tracking by VMA (VM_PAT)``
    :param text: in Markdown
    :param kernel: the functions of the kernel it stands for, as the section names them; of a bug the
        releases that have it
    """

    number: str
    title: str
    text: str
    kernel: str
    places: tuple[RulePlace, ...]


def _installed(name: str, noun: str) -> Path:
    """A file or folder of the wheel's data or the checkout's ``docs/``; raises Misuse for none."""
    for path in (_PACKAGE / name, _PACKAGE.parents[1] / "docs" / name):
        if path.exists():
            return path
    raise Misuse(f"the {noun} of pfnlab are not installed: install it from its wheel")


def find_rule(number: str) -> Rule:
    """The rule or bug with a number, or the section of a step; raises Misuse for none."""
    if bug := next((bug for bug in all_bugs() if bug.number == number), None):
        return Rule(bug.number, bug.group, bug.what, bug.having, ())
    rules = _rules(_installed("semantics", "rules"))
    wanted = number
    while wanted and wanted not in rules:
        wanted = wanted.rpartition(".")[0]
    if not wanted:
        raise Misuse("there is no such rule: they are called as S2.3.1 in docs/semantics, and bugs as A06")
    rule, code = rules[wanted]
    # Of this rule alone: to find a name its file is read.
    return msgspec.structs.replace(rule, places=_places(code))


@cache
def _rules(folder: Path) -> dict[str, tuple[Rule, str]]:
    """Every rule by its number, without places, and the line of its section that names them."""
    rules: dict[str, tuple[Rule, str]] = {}
    for path in sorted(folder.glob("S*.md")):
        rules |= _of_file(path.read_text(encoding="utf-8").splitlines())
    return rules


def _of_file(lines: list[str]) -> dict[str, tuple[Rule, str]]:
    parts: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    section = number = ""
    for line in lines:
        if match := _SECTION.match(line):
            section = number = match["number"]
            titles[section], parts[section] = match["title"], []
        elif match := _STEP.match(line):
            number = match["number"]
            titles[number], parts[number] = section, [match["text"]]
        elif number:
            # A step ends where its indentation does.
            if number != section and line and not line.startswith(" "):
                number = section
            parts[number].append(line.removeprefix("  "))
    heads = {name: "\n".join(parts[name]) for name in parts if titles[name] not in titles}
    rules = {}
    for name, text in parts.items():
        of = name if name in heads else titles[name]
        rule = Rule(name, titles[of], "\n".join(text).strip(), _said(heads[of], "Kernel: "), ())
        rules[name] = rule, _said(heads[of], "Implemented by: ")
    return rules


def _said(head: str, word: str) -> str:
    """The text after *word*, until the next unindented line."""
    _, found, after = head.partition(word)
    return " ".join(re.split(r"\n(?=[A-Z][a-z ]+:|\n|- )", after)[0].split()) if found else ""


def _places(text: str) -> tuple[RulePlace, ...]:
    # Nearly all of a rule is in the rooms of the modelled kernel, which pages name without it.
    found = (
        (f"kernel/{file}" if (_PACKAGE / "kernel" / file).exists() else file, name)
        for file, name in _PLACE.findall(text)
    )
    return tuple(RulePlace(file, name, _line_of(file, name)) for file, name in found)


@cache
def _line_of(file: str, name: str) -> int | None:
    try:
        body: list[ast.stmt] = ast.parse((_PACKAGE / file).read_text(encoding="utf-8")).body
    except (OSError, SyntaxError):
        return None
    line = None
    for part in name.split("."):
        for node in body:
            named = getattr(node, "name", None) == part
            assigned = isinstance(node, ast.Assign | ast.AnnAssign) and any(
                isinstance(target, ast.Name) and target.id == part
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            )
            if named or assigned:
                line, body = node.lineno, getattr(node, "body", [])
                break
        else:
            return line
    return line


class Offers:
    """Answers that need no run; the page begins with *opened* if that is not a program of the library."""

    def __init__(
        self, given: Sequence[str] = (), opened: str | None = None, bundle: str | None = None
    ) -> None:
        self._given, self._opened, self._bundle = tuple(given), opened, bundle

    def start(self, question: questions.StartQuestion) -> Any:
        """Everything there is to choose from."""
        lab = shutil.which("qemu-system-x86_64") is not None
        return {
            "version": VERSION,
            "programs": [
                {"name": entry.name, "section": entry.section, "asks": entry.question}
                for entry in library_entries()
            ],
            "series": series_on_offer(),
            "seams": SEAMS,
            "given": list(self._given),
            "opened": self._opened,
            "bundle": self._bundle,
            "most_sent": MOST_SENT,
            "kernels": list(reversed(CONFIRMED)) if lab else [],
            "scopes": walkable_scopes(),
            "depth": questions.MOST_DEPTH,
            "tokens": token_table(),
            "words": {"operation": VERBS, "keyword": HEADERS, "mode": MODES, "option": tuple(VIAS)},
        }

    def program(self, question: questions.ProgramQuestion) -> Any:
        """The text of a program of the library; its name is looked up, never made into a path."""
        for entry in library_entries():
            if question.name in (entry.name, f"{entry.folder}/{entry.name}"):
                return {"name": entry.name, "text": entry.path.read_text(encoding="utf-8")}
        raise Misuse(f"the library has no program {one_line(question.name)}: choose one of its list")

    def rule(self, question: questions.RuleQuestion) -> Any:
        """The text of a rule."""
        return msgspec.to_builtins(find_rule(question.rule))
