"""The report of a search on the branches of policies it never took."""

from __future__ import annotations

from pathlib import Path

from pfnlab.checker.check import CheckResult, check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import Scope, load_scope, read_scope
from pfnlab.programs.model.model_machine import ModelMachine

MAPPED = '"new = mmap bar[0:3] wc shared rw"'


def untaken(*operations: str) -> str:
    """The branches of 7.2's policies a tiny scope never takes, a line each."""
    lines = ", ".join(operations)
    text = f'devices = ["bar: pci, 3 pages"]\ntasks = 2\nareas = 1\ndepth = 3\noperations = [{lines}]'
    found = check(ModelMachine("7.2"), read_scope(text, "tiny"), questions(["no_leak"]), watch=True)
    assert found.untaken is not None
    return "\n".join(found.untaken)


def test_a_method_that_never_ran_is_named() -> None:
    """Without a fork nothing of vm_area_dup runs; with one it does."""
    assert "never: def vm_area_dup" in untaken(MAPPED)
    assert "never: def vm_area_dup" not in untaken(MAPPED, '"child = fork"')


def test_a_condition_that_never_failed_is_named() -> None:
    """A context always has its last user where nothing is ever shared."""
    assert "always: if not ctx.refs" in untaken(MAPPED, '"munmap <whole>"')
    assert "always: if not ctx.refs" not in untaken(MAPPED, '"munmap <first>"')


def test_methods_that_do_nothing_are_not_named() -> None:
    """A method with nothing but a docstring has no branch to take."""
    assert "def unmap_vmas" not in untaken(MAPPED)


def small(checkpoint: Path, states: int | None = None) -> CheckResult:
    """The small scope on 7.2, kept in a file."""
    scope = load_scope("small")
    assert isinstance(scope, Scope)
    limits = Exhaustive(states=states, checkpoint=checkpoint)
    return check(ModelMachine("7.2"), scope, questions(["no_leak"]), limits)


def test_a_search_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    """A search that was cut and goes on comes to the same as one that was not."""
    kept = tmp_path / "search"
    first, second = small(kept, 20), small(kept)

    assert ("undecided", "holds") == (first.answers[0].verdict, second.answers[0].verdict)
    assert (True, 114) == (second.complete, second.states)
