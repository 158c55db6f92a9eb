"""Calls that clear PFN entries of mappings that stay, beside a revocation: the rule that makes them safe."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.checker.check import check
from pfnlab.checker.scopes.scope import Race, RaceScope, load_scope
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.programs.model.model_machine import ModelMachine


def scope_of(races: tuple[Race, ...] = ()) -> RaceScope:
    """The scope ``race_gathers``, or one of its races alone."""
    scope = load_scope("race_gathers")
    assert isinstance(scope, RaceScope)
    return RaceScope(scope.name, scope.says, races or scope.races)


def verdicts(machine: str, scope: RaceScope) -> dict[str, tuple[str, bool]]:
    """By property: its verdict, and whether its question arose."""
    answers = check(ModelMachine(machine), scope).answers
    return {answer.name: (answer.verdict, not answer.vacuous) for answer in answers}


#: The first operation of each race, by its word.
BY_WORD = {
    f"{race.concurrent[0].call.__class__.__name__} {number}": race
    for number, race in enumerate(scope_of().races)
}

#: The races whose mappings stay, and those of them whose entries go.
STAYS = [word for word in BY_WORD if not word.startswith("Munmap")]
CLEARED = [word for word in STAYS if not word.startswith("Mprotect")]


@pytest.mark.parametrize(
    ("flush", "told_free"),
    [
        *(("none", "violated"), ("first_vma", "violated"), ("any_vma", "holds"), ("end_vma", "holds")),
        *(("gather_v4", "violated"), ("gather_v5", "violated"), ("free_vmas", "holds")),
        *(
            pytest.param(*row, marks=pytest.mark.target("long"))
            for row in (
                ("force_v1", "violated"),
                ("force_respin_a", "violated"),
                ("force_respin_b", "holds"),
                ("gather_v1", "violated"),
                ("gather_v2", "holds"),
                ("gather_v2_junk", "holds"),
                ("gather_v3", "violated"),
                ("gather_draft", "violated"),
                ("fullmm", "holds"),
            )
        ),
    ],
)
def test_flush_placements_with_groups_and_mixed_maps(flush: str, told_free: str) -> None:
    """Munmaps of several groups decide: what hides one, or flushes inside of one, is told."""
    found = verdicts(f"7.2,flush={flush}", scope_of())

    assert (told_free, True) == found["told_free"]


@for_each("flush", ["none", "end_vma", "gather_v4", "free_vmas"])
@for_each("word", STAYS)
def test_a_mapping_that_stays_needs_no_forced_flush(word: str, flush: str) -> None:
    """Its owner learns meanwhile that its pages are free, and they are, with every placement."""
    found = verdicts(f"7.2,flush={flush}", scope_of((BY_WORD[word],)))

    assert {("holds", True)} == {found["told_free"], found["told_beside"]}


@for_each("word", CLEARED)
def test_the_reason_is_the_flush_of_nested_gathers(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it (S8.1.8) the revocation finds nothing to clear or flush, and returns too early."""
    finish = MmuGather.finish

    def finish_alone(tlb: MmuGather) -> None:
        others, tlb.mm.tlb_flush_pending = tlb.mm.tlb_flush_pending - 1, 1
        finish(tlb)
        tlb.mm.tlb_flush_pending += others

    monkeypatch.setattr(MmuGather, "finish", finish_alone)

    assert ("violated", True) == verdicts("7.2", scope_of((BY_WORD[word],)))["told_free"]
