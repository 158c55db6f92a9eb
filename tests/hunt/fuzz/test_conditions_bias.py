"""The bias of random programs: towards what earlier ones have not reached."""

from __future__ import annotations

from pfnlab.hunt.fuzz.call_kinds import Vocabulary, kind_of
from pfnlab.hunt.fuzz.conditions import Bias
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.hunt.fuzz.ranges import touched_level


def test_what_was_not_reached_is_drawn_more_often() -> None:
    """With all pairs reached but one kind's, that kind comes up several times as often."""
    kinds = Vocabulary().kinds
    reached = frozenset(f"{one} > {other}" for one in kinds for other in kinds if other != "msync")

    def count(bias: Bias) -> int:
        ops = (op for index in range(300) for op in draw(3, index, None, bias).ops)
        return sum(kind_of(op.call) == "msync" for op in ops)

    assert count(Bias(reached)) > 2 * count(Bias(reached | {f"{one} > msync" for one in kinds}))


def test_a_program_with_leaves_begins_as_one_with_leaves() -> None:
    """A program without them does not get the large BAR of one that reached something new."""
    vocabulary = Vocabulary(driver=True)
    drawn = [draw(5, index, vocabulary) for index in range(60)]
    bias = Bias(frozenset({"mmap > munmap"}), tuple(drawn))

    assert {True, False} == {touched_level(program) > 1 for program in drawn}
    for leaves in (True, False):
        assert {leaves} == {touched_level(program) > 1 for program in bias.prefixes_of(leaves)}
