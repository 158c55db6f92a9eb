"""The series for the kernel's own tree: mails in their order, and a page that says what is in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tooling

from pfnlab.lab.building.patch_file import read_patch

_FOLDER = Path(__file__).parents[3] / "evidence" / "patches" / "upstream"
_SERIES = ("exact", "per_vma")
_PATHS = {name: sorted((_FOLDER / name).glob("[0-9]*.patch")) for name in _SERIES}
_PATCHES = {name: [path for path in _PATHS[name] if not path.name.startswith("0000-")] for name in _SERIES}
(_ALONE,) = (_FOLDER / "selftests").glob("[0-9]*.patch")
_ALL = [*(path for paths in _PATCHES.values() for path in paths), _ALONE]
_PAGE = (_FOLDER / "README.md").read_text(encoding="utf-8")
_TEST = re.compile(r"^\+TEST_F\((\w+), (\w+)\)", re.MULTILINE)


@pytest.mark.parametrize("series", _SERIES)
def test_a_cover_letter_and_its_patches(series: str) -> None:
    """Numbered without a gap, each saying of how many it is."""
    texts = [path.read_text(encoding="utf-8") for path in _PATHS[series]]
    numbers = [re.search(r"^Subject: \[PATCH (\d+/\d+)\]", text, re.MULTILINE) for text in texts]

    assert [f"{n}/{len(texts) - 1}" for n in range(len(texts))] == [found and found[1] for found in numbers]


@pytest.mark.parametrize("path", _ALL, ids=lambda path: path.stem)
def test_a_patch_is_a_mail(path: Path) -> None:
    """A subsystem and what is done in the subject, why in the text, who says so below it, then the diff."""
    head = path.read_text(encoding="utf-8").partition("\n---\n")[0]
    patch = read_patch(path)

    assert re.fullmatch(r"(?:mm|x86/mm/pat|selftests/mm): .+", patch.titles[0])
    assert head.endswith("Signed-off-by: pfnlab <pfnlab@localhost>")
    assert len(head.split("\n\n")) > 3
    assert patch.added


@pytest.mark.parametrize("path", [path for path in _ALL if path != _ALONE], ids=lambda path: path.stem)
def test_a_patch_is_in_the_page(path: Path) -> None:
    """Its row has its title and its lines."""
    patch = read_patch(path)

    link = f"[{path.name[:4]}]({path.parent.name}/{path.name})"
    assert f"| {link} | {patch.titles[0]} | +{patch.added} -{patch.removed} |" in _PAGE


@pytest.mark.parametrize("series", _SERIES)
def test_each_new_selftest_is_in_the_table(series: str) -> None:
    """Each test of the last patch has a row, and passes in the last column, that of the series."""
    table = _PAGE.partition(f"<!-- selftests of {series}:")[2].partition("<!-- end")[0]
    named = _TEST.findall(_PATCHES[series][-1].read_text(encoding="utf-8"))

    assert named
    assert [] == [
        f"{fixture}.{name}"
        for fixture, name in named
        if not re.search(rf"^\| `{fixture}\.{name}` \| .* \| ok \|$", table, re.MULTILINE)
    ]


@pytest.mark.parametrize("series", _SERIES)
def test_the_tool_takes_the_selftest_out_of_the_series(series: str) -> None:
    """The patch it applies is the one that changes the selftest alone."""
    tool = tooling.run_selftest()

    assert [_PATCHES[series][-1]] == tool.selftest_patches(series)


def test_the_selftests_that_stand_alone_change_nothing_else() -> None:
    """They need no patch of the kernel."""
    assert [_ALONE] == tooling.run_selftest().selftest_patches("selftests")


def test_the_selftests_that_stand_alone_pass_today_and_failed_before() -> None:
    """All pass on 7.3; 6.12 fails all but that of a child's mapping, and passes the kernel's own."""
    tool = tooling.run_selftest()
    begin, end = tool.BEGIN.format("selftests"), tool.END.format("selftests")
    table = _PAGE.partition(begin)[2].partition(end)[0]
    named = {f"{fixture}.{name}" for fixture, name in _TEST.findall(_ALONE.read_text(encoding="utf-8"))}

    rows = {
        found[1]: (found[2], found[3])
        for found in re.finditer(r"^\| `(\S+)` \| (.*) \| (.*) \|$", table, re.M)
    }

    assert named <= set(rows)
    assert {"ok"} == {today for _, today in rows.values()}
    assert named - {"pfnmap_tracked.fork"} == {
        name for name, (before, _) in rows.items() if before == "not ok"
    }
