"""Races for tests: scopes of operations side by side."""

from __future__ import annotations

from pfnlab.checker.scopes.scope import RaceScope, read_scope

#: Much else that can meet: entries that come and go, VMAs that are cut, a fork, the book.
OTHERS = """
devices = ["bar: pci, 4 pages"]
areas = ["a: 4 pages", "b: 4 pages"]
[[races]]
setup = ["a = mmap bar[0:4] driver remap wc shared rw", "t = thread", "s = thread", "s: read a[1]"]
beside = ["munmap a[1:2]", "t: zap_vma_ptes a[0:4]", "s: write a[3] 7"]
[[races]]
setup = ["a = mmap bar[0:4] driver fault wc shared rw", "t = thread", "t: read a[0]"]
beside = ["p = fork", "t: read a[1]", "munmap a"]
[[races]]
setup = ["p = fork", "a = mmap bar[0:2] driver remap wc shared rw", "t = thread"]
beside = [
  "mremap a[0:2] 2 pages maymove fixed over b[0:2]",
  "p: a = mmap bar[0:2] driver remap uc- shared rw",
  "t: read a[0]",
]
[[races]]
setup = ["a = mmap anon[0:2] private rw", "write a[0] 1", "p = fork", "t = thread"]
beside = ["write a[0] 2", "p: write a[0] 3", "t: munmap a[1:2]"]
"""

#: Revocations while mappings of the file are made: what a walk of the reverse map has still to visit differs
#: from schedule to schedule, and a fork's copy is in the reverse map before it has a task.
REVOCATIONS = """
devices = ["bar: pci, 2 pages"]
areas = ["a: 4 pages", "b: 4 pages"]
[[races]]
setup = ["a = mmap bar[0:2] driver remap wc shared rw", "t = thread"]
beside = ["p = fork", "t: unmap_mapping_range bar[0:2]"]
[[races]]
setup = ["a = mmap bar[0:2] wc shared rw", "t = thread"]
beside = ["p = fork", "t: request_mem_region bar[0:2]"]
[[races]]
setup = ["a = mmap bar[0:2] driver remap wc shared rw", "t = thread"]
beside = ["mremap a[0:2] 2 pages maymove fixed over b[0:2]", "t: unmap_mapping_range bar[0:2]"]
"""

#: Copies on write, under the locks of a page table and of a VMA, beside those who want one of them.
COPIES = """
devices = ["bar: pci, 4 pages"]
areas = ["a: 4 pages", "b: 4 pages"]
[[races]]
setup = ["a = mmap bar[0:4] wc private rw", "write a[3] 1", "t = thread", "s = thread"]
beside = ["write a[0] 1", "t: munmap a[1:3]", "s: move_pages a[3]"]
[[races]]
setup = ["a = mmap anon[0:2] private rw", "write a[0] 1", "write a[1] 1", "p = fork", "t = thread"]
beside = ["write a[0] 2", "t: mincore a[0:2]", "p: write a[0] 3"]
[[races]]
setup = ["a = mmap anon[0:2] private rw", "write a[0] 1", "write a[1] 1", "p = fork", "t = thread"]
beside = ["write a[0] 2", "t: madvise a[1] dontneed"]
[[races]]
setup = ["a = mmap bar[0:4] driver remap wc shared rw", "p = fork", "t = thread", "t: read a[0]"]
beside = ["mremap a[0:2] 2 pages maymove fixed over b[0:2]", "p: unmap_mapping_range bar[0:2]"]
"""


def races(text: str) -> RaceScope:
    """The scope that *text* describes."""
    scope = read_scope(text, "text")
    assert isinstance(scope, RaceScope)
    return scope
