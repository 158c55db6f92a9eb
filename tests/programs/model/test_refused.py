"""The operations that are refused on kernels older than any that was asked."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.errors import Undecided
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.model.refused import refuse_unknown

HEADER = "pfnlab program 1\ndevice bar: pci, 16 pages\na = mmap bar[0:4] wc shared rw\n"


@for_each(
    ("line", "what"),
    [
        ("madvise a collapse", "madvise collapse"),
        ("mremap a 4 pages maymove dontunmap", "mremap dontunmap"),
        ("hold flush_tlb_mm_range: munmap a\nrelease", "what waits for what while an operation is held"),
    ],
)
def test_what_nobody_knows_of_5_15(line: str, what: str) -> None:
    """One clear line, and 6.1 answers."""
    program = load_text(f"{HEADER}{line}\n")

    with pytest.raises(Undecided, match=f"^nobody has asked a 5.15 kernel about {what}: 6.1 is the oldest"):
        refuse_unknown(program, "5.15")
    refuse_unknown(program, "6.1")


def test_no_device_of_vfio_comes_or_goes() -> None:
    """On no kernel: the kernel waits for its users."""
    program = load_text(f"{HEADER}remove bar\nb = mmap bar[0:4] vfio shared rw\n")

    with pytest.raises(Undecided, match="while vfio-pci has users"):
        refuse_unknown(program, "7.3")


def test_a_refused_program_is_undecided() -> None:
    """The run says why, and that the profile is a guess."""
    run = ModelMachine("5.15").run([load_text(f"{HEADER}madvise a collapse\n")])[0]

    assert run.undecided is not None
    assert "not confirmed on a kernel" in run.kernel


def test_what_is_known_runs() -> None:
    """The tracking itself is in the catalogue."""
    assert ModelMachine("5.10").run([load_text(f"{HEADER}munmap a[0]\n")])[0].undecided is None
