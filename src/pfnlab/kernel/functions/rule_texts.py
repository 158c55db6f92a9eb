"""The rules, by number, and the glossary: pages in docs/ that the wheel includes as data.

A step or section in docs/semantics has a text, the kernel functions it describes, and the code for it. A bug
can be found by its identifier in the same way.
"""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.terminal_text import linkless
from pfnlab.kernel.bugs.known_bugs import all_bugs

_PACKAGE = Path(__file__).resolve().parents[2]
_SECTION = re.compile(r"^#{1,2} (?P<number>S[0-9]+(?:\.[0-9]+)?) (?P<title>.+)$")
_STEP = re.compile(r"^- \*\*(?P<number>S[0-9]+\.[0-9]+\.[0-9]+[a-z]?)\*\* ?(?P<text>.*)$")
_PLACE = re.compile(r"`(?P<file>[a-z0-9_/]+\.py):(?P<name>[A-Za-z0-9_.]+)`")


class RulePlace(msgspec.Struct, frozen=True):
    """The code of a rule: a file below ``src/pfnlab``, and the line, counted from 1 (None if not found)."""

    file: str
    name: str
    line: int | None


class Rule(msgspec.Struct, frozen=True):
    """A step or section in docs/semantics, or a bug (:mod:`pfnlab.kernel.bugs.known_bugs`).

    :param title: the title of its section, or a bug's heading, e.g. ``tracking by VMA (VM_PAT)``
    :param text: its text, in Markdown
    :param kernel: the kernel functions that it models, as named in the section; for a bug, the
        releases that have it
    """

    number: str
    title: str
    text: str
    kernel: str
    places: tuple[RulePlace, ...]


def _installed(name: str, noun: str) -> Path:
    """Return a file or folder from the wheel's data or the checkout's ``docs/``; raise Misuse if missing."""
    for path in (_PACKAGE / name, _PACKAGE.parents[1] / "docs" / name):
        if path.exists():
            return path
    raise Misuse(f"pfnlab's {noun} are not installed: install pfnlab from its wheel")


@cache
def glossary() -> dict[str, str]:
    """Return the meaning of each word in docs/glossary.md, by the word as listed there."""
    text = _installed("glossary.md", "words").read_text(encoding="utf-8")
    rows = (line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| "))
    return {word: linkless(meaning) for word, meaning in rows if word != "word"}


def rule_numbers() -> tuple[str, ...]:
    """Return the number of every section and step."""
    return tuple(_rules(_installed("semantics", "rules")))


def rules_about(word: str, most: int = 4) -> list[Rule]:
    """Return the sections with *word* in their titles, then those that mention it most often.

    :param most: the maximum number of sections
    """
    pattern = re.compile(rf"(?<![a-z]){re.escape(word.casefold())}")
    rules = _rules(_installed("semantics", "rules"))
    mentions: Counter[str] = Counter()
    for number, (rule, _) in rules.items():
        mentions[_section(number)] += len(pattern.findall(rule.text.casefold()))
    sections = [rules[number][0] for number, count in mentions.most_common() if "." in number and count]
    titled = [rule for rule, _ in rules.values() if rule.number.count(".") == 1 and _has(rule, pattern)]
    return list({rule.number: rule for rule in (*titled, *sections)}.values())[:most]


def rules_naming(identifier: str) -> list[Rule]:
    """Return the sections with an identifier of the kernel as a whole word, most mentions first."""
    rules = _rules(_installed("semantics", "rules"))
    mentions = _mentions().get(identifier.casefold(), Counter())
    return [rules[number][0] for number, _ in mentions.most_common() if "." in number]


@cache
def _mentions() -> dict[str, Counter[str]]:
    """Return each word of the rules with the number of times that each section has it."""
    found: dict[str, Counter[str]] = {}
    for number, (rule, _) in _rules(_installed("semantics", "rules")).items():
        title = rule.title if number.count(".") == 1 else ""
        for word in re.findall(r"\w+", f"{title} {rule.text}".casefold()):
            found.setdefault(word, Counter())[_section(number)] += 1
    return found


def _section(number: str) -> str:
    """Return the section of a step."""
    return ".".join(number.split(".")[:2])


def _has(rule: Rule, pattern: re.Pattern[str]) -> bool:
    return pattern.search(rule.title.casefold()) is not None


def find_rule(number: str) -> Rule:
    """Return the rule or bug with a number, or a step's section; raise Misuse if there is none."""
    if bug := next((bug for bug in all_bugs() if bug.number == number), None):
        return Rule(bug.number, bug.group, bug.what, bug.having, ())
    rules = _rules(_installed("semantics", "rules"))
    wanted = number
    while wanted and wanted not in rules:
        wanted = wanted.rpartition(".")[0]
    if not wanted:
        raise Misuse("there is no such rule: rules in docs/semantics have names like S2.3.1, bugs like A06")
    rule, code = rules[wanted]
    # Only for this rule: finding a name requires reading its file.
    return msgspec.structs.replace(rule, places=_places(code))


@cache
def _rules(folder: Path) -> dict[str, tuple[Rule, str]]:
    """Return every rule by number, without code locations, and the line in its section that names them."""
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
            # A step ends where its indentation ends.
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
    """Return the text after *word*, up to the next line that is not indented."""
    _, found, after = head.partition(word)
    return " ".join(re.split(r"\n(?=[A-Z][a-z ]+:|\n|- )", after)[0].split()) if found else ""


def _places(text: str) -> tuple[RulePlace, ...]:
    # Nearly all rules are in the packages of the modelled kernel, which pages name without that prefix.
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
