"""Data about kernel functions, compared with a small tree."""

from __future__ import annotations

from pathlib import Path

import pytest
import tooling
from for_each import for_each

from pfnlab.kernel.functions import known_functions

TOOL = tooling.hold_functions()

DATA = """\
[zap]
does = "Zaps."
file = { "..6.11" = "mm/mmap.c", "6.12.." = "mm/vma.c" }
callers = { "..6.11" = ["old_caller"], "6.12.." = ["caller", ".zap"] }
locks = "None."
needs = "A range."
ensures = "No entry."
rules = ["S6.7"]
asks = ["unmapped"]

[remap]
releases = "6.16.."
does = "Remaps."
file = "mm/vma.c"
callers = {}
locks = "None."
needs = "A range."
ensures = "Entries."
rules = ["S4.6"]
asks = ["no_leak"]

[untrack]
releases = "..6.15"
does = "Untracks."
file = "mm/memory.c"
callers = {}
locks = "None."
needs = "A range."
ensures = "No reservation."
rules = ["S3.6"]
asks = ["no_leak"]
"""

SOURCES = {
    "mm/vma.c": """\
void zap(struct vma *vma)
{
#ifdef ONE
        if (vma) {
#else
        if (!vma) {
#endif
        }
}
static int caller(void) { /* zap(x) */ return reach(zap); }
static void remap(void) { caller(); }
static const struct ops ops = { .zap = zap };
""",
    "mm/memory.c": 'void other(void) { puts("zap()"); }\n',
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with these sources, and data about two functions."""
    found = {one.name: one for one in known_functions.functions_in(DATA, "zaps")}
    monkeypatch.setattr(TOOL, "kernel_functions", lambda: found)
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_tree_that_agrees_has_no_difference(tree: Path) -> None:
    """A caller may pass the function's address, and a structure may point to it."""
    assert [] == list(TOOL.differences(TOOL.read_source(tree), "7.3"))


@for_each(
    ("old", "new", "says"),
    [
        ("reach(zap)", "0", "zap: not called by caller"),
        (".zap = zap", ".zap = other", "zap: not called by .zap"),
        ("void zap(", "void zapped(", "zap: not defined in mm/vma.c, but in no file"),
        (
            "static const",
            "void untrack(void) {}\nstatic const",
            "untrack: not in this release by the data, but defined in mm/vma.c",
        ),
        ("caller();", "zap(x);", "zap: also called by remap"),
    ],
)
def test_a_difference_is_named(tree: Path, old: str, new: str, says: str) -> None:
    """A comment or a text is no call."""
    path = tree / "mm" / "vma.c"
    path.write_text(SOURCES["mm/vma.c"].replace(old, new))

    assert [says] == list(TOOL.differences(TOOL.read_source(tree), "7.3"))


def test_the_release_decides(tree: Path) -> None:
    """The same tree does not fit an older release."""
    says = list(TOOL.differences(TOOL.read_source(tree), "6.1"))

    assert "zap: not defined in mm/mmap.c, but in mm/vma.c" in says
    assert "zap: not called by old_caller" in says
    assert "untrack: not defined in mm/memory.c, but in no file" in says
