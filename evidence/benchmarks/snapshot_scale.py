"""Inspections of a large machine: a million reservations, ten thousand processes, a million VMAs.

The files are inspected as a live root, with every smaps field for each VMA and one VMA in ten relevant, and
as two bundles with only relevant VMAs: one from a healthy machine, and one in which most BARs have leaks,
unreserved mappings and other findings. An inspection includes the snapshot, the findings and the text. For
comparison, ``wc -l`` and ``sort`` are timed on the same files.

    python evidence/benchmarks/snapshot_scale.py [--quick]
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

from pfnlab.base.progress import silent

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


#: As set by firmware: RAM, followed by a device window.
_MTRR = """reg00: base=0x000000000 (    0MB), size=262144MB, count=0: write-back
reg01: base=0x10000000000 (1048576MB), size=1048576MB, count=0: uncachable
"""

#: BAR size of the devices in bundles, in bytes.
_BAR = 1 << 28


def write_root(root: Path, reservations: int, processes: int, vmas: int) -> None:
    """Write a folder with the files of such a machine."""
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
    """Write a bundle of such a machine, with only relevant VMAs."""
    from pfnlab.diagnosis.inspector.sources.bundle import Entry, written

    book = "/sys/kernel/debug/x86/pat_memtype_list"
    entries = [Entry("file", book, (root / book[1:]).read_bytes())]
    entries.append(Entry("folder", "/proc", "".join(f"{pid}\n" for pid in range(1, processes + 1)).encode()))
    each = vmas // processes
    for pid in range(1, processes + 1):
        lines = "".join(_vma(pid * each + at, whole=False) for at in range(each))
        entries.append(Entry("file", f"/proc/{pid}/smaps", lines.encode()))
    path.write_bytes(written(entries, [("root", "yes")]))


def write_machine(path: Path, reservations: int, processes: int, vmas: int, *, ill: bool) -> None:
    """Write a bundle of a machine with devices whose BARs are reserved and mapped.

    :param ill: one reservation of five is missing, one mapping of seven, and every second one is uncached
    """
    from pfnlab.diagnosis.inspector.sources.bundle import Entry, written

    devices = -(-max(reservations, vmas) * 0x4000 // _BAR)
    names = [f"0000:{at >> 3:02x}:{at & 7:02x}.0" for at in range(devices)]
    size = 0x2000 if ill else 0x1000
    lines = ["PAT memtype list:\n"]
    for at in range(reservations):
        if not (ill and at % 5 == 0):
            start = _FIRST + at * 0x4000
            mode = "uncached-minus" if ill and at % 2 else "write-combining"
            lines.append(f"PAT: [mem 0x{start:016x}-0x{start + size:016x}] {mode}\n")
    bars = [(_FIRST + at * _BAR, _FIRST + (at + 1) * _BAR - 1) for at in range(devices)]
    entries = [
        Entry("file", "/sys/kernel/debug/x86/pat_memtype_list", "".join(lines).encode()),
        Entry("file", "/proc/mtrr", _MTRR.encode()),
        Entry(
            "file",
            "/proc/iomem",
            "".join(
                f"{first:x}-{last:x} : {name}\n" for name, (first, last) in zip(names, bars, strict=True)
            ).encode(),
        ),
        Entry("folder", "/sys/bus/pci/devices", "".join(f"{name}\n" for name in names).encode()),
    ]
    for name, (first, last) in zip(names, bars, strict=True):
        folder = f"/sys/bus/pci/devices/{name}"
        for file, content in (("vendor", "0x10de"), ("device", "0x1db6"), ("class", "0x030000")):
            entries.append(Entry("file", f"{folder}/{file}", f"{content}\n".encode()))
        region = f"0x{first:016x} 0x{last:016x} 0x000000000014220c\n" + f"{'0x' + '0' * 16} " * 2
        entries.append(Entry("file", f"{folder}/resource", f"{region}{'0x' + '0' * 16}\n".encode()))
    entries.append(Entry("folder", "/proc", "".join(f"{pid}\n" for pid in range(1, processes + 1)).encode()))
    each = vmas // processes
    for pid in range(1, processes + 1):
        some = range((pid - 1) * each, pid * each)
        text = "".join(_vma_of_bar(at, names) for at in some if not (ill and at % 7 == 0))
        entries.append(Entry("file", f"/proc/{pid}/smaps", text.encode()))
        entries.append(Entry("file", f"/proc/{pid}/comm", f"worker{pid}\n".encode()))
        entries.append(Entry("folder", f"/proc/{pid}/fd", b""))
    path.write_bytes(written(entries, [("root", "yes")]))


def _vma_of_bar(number: int, names: list[str]) -> str:
    start, (bar, at) = 0x7F00_0000_0000 + number * 0x2000, divmod(number * 0x4000, _BAR)
    file = f"/sys/devices/pci0000:00/{names[bar]}/resource0_wc"
    return f"{start:x}-{start + 0x1000:x} rw-s {at:08x} 00:15 12                     {file}\n{_PFN}"


def tools(files: list[Path]) -> float:
    """Return the seconds wc and sort take for all these files, one after the other."""
    names = b"\0".join(os.fsencode(file) for file in files)
    begin = time.perf_counter()
    for command in (["wc", "-l", "--files0-from=-"], ["sort", "--files0-from=-"]):
        subprocess.run(command, input=names, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def in_child(act: Callable[[], tuple[int, ...]]) -> tuple[float, int, tuple[int, ...]]:
    """Return the seconds and bytes *act* uses in a separate process, and the counts it returns."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        begin = time.perf_counter()
        found = act()
        took = time.perf_counter() - begin
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        os.write(writes, f"{took} {most} {' '.join(map(str, found))}".encode())
        os._exit(0)
    os.close(writes)
    answer = b""
    while part := os.read(reads, 4096):
        answer += part
    os.close(reads)
    os.waitpid(child, 0)
    took_text, most_text, *counts = answer.decode().split()
    return float(took_text), int(most_text), tuple(map(int, counts))


def read(path: Path) -> tuple[int, ...]:
    """Inspect and print a root or a bundle; return its reservations, mappings and findings."""
    from pfnlab.diagnosis.inspector.inspection import inspected
    from pfnlab.diagnosis.inspector.joined_host import JoinedHost
    from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
    from pfnlab.diagnosis.inspector.sources.bundle import Bundle
    from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder
    from pfnlab.present.document.part import part_of
    from pfnlab.present.document.terminal import terminal

    with silent():
        found = snapshot_of(RootFolder(path) if path.is_dir() else Bundle.at(path))
        result = inspected(JoinedHost(found))
        terminal(part_of(result))
    return len(found.book or ()), len(found.mappings or ()), sum(one.finding.count for one in result.findings)


def main(quick: bool = False) -> None:
    """Measure and print."""
    reservations, processes, vmas = (1000, 10, 1000) if quick else (RESERVATIONS, PROCESSES, VMAS)
    with tempfile.TemporaryDirectory() as folder:
        root, bundle = Path(folder) / "root", Path(folder) / "bundle"
        write_root(root, reservations, processes, vmas)
        write_bundle(bundle, root, processes, vmas)
        well, ill = Path(folder) / "well", Path(folder) / "ill"
        write_machine(well, reservations, processes, vmas, ill=False)
        write_machine(ill, reservations, processes, vmas, ill=True)
        read(bundle) if quick else None
        files = {
            "live root": [root / "sys/kernel/debug/x86/pat_memtype_list", *root.glob("proc/*/smaps")],
            "bundle of /dev/mem": [bundle],
            "bundle, all well": [well],
            "bundle, much wrong": [ill],
        }
        rows, worst, most = [], 0.0, 0
        places = (root, bundle, well, ill)
        for name, path in zip(files, places, strict=True):
            print(f"{name}: inspecting", file=sys.stderr, flush=True)
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
                [
                    name,
                    *(f"{count:,}" for count in found),
                    f"{took:.2f} s",
                    f"{beside:.2f} s",
                    f"{ratio:.2f}",
                    f"{size >> 20} MiB",
                ]
            )
    head = [
        "files",
        "reservations",
        "mappings",
        "places found",
        "inspection",
        "wc and sort",
        "ratio",
        "memory",
    ]
    show(f"an inspection of {processes:,} processes with {vmas:,} VMAs", head, rows)
    if not quick:
        verdict = "met" if worst <= GOAL_RATIO and most <= GOAL_BYTES else "NOT met"
        print(f"Goal: {GOAL_RATIO:g} times wc and sort, within {GOAL_BYTES >> 30} GiB: {verdict}. ({busy()})")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
