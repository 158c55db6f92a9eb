"""The series for the kernel's own tree: mails in their order, and a page that says what is in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tooling

from pfnlab.lab.building.patch_file import read_patch

_FOLDER = Path(__file__).parents[2] / "patches" / "upstream"
_PATHS = sorted((_FOLDER / "exact").glob("[0-9]*.patch"))
_PATCHES = [path for path in _PATHS if not path.name.startswith("0000-")]
(_ALONE,) = (_FOLDER / "selftests").glob("[0-9]*.patch")
_PAGE = (_FOLDER / "README.md").read_text(encoding="utf-8")
_TEST = re.compile(r"^\+TEST_F\((\w+), (\w+)\)", re.MULTILINE)


def test_a_cover_letter_and_its_patches() -> None:
    """Numbered without a gap, each saying of how many it is."""
    numbers = [re.search(r"^Subject: \[PATCH (\d+/\d+)\]", path.read_text(), re.MULTILINE) for path in _PATHS]

    assert [f"{n}/{len(_PATCHES)}" for n in range(len(_PATHS))] == [found and found[1] for found in numbers]


@pytest.mark.parametrize("path", [*_PATCHES, _ALONE], ids=lambda path: path.stem)
def test_a_patch_is_a_mail(path: Path) -> None:
    """A subsystem and what is done in the subject, why in the text, who says so below it, then the diff."""
    head = path.read_text(encoding="utf-8").partition("\n---\n")[0]
    patch = read_patch(path)

    assert re.fullmatch(r"(?:mm|x86/mm/pat|selftests/mm): .+", patch.title)
    assert head.endswith("Signed-off-by: pfnlab <pfnlab@localhost>")
    assert len(head.split("\n\n")) > 3
    assert patch.added


@pytest.mark.parametrize("path", _PATCHES, ids=lambda path: path.stem)
def test_a_patch_is_in_the_page(path: Path) -> None:
    """Its row has its title and its lines."""
    patch = read_patch(path)

    assert (
        f"| [{path.name[:4]}](exact/{path.name}) | {patch.title} | +{patch.added} -{patch.removed} |" in _PAGE
    )


def test_each_new_selftest_is_in_the_table() -> None:
    """Every test the last patch adds has a row, and passes in the last column."""
    named = _TEST.findall(_PATCHES[-1].read_text(encoding="utf-8"))

    assert named
    assert [] == [f"{fixture}.{name}" for fixture, name in named if not _passes(f"{fixture}.{name}")]


def _passes(name: str) -> bool:
    return bool(re.search(rf"^\| `{name}` \| .* \| ok \|$", _PAGE, re.MULTILINE))


def test_the_tool_takes_the_selftest_out_of_the_series() -> None:
    """The patch it applies is the one that changes the selftest alone."""
    tool = tooling.run_selftest()

    assert [_PATCHES[-1]] == tool.selftest_patches("exact")


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
