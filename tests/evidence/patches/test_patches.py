"""The patches say what they are: heads, diffs, the files they touch, and a row in their README."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.seams import seam_and_place
from pfnlab.kernel.policies.switches import SWITCHES
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.walkers import WALKERS
from pfnlab.lab.building.patch_file import PatchFile, read_patch

_FOLDER = Path(__file__).parents[3] / "evidence" / "patches"
_PATHS = sorted(_FOLDER.glob("*.patch"))
_SEAMS: dict[str, Collection[str]] = {
    **{"flush": FLUSHES, "tracker": TRACKERS, "walker": WALKERS, "freed_in_vain": REPORTS},
    **{switch.name: ("on", "off") for switch in SWITCHES},
}
#: Where a policy is decided in a kernel.
_FOLDERS = ("mm/", "arch/x86/", "include/", "kernel/", "fs/", "drivers/")
_BASE = re.compile(r"linux-source-\d+\.\d+")
_NAME = re.compile(r"(?P<policy>[a-z_]+(?:-[a-z_0-9]+?){1,2})(?:-(?P<series>\d+\.\d+))?\.patch")


def _faults(patch: PatchFile) -> list[str]:
    """What the head of *patch* lacks, or says wrong."""
    where, _, policy = patch.policy.partition("=")
    seam, _ = seam_and_place(where) or (where, None)
    named = _NAME.fullmatch(patch.path.name)
    series = patch.base_package.removeprefix("linux-source-")
    held = {
        "title": bool(patch.titles),
        "policy": policy in _SEAMS.get(seam, {}),
        "base": bool(_BASE.fullmatch(patch.base_package)) and bool(patch.base_version),
        "license": patch.license == "GPL-2.0-only",
        "files": all(file.startswith(_FOLDERS) for file in patch.files),
        "name": named is not None
        and named["policy"] == f"{where.replace('.', '-')}-{policy}"
        and named["series"] in (None, series),
    }
    return [what for what, holds in held.items() if not holds]


def _rows(readme: str) -> list[list[str]]:
    """The cells of each row that names a patch."""
    lines = (line for line in readme.splitlines() if line.startswith("| ["))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _unlike(patch: PatchFile, readme: str) -> list[str]:
    """What the row of *patch* says wrong; ``row`` where there is not exactly one."""
    rows = [cells for cells in _rows(readme) if cells[0] == f"[{patch.path.stem}]({patch.path.name})"]
    if len(rows) != 1:
        return ["row"]
    said = dict(zip(("policy", "base", "lines"), rows[0][1:], strict=False))
    held = {
        "policy": f"`{patch.policy}`",
        "base": f"{patch.base_package.removeprefix('linux-source-')}, {patch.base_version}",
        "lines": f"+{patch.added} -{patch.removed}",
    }
    return [what for what, text in held.items() if said[what] != text]


def _readme() -> str:
    return (_FOLDER / "README.md").read_text(encoding="utf-8")


def _first() -> PatchFile:
    return read_patch(_PATHS[0])


@for_each("path", _PATHS, ids=lambda path: path.stem)
def test_head(path: Path) -> None:
    """Title, policy, base and licence are there, and only the kernel's own folders are touched."""
    faults = _faults(read_patch(path))

    assert [] == faults


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"titles": ()}, "title"),
        ({"policy": "flush=never"}, "policy"),
        ({"policy": ""}, "policy"),
        ({"base_package": "linux-7.2"}, "base"),
        ({"base_version": ""}, "base"),
        ({"license": "GPL-2.0-or-later"}, "license"),
        ({"files": ("Makefile",)}, "files"),
        ({"path": Path("flush-other.patch")}, "name"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_head_is_seen(change: dict[str, Any], fault: str) -> None:
    """Each of these checks fails where its part is broken."""
    wrong = replace(_first(), **change)

    assert fault in _faults(wrong)


@for_each("path", _PATHS, ids=lambda path: path.stem)
def test_words_stand_above_the_diff(path: Path) -> None:
    """Between title and trailers some sentences say what the patch is for."""
    title, words, trailers = path.read_text(encoding="utf-8").split("\n---\n")[0].split("\n\n")

    assert "\n" not in title
    assert words.endswith(".")
    assert ["Policy", "Base", "SPDX-License-Identifier"] == [
        line.split(":")[0] for line in trailers.splitlines()
    ]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda text: re.sub(r"^@@ -(\d+),(\d+)", r"@@ -\1,9\2", text, flags=re.M), id="count"),
        pytest.param(lambda text: text.replace("\n+", "\n++\n+", 1), id="a line more"),
        pytest.param(lambda text: text[: text.rindex("\n ")], id="cut off"),
        pytest.param(lambda text: text.split("\n--- a/")[0], id="no diff"),
    ],
)
def test_broken_diff_is_seen(tmp_path: Path, broken: Callable[[str], str]) -> None:
    """A diff whose hunks are not as long as they say is refused."""
    path = tmp_path / "broken.patch"
    path.write_text(broken(_PATHS[0].read_text(encoding="utf-8")))

    with pytest.raises(Misuse):
        read_patch(path)


@for_each("path", _PATHS, ids=lambda path: path.stem)
def test_row(path: Path) -> None:
    """README has one row for the patch, with its policy, base and size."""
    unlike = _unlike(read_patch(path), _readme())

    assert [] == unlike


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"path": Path("flush-other.patch")}, "row"),
        ({"policy": "flush=other"}, "policy"),
        ({"base_version": "7.2.1-1"}, "base"),
        ({"added": 99}, "lines"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_row_is_seen(change: dict[str, Any], fault: str) -> None:
    """A row that is missing, or speaks of another patch, is noticed."""
    wrong = replace(_first(), **change)

    assert [fault] == _unlike(wrong, _readme())


def test_rows_name_patches() -> None:
    """README has no row without a patch."""
    named = [cells[0] for cells in _rows(_readme())]

    assert sorted(f"[{path.stem}]({path.name})" for path in _PATHS) == sorted(named)


@pytest.mark.parametrize("name", ["exact", "split_ctx", "ctx_adjust", "per_vma"])
def test_lines_of_a_design(name: str) -> None:
    """The table of the designs that free sooner has the patch's own figures."""
    patch = read_patch(_FOLDER / f"tracker-{name}.patch")

    more = patch.added - patch.removed
    assert f"| `{name}` | {patch.added} | {patch.removed} | {more} |" in (_FOLDER / "README.md").read_text()
