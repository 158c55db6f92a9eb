"""The properties that observers of a kernel's memory report as violated, each a :class:`MemoryFault`."""

from pfnlab.programs.runs.kernel_property import KernelProperty

_ACCOUNTS = "the kernel, at the end of the process: it frees too much or too little"
_WALKERS = "the kernel: a later unmap or walk misses memory, or reaches what is gone"
_LEAKED = "all users: the memory is missing until the machine reboots"

looks_agree = KernelProperty(
    "looks_agree",
    "The guest's /proc and debugging files match its memory",
    happens="two ways of observing one kernel disagree",
    noticed="the reader of /proc, who sees something else than the kernel uses",
)
mm_counts = KernelProperty(
    "mm_counts",
    "map_count, total_vm and locked_vm match the VMAs",
    happens="a count of an address space differs from its VMAs",
    noticed="the process, which reaches its limits too early or never",
)
vma_order = KernelProperty(
    "vma_order", "VMAs are in order and do not overlap", happens="VMAs overlap or are empty", noticed=_WALKERS
)
tables_counted = KernelProperty(
    "tables_counted",
    "pgtables_bytes matches the existing page tables",
    happens="pgtables_bytes differs from the page tables that exist",
    noticed="the log at the end of the process: non-zero pgtables_bytes on freeing mm",
)
tables_owned = KernelProperty(
    "tables_owned",
    "Every page table maps part of a VMA",
    happens="a page table is left where no VMA is",
    noticed=_ACCOUNTS,
)
file_maps = KernelProperty(
    "file_maps",
    "A file lists every VMA that maps it, and no VMA of an address space that is gone",
    happens="a file's list of VMAs is wrong",
    noticed="the next revocation, which misses a VMA or reaches freed memory",
)
direct_map_level = KernelProperty(
    "direct_map_level",
    "If a page of the program has another mode in the direct map, the direct-map entry with that mode covers "
    "no other pages",
    happens="a direct-map entry gives a cache mode to other pages too",
    noticed="every user of those pages, which are slower than they should be",
)
counters = KernelProperty(
    "counters",
    "The counters of pages and tracked ranges equal the number of their users",
    "In memory, an ordinary page counts at least the entries that map it.",
    happens="a counter differs from the number of users",
    noticed="the kernel: memory is freed too early or never",
)
counts_left = KernelProperty(
    "counts_left",
    "An ordinary page counts at most the entries that map it",
    "After mremap has moved something to a place of the kernel's choice, which is not observed, the count "
    "may be higher.",
    happens="a page counts more entries than map it",
    noticed=_LEAKED,
)
committed_left = KernelProperty(
    "committed_left",
    "The number of committed pages is what VMAs account for",
    "In memory, as many pages are committed after a program as before it (Committed_AS).",
    happens="the committed total is higher or lower than the mappings account for",
    noticed="users of private memory under strict overcommit (vm.overcommit_memory=2): ENOMEM comes too "
    "early or too late",
)
tables_left = KernelProperty(
    "tables_left",
    "After a program, as many page tables are in use as before it",
    happens="a program leaves page tables behind",
    noticed=_LEAKED,
)
files_left = KernelProperty(
    "files_left",
    "After a program, as many files are open as before it",
    happens="a program leaves open files behind",
    noticed=_LEAKED,
)
vmas_left = KernelProperty(
    "vmas_left",
    "After a program, as many VMAs are in use as before it",
    happens="a program leaves VMAs behind",
    noticed=_LEAKED,
)
book_left = KernelProperty(
    "book_left",
    "After a program, the book has no new reservations outside the program's devices",
    happens="a program leaves a reservation behind, outside its devices",
    noticed="the next user to map the range in another mode",
)
areas_left = KernelProperty(
    "areas_left",
    "After a program, vmalloc has no new ioremap areas",
    happens="a program leaves an ioremap area behind",
    noticed=_LEAKED,
)
resources_left = KernelProperty(
    "resources_left",
    "After a program, the resource tree has no new resources",
    happens="a program leaves a resource behind",
    noticed="the next driver, whose request for the range fails",
)
