"""Which commits of stable releases touch what pfnlab is about, by their titles in a package's changelog."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pfnlab.policies.releases import series_of, version_key

# One section a stable release, as Debian writes it: the address of its ChangeLog, then a line a commit.
_RELEASE = re.compile(r"ChangeLog-(\d+\.\d+\.\d+)\s*$")
_COMMIT = re.compile(r"    - (?P<title>.*)")
_MORE = re.compile(r"      (?P<title>\S.*)")

# Debian names the architectures a commit is for.
_ARCHITECTURES = re.compile(r"^\[(?P<names>[a-z0-9_,* ]+)\] ")
_OURS = {"amd64", "x86", "x86_64"}

_FILES = (
    *("memory", "mmap", "vma", "mremap", "mprotect", "madvise", "mlock", "mseal", "msync", "mincore"),
    *("huge_memory", "rmap", "gup", "pagewalk", "mmu_gather", "page_vma_mapped", "page_table_check"),
    *("ksm", "userfaultfd", "memremap", "secretmem", "ioremap", "pgtable", "process_vm_access", "tlb"),
)
_SUBSYSTEMS = (
    *(rf"mm/(?:{'|'.join(_FILES)})\b", "x86/mm", "x86/mtrr", "x86/pat", "fork:", "kernel/fork"),
    *("proc/task_mmu", "fs/proc", "vfio:", "vfio/(?:pci|type1)", "uio", "/dev/mem", "char:? ?mem"),
    *("PCI/(?:sysfs|proc)", "userfaultfd", "resource:", "kernel/resource", "iomem", "mmu_gather", "tlb"),
)
_WORDS = (
    *("memtype", "(?i:pfnmap)", r"\bPAT\b", "mremap", r"\bmmap\b", "munmap", "mprotect", "madvise"),
    *("generic_access_phys", "remap_pfn", "vmf_insert", r"\bmemremap", r"\bVMA\b", r"\bvma\b"),
    *("follow_pfn", "set_memory", "smaps", "pagemap", "special (?:PMD|PUD|PTE|page|zero)"),
    *("remap_file_pages", "mm_access", r"\bzap_"),
)
_AREA = re.compile('^(?:Revert ")?(?:' + "|".join(_SUBSYSTEMS) + ")")
_MM = re.compile('^(?:Revert ")?mm[:/, ]')
_WORD = re.compile("|".join(_WORDS))


def touches(title: str) -> bool:
    """Whether a commit of this title may change what programs of ours see on x86-64."""
    named = _ARCHITECTURES.match(title)
    if named is not None:
        if not _OURS & set(re.split(r"[, ]+", named["names"])):
            return False
        title = title[named.end() :]
    return _AREA.match(title) is not None or (
        _MM.match(title) is not None and _WORD.search(title) is not None
    )


def titles_between(changelog: str, after: str, upto: str) -> tuple[str, ...]:
    """The commits of the area in stable releases behind *after*, up to *upto*, each ``6.12.107: title``.

    Both are versions of one series; a changelog says nothing of how two series differ.
    """
    if series_of(after) != series_of(upto):
        return ()
    low, high = version_key(after), version_key(upto)
    return tuple(
        f"{release}: {title}"
        for release, title in sorted(set(_commits(changelog)), key=lambda one: (version_key(one[0]), one[1]))
        if series_of(release) == series_of(upto) and low < version_key(release) <= high and touches(title)
    )


def _commits(changelog: str) -> Iterator[tuple[str, str]]:
    """Every commit of a stable release, with that release."""
    release, title = "", ""
    for line in [*changelog.splitlines(), ""]:
        begins, commit, more = _RELEASE.search(line), _COMMIT.fullmatch(line), _MORE.fullmatch(line)
        if title and more is not None and commit is None:
            title += f" {more['title']}"
            continue
        if title:
            yield release, re.sub(r" \(CVE-[^)]*\)$", "", title)
            title = ""
        if begins is not None:
            release = begins[1]
        elif commit is not None and release:
            title = commit["title"]
        elif line.startswith((" -- ", "  [", "  *")) and "stable update" not in line:
            release = "" if not line.startswith("  [") else release
