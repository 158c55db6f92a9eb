"""Snapshots of a large machine: a million reservations, ten thousand processes, a million VMAs.

The files are read as a live root has them, of each VMA all that smaps says and one in ten of interest, and as
a bundle in which all are. Beside it: what ``wc -l`` and ``sort`` take for the same files.

    python benchmarks/snapshot_scale.py [--quick]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measuring import busy, rounds, show

from pfnlab.progress import silent

RESERVATIONS, PROCESSES, VMAS = 1_000_000, 10_000, 1_000_000
GOAL_RATIO, GOAL_BYTES = 10.0, 2 << 30
ROUNDS, SECONDS = 3, 240.0

_FIRST = 0x100_0000_0000
_FIELDS = "".join(
    f"{name}:{'4 kB':>{24 - len(name)}}\n"
    for name in (
        *("Size", "KernelPageSize", "MMUPageSize", "Rss", "Pss", "Pss_Dirty", "Shared_Clean", "Shared_Dirty"),
        *("Private_Clean", "Private_Dirty", "Referenced", "Anonymous", "KSM", "LazyFree", "AnonHugePages"),
        *(
            "ShmemPmdMapped",
            "FilePmdMapped",
            "Shared_Hugetlb",
            "Private_Hugetlb",
            "Swap",
            "SwapPss",
            "Locked",
        ),
    )
)
_PFN, _PLAIN = "VmFlags: rd wr sh mr mw me ms pf io de dd sd \n", "VmFlags: rd ex mr mw me sd \n"


def write_root(root: Path, reservations: int, processes: int, vmas: int) -> None:
    """A folder with the files of such a machine."""
    book = root / "sys/kernel/debug/x86/pat_memtype_list"
    book.parent.mkdir(parents=True)
    with book.open("w") as file:
        file.write("PAT memtype list:\n")
        for at in range(reservations):
            start = _FIRST + at * 0x4000
            file.write(f"PAT: [mem 0x{start:016x}-0x{start + 0x1000:016x}] write-combining\n")
    each = vmas // processes
    for pid in range(1, processes + 1):
        folder = root / f"proc/{pid}"
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"worker{pid}\n")
        (folder / "smaps").write_text("".join(_vma(pid * each + at, whole=True) for at in range(each)))


def _vma(number: int, *, whole: bool) -> str:
    start = 0x7F00_0000_0000 + number * 0x2000
    of_interest = not whole or number % 10 == 0
    if of_interest:
        physical = _FIRST + number * 0x4000
        head = f"{start:x}-{start + 0x1000:x} rw-s {physical:x} 00:05 12                     /dev/mem\n"
        return head + (_FIELDS if whole else "") + _PFN
    head = f"{start:x}-{start + 0x1000:x} r-xp 00000000 fe:00 260386               /usr/lib/libc.so.6\n"
    return head + _FIELDS + _PLAIN


def write_bundle(path: Path, root: Path, processes: int, vmas: int) -> None:
    """A bundle of such a machine, with VMAs of interest alone."""
    from pfnlab.inspector.sources.bundle_form import Entry, written

    book = "/sys/kernel/debug/x86/pat_memtype_list"
    entries = [Entry("file", book, (root / book[1:]).read_bytes())]
    entries.append(Entry("folder", "/proc", "".join(f"{pid}\n" for pid in range(1, processes + 1)).encode()))
    each = vmas // processes
    for pid in range(1, processes + 1):
        lines = "".join(_vma(pid * each + at, whole=False) for at in range(each))
        entries.append(Entry("file", f"/proc/{pid}/smaps", lines.encode()))
    path.write_bytes(written(entries, [("root", "yes")]))


def tools(files: list[Path]) -> float:
    """Seconds that wc and sort take for all these files, one after the other."""
    names = b"\0".join(os.fsencode(file) for file in files)
    begin = time.perf_counter()
    for command in (["wc", "-l", "--files0-from=-"], ["sort", "--files0-from=-"]):
        subprocess.run(command, input=names, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def in_child(act: Callable[[], tuple[int, int]]) -> tuple[float, int, tuple[int, int]]:
    """Seconds and bytes that something takes in a process of its own, and how many parts it found."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        begin = time.perf_counter()
        found = act()
        took = time.perf_counter() - begin
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        os.write(writes, f"{took} {most} {found[0]} {found[1]}".encode())
        os._exit(0)
    os.close(writes)
    answer = b""
    while part := os.read(reads, 4096):
        answer += part
    os.close(reads)
    os.waitpid(child, 0)
    took_text, most_text, *counts = answer.decode().split()
    return float(took_text), int(most_text), (int(counts[0]), int(counts[1]))


def read(path: Path) -> tuple[int, int]:
    """The reservations and mappings of a root or a bundle."""
    from pfnlab.inspector.parsing.assembly import snapshot_of
    from pfnlab.inspector.sources.bundle import Bundle
    from pfnlab.inspector.sources.root_folder import RootFolder

    with silent():
        found = snapshot_of(RootFolder(path) if path.is_dir() else Bundle.at(path))
    return len(found.book or ()), len(found.mappings or ())


def main(quick: bool = False) -> None:
    """Measure and print."""
    reservations, processes, vmas = (1000, 10, 1000) if quick else (RESERVATIONS, PROCESSES, VMAS)
    with tempfile.TemporaryDirectory() as folder:
        root, bundle = Path(folder) / "root", Path(folder) / "bundle"
        write_root(root, reservations, processes, vmas)
        write_bundle(bundle, root, processes, vmas)
        read(bundle) if quick else None
        files = {
            "live root": [root / "sys/kernel/debug/x86/pat_memtype_list", *root.glob("proc/*/smaps")],
            "bundle": [bundle],
        }
        rows, worst, most = [], 0.0, 0
        for name, path in (("live root", root), ("bundle", bundle)):
            times: list[tuple[float, float]] = []
            for _ in rounds(1 if quick else ROUNDS, SECONDS):
                beside = tools(files[name])
                took, size, found = in_child(lambda path=path: read(path))  # type: ignore[misc]
                times.append((took, beside))
                most = max(most, size)
            took, beside = (statistics.median(one[at] for one in times) for at in (0, 1))
            ratio = statistics.median(one / other for one, other in times)
            worst = max(worst, ratio)
            rows.append(
                [name, f"{found[0]:,}", f"{found[1]:,}", f"{took:.2f} s", f"{beside:.2f} s", f"{ratio:.2f}",
                 f"{size >> 20} MiB"]
            )  # fmt: skip
    head = ["files", "reservations", "mappings", "snapshot", "wc and sort", "ratio", "memory"]
    show(f"a snapshot of {processes:,} processes with {vmas:,} VMAs", head, rows)
    if not quick:
        verdict = "met" if worst <= GOAL_RATIO and most <= GOAL_BYTES else "NOT met"
        print(f"Goal: {GOAL_RATIO:g} times wc and sort, within {GOAL_BYTES >> 30} GiB: {verdict}. ({busy()})")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
