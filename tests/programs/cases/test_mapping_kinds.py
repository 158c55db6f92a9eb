"""The kinds of mapping: each is said once, and a new one is taken by all that try mappings."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from for_each import for_each

from pfnlab.checker.review import grounds
from pfnlab.checker.scopes.scope import Scope, read_scope
from pfnlab.hunt.fuzz.drawn_mappings import drawn_methods
from pfnlab.hunt.sweep.failing_cells import failing_cells
from pfnlab.hunt.sweep.swept_mappings import mappings_in
from pfnlab.programs.cases.mapping_kinds import MAPPING_KINDS, MappingKind, with_kinds
from pfnlab.programs.lang.device_ops import DriverHow
from pfnlab.programs.lang.ops import Mmap
from pfnlab.programs.lang.words import ANON

SOURCE = Path(__file__).parents[3] / "src" / "pfnlab"

#: The rooms that try mappings.
ROOMS = ("checker/review", "checker/scopes", "checker/scopes/scopes", "hunt/sweep", "hunt/fuzz")

#: The files that may name kinds of mapping.
FILES = [file for room in ROOMS for ending in ("py", "toml") for file in SOURCE.glob(f"{room}/*.{ending}")]

#: A kind that is in no table.
DUMMY = MappingKind(
    "dummy",
    "driver fault wt",
    says="a dummy",
    touched=("read {page}",),
    fails=8,
    sweeps={"driver": ("munmap", "write"), "neighbours": ("munmap",)},
)


def written_out(text: str) -> list[str]:
    """The kinds that *text* writes out; ordinary memory has no name."""
    kinds = (kind for kind in MAPPING_KINDS.values() if kind.device != ANON)
    return [kind.name for kind in kinds if f"] {kind.way} r" in text]


@pytest.fixture
def _dummy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue has one more table."""
    monkeypatch.setitem(MAPPING_KINDS, DUMMY.name, DUMMY)


@for_each("file", FILES, ids=lambda file: file.name)
def test_a_kind_is_written_once(file: Path) -> None:
    """Everywhere else its name stands for it."""
    assert [] == written_out(file.read_text(encoding="utf-8"))


def test_a_second_copy_is_found() -> None:
    """Whatever is mapped, and however often."""
    found = written_out(
        'setup = ["a = mmap bar[0:2] driver remap wc shared rw", "mmap bar[2:3] uc private r"]'
    )

    assert ["private", "remap"] == found


def test_kinds_have_one_table_each() -> None:
    """Two that are mapped alike differ in their pages, or in what comes after."""
    kinds = [(kind.way, kind.leaf, kind.shift, kind.touched) for kind in MAPPING_KINDS.values()]

    assert len(kinds) == len(set(kinds))


def test_a_name_stands_for_the_way_to_map() -> None:
    """Other words in brackets are left to whoever fills them in."""
    line = with_kinds("new = mmap bar[0:4] <WC> rw; munmap <first>")

    assert "new = mmap bar[0:4] wc shared rw; munmap <first>" == line


@pytest.mark.usefixtures("_dummy")
def test_a_new_kind_is_reviewed() -> None:
    """At the review's place, and touched there."""
    *_, last = grounds.reviewed_mappings()

    assert ["mmap bar[8:12] driver fault wt shared rw over a[510:514]", "read a[510]"] == grounds.setup(
        last, grounds.NEIGHBOURS[0]
    )


@pytest.mark.usefixtures("_dummy")
def test_a_new_kind_is_swept() -> None:
    """With its operations, and next to itself."""
    assert [("munmap", "write")] == [one.kinds for one in mappings_in("driver") if one.name == "dummy"]
    assert [("munmap",)] == [one.kinds for one in mappings_in("neighbours") if one.name == "dummy"]


@pytest.mark.usefixtures("_dummy")
def test_a_new_kind_fails() -> None:
    """While so many pages of it are mapped."""
    rows = {cell.kinds[0] for cell in failing_cells()}

    assert "a = mmap bar[0:8] driver fault wt shared rw" in rows


def test_every_method_of_the_driver_has_a_kind() -> None:
    """So that random programs have it."""
    assert get_args(DriverHow) == drawn_methods()


def test_a_new_kind_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its method; methods of no kind are not."""
    for name in list(MAPPING_KINDS):
        monkeypatch.delitem(MAPPING_KINDS, name)
    monkeypatch.setitem(MAPPING_KINDS, DUMMY.name, DUMMY)

    assert ("fault",) == drawn_methods()


@pytest.mark.usefixtures("_dummy")
def test_a_new_kind_is_in_a_scope() -> None:
    """That names it."""
    lines = ['devices = ["bar: pci, 2 pages"]', "tasks = 1", "areas = 1"]

    scope = read_scope("\n".join([*lines, 'operations = ["new = mmap bar[0:2] <dummy> rw"]']), "own")

    assert isinstance(scope, Scope)
    (template,) = scope.templates
    call = template.op.call
    assert isinstance(call, Mmap) and call.driver is not None
    assert ("fault", "wt") == (call.driver.how, call.driver.mode)
