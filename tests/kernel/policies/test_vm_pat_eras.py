"""vm_pat of five times: what each forgets, and what the next one mended (catalogue A01 to A16)."""

from __future__ import annotations

import pytest

from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.seams import VM_PAT_ERAS, era_switches
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

SHARED = "a = mmap bar[0:4] wc shared rw"
INVALID = "x86/PAT: main freeing invalid memtype {}"


def last(era: str, *ops: str) -> Step:
    """The last operation of a program under an era, every invariant checked."""
    text = "\n".join(("pfnlab program 1", "device bar: pci, 16 pages", *ops, ""))
    return ModelMachine(f"7.2,tracker={era}").run_one(load_text(text), check=True).steps[-2]


def eras(first: str) -> list[bool]:
    """False for the eras before *first*, True from there on."""
    names = list(VM_PAT_ERAS)
    return [names.index(era) >= names.index(first) for era in names]


def test_the_last_era_is_mainline_before_track_ctx() -> None:
    """All repairs: as 6.15 has them."""
    assert {name: getattr(PROFILES["6.15"], name) for name in era_switches("vm_pat@6.15")} == era_switches(
        "vm_pat@6.15"
    )


@pytest.mark.parametrize(
    ("switch", "first"),
    [
        ("end_match", "vm_pat@4.5"),
        ("move_clears_vm_pat", "vm_pat@4.5"),
        ("cow_knows_its_pfn", "vm_pat@6.9"),
        ("failed_copy_clears_vm_pat", "vm_pat@6.9"),
        ("failed_remap_zaps", "vm_pat@6.14.2"),
        ("failed_fork_untracks", "vm_pat@6.14.2"),
        ("only_fork_clears_vm_pat", "vm_pat@6.15"),
    ],
)
def test_what_an_era_has(switch: str, first: str) -> None:
    """A repair comes once and stays."""
    assert eras(first) == [era_switches(era)[switch] for era in VM_PAT_ERAS]


def test_a_zap() -> None:
    """A08: in every era a zap of one page gives up the reservation of all (S3.6.1)."""
    mapped = "a = mmap bar[0:4] driver remap wc shared rw"
    zapped = [last(era, mapped, "zap_vma_ptes a[1]") for era in VM_PAT_ERAS]

    assert [()] * len(zapped) == [step.book for step in zapped]


def test_shrinking() -> None:
    """A13: at first the tail is freed in vain, later it shrinks the entry."""
    shrunk = [last(era, SHARED, "mremap a 3 pages") for era in VM_PAT_ERAS]

    assert eras("vm_pat@4.5") == [() == step.log for step in shrunk]
    assert (INVALID.format("bar[3:4]"),) == shrunk[0].log


def test_a_copied_first_page() -> None:
    """A01: until 6.9 its pfn is lost, and the reservation with it."""
    gone = [last(era, "a = mmap bar[0:4] wc private rw", "write a[0] 1", "munmap a") for era in VM_PAT_ERAS]

    assert eras("vm_pat@6.9") == [() == step.book for step in gone]


def test_a_fork_that_fails() -> None:
    """A03, A04: the reservation of the child that never was leaks until 6.14.2."""
    fork = ("fail __pte_alloc 1 in copy_page_range: c = fork", "munmap a")
    gone = [last(era, SHARED, *fork) for era in VM_PAT_ERAS]

    assert eras("vm_pat@6.14.2") == [() == step.book for step in gone]


def test_the_split_leak() -> None:
    """A16: 6.14.2 alone loses what a split made, even unmapped from the end; before and after that works."""
    split = (SHARED, "mprotect a[2:4] r", "munmap a[2:4]", "munmap a[0:2]")
    gone = {era: [str(entry) for entry in last(era, *split).book] for era in VM_PAT_ERAS}

    assert ([], [], []) == (gone["vm_pat@4.5"], gone["vm_pat@6.9"], gone["vm_pat@6.15"])
    assert [] != gone["vm_pat@6.14.2"]
