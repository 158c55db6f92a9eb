"""A graph is walked state by state, and never held as a whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.checker.scopes.domain import KernelModel
from pfnlab.checker.scopes.scope import Scope, load_scope
from pfnlab.checker.search.path import path_along
from pfnlab.explorer import walk
from pfnlab.explorer.walk import Walker, walkable_scopes
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine

OLD = ModelMachine("6.1")
PER_VMA = Path(__file__).parents[2] / "docs" / "own-policy" / "per_vma.py"

#: Map, and unmap the whole.
UNMAPPED = (0, 1)


def test_the_first_state_offers_the_scope_s_operations() -> None:
    """Before any mapping, one can only map, fork or leave."""
    place = Walker().place(OLD, "small", ())

    ops = [following.op for following in place.successors]
    assert "a = mmap bar[0:4] wc shared rw" in ops
    assert not any(op.startswith("munmap") for op in ops)
    assert () == place.way


def test_a_way_leads_where_the_checker_goes() -> None:
    """The numbers of a way are those of the checker's paths."""
    scope = load_scope("small")
    assert isinstance(scope, Scope)
    path = path_along(KernelModel(OLD, scope), 0, (0, 2))

    place = Walker().place(OLD, "small", (0, 2))

    assert tuple(KernelModel(OLD, scope).ops(path)) == place.program.ops


def test_an_operation_that_breaks_a_property_says_so() -> None:
    """On 6.1, unmapping the middle frees what was never reserved."""
    place = Walker().place(OLD, "small", (0,))

    breaking = {following.op: following.violates for following in place.successors if following.violates}
    assert any("freed_once" in broken for broken in breaking.values())
    at = next(number for number, following in enumerate(place.successors) if following.violates)
    seen = {item.name: item.holds for item in Walker().place(OLD, "small", (0, at)).properties}
    assert False is seen["freed_once"]


def test_only_the_way_is_in_memory() -> None:
    """A walk of so many operations keeps as many states, however large the graph is."""
    walker = Walker()

    walker.place(OLD, "wide", (0, 1, 0))

    assert 4 == len(walker._states)


@pytest.mark.target("long")
def test_a_long_walk_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many places were seen, only the last ones are in memory; the others are worked out again."""
    monkeypatch.setattr(walk, "_STATES", 12)
    walker = Walker()
    first = walker.place(OLD, "wide", (0, 0))

    for at in range(20):
        walker.place(OLD, "wide", (0, at % 4, at // 4))

    assert 12 >= len(walker._states)
    assert first == walker.place(OLD, "wide", (0, 0))


@pytest.mark.parametrize("path", [(100_000,), (0, 100_000)])
def test_a_way_that_leads_nowhere_is_refused(path: tuple[int, ...]) -> None:
    """A way of another model or scope says what to do."""
    with pytest.raises(Misuse, match="go back to its beginning"):
        Walker().place(OLD, "small", path)


def test_scopes_of_races_are_not_walked() -> None:
    """They are graphs of turns, not of operations."""
    assert "race" not in walkable_scopes()
    assert "standard" in walkable_scopes()


def test_an_edited_policy_file_is_walked_anew(tmp_path: Path) -> None:
    """A state that was worked out with the file as it was is not shown for it as it is."""
    file = tmp_path / "mine.py"
    shutil.copy(PER_VMA, file)
    walker, spec = Walker(), f"7.2,tracker={file}"
    kept = {item.name: item.holds for item in walker.place(ModelMachine(spec), "small", UNMAPPED).properties}

    file.write_text(file.read_text(encoding="utf-8").replace("self.shrink(vma.pfnmap, None)", "pass"))
    properties = walker.place(ModelMachine(spec), "small", UNMAPPED).properties

    assert kept["no_leak"]
    assert False is {item.name: item.holds for item in properties}["no_leak"]


def test_a_known_violation_has_its_reason() -> None:
    """An identifier of docs/bugs.md, where this kernel is known to do so."""
    place = Walker().place(OLD, "small", (0,))
    at = next(number for number, following in enumerate(place.successors) if following.violates)

    seen = {item.name: item.known for item in Walker().place(OLD, "small", (0, at)).properties}

    assert seen["freed_once"].startswith("A06: ")


def test_the_first_state_is_a_program_that_only_looks() -> None:
    """So that it has a picture, although nothing was done."""
    place = Walker().place(OLD, "small", ())

    assert ["look"] == op_lines(place.program)
