"""Commits in stable releases that touch pfnlab's area, found by their titles in a package's changelog."""

import re
from collections.abc import Iterator, Sequence

from pfnlab.kernel.policies.releases import series_of, upstream, version_key

# A section for each package version. It has a list for each stable release, which begins with the address of
# its ChangeLog and has one line per commit; Debian's own changes are separate.
_SECTION = re.compile(r"linux\S* \((?P<version>[^)]+)\) ")
_RELEASE = re.compile(r"ChangeLog-(\d+\.\d+\.\d+)\s*$")
_COMMIT = re.compile(r"    - (?P<title>.*)")
_OWN = re.compile(r"  \* (?P<title>.*)")
_MORE = re.compile(r"    (?:  )?(?!- )(?P<title>\S.*)")
_STABLE = re.compile(r"New upstream stable update")
_CLOSES = re.compile(r" \((?:CVE-|Closes: )[^)]*\)")

# Debian names the architectures of a commit, and shortens "x86/mm" to "[x86] mm".
_ARCHITECTURES = re.compile(r"\[(?P<names>[a-z0-9_,/* ]+)\] ")
_OURS = {"amd64", "x86", "x86_64"}
_OURS_ALONE = re.compile(r"mm\b|(?i:pat|mtrr|tlb|ioremap|fault)\b")

_FILES = (
    *("memory(?!-)", "mmap", "vma", "mremap", "mprotect", "madvise", "mlock", "mseal", "msync", "mincore"),
    *("huge_memory", "rmap", "gup", "pagewalk", "mmu_gather", "page_vma_mapped", "page_table_check"),
    *("ksm", "userfaultfd", "memremap", "secretmem", "ioremap", "pgtable", "process_vm_access", "tlb"),
)
_SUBSYSTEMS = (
    *(rf"mm/(?:{'|'.join(_FILES)})\b", r"x86/(?:mm|mtrr|pat|tlb|ioremap)\b", "fork:", "kernel/fork"),
    *("proc/task_mmu", "fs/proc", "procfs:", "vfio:", "vfio/(?:pci|type1)", "uio:", "char:? ?/?mem"),
    *("PCI/(?:sysfs|proc)", "userfaultfd", "resource:", "kernel/resource", "iomem", "mmu_gather", "tlb"),
)
# Words that mark the area in any title ...
_NAMES = (
    *("memtype", "(?i:pfnmap)", "/dev/k?mem", "remap_pfn", "vmf_insert", "generic_access_phys"),
    *("dup_mmap", "copy_page_range", "follow_pfn", "VM_PAT", "unmap_mapping_range", "zap_(?:vma|page)"),
)
# ... and only in mm/ titles.
_WORDS = (
    *(r"\bPAT\b", "mremap", "mmap", "munmap", "mprotect", "madvise", r"\bmemremap", r"(?i:\bvmas?\b)"),
    *("vma_", "vm_flags", "set_memory", "smaps", "pagemap", r"(?i:\b(?:pmd|pud|pte|tlb)s?\b)"),
    *("_(?:pmd|pud|pte)", "special (?:page|zero)", "page tables?", "remap_file_pages", "mm_access"),
    *(r"\bzap", r"\bunmap", r"\bfork", "page_range", r"\bgup\b", "userfaultfd", "uffd"),
)
_AREA = re.compile("|".join((*_SUBSYSTEMS, ".*(?:" + "|".join(_NAMES) + ")")))
_MM = re.compile("mm[:/, ](?!damon|vmalloc|slab|slub|zswap|kmemleak|migrate_device|ptdump)")
_WORD = re.compile("|".join(_WORDS))
_REVERT = re.compile('Revert "')


def touches(title: str) -> bool:
    """True if a commit with this title may change what pfnlab's programs observe on x86-64."""
    architectures = _ARCHITECTURES.match(title)
    if architectures is not None:
        if not _OURS & set(re.split(r"[, /]+", architectures["names"])):
            return False
        title = title[architectures.end() :]
        if _OURS_ALONE.match(title):
            return True
    title = _REVERT.sub("", title, count=1)
    return _AREA.match(title) is not None or (
        _MM.match(title) is not None and _WORD.search(title) is not None
    )


def titles_between(changelog: str, after: str, upto: str) -> tuple[str, ...]:
    """The area's commits in stable releases after *after*, up to *upto*, e.g. ``6.12.107: title``.

    Both versions must be in one series, because a changelog does not cover differences between series.
    Debian's own changes are included, under the version that Debian changed.
    """
    if series_of(after) != series_of(upto):
        return ()
    low, high = version_key(after), version_key(upto)
    return tuple(
        f"{release}: {title}"
        for release, title in sorted(
            set(_commits(changelog)), key=lambda entry: (version_key(entry[0]), entry[1])
        )
        if series_of(release) == series_of(upto) and low < version_key(release) <= high and touches(title)
    )


#: The maximum number of commits named for one cause.
MOST_CONCERNING = 3

_NAME = re.compile(r"\b[a-z_][a-z0-9_]+\b(?:\(\))?")


def titles_about(titles: Sequence[str], description: str) -> tuple[str, ...]:
    """The *titles* that *description* quotes, then those that name one of its functions; at most three.

    :param titles: as returned by :func:`titles_between`
    :param description: a change's description, with functions written like ``generic_access_phys()``
    """
    functions = {name for name in _NAME.findall(description) if name.endswith("()")}
    quoted = [title for title in titles if title.partition(": ")[2] in description]
    naming = [title for title in titles if title not in quoted and functions & _functions(title)]
    return (*quoted, *naming)[:MOST_CONCERNING]


def _functions(title: str) -> set[str]:
    """The functions that a title names, of which those without an underscore need their parentheses."""
    return {f"{name.removesuffix('()')}()" for name in _NAME.findall(title) if name[-1] == ")" or "_" in name}


def _commits(changelog: str) -> Iterator[tuple[str, str]]:
    """Every commit in a stable release, with the release; Debian's own changes have Debian's version."""
    version = release = title = origin = ""
    for line in [*changelog.splitlines(), ""]:
        section, begins = _SECTION.match(line), _RELEASE.search(line)
        commit, debian_change, rest = _COMMIT.fullmatch(line), _OWN.fullmatch(line), _MORE.fullmatch(line)
        if title and rest is not None and begins is None:
            title += f" {rest['title']}"
            continue
        if title:
            yield origin, _CLOSES.sub("", title)
            title = ""
        if section is not None:
            version, release = upstream(section["version"]), ""
        elif begins is not None:
            release = begins[1]
        elif commit is not None and release:
            origin, title = release, commit["title"]
        elif debian_change is not None:
            release = ""
            if version and not _STABLE.match(debian_change["title"]):
                origin, title = version, debian_change["title"]
