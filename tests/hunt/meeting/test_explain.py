"""Which change explains a difference: found where there is one, and not claimed where there is none."""

from __future__ import annotations

import msgspec
from for_each import for_each

from pfnlab.hunt.fuzz.signature import Signature
from pfnlab.hunt.meeting.explain import ShownDifference, explanations, explanations_between
from pfnlab.hunt.meeting.holding import KernelDifference
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

HEAD = "pfnlab program 1\ndevice bar: pci, 16 pages\n\n"

#: In the first mapping a part goes, in the second one page of a locked row is moved.
MIDDLE = "a = mmap bar[0:16] wc shared rw\nmunmap a[4:8]\nmunmap a\n"
LOCKED = "a = mmap anon[0:3] private rw\nmlock a\nmremap a[1] 1 page maymove dontunmap\n"


def program(lines: str) -> Program:
    """A program of these lines."""
    return load_text(HEAD + lines)


def test_a_run_in_memory_is_explained_by_runs_in_memory() -> None:
    """Else nothing could be equal to it where a leaf of 1 GiB lives."""
    leaf = load_text(
        "pfnlab program 1\ndevice bar: pci, 1 GiB\n\na = mmap bar[0:262144] vfio shared rw\nread a[0]\n"
    )
    (run,) = ModelMachine("7.3", LookLevel.MEMORY).run([leaf])

    assert [] == explanations("7.3", leaf, run)


def seen(spec: str, what: Program) -> Run:
    """What a kernel with the rules of *spec* shows."""
    return msgspec.structs.replace(ModelMachine(spec).run_one(what), machine="qemu")


def test_one_switch() -> None:
    """It is named with the stable commit, and comes before what only other series had."""
    what = program(LOCKED)

    found = explanations("6.12.117", what, seen("6.12.117,dontunmap_unlocks_all=on", what))

    assert ("dontunmap_unlocks_all=on",) == found[0].changes
    assert "6.12.114: mm/mremap: fix locked_vm leak" in str(found[0])


@for_each("change", ["tracker=vm_pat", "mseal=off"])
def test_a_policy_or_a_switch_of_another_era(change: str) -> None:
    """What a kernel of another time did is found too."""
    lines = MIDDLE if change.startswith("tracker") else "a = mmap bar[0:1] wc shared rw\nmseal a\n"
    what = program(lines)

    found = explanations("7.2.13", what, seen(f"7.2.13,{change}", what))

    assert (change,) in [one.changes for one in found]


def test_two_switches_together() -> None:
    """Where neither alone suffices, both are named."""
    what = program(f"{LOCKED}mseal a\n")
    both = "dontunmap_unlocks_all=on,mseal=off"

    found = explanations("6.12.117", what, seen(f"6.12.117,{both}", what))

    assert {"dontunmap_unlocks_all=on", "mseal=off"} in [set(one.changes) for one in found]
    assert all(len(one.changes) == 2 and len(one.sources) == 2 for one in found)


def test_what_no_switch_explains() -> None:
    """A result nobody has a rule for is not explained."""
    what = program(MIDDLE)
    run = seen("7.2.13", what)
    broken = msgspec.structs.replace(run.steps[1], result="EIO")

    odd = msgspec.structs.replace(run, steps=(run.steps[0], broken, *run.steps[2:]))

    assert [] == explanations("7.2.13", what, odd)


def test_what_does_not_differ_is_not_explained() -> None:
    """Else every switch that does not matter would explain it."""
    what = program(MIDDLE)

    assert [] == explanations("7.2.13", what, seen("7.2.13", what))


def test_a_lost_run_is_not_explained() -> None:
    """Nobody knows what it would have shown."""
    what = program(MIDDLE)
    run = seen("7.2.13", what)

    lost = msgspec.structs.replace(run, steps=run.steps[:1], lost="the guest panicked")

    assert [] == explanations("7.2.13", what, lost)


def test_between_two_kernels_a_single_change() -> None:
    """Of what distinguishes the two, it alone suffices."""
    what = program(LOCKED)

    found = explanations_between("6.12.113", "6.12.114", what, seen("6.12.114", what))

    assert [("dontunmap_unlocks_all=off",)] == [one.changes for one in found]


def test_between_two_kernels_the_fewest_changes() -> None:
    """Where many are apart and no single one suffices, those that can be left out are."""
    what = program(f"{MIDDLE}b = mmap anon[0:3] private rw\nmlock b\nmseal b\nmadvise b populate_write\n")

    (found,) = explanations_between("6.1.192", "7.2.13", what, seen("7.2.13", what))

    assert {"tracker=track_ctx", "mseal=on"} <= set(found.changes)
    assert len(found.changes) < 6


def test_between_two_kernels_something_else() -> None:
    """Where the models do not differ in it, any change is looked for."""
    what = program("a = mmap bar[0:1] wc shared rw\nmseal a\n")

    found = explanations_between("7.2.13", "7.3.4", what, seen("7.3.4,mseal=off", what))

    assert [("mseal=off",)] == [one.changes for one in found]


def test_what_a_driver_reserved_itself_is_not_shown_as_leaked() -> None:
    """As in the table of the runs, where it has an owner."""
    what = program("arch_io_reserve_memtype_wc bar[0:16]\narch_io_free_memtype_wc bar[8:16]\n")
    runs = tuple(ModelMachine(spec).run_one(what) for spec in ("6.12", "7.2"))
    signature = Signature(
        "difference", "book", "arch_io_free_memtype_wc", (("model:6.12",), ("model:7.2",)), ""
    )

    shown = ShownDifference.of(KernelDifference(signature, ("part",), what, runs), ())

    assert ("model:6.12: bar[0:8] wc", "model:7.2: bar[0:16] wc") == shown.seen[1][1:]
