"""Every operation that may allocate, in a set-up of its own, with each of its first allocations made to fail.

A row is an operation behind the lines that lead to it. A page table, or the copy of a VMA, is made to fail in
it, on the first, second and third call: where there is no such call, it runs as if nothing was asked for.
"""

from __future__ import annotations

from typing import NamedTuple

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program

#: What is made to fail, and on which of its calls: a page table cannot be had, or a copy of a VMA.
EVERY = tuple((function, nth) for function in ("__pte_alloc", "vm_area_dup") for nth in (1, 2, 3))

#: The same for operations that fill one page, or cut VMAs only.
_FILLS = (("__pte_alloc", 1), ("__pte_alloc", 2), ("vm_area_dup", 1))
_CUTS = (("__pte_alloc", 1), ("vm_area_dup", 1), ("vm_area_dup", 2), ("vm_area_dup", 3))


class FailingRow(NamedTuple):
    """An operation that may allocate.

    :param name: what it is
    :param before: the lines that lead to it, one behind the other with ``;``
    :param op: the operation
    :param after: lines that show what is left
    :param device: the device, as a program declares it
    :param area: an area that it needs
    """

    name: str
    before: str
    op: str
    after: str = ""
    device: str = "bar: pci, 2048 pages"
    area: str = ""

    def text(self, function: str, nth: int) -> str:
        """The text of the program in which *function* fails on its call *nth*."""
        lines = ["pfnlab program 1", f"title   {self.name}: {function} {nth} fails"]
        lines += [f"device  {self.device}", *([f"area    {self.area}"] if self.area else []), ""]
        lines += [line.strip() for line in self.before.split(";") if line.strip()]
        lines.append(f"fail {function} {nth}: {self.op}")
        lines += [line.strip() for line in self.after.split(";") if line.strip()]
        return "\n".join(lines) + "\n"


_WC = "a = mmap bar[0:16] wc shared rw"
_TABLES = "a = mmap bar[0:1100] wc shared rw"
_PRIVATE = "a = mmap bar[0:16] uc private rw; write a[3] 1; write a[9] 2"
_ANON = "a = mmap anon[0:16] private rw"
_FILLED = "a = mmap anon[0:16] private rw populate"
_SHMEM = "a = mmap anon[0:16] shared rw"
#: Anonymous memory on both sides of the border of two page tables.
_BORDER = "mmap anon[0:8] private rw over a[508:516]"
_FAULT = "a = mmap bar[0:1100] driver fault wc shared rw"
_OWN = "a = mmap bar[0:8] driver insert_page shared rw"
_VMAS = "mprotect a[4:8] r"
_LEAF = "a = mmap bar[0:1024] driver fault_pmd wc shared rw; read a[0]; read a[512]"
_BIG = "a: 1100 pages"


def _mappings() -> list[FailingRow]:
    """Every way to map, over one page table and over three."""
    vias = ("wc", "uc", "proc-wc", "proc-uc", "devmem", "devmem-sync", "vfio")
    hows = ("remap", "part[2:4]", "halves", "iomap_memory", "bare", "apply", "fault", "mixed", "refuse")
    ways = (*vias, *(f"driver {how} wc" for how in hows))
    rows = [
        FailingRow(f"mmap {way}", "", f"a = mmap bar[0:1100] {way} shared rw", "read a[3]") for way in ways
    ]
    rows += [
        FailingRow(f"mmap {way}", "", f"a = mmap bar[0:16] driver {way} shared rw", "read a[3]")
        for way in ("ram", "narrowed", "insert_page", "insert_pages", "map_pages", "page_mkwrite")
    ]
    rows += [
        FailingRow(
            f"mmap {way} over a border", "", f"mmap bar[0:8] {way} shared rw over a[508:516]", "", area=_BIG
        )
        for way in ("driver insert_page", "driver insert_pages", "driver map_pages", "driver narrowed", "wc")
    ]
    rows += [
        FailingRow("mmap private", "", "a = mmap bar[0:16] wc private rw", "write a[3] 1"),
        FailingRow(
            "mmap lowmem", "", "a = mmap bar[0:16] devmem shared rw", "read a[3]", "bar: lowmem, 16 pages"
        ),
        FailingRow("mmap perf", "", "a = mmap perf[0:5] shared rw", "read a[0]"),
        FailingRow("mmap over the middle", _WC, "mmap bar[20:24] uc shared rw over a[4:8]", "munmap a"),
        FailingRow("mmap over two", f"{_WC};{_VMAS}", "mmap bar[20:26] wc shared rw over a[3:9]", "munmap a"),
        FailingRow("mmap over all", _TABLES, "mmap bar[0:1100] uc shared rw over a", "munmap a"),
        FailingRow("mmap over anon", _FILLED, "mmap bar[20:24] wc shared rw over a[4:8]", "munmap a"),
        FailingRow("mmap anon over", _WC, "mmap anon[0:4] private rw populate over a[4:8]", "munmap a"),
        FailingRow("mmap populate", "", "a = mmap anon[0:16] private rw populate", "read a[3]"),
        FailingRow("mmap populate, border", "", f"{_BORDER} populate", "read a[511]; read a[512]", area=_BIG),
        FailingRow("mmap populate, read-only", "", "a = mmap anon[0:4] private r populate", "read a[3]"),
        FailingRow("mmap populate, shared", "", "a = mmap anon[0:16] shared rw populate", "read a[3]"),
        FailingRow("mmap locked", "", "a = mmap anon[0:16] private rw locked", "read a[3]; status"),
        FailingRow("mmap locked device", "", "a = mmap bar[0:16] wc shared rw locked", "read a[3]"),
        FailingRow("mmap populate device", "", "a = mmap bar[0:16] wc private rw populate", "read a[3]"),
        FailingRow(
            "mmap populate fault", "", "a = mmap bar[0:4] driver fault wc shared rw populate", "read a[3]"
        ),
        FailingRow(
            "mmap populate own", "", "a = mmap bar[0:4] driver page_mkwrite shared rw populate", "read a[3]"
        ),
        FailingRow("remap_file_pages", _WC, "remap_file_pages a[4:8] bar[8:12] wc", "read a[5]; munmap a"),
        FailingRow(
            "remap_file_pages all", _TABLES, "remap_file_pages a bar[512:1612] wc", "read a[5]; munmap a"
        ),
    ]
    return rows


def _moves() -> list[FailingRow]:
    """Every way to move or resize, of every kind of memory."""
    sources = {
        "wc": _WC,
        "private": _PRIVATE,
        "anon": _FILLED,
        "empty": _ANON,
        "shmem": f"{_SHMEM}; write a[3] 1",
        "fault": "a = mmap bar[0:16] driver fault wc shared rw; read a[3]",
        "own": f"{_OWN}; read a[3]; mremap a 8 pages",
        "vfio": "a = mmap bar[0:16] vfio shared rw; read a[3]",
        "locked": "a = mmap anon[0:16] private rw locked",
        "two": f"{_WC}; {_VMAS}",
    }
    rows = []
    for name, before in sources.items():
        whole = "a[0:8]" if name == "own" else "a[0:16]"
        pages = 8 if name == "own" else 16
        rows += [
            FailingRow(
                f"move {name}", before, "b = mremap a[2:5] 3 pages maymove fixed", "read b[1]; read a[3]"
            ),
            FailingRow(
                f"move all {name}", before, f"b = mremap {whole} {pages} pages maymove fixed", "read b[3]"
            ),
            FailingRow(f"move end {name}", before, "b = mremap a[2:8] 6 pages maymove fixed", "read b[1]"),
            FailingRow(
                f"move and shrink {name}",
                before,
                "b = mremap a[2:6] 2 pages maymove fixed",
                "read b[1]; read a[3]",
            ),
            FailingRow(
                f"keep {name}",
                before,
                f"b = mremap {whole} {pages} pages maymove fixed dontunmap",
                "read b[3]",
            ),
            FailingRow(
                f"keep part {name}", before, "b = mremap a[2:5] 3 pages maymove fixed dontunmap", "read b[1]"
            ),
            FailingRow(f"copy {name}", before, "b = mremap a[0:0] 4 pages maymove fixed", "read b[1]"),
            FailingRow(f"grow {name}", before, f"b = mremap {whole} 20 pages maymove fixed", "read b[3]"),
            FailingRow(f"shrink {name}", before, f"mremap {whole} 5 pages", "read a[3]"),
            FailingRow(f"shrink the middle {name}", before, "mremap a[2:6] 2 pages", "read a[3]"),
        ]
    rows += [
        FailingRow("grow in place", f"{_FILLED}", "mremap a[0:16] 20 pages", "write a[17] 1", area=_BIG),
        FailingRow(
            "grow locked",
            "a = mmap anon[0:16] private rw locked",
            "mremap a[0:16] 600 pages",
            "status",
            area=_BIG,
        ),
        FailingRow(
            "grow locked elsewhere",
            "a = mmap anon[0:4] private rw locked; c = mmap anon[0:4] private rw",
            "b = mremap a 520 pages maymove fixed",
            "status",
        ),
        FailingRow(
            "move over", _WC, "mremap a[0:4] 4 pages maymove fixed over a[8:12]", "read a[9]; munmap a"
        ),
        FailingRow(
            "move over another",
            f"{_WC}; b = mmap bar[20:36] uc shared rw",
            "mremap a[0:4] 4 pages maymove fixed over b[8:12]",
            "read b[9]; munmap b",
        ),
        FailingRow(
            "move beside itself",
            _FILLED,
            "mremap a[4:8] 4 pages maymove fixed over a[16:20]",
            "read a[17]; munmap a",
            area=_BIG,
        ),
        FailingRow(
            "move three tables", _TABLES, "b = mremap a 1100 pages maymove fixed", "read b[3]; read b[1000]"
        ),
        FailingRow(
            "move three tables, odd",
            _TABLES,
            "b = mremap a[3:1090] 1087 pages maymove fixed",
            "read b[3]; read a[600]",
        ),
        FailingRow(
            "move three tables over",
            f"{_TABLES}; b = mmap anon[0:600] private rw; write b[300] 1",
            "mremap a[2:1027] 1025 pages maymove fixed over b[0:1025]",
            "read b[3]",
            area="b: 1100 pages",
        ),
        FailingRow(
            "move across a border",
            f"{_BORDER} populate",
            "b = mremap a[508:516] 8 pages maymove fixed",
            "read b[3]; read a[510]",
            area=_BIG,
        ),
        FailingRow(
            "move to a border",
            _FILLED,
            "mremap a[0:8] 8 pages maymove fixed over b[508:516]",
            "read b[510]; read b[513]",
            area="b: 1100 pages",
        ),
        FailingRow(
            "move to two borders",
            _TABLES,
            "mremap a[0:1024] 1024 pages maymove fixed over b[500:1524]",
            "read b[510]; read b[513]",
            area="b: 1600 pages",
        ),
        FailingRow(
            "move untouched tables",
            f"{_FAULT}; read a[3]; read a[600]",
            "b = mremap a[1:1090] 1089 pages maymove fixed",
            "read b[3]",
        ),
        FailingRow(
            "move untouched whole tables",
            f"{_FAULT}; read a[3]; read a[600]",
            "b = mremap a 1100 pages maymove fixed",
            "read b[3]",
        ),
        FailingRow("move leaves", _LEAF, "b = mremap a 1024 pages maymove fixed", "read b[3]"),
        FailingRow(
            "move parts of leaves",
            _LEAF,
            "b = mremap a[4:600] 596 pages maymove fixed",
            "read b[3]; read a[2]",
        ),
        FailingRow(
            "move several",
            f"{_WC}; {_VMAS}; munmap a[10]",
            "b = mremap a[0:16] 16 pages maymove fixed",
            "read b[3]",
        ),
        FailingRow(
            "move several, parts",
            f"{_WC}; {_VMAS}; munmap a[10]",
            "b = mremap a[2:14] 12 pages maymove fixed",
            "read b[3]",
        ),
        FailingRow("move vvar", "", "v = mremap vvar 4 pages maymove fixed", "read v[0]"),
        FailingRow(
            "move vvar again",
            "v = mremap vvar 4 pages maymove fixed",
            "w = mremap v 4 pages maymove fixed",
            "read w[0]",
        ),
        FailingRow(
            "move vvar touched",
            "v = mremap vvar 4 pages maymove fixed; read v[0]",
            "w = mremap v 4 pages maymove fixed",
            "read w[0]",
        ),
        FailingRow(
            "move part of vvar",
            "v = mremap vvar 4 pages maymove fixed",
            "w = mremap v[1:3] 2 pages maymove fixed",
            "",
        ),
        FailingRow(
            "move perf", "a = mmap perf[0:5] shared rw", "b = mremap a 5 pages maymove fixed", "read b[0]"
        ),
        FailingRow(
            "move a sealed one", f"{_WC}; mseal a[0:4]", "b = mremap a[4:16] 12 pages maymove fixed", ""
        ),
    ]
    return rows


def _touches() -> list[FailingRow]:
    """Every way to a page, of every kind of memory that has no table for it."""
    places = {
        "anon": (_ANON, "a[3]", ""),
        "shmem": (_SHMEM, "a[3]", ""),
        "fault": (_FAULT, "a[600]", ""),
        "mixed": ("a = mmap bar[0:16] driver mixed wc shared rw", "a[3]", ""),
        "mixed private": ("a = mmap bar[0:16] driver mixed wc private rw", "a[3]", ""),
        "fault_prot": ("a = mmap bar[0:16] driver fault_prot wc shared rw", "a[3]", ""),
        "fault_remap": ("a = mmap bar[0:1100] driver fault_remap wc shared rw", "a[3]", ""),
        "fault_mkwrite": ("a = mmap bar[0:16] driver fault_mkwrite wc shared rw", "a[3]", ""),
        "mixed_mkwrite": ("a = mmap bar[0:16] driver mixed_mkwrite wc shared rw", "a[3]", ""),
        "own pages": (f"{_OWN}; madvise a dontneed", "a[3]", ""),
        "given pages": ("a = mmap bar[0:8] driver page_mkwrite shared rw", "a[3]", ""),
        "fault_pmd": ("a = mmap bar[0:1024] driver fault_pmd wc shared rw", "a[3]", ""),
        "part of fault_pmd": ("a = mmap bar[0:600] driver fault_pmd wc shared rw", "a[580]", ""),
        "vfio": ("a = mmap bar[0:16] vfio shared rw", "a[3]", ""),
        "disabled": ("a = mmap bar[0:16] vfio shared rw; memory_disable bar", "a[3]", ""),
        "vvar": ("v = mremap vvar 4 pages maymove fixed", "v[0]", ""),
        "wc": (_WC, "a[3]", ""),
        "empty": ("a = mmap bar[0:16] driver refuse shared rw", "a[3]", ""),
    }
    ways = (
        *(
            "read {}",
            "write {} 7",
            "mem_read {}",
            "mem_write {} 7",
            "process_vm_readv {}",
            "process_vm_writev {} 7",
        ),
        *("pipe_write {}", "vmsplice {}", "futex_wake {}", "mincore {}", "pagemap {}", "pagemap_scan {}"),
        *("numa_maps {}", "smaps {}", "smaps_rollup {}", "move_pages {}", "move_pages {} node0", "msync {}"),
        *("madvise {} populate_read", "madvise {} populate_write", "mlock {}"),
    )
    rows = [
        FailingRow(
            f"{way.format('')} {name}", before, way.format(page), f"read {page}; munmap {page[0]}", area=area
        )
        for name, (before, page, area) in places.items()
        for way in ways
        if name != "vvar" or not way.startswith(("write", "mem_write", "process_vm_writev"))
    ]
    bytes_ways = ("mem_read {} at 4092 8 bytes", "process_vm_readv {} at 4092 8 bytes")
    bytes_ways += ("mem_write {} 7 at 4092 8 bytes", "process_vm_writev {} 7 at 4092 8 bytes")
    rows += [
        FailingRow(
            f"{way.format('')} {name}", before, way.format("a[511]"), "read a[511]; read a[512]", area=_BIG
        )
        for name, before in {"border": _BORDER, "touched border": f"{_BORDER}; write a[511] 1"}.items()
        for way in (*bytes_ways, "mlock a[508:516]", "madvise a[508:516] populate_read")
    ]
    rows += [
        FailingRow(f"{way} border", _BORDER, way, "read a[511]; read a[512]; status", area=_BIG)
        for way in (
            *("madvise a[508:516] populate_write", "madvise a[510:520] populate_write", "mlock a[510:514]"),
            *(
                "mlock a[510:520]",
                "mlockall",
                "mem_read a[511] 12000 bytes",
                "process_vm_readv a[511] 12000 bytes",
            ),
        )
    ]
    rows += [
        FailingRow("read read-only", "a = mmap anon[0:4] private r", "read a[3]", "read a[3]"),
        FailingRow("write forbidden", "a = mmap anon[0:4] private r", "write a[3] 1", "read a[3]"),
        FailingRow("mem_write forbidden", "a = mmap anon[0:4] private r", "mem_write a[3] 1", "read a[3]"),
        FailingRow("mlock two", f"{_ANON}; b = mmap anon[0:4] private rw", "mlock a", "status"),
        FailingRow(
            "mlockall two",
            f"{_ANON}; b = mmap anon[0:4] private rw; {_WC.replace('a', 'c', 1)}",
            "mlockall",
            "read b[1]; status",
        ),
        FailingRow("mlockall of nothing", "", "mlockall", "status"),
        FailingRow("mmap after mlockall", "mlockall", "a = mmap anon[0:16] private rw", "read a[3]"),
        FailingRow(
            "mprotect of locked",
            "a = mmap anon[0:16] private r; mlock a; madvise a dontneed_locked",
            "mprotect a rw",
            "read a[3]",
        ),
        FailingRow("read after dontneed", f"{_FILLED}; madvise a dontneed", "read a[3]", "read a[3]"),
        FailingRow("read of another thread", f"{_ANON}; t = thread", "t: read a[3]", "t: read a[3]"),
        FailingRow("read of a child", f"{_SHMEM}; write a[3] 1; c = fork", "c: read a[3]", "c: read a[3]"),
        FailingRow("read of a child, anon", f"{_ANON}; c = fork", "c: read a[3]", "c: read a[3]"),
    ]
    return rows


def _changes() -> list[FailingRow]:
    """Every operation that cuts a VMA, in the middle of one, over two, and at an end."""
    ops = [
        *(
            "munmap {}",
            "mprotect {} r",
            "mprotect {} none",
            "pkey_mprotect {} r",
            "pkey_mprotect {} rw keyed",
        ),
        *(f"madvise {{}} {advice}" for advice in ("normal", "random", "sequential", "dontfork", "dontdump")),
        *(
            f"madvise {{}} {advice}"
            for advice in ("wipeonfork", "hugepage", "nohugepage", "dontneed", "free")
        ),
        *(f"madvise {{}} {advice}" for advice in ("remove", "cold", "pageout", "willneed", "guard_install")),
        *(f"madvise {{}} {advice}" for advice in ("mergeable", "unmergeable", "collapse", "dofork")),
        *(
            "process_madvise {} cold main",
            "process_madvise {} dontfork main",
            "mlock {}",
            "munlock {}",
            "mseal {}",
        ),
        *("mbind {} bind", "mbind {} bind move", "mbind {} preferred", "userfaultfd {}", "clear_refs all"),
        *("mlockall", "munlockall", "status", "setrlimit as +16 pages", "memtype_list", "look"),
        *("process_mrelease main", "t = thread", "exec", "c = fork", "e = fork set_tid"),
    ]
    memories = {"wc": _WC, "private": _PRIVATE, "anon": _FILLED, "shmem": f"{_SHMEM}; write a[3] 1"}
    rows = [
        FailingRow(f"{op.format('')} {name}", before, op.format("a[4:8]"), "read a[3]; munmap a")
        for name, before in memories.items()
        for op in ops
    ]
    rows += [
        FailingRow(f"{op.format('')} two", f"{_WC}; {_VMAS}", op.format("a[2:6]"), "read a[3]; munmap a")
        for op in ops
        if "{}" in op
    ]
    rows += [
        FailingRow("exit", f"{_WC}; c = fork", "c: exit", "munmap a"),
        FailingRow("kill", f"{_WC}; c = fork", "c: kill", "munmap a"),
        FailingRow("munlock locked", "a = mmap anon[0:16] private rw locked", "munlock a[4:8]", "status"),
        FailingRow("munlockall locked", "a = mmap anon[0:16] private rw locked", "munlockall", "status"),
        FailingRow("munmap an end", _WC, "munmap a[4:16]", "munmap a"),
        FailingRow("munmap of three tables", _TABLES, "munmap a[4:1050]", "munmap a"),
        FailingRow("mprotect into a neighbour", f"{_WC}; mprotect a[0:4] r", "mprotect a[4:8] r", "munmap a"),
        FailingRow("mprotect of a leaf", _LEAF, "mprotect a[4:600] r", "read a[3]; munmap a"),
        FailingRow("fork of three tables", _TABLES, "c = fork", "c: read a[3]"),
        FailingRow("fork of anon", _FILLED, "c = fork", "c: write a[3] 1"),
        FailingRow(
            "fork of two", f"{_WC}; b = mmap anon[0:4] private rw populate", "c = fork", "c: read b[3]"
        ),
        FailingRow("fork of own pages", _OWN, "c = fork", "c: read a[3]"),
        FailingRow("fork of a fault", f"{_FAULT}; read a[3]", "c = fork", "c: read a[3]"),
        FailingRow(
            "munmap vfio", "a = mmap bar[0:16] vfio shared rw; read a[3]", "munmap a[4:8]", "read a[3]"
        ),
        FailingRow("munmap perf", "a = mmap perf[0:5] shared rw", "munmap a[1:3]", "read a[0]"),
        FailingRow(
            "munmap part of vvar", "v = mremap vvar 4 pages maymove fixed", "munmap v[1]", "read v[0]"
        ),
    ]
    return rows


def _drivers() -> list[FailingRow]:
    """Every operation of a driver, and of a device."""
    driven = "a = mmap bar[0:16] driver remap wc shared rw"
    ops = (
        *("zap_vma_ptes a[2:4]", "remap_pfn_range a[2:4] wc", "unmap_mapping_range bar[0:4]"),
        *("request_mem_region bar[2:4]", "ioremap bar[0:4] wc", "memremap bar[0:4] wc"),
        *(
            "io_mapping_create_wc bar[0:4]",
            "arch_io_reserve_memtype_wc bar[0:16]",
            "arch_phys_wc_add bar[0:16]",
        ),
        *("set_memory_wc ram[0:4]", "set_pages_array_wc ram[0:4]", "memremap_pages bar[0:512]"),
    )
    rows = [FailingRow(op, driven, op, "read a[8]") for op in ops]
    rows += [
        FailingRow(
            "remap_pfn_range again",
            "a = mmap bar[0:1100] driver fault wc shared rw",
            "remap_pfn_range a[500:1030] wc",
            "read a[600]",
        ),
        FailingRow(
            "remap_pfn_range all",
            "a = mmap bar[0:1100] driver fault wc shared rw",
            "remap_pfn_range a wc",
            "read a[600]",
        ),
        FailingRow("bind", "a = mmap bar[0:4] wc shared rw", "bind bar", "unbind bar"),
        FailingRow("remove", "a = mmap bar[0:4] wc shared rw", "remove bar", "rescan bar"),
    ]
    vfio = "a = mmap bar[0:16] vfio shared rw; read a[3]"
    rows += [
        FailingRow(op, vfio, op, "read a[3]")
        for op in ("memory_disable bar", "memory_enable bar", "vfio_reset bar", "d3 bar", "vfio_close bar")
    ]
    return rows


#: Every row, with what is made to fail in it.
ROWS = (
    *((_mappings(), EVERY), (_moves(), EVERY), (_touches(), _FILLS), (_changes(), _CUTS)),
    (_drivers(), _FILLS),
)


def texts() -> dict[str, str]:
    """The text of every program, by its title; rows whose operation reads the same are one."""
    return {
        f"{row.name}: {function} {nth}": row.text(function, nth)
        for rows, forced in ROWS
        for row in rows
        for function, nth in forced
    }


def programs() -> dict[str, Program]:
    """Every program, by its title."""
    return {name: load_text(text, name) for name, text in texts().items()}
