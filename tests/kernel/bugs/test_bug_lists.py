"""Lists of bugs: all are derived from the bugs' own data, and so name the same bugs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.toml_text import toml_content
from pfnlab.diagnosis.explanation import explained
from pfnlab.diagnosis.inspector.finding.finding_form import finding_kinds
from pfnlab.diagnosis.messages.explaining import explain_line
from pfnlab.kernel.bugs.bug_status import BugStatusWord, bug_status
from pfnlab.kernel.bugs.known_bugs import BugField, all_bugs, bug, bugs_with
from pfnlab.verbs.bug_list import listed
from pfnlab.verbs.bug_search import bug_findings
from pfnlab.verbs.bugs import BugsRequest

SRC = Path(__file__).parents[3] / "src" / "pfnlab"
FREED = "x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"
REFUSED = "x86/PAT: CPU 0/KVM:411 conflicting memory types c0000000-c8000000 write-combining<->uncached-minus"
NUMBER = re.compile(rf"\b(?:{'|'.join(one.number for one in all_bugs())})\b")
#: What says which bugs a thing has, if that thing is not in the bugs' data, and nothing else does.
HOMES = {
    "kernel/bugs": "the bugs' data, and the subjects of fixes whose commits are not pinned down",
    "kernel/policies/switches.toml": "a switch or an era is the model's form of one bug",
    "kernel/policies/eras.toml": "the same",
    "kernel/policies/commits.py": "commits without a switch, each with the reason",
    "kernel/policies/patched.json": "names of patches",
    "kernel/functions/data": "the bugs that each kernel function has had",
    "discussions": "what was claimed about a bug, and the bugs that posted patches have",
}
FIELDS: tuple[BugField, ...] = ("log", "errnos", "breaks", "programs")
NAMES = sorted({(field, name) for one in all_bugs() for field in FIELDS for name in getattr(one, field)})


def written_in(path: Path) -> Iterator[str]:
    """The bugs that a file of data names, and those with which a text in code begins."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        texts = (one.value for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Constant))
        yield from (found[0] for one in texts if isinstance(one, str) and (found := NUMBER.match(one)))
    else:
        yield from NUMBER.findall(text)


def home_of(path: Path) -> str:
    """Which of the homes a file is in."""
    name = path.relative_to(SRC).as_posix()
    return next((home for home in HOMES if name == home or name.startswith(f"{home}/")), "")


def test_no_bug_is_named_by_hand_where_a_list_is_derived() -> None:
    """Neither in a table nor in code; prose may name one."""
    files = [path for kind in ("py", "toml", "txt", "json") for path in SRC.rglob(f"*.{kind}")]
    odd = {path.relative_to(SRC).as_posix(): list(written_in(path)) for path in files if not home_of(path)}
    # Examples in help, and the descriptions of schemas.
    examples = ("verbs/examples.txt", "base/schemas/")

    assert {} == {name: found for name, found in odd.items() if found and not name.startswith(examples)}


@pytest.mark.parametrize("text", ['bugs = ["A06"]', "means = 'the fix of A06'"])
def test_a_bug_that_is_named_by_hand_is_noticed(tmp_path: Path, text: str) -> None:
    """In a list of a family, or in its words."""
    (tmp_path / "family.toml").write_text(text)

    assert ["A06"] == list(written_in(tmp_path / "family.toml"))


@for_each("field, name", NAMES)
def test_the_quick_search_finds_what_reading_all_files_finds(field: BugField, name: str) -> None:
    """Whatever quotes a file uses."""
    assert {one.number for one in all_bugs() if name in getattr(one, field)} == set(bugs_with(field, name))


@for_each("field, name", NAMES)
def test_faults_come_first_and_the_newest_first_of_those(field: BugField, name: str) -> None:
    """By the first mainline release; those without one come last."""
    kinds = [bug(number).kind.is_fault for number in bugs_with(field, name)]

    assert sorted(kinds, reverse=True) == kinds


def test_the_newest_of_several_is_named_first() -> None:
    """A16 came in 6.15-rc, A07 in 4.5, and A06 in 2.6.29."""
    numbers = bugs_with("log", "freeing_invalid")

    assert numbers.index("A16") < numbers.index("A07") < numbers.index("A06")


@for_each("line", [FREED, REFUSED])
@for_each("kernel", ["6.12.22", "6.12.25", "6.12.31", "6.1.190", "7.3"])
def test_all_verbs_name_the_same_bugs_of_a_line(line: str, kernel: str) -> None:
    """`explain` those that the kernel has or may have, `bugs find` all."""
    [event] = explained(explain_line(line, kernel=kernel)).boots[0].events
    found = [one.name for one in bug_findings(line, every=True).found if one.kind == "bug"]
    here = (BugStatusWord.HAS, BugStatusWord.NOT_KNOWN)

    having = {one for one in found if bug_status(bug(one), kernel).word in here}
    assert having == {one.id for one in event.bugs}


@for_each("name", [name for name, kind in finding_kinds().items() if kind.violates])
def test_a_finding_names_the_bugs_that_are_listed_by_its_property(name: str) -> None:
    """As `bugs list --breaks` does."""
    kind = finding_kinds()[name]

    assert {one.id for one in listed(BugsRequest(breaks=kind.violates)).bugs} == set(kind.bugs)


def test_no_table_of_the_diagnosis_has_a_list_of_bugs() -> None:
    """Families, their cases and endings, causes of errnos, and kinds of findings."""
    files = sorted((SRC / "diagnosis").rglob("*.toml"))
    keys = {path.name: set(_keys(toml_content(path.read_text("utf-8"), path.name))) for path in files}

    assert [] == [name for name, found in keys.items() if "bugs" in found]


def _keys(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        yield from content
    for one in (
        content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    ):
        yield from _keys(one)
