"""Releases that a line may be of, by its files, functions and forms."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.messages.explaining import explain_line
from pfnlab.diagnosis.messages.kernel_said import dated, narrowed


@for_each(
    "line, since, until",
    [
        ("WARNING: CPU: 5 PID: 3 at arch/x86/mm/pat.c:1004 untrack_pfn+0x21/0x33()", "3.12", "4.10"),
        ("WARNING: CPU: 5 PID: 3 at arch/x86/mm/pat/memtype.c:1104 untrack_pfn+0x21/0x33", "5.6", "6.15"),
        ("RIP: 0010:pfnmap_track+0x21/0x33", "6.16", ""),
        ("[<ffffffff81061c21>] reserve_memtype+0x21/0x33", "", "4.14"),
        ("vfio_pci_mmap_huge_fault+0x21/0x33 [vfio_pci_core]", "6.12", ""),
        ("CPU: 2 UID: 0 PID: 44 Comm: acmed Not tainted", "6.12", ""),
        ("WARNING: something else at arch/x86/mm/init.c", "", ""),
        ("untrack_pfn is a function, pat.c a file", "", ""),
    ],
)
def test_files_functions_and_forms_date_a_line(line: str, since: str, until: str) -> None:
    """A name in a sentence, without a line or an offset, dates nothing."""
    assert (since, until) == narrowed([(one.since, one.until) for one in dated(line)])


def test_a_bug_that_began_later_than_a_line_is_not_behind_it() -> None:
    """The file moved in 5.6, so the report is of an older kernel."""
    text = "WARNING: CPU: 5 PID: 3 at arch/x86/mm/pat.c:1004 untrack_pfn+0x21/0x33()"

    [boot] = explain_line(text).boots

    assert ("3.12", "4.10") == (boot.kernel.since, boot.kernel.until)
