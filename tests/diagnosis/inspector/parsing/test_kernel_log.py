"""The kernel's log in its forms, and its words on the machine."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.inspector.parsing.kernel_log import (
    hypervisor,
    log_lines,
    mtrr_default,
    pat_configuration,
    version,
)
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pat import FULL_PAT, NO_PAT


@for_each(
    "data",
    [
        b"6,5,93000001,-;x86/PAT: a\n SUBSYSTEM=pci\n6,6,94000000,c,caller=T1;b\n",
        b"[   93.000001] x86/PAT: a\n[   94.000000] b\n",
    ],
)
def test_records_and_printed_lines_are_the_same_lines(data: bytes) -> None:
    """Fields of a record are no lines."""
    assert ("[   93.000001] x86/PAT: a", "[   94.000000] b") == log_lines(data)


def test_of_a_journal_lines_of_the_kernel_stay() -> None:
    """With the names before them."""
    data = b"-- Boot 1 --\nNov 1 h kernel: a\nNov 1 h sshd[1]: b\n"

    assert ("Nov 1 h kernel: a",) == log_lines(data)


def test_the_last_configuration_holds() -> None:
    """A kernel prints a second one where the first had to be given up."""
    lines = (FULL_PAT.boot_line(), f"[    0.1] {NO_PAT.boot_line()}")

    assert NO_PAT == pat_configuration(lines)


@for_each(
    "line", ["x86/PAT: Configuration [0-7]: WC  WC  UC- UC  WB  WP  UC- WT", "PAT: Configuration [0-7]: WB"]
)
def test_a_configuration_that_cannot_be_is_none(line: str) -> None:
    """Slot 0 is WB, and there are eight."""
    assert pat_configuration((line,)) is None


def test_the_log_names_version_hypervisor_and_default_type() -> None:
    """Each by the line that the kernel prints at boot."""
    lines = (
        "Linux version 6.1.0-26-amd64 (a@b)",
        "MTRR default type: uncachable",
        "Hypervisor detected: KVM ",
    )

    assert ("6.1.0-26-amd64", MtrrType.UC, "KVM") == (version(lines), mtrr_default(lines), hypervisor(lines))


def test_an_empty_log_says_nothing() -> None:
    """It was overwritten, perhaps."""
    assert ("", None, "", None) == (version(()), mtrr_default(()), hypervisor(()), pat_configuration(()))
