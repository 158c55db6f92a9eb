"""Coverage: pairs, what is reached under conditions, and the words of kernel calls."""

from __future__ import annotations

from pfnlab.hunt.fuzz.call_kinds import Vocabulary, kind_of
from pfnlab.hunt.fuzz.conditions import CLAIMED, HELD, LEAVES, REMOVED, Bias, reached_under
from pfnlab.hunt.fuzz.coverage import WORDS, Coverage
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run


def run_of(program: Program) -> Run:
    """Its run on the model of 7.2."""
    return ModelMachine("7.2").run([program])[0]


def test_new_is_what_was_not_there() -> None:
    """A program adds once."""
    program = draw(1, 1)
    coverage = Coverage()

    assert coverage.add(program, [run_of(program)])
    assert not coverage.add(program, [run_of(program)])
    assert set(coverage.words) <= WORDS
    assert {2} == set(coverage.pairs.values())


LEAF = "a = mmap bar[0:512] driver fault_pmd shared rw\n"


def program(text: str) -> Program:
    """A program on a device of 1,024 pages."""
    return load_text(f"pfnlab program 1\ndevice bar: pci, 1024 pages\narea a: 1024 pages\n\n{text}")


def reached(text: str, condition: str, *, modelled: bool = False) -> set[str]:
    """What a program reaches under *condition*."""
    run = ModelMachine("7.2", LookLevel.MEMORY).run([program(text)])[0] if modelled else None
    return {row for name, row in reached_under(program(text), run) if name == condition}


def test_on_leaves_is_behind_the_access_that_makes_one() -> None:
    """In its area, with what came before; the access itself is not."""
    text = f"{LEAF}write a[0] 3\nmprotect a[0:2] r\nb = mmap bar[0:4] wc shared rw\nmunmap b\n"

    assert {
        "mprotect",
        "write > mprotect",
        "mmap driver > write > mprotect",
    } == reached(text, LEAVES)


def test_a_leaf_is_one_that_the_model_has() -> None:
    """When it has gone, an operation in its area is on no leaf."""
    text = f"{LEAF}write a[0] 3\nmprotect a[0:2] r\nmsync a\n"

    assert "msync" in reached(text, LEAVES)
    assert {"mprotect"} == {row for row in reached(text, LEAVES, modelled=True) if ">" not in row}


def test_on_removed_devices() -> None:
    """From the removal until the device is there again."""
    text = "a = mmap bar[0:4] wc shared rw\nremove bar\nmunmap a[0]\nrescan bar\nmunmap a\n"

    kinds = {row for row in reached(text, REMOVED) if ">" not in row}
    assert {"munmap", "rescan"} == kinds


def test_on_claimed_ranges() -> None:
    """From the claim until it is given back."""
    text = "request_mem_region bar[1:4]\na = mmap bar[1:4] wc shared rw\nrelease_mem_region\nmunmap a\n"

    assert {"mmap", "release_mem_region"} == {row for row in reached(text, CLAIMED) if ">" not in row}


def test_on_a_device_that_has_a_driver() -> None:
    """From the binding until the driver is unbound, or the device gone."""
    text = "bind bar\na = mmap bar[1:4] wc shared rw\nunbind bar\nmunmap a\nbind bar\nremove bar\nmsync a\n"

    assert {"mmap", "unbind", "remove"} == {row for row in reached(text, CLAIMED) if ">" not in row}


def test_under_holds() -> None:
    """The operation that is held and those beside it, until the release is over."""
    held = "t = thread\nhold unmap_vmas: munmap a[0]\nt: read a[1]\nrelease\n"
    text = f"a = mmap bar[0:4] wc shared rw\n{held}munmap a\n"

    assert {"munmap", "read", "release"} == {row for row in reached(text, HELD) if ">" not in row}


def test_a_pair_under_a_condition_is_new_and_a_triple_alone_is_not() -> None:
    """There are too many triples for each to be a beginning of other programs."""
    coverage = Coverage()
    known, also = (
        f"{LEAF}write a[0] 3\nmprotect a r\nmsync a\n",
        f"{LEAF}read a[0]\nwrite a[0] 3\nmprotect a r\n",
    )
    coverage.add(program(known), ())
    coverage.pairs |= dict.fromkeys(("mmap driver > read", "read > write"), 1)
    coverage.under[LEAVES] |= dict.fromkeys(("write", "read > write"), 1)

    assert not coverage.add(program(also), ())
    assert "read > write > mprotect" in coverage.reached(LEAVES)[2]
    assert coverage.add(program(f"{known}munmap a\n"), ())


def test_what_was_never_reached_on_leaves_is_weighted() -> None:
    """A pair that is new there most, then a triple; under no condition the pair alone decides."""
    pairs, before = frozenset({"mmap > msync", "write > msync"}), ["mmap > write"]
    on_leaves = {"pair": pairs, "triple": pairs | {"mmap > write > msync"}, "nothing": frozenset({"msync"})}
    biases = {name: Bias(pairs, (), {LEAVES: rows}) for name, rows in on_leaves.items()}

    factors = {name: bias.factor(before, "msync", [LEAVES]) for name, bias in biases.items()}
    assert factors["triple"] == 1 < factors["pair"] < factors["nothing"]
    assert 1 == biases["nothing"].factor(before, "msync", []) == Bias().factor(before, "msync", [LEAVES])
    assert biases["triple"].factor(before, "munmap", [LEAVES]) > factors["nothing"]


def test_a_hunt_reaches_more_on_leaves() -> None:
    """Kinds that were never drawn behind a leaf come up more often than where they were."""
    vocabulary = Vocabulary(driver=True, leaves=True)
    pairs = frozenset(f"{first} > {second}" for first in vocabulary.kinds for second in vocabulary.kinds)
    rare = {"status", "memtype_list", "exec", "munlockall", "memunmap_pages", "io_mapping_free"}
    usual = frozenset(pair for pair in pairs if pair.partition(" > ")[2] not in rare)

    def count(on_leaves: frozenset[str]) -> int:
        bias = Bias(pairs, (), {LEAVES: on_leaves})
        ops = (op for index in range(300) for op in draw(4, index, vocabulary, bias).ops)
        return sum(kind_of(op.call) in rare for op in ops)

    assert count(usual) > 1.3 * count(pairs)
