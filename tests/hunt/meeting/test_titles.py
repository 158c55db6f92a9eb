"""Titles of commits: which touch the area, and between which versions a changelog has them."""

from __future__ import annotations

from for_each import for_each

from pfnlab.hunt.meeting.titles import titles_about, titles_between, touches

CHANGELOG = """\
linux (6.12.23-2~deb12u1) bookworm; urgency=medium

  * Rebuild for bookworm:
    - mm/mmap: nothing of a stable release

 -- Somebody <some@body>  Sat, 01 Jun 2024 00:00:00 +0200

linux (6.12.23-2) trixie; urgency=medium

  * mm/mremap: a change of the distribution's own that takes
    two lines (Closes: #1)

 -- Somebody <some@body>  Sat, 01 Jun 2024 00:00:00 +0200

linux (6.12.23-1) trixie; urgency=medium

  * New upstream stable update:
    https://www.kernel.org/pub/linux/kernel/v6.x/ChangeLog-6.12.22
    - mm/vma: of the release before (CVE-2026-1)
    - drm/amd: not of the area
    https://www.kernel.org/pub/linux/kernel/v6.x/ChangeLog-6.12.23
    - [x86] mm/pat: Fix VM_PAT handling when fork() fails in
      copy_page_range()
    - [arm64] mm: not of this architecture

  [ Somebody ]
  * net: Enable a driver

 -- Somebody <some@body>  Sat, 01 Jun 2024 00:00:00 +0200

linux (6.12.21-1) trixie; urgency=medium

  * New upstream stable update:
    https://www.kernel.org/pub/linux/kernel/v6.x/ChangeLog-6.12.21
    - mm/gup: the oldest

 -- Somebody <some@body>  Sat, 01 Jun 2024 00:00:00 +0200

linux (6.11.10-1) unstable; urgency=medium

  * New upstream stable update:
    https://www.kernel.org/pub/linux/kernel/v6.x/ChangeLog-6.11.10
    - mm/gup: of another series

 -- Somebody <some@body>  Sat, 01 Jun 2024 00:00:00 +0200
"""


@for_each(
    "title",
    [
        "mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP",
        "mm: disallow ioremap'ing ordinary RAM in generic_access_phys()",
        "mm, madvise: fix something",
        "mm: split critical region in remap_file_pages() and invoke LSMs in between",
        "mm: close theoretical race where stale TLB entries could linger",
        "[amd64] x86/mm/pat: Use pr_warn() for early W^X warnings",
        "[x86] mm/pat: Fix VM_PAT handling when fork() fails in copy_page_range()",
        "[x86] mm: Eliminate window where TLB flushes may be inadvertently skipped",
        "[x86] mtrr: Check if fixed-range MTRRs exist in mtrr_save_fixed_ranges()",
        "[arm64,amd64] mm/gup: of both",
        "kernel: be more careful about dup_mmap() failures and uprobe registering",
        "kernel/fork: only call untrack_pfn_clear() on VMAs duplicated for fork()",
        "vfio/pci: Align huge faults to order",
        "PCI/sysfs: Add CAP_SYS_ADMIN check to __resource_resize_store()",
        "proc/task_mmu: handle special PMDs in clear_refs and pagemap",
        'Revert "mm/mmap: something"',
        "char: mem: /dev/mem refuses more",
    ],
)
def test_titles_of_the_area(title: str) -> None:
    """Commits that may change what a program sees are listed."""
    assert touches(title)


@for_each(
    "title",
    [
        "drm/amd/display: Use overlay cursor",
        "[arm64] mm: fix flush_tlb_range()",
        "[riscv] mm/mmap: anything",
        '[amd64] KVM: x86/mmu: Use split "zap all fast" helpers',
        "mm/damon/vaddr: avoid hw-driven pte updates during damon_hugetlb_mkold()",
        "mm/memory-tier: fix abstract distance calculation overflow",
        "mm/page_alloc: fix uninitialized variable",
        "mmc: sdhci: unmap the bounce buffer before device release",
        "net: devmem: do not WARN conditionally after netdev_rx_queue_restart()",
        "New upstream stable update:",
    ],
)
def test_titles_of_other_areas(title: str) -> None:
    """Other subsystems and other architectures are left out."""
    assert not touches(title)


def test_titles_between_two_versions() -> None:
    """Each with its release, in order, whole where it takes two lines; the older version's own not."""
    found = titles_between(CHANGELOG, "6.12.21", "6.12.23")

    assert (
        "6.12.22: mm/vma: of the release before",
        "6.12.23: [x86] mm/pat: Fix VM_PAT handling when fork() fails in copy_page_range()",
        "6.12.23: mm/mremap: a change of the distribution's own that takes two lines",
    ) == found


def test_a_list_that_is_none_of_commits() -> None:
    """What a rebuild says of itself is no commit of a stable release."""
    assert not any("nothing of a stable" in one for one in titles_between(CHANGELOG, "6.12.1", "6.12.99"))


@for_each(
    ("after", "upto"),
    [("6.11.9", "6.12.23"), ("6.12.23", "6.12.21"), ("6.12.23", "6.12.23"), ("7.3-rc6", "7.3-rc7")],
)
def test_there_are_none(after: str, upto: str) -> None:
    """Two series have no list between them, nor has an older version, the same, or a candidate."""
    assert () == titles_between(CHANGELOG, after, upto)


LISTED = [
    "6.12.118: mm/gup: fix out-of-bounds write for nr_pages == 0 in GUP-fast",
    "6.12.118: mm/huge_memory: split huge PUDs when adjusting VMA boundaries",
    "6.12.118: mm/memory: constrain generic_access_phys() to page boundary",
    "6.12.118: mm/page_vma_mapped: continue past nonmatching huge PMDs",
    "6.12.118: mm: disallow ioremap'ing ordinary RAM in generic_access_phys()",
    "6.12.118: mm: fix unmap_mapping_range() beyond 4 GiB on 32-bit",
]


@for_each(
    ("said", "places"),
    [
        ("It goes page by page, not over a border; generic_access_phys() is told the page", [2, 4]),
        ("unmap_mapping_range() takes the whole file", [5]),
        ("mm: fix unmap_mapping_range() beyond 4 GiB on 32-bit", [5]),
        (
            "mm/page_vma_mapped: continue past nonmatching huge PMDs; generic_access_phys()",
            [3, 2, 4],
        ),
    ],
    ids=["named", "by one alone", "quoted", "quoted first"],
)
def test_titles_that_concern_a_change(said: str, places: list[int]) -> None:
    """They name a function of it, or are quoted, which come first."""
    assert [LISTED[place] for place in places] == list(titles_about(LISTED, said))


@for_each(
    "said",
    ["", "Huge PUDs are split when VMA boundaries move", "page_vma_walk() goes on", "write() is refused"],
    ids=["nothing", "no function", "half of a name", "a word that is a function too"],
)
def test_titles_that_concern_nothing(said: str) -> None:
    """Words alone are no match, nor is a part of a function's name."""
    assert () == titles_about(LISTED, said)


def test_at_most_three_titles_concern_a_change() -> None:
    """However many touch its function."""
    many = [f"6.12.118: mm: change copy_page_range() for the {number}th time" for number in range(9)]

    assert tuple(many[:3]) == titles_about(many, "copy_page_range() copies less")
