"""docs/semantics: every rule that is cited is written down, and what a rule names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tooling
from for_each import for_each

ROOT = Path(__file__).parents[1]
markdown = tooling.markdown_pages()
SOURCE = ROOT / "src" / "pfnlab"
PAGES = sorted((ROOT / "docs" / "semantics").glob("S*.md"), key=lambda page: int(page.stem[1:]))

_CITED = re.compile(r"\bS\d+(?:\.\d+[a-z]?)*\b")
_HEADING = re.compile(r"^#{1,2} (S[\d.]+[a-z]?) ", re.M)
_STEP = re.compile(r"^- \*\*(S[\d.]+[a-z]?)\*\*", re.M)
_REFERENCE = re.compile(r"`([\w/]+\.(?:py|c|h))(?::([\w.]+))?`")

#: Where rules are cited.
_CITING = ("src", "tests", "evidence/history", "docs/*.md", "litmus/README.md")


def citing() -> Iterator[Path]:
    """The files that may cite a rule."""
    for pattern in _CITING:
        for path in ROOT.glob(pattern):
            for file in [path] if path.is_file() else path.rglob("*"):
                if file.suffix in (".py", ".md", ".c", ".h") and file != Path(__file__):
                    yield file


def steps(text: str) -> list[str]:
    """The rules and steps of a page."""
    return [*_HEADING.findall(text), *_STEP.findall(text)]


def uncovered(cited: set[str], written: set[str]) -> set[str]:
    """The citations of no rule; S1.5 to S1.7 are cited by their first and last."""
    return cited - written


@cache
def written() -> frozenset[str]:
    """Every rule and step there is."""
    return frozenset(step for page in PAGES for step in steps(page.read_text(encoding="utf-8")))


@cache
def cited() -> dict[str, str]:
    """Every citation, with a file that has it."""
    found = {}
    for file in citing():
        for step in _CITED.findall(file.read_text(encoding="utf-8")):
            found[step] = str(file.relative_to(ROOT))
    return found


@cache
def names(path: Path) -> frozenset[str]:
    """The functions, classes, methods and values of a module."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        found |= _named(node)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for one in node.body for name in _named(one)}
    return frozenset(found)


def _named(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {ast.unparse(target) for target in targets}
        case ast.AnnAssign(target=target):
            return {ast.unparse(target)}
    return set()


def missing(text: str) -> list[str]:
    """What a page refers to that is not there."""
    found = []
    for path, name in _REFERENCE.findall(text):
        room = SOURCE / "kernel" / path.partition("/")[0]
        file = ROOT / path if path.startswith("tests/") else (room.parent if room.is_dir() else SOURCE) / path
        if "/" not in path or not (file.parents[path.count("/") - 1]).is_dir():
            continue  # the kernel's own, as mm/memory.c
        if not file.exists() and path.endswith(".py"):
            found.append(path)
        elif name and path.endswith(".py") and name not in names(file):
            found.append(f"{path}:{name}")
    return found


def test_every_citation_is_a_rule() -> None:
    """Of source, tests and documents; so none leads nowhere."""
    lost = uncovered(set(cited()), set(written()))

    assert {} == {step: cited()[step] for step in lost}


@for_each("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_what_there_is(page: Path) -> None:
    """Functions, files and programs; and every rule says what implements it."""
    text = page.read_text(encoding="utf-8")
    rules = re.split(r"^(?=## )", text, flags=re.M)[1:]

    assert [] == missing(text)
    assert [] == [rule.split("\n")[0] for rule in rules if "Implemented by: `" not in rule]
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert [] == [link for link in links if not (page.parent / link).exists()]


@for_each("page", PAGES, ids=lambda page: page.stem)
def test_a_step_is_in_its_rule_and_there_once(page: Path) -> None:
    """S4.5.2 stands under S4.5, and a page has the rules of its section."""
    text = page.read_text(encoding="utf-8")
    rules = _HEADING.findall(text)

    assert rules[0] == page.stem
    assert len(steps(text)) == len(set(steps(text)))
    for rule in re.split(r"^(?=## )", text, flags=re.M)[1:]:
        number = rule.split()[1]
        assert number.startswith(f"{page.stem}.")
        assert [] == [step for step in _STEP.findall(rule) if not step.startswith(f"{number}.")]


def test_every_rule_is_cited() -> None:
    """By a step of it at least; a rule that nobody cites is not the code's."""
    stems = {step.rsplit(".", 1)[0] for step in cited()} | set(cited())
    rules = {rule for page in PAGES for rule in _HEADING.findall(page.read_text(encoding="utf-8"))}

    assert set() == {rule for rule in rules if rule not in stems}


def indexed(page: Path) -> str:
    """What the index has of a page: its title, and a line for each of its rules."""
    text = page.read_text(encoding="utf-8")
    places = {anchor.split("-")[0]: anchor for anchor in markdown.anchors(text)}
    title, *rules = re.findall(r"^#{1,2} (S[\d.]+[a-z]? .*)$", text, re.M)
    lines = [f"## [{title}](semantics/{page.name})\n"]
    for number, _, about in (rule.partition(" ") for rule in rules):
        anchor = places[number.lower().replace(".", "")]
        lines.append(f"- [{number}](semantics/{page.name}#{anchor}) {about}")
    return "\n".join(lines) + "\n"


def test_the_index_has_every_rule() -> None:
    """In order, by its page and title."""
    index = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")

    assert "\n".join(map(indexed, PAGES)) == index[index.index("## ") :]


def test_a_citation_of_nothing_is_noticed() -> None:
    """A step more than there is."""
    assert {"S4.5.99"} == uncovered({"S4.5.1", "S4.5.99"}, set(written()))


def test_a_name_that_is_gone_is_noticed() -> None:
    """A function, a method, a file."""
    gone = "`mm/unmap.py:nothing`, `mm/memtype.py:MemtypeBook.nothing`, `mm/nothing.py`"
    text = f"{gone}, `mm/unmap.py`"

    assert [
        "mm/unmap.py:nothing",
        "mm/memtype.py:MemtypeBook.nothing",
        "mm/nothing.py",
    ] == missing(text)
