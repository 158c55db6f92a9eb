"""VMA flag bits (``VM_*``), the tests derived from them, and their letters in smaps (S5.1, S10.3)."""

from pfnlab.kernel.hw.bits import (
    PAGE_ACCESSED,
    PAGE_NX,
    PAGE_PKEY_BIT0,
    PAGE_PKEY_BIT1,
    PAGE_PRESENT,
    PAGE_PROTNONE,
    PAGE_RW,
    PAGE_USER,
)

VM_READ = 1 << 0
VM_WRITE = 1 << 1
VM_EXEC = 1 << 2
VM_SHARED = 1 << 3
VM_MAYREAD = 1 << 4
VM_MAYWRITE = 1 << 5
VM_MAYEXEC = 1 << 6
VM_MAYSHARE = 1 << 7
VM_PFNMAP = 1 << 10
#: Since 6.19: shared memory may have guard regions. Previously unused; no modelled VMA has this bit.
VM_MAYBE_GUARD = 1 << 11
VM_LOCKED = 1 << 13
VM_IO = 1 << 14
VM_SEQ_READ = 1 << 15
VM_RAND_READ = 1 << 16
VM_DONTCOPY = 1 << 17
VM_DONTEXPAND = 1 << 18
VM_LOCKONFAULT = 1 << 19
VM_ACCOUNT = 1 << 20
#: VM_ARCH_1 on x86: "one reservation covers exactly this VMA", until 6.15 (S3).
VM_PAT = 1 << 24
VM_WIPEONFORK = 1 << 25
VM_DONTDUMP = 1 << 26
VM_SOFTDIRTY = 1 << 27
VM_MIXEDMAP = 1 << 28
VM_HUGEPAGE = 1 << 29
VM_NOHUGEPAGE = 1 << 30
VM_MERGEABLE = 1 << 31
#: The VMA has its process's protection key. Kernels store a 4-bit key from this bit on;
#: smaps does not print it.
VM_PKEY = 1 << 32
#: Since 6.9; not printed in smaps.
VM_ALLOW_ANY_UNCACHED = 1 << 39
VM_SEALED = 1 << 63

VM_ACCESS = VM_READ | VM_WRITE | VM_EXEC
VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP
VM_REMAP = VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP

#: In the order in which smaps prints them (S10.3).
_CODES = (
    (VM_READ, "rd"),
    (VM_WRITE, "wr"),
    (VM_EXEC, "ex"),
    (VM_SHARED, "sh"),
    (VM_MAYREAD, "mr"),
    (VM_MAYWRITE, "mw"),
    (VM_MAYEXEC, "me"),
    (VM_MAYSHARE, "ms"),
    (VM_PFNMAP, "pf"),
    (VM_MAYBE_GUARD, "gu"),
    (VM_LOCKED, "lo"),
    (VM_IO, "io"),
    (VM_SEQ_READ, "sr"),
    (VM_RAND_READ, "rr"),
    (VM_DONTCOPY, "dc"),
    (VM_DONTEXPAND, "de"),
    (VM_LOCKONFAULT, "lf"),
    (VM_ACCOUNT, "ac"),
    (VM_PAT, "ar"),
    (VM_WIPEONFORK, "wf"),
    (VM_DONTDUMP, "dd"),
    (VM_SOFTDIRTY, "sd"),
    (VM_MIXEDMAP, "mm"),
    (VM_HUGEPAGE, "hg"),
    (VM_NOHUGEPAGE, "nh"),
    (VM_MERGEABLE, "mg"),
    (VM_ALLOW_ANY_UNCACHED, "??"),
    (VM_SEALED, "sl"),
)

#: PROT_READ, PROT_WRITE and PROT_EXEC have the same values as the corresponding VM flags.
_PROT_LETTERS = {"r": VM_READ, "w": VM_WRITE, "x": VM_EXEC}


def prot_flags(prot: str) -> int:
    """The access bits for a program's ``rw``, ``rx`` ... or ``none``."""
    return 0 if prot == "none" else sum(_PROT_LETTERS[letter] for letter in prot)


def is_execute_only(flags: int) -> bool:
    """True for PROT_EXEC alone, in which case the kernel assigns a protection key that blocks all reads.

    False if pkey_mprotect has already assigned a key.
    """
    return flags & (VM_ACCESS | VM_PKEY) == VM_EXEC


def is_cow_mapping(flags: int) -> bool:
    """True if private and potentially writable, as every MAP_PRIVATE mapping is (S5.1.1)."""
    return flags & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE


def vm_flags_text(flags: int) -> str:
    """The codes in the VmFlags line of smaps, separated by spaces (S10.3)."""
    return " ".join(code for bit, code in _CODES if flags & bit)


def perms_text(flags: int) -> str:
    """The permission column of /proc/PID/maps, e.g. ``rw-s``."""
    return "".join(
        (
            "r" if flags & VM_READ else "-",
            "w" if flags & VM_WRITE else "-",
            "x" if flags & VM_EXEC else "-",
            "s" if flags & VM_MAYSHARE else "p",
        )
    )


def vm_get_page_prot(flags: int, *, keys: bool = True) -> int:
    """The page protection (4K layout) that a VMA's access bits give; never writable if private.

    :param keys: whether the kernel has protection keys (S13.5)
    """
    access = flags & (VM_ACCESS | VM_SHARED)
    if not access & VM_ACCESS:
        return PAGE_PROTNONE | PAGE_ACCESSED
    prot = PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED
    if access & VM_WRITE and access & VM_SHARED:
        prot |= PAGE_RW
    if not access & VM_EXEC:
        prot |= PAGE_NX
    if keys and is_execute_only(flags):
        prot |= PAGE_PKEY_BIT0
    if flags & VM_PKEY:
        prot |= PAGE_PKEY_BIT1
    return prot
