"""Words of programs for what the kernel has numbers for: advice, policies and limits."""

#: The memory policies a program may name, of node 0, with the kernel's numbers.
POLICIES: dict[str, int] = {"default": 0, "preferred": 1, "bind": 2}

#: The limits of a process that a program may set, with the kernel's numbers (RLIMIT_*).
LIMITS: dict[str, int] = {"memlock": 8, "data": 2, "as": 9}

#: The line of /proc/PID/status that says how much a process has of what a limit is on.
LIMITED_USES: dict[str, str] = {"memlock": "VmLck", "data": "VmData", "as": "VmSize"}

#: Every madvise advice a program may name, with the kernel's number.
ADVICE: dict[str, int] = {
    "normal": 0,
    "random": 1,
    "sequential": 2,
    "willneed": 3,
    "dontneed": 4,
    "free": 8,
    "remove": 9,
    "dontfork": 10,
    "dofork": 11,
    "mergeable": 12,
    "unmergeable": 13,
    "hugepage": 14,
    "nohugepage": 15,
    "dontdump": 16,
    "dodump": 17,
    "wipeonfork": 18,
    "keeponfork": 19,
    "cold": 20,
    "pageout": 21,
    "populate_read": 22,
    "populate_write": 23,
    "dontneed_locked": 24,
    "collapse": 25,
    "guard_install": 102,
    "guard_remove": 103,
}
