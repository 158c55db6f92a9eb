"""The view of each policy's walkers on a private PFN mapping with one copied page (discussion 001)."""

from __future__ import annotations

from itertools import compress

import pytest
from drawing import drawn
from for_each import for_each
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from pfnlab.base.errors import Undecided
from pfnlab.kernel.hw.bits import PAGE_SPECIAL
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.flags import VM_READ
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.walk_policy import SpecialBits
from pfnlab.kernel.policies.walkers import WALKERS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.walk_ops import ProcessVmReadv, Walk
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Step

#: A device page, and a page copied by a write.
COPIED = ("a = mmap bar[0:2] wc private rw", "read a[0]", "write a[1] 7")


def look(walker: str, walk: str) -> Step:
    """What a walker's operation answers behind the writes."""
    return look_on(f"7.2,walker={walker}", walk)


def look_on(machine: str, walk: str) -> Step:
    """The same of any model."""
    text = "\n".join(("pfnlab program 1", "device bar: pci, 16 pages", *COPIED, walk, ""))
    return ModelMachine(machine).run_one(load_text(text), check=True).steps[len(COPIED)]


@pytest.mark.parametrize(
    ("walk", "refused", "found"),
    [
        ("move_pages a", "ENOENT ENOENT", "ENOENT node0"),
        ("pagemap a", "soft-dirty soft-dirty", "present+soft-dirty present+exclusive+soft-dirty"),
        ("numa_maps a", None, "a[0] anon=1 dirty=1 N0=1"),
        ("smaps a", "a[0:2] Rss=0", "a[0:2] Rss=4"),
    ],
)
def test_a_copied_page_is_found_by_its_entry_only(walk: str, refused: str | None, found: str) -> None:
    """Special bits return the copied page and not the device's; who leaves at the VMA misses both."""
    assert found == look("special_bits", walk).value
    assert [refused] * 2 == [look(walker, walk).value for walker in ("early_refusal", "page_test_skip")]


@for_each(
    ("walk", "found"),
    [
        ("move_pages a", "ENOENT ENOENT"),
        ("smaps a", "a[0:2] Rss=4"),
        ("numa_maps a", "a[0] anon=1 dirty=1 N0=1"),
    ],
)
def test_the_hunk_of_the_discussion_is_at_one_place(walk: str, found: str) -> None:
    """folio_walk_start() alone refuses early, so only move_pages misses a copied page that 7.2 finds."""
    assert found == look_on("7.2,walker.folio_walk_start=early_refusal", walk).value


@for_each("level", [1, 2, 3])
@for_each(("bits", "normal"), [(PAGE_SPECIAL, False), (0, True)])
def test_the_special_bit_is_what_counts(level: int, bits: int, normal: bool) -> None:
    """Not what the entry happens to map: vm_normal_page reads the bit of its level (S6.6.1)."""
    mm = ModelMachine("7.2").boot(qemu_q35(), {}).start_task("main").mm
    vma = Vma(mm, 0, 1, pgoff=0, flags=VM_READ, page_prot=0x25, file=None)

    assert normal == SpecialBits().vm_normal_page(vma, EntryRun(0, 1, 0x1000, bits, level=level))


@for_each(("walker", "rss"), [("special_bits", 4), ("early_refusal", 0), ("page_test_skip", 0)])
def test_memory_statistics(walker: str, rss: int) -> None:
    """Discussion 001: "process memory stats will likely miss anon folios on COW PFNMAP mappings"."""
    assert [rss] == [vma.rss for vma in look(walker, "mincore a").vmas or ()]


@for_each(("walker", "second"), [("special_bits", "ok"), ("early_refusal", "EFAULT")])
def test_get_user_pages(walker: str, second: str) -> None:
    """With special bits a copied page could be read, and a device page could not."""
    results = [look(walker, f"process_vm_readv a[{page}]").result for page in (0, 1)]

    assert ["EFAULT", second] == results


def special(walk: str) -> Step:
    """What a walker that asks special bits answers at a device page, mapped shared and not written."""
    ops = ("a = mmap bar[0:2] wc shared rw", walk)
    text = "\n".join(("pfnlab program 1", "device bar: pci, 16 pages", *ops, ""))
    return ModelMachine("7.2,walker=special_bits").run_one(load_text(text), check=True).steps[1]


@for_each(
    ("walk", "result"),
    [
        ("vmsplice a[0]", "EEXIST"),
        ("futex_wake a[0]", "EEXIST"),
        ("process_vm_readv a[0]", "EFAULT"),
        ("mem_read a[0]", "ok"),
    ],
)
def test_an_entry_without_a_page(walk: str, result: str) -> None:
    """It is EEXIST to who wants the page itself; the others make something else of it (S7.1.3)."""
    assert result == special(walk).result


@for_each(("walk", "dirty"), [("futex_wake a[0]", True), ("vmsplice a[0]", False)])
def test_an_entry_without_a_page_is_used(walk: str, dirty: bool) -> None:
    """get_user_pages for writing leaves a device page's entry dirty, though it takes no page (S7.1.3)."""
    entries = [pte.entry.split() for pte in special(walk).ptes or ()]

    assert dirty == ("D" in entries[0])


@for_each(
    ("walk", "said"),
    [("pagemap a[5:7]", "soft-dirty soft-dirty"), ("mincore a[5:7]", "00"), ("move_pages a[5]", "ENOENT")],
)
@for_each("walker", ["special_bits", "page_test_skip"])
def test_who_enters_takes_leaves_away(walker: str, walk: str, said: str) -> None:
    """pagemap and mincore split leaves of 1 GiB where they enter the VMA; move_pages does not (S7.5.3)."""
    ops = ("a = mmap bar[0:262144] driver fault_pud shared rw", "read a[5]", walk)
    text = "\n".join(("pfnlab program 1", "device bar: pci, 1 GiB", *ops, ""))

    # Through /proc the leaf would be gone before.
    machine = ModelMachine(f"7.2,walker={walker}", LookLevel.MEMORY)

    step = machine.run_one(load_text(text), check=True).steps[2]

    entered = walker == "special_bits" and not walk.startswith("move_pages")
    assert (said, int(entered)) == (step.value, step.flushes)


@for_each("walker", WALKERS)
def test_a_page_that_cannot_be_had(walker: str) -> None:
    """Nobody fills a revoked entry again: EFAULT, however far a walker gets."""
    assert "EFAULT" == revoked(walker).result


def revoked(walker: str) -> Step:
    """process_vm_readv of a page whose entry a revocation took."""
    ops = (COPIED[0].replace("private", "shared"), "request_mem_region bar[0:2]", "process_vm_readv a[0]")
    text = "\n".join(("pfnlab program 1", "device bar: pci, 16 pages", *ops, ""))
    return ModelMachine(f"7.2,walker={walker}").run_one(load_text(text), check=True).steps[2]


def test_the_page_test_knows_no_vm_io() -> None:
    """walk_page_test skips VM_PFNMAP "but not VM_IO :)": a driver's VM_MIXEDMAP is entered."""
    mixed = ("pfnlab program 1", "device bar: pci, 16 pages", "a = mmap bar[0:1] driver mixed shared rw")
    program = load_text("\n".join((*mixed, "read a[0]", "pagemap a", "")))

    said = {
        walker: ModelMachine(f"7.2,walker={walker}").run_one(program, check=True).steps[2].value
        for walker in WALKERS
    }

    assert {
        "early_refusal": "soft-dirty",
        "page_test_skip": "present+soft-dirty",
        "special_bits": "present+soft-dirty",
    } == said


@pytest.mark.parametrize("walker", WALKERS)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_walkers_change_nothing_else(walker: str, seed: int) -> None:
    """Whatever walkers accept, the book and the mappings are those of the kernel, and invariants hold.

    But for leaves of 1 GiB, which go where a walker enters (S7.5.3).
    """
    program = drawn(seed, driver=True)
    try:
        landed = ModelMachine("7.2").run_one(program).steps
        if any("fault_pud" in step.op or "vfio" in step.op for step in landed):
            reject()
        steps = ModelMachine(f"7.2,walker={walker}").run_one(program, check=True).steps
    except Undecided:
        reject()

    assert [step.book for step in landed] == [step.book for step in steps]
    others = [not isinstance(op.call, Walk | ProcessVmReadv) for op in program.ops] + [True]
    assert [step.result for step in compress(landed, others)] == [
        step.result for step in compress(steps, others)
    ]
