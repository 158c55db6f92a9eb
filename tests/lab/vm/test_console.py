"""What the kernel called its crash, told by the console."""

from __future__ import annotations

import pytest

from pfnlab.lab.vm.console import crash_title

OOPS = """\
[   11.590444] BUG: kernel NULL pointer dereference, address: 0000000000000628
[   11.645093] #PF: supervisor read access in kernel mode
[   11.659572] Oops: Oops: 0000 [#1] SMP NOPTI
[   11.660859] CPU: 0 UID: 0 PID: 118 Comm: main Not tainted 7.2.13+deb14-cloud-amd64 #1
[   11.666913] RIP: 0010:flush_tlb_batched_pending+0x9/0x80
[   11.735688] RIP: 0033:0x7ffff7cd6627
[   11.752123] ---[ end trace 0000000000000000 ]---
[   11.754589] RIP: 0010:flush_tlb_batched_pending+0x9/0x80
"""
WARNING = """\
[    9.100000] WARNING: mm/memory.c:123 at zap_pte_range+0x1/0x2, CPU#0: main/81
[    9.200000] RIP: 0010:zap_pte_range+0x1/0x2
[    9.300000] ---[ end trace 0000000000000000 ]---
"""
PANIC = "[   12.000000] Kernel panic - not syncing: Fatal exception\n"


@pytest.mark.parametrize(
    ("console", "title"),
    [
        ("", None),
        ("[    1.000000] x86/PAT: main freeing invalid memtype\n", None),
        (PANIC, None),
        (OOPS, "BUG: kernel NULL pointer dereference in flush_tlb_batched_pending"),
        (OOPS + PANIC, "BUG: kernel NULL pointer dereference in flush_tlb_batched_pending"),
        (
            "[    9.1] BUG: unable to handle page fault for address: ffffc90000a2b000\n",
            "BUG: unable to handle page fault",
        ),
        ("[    9.1] kernel BUG at mm/memory.c:2345!\n", "kernel BUG at mm/memory.c:2345!"),
        (
            "[    9.1][  T118] Oops: general protection fault, probably for non-canonical address 0x1\n",
            "Oops: general protection fault",
        ),
        (
            "[    9.1] WARNING: CPU: 0 PID: 81 at mm/memory.c:123 zap_pte_range+0x1/0x2\n",
            "WARNING at mm/memory.c",
        ),
        (
            "[    9.1] WARNING: mm/memory.c:123 at zap_pte_range+0x1/0x2, CPU#0: main/81\n",
            "WARNING at mm/memory.c",
        ),
        ("[    9.1] BUG: Bad page map in process main  pte:8000 pmd:1\n", "BUG: Bad page map"),
        ("[    9.1] BUG: scheduling while atomic: main/81/0x2\n", "BUG: scheduling while atomic"),
        (
            "[    9.1] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [main:81]\n",
            "watchdog: BUG: soft lockup - CPU#0 stuck for 26s!",
        ),
        (
            OOPS + "[   13.0] kernel BUG at mm/rmap.c:1!\n",
            "BUG: kernel NULL pointer dereference in flush_tlb_batched_pending",
        ),
        (WARNING + OOPS, "BUG: kernel NULL pointer dereference in flush_tlb_batched_pending"),
    ],
)
def test_the_title_of_a_crash(console: str, title: str | None):
    """
    It is the first line of the first report, a warning's only where there is no other.
    """
    assert title == crash_title(console.splitlines())
