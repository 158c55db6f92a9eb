"""Work that takes minutes, and processes as /proc shows them."""

from __future__ import annotations

from pathlib import Path

#: Minutes of work: eleven tasks with 800 VMAs each, and each of the last steps changes all of them.
HEAVY = (
    "pfnlab program 1\ntitle t\ndevice bar: pci, 4096 pages\n\n"
    "a = mmap bar[0:4096] driver remap wc shared rw\n"
    + "".join(f"mprotect a[{4 * at}] r\n" for at in range(400))
    + "".join(f"c{child} = fork\n" for child in range(10))
    + "".join(f"unmap_mapping_range bar[{at}:{at + 1}]\n" for at in range(500))
)


def lives(pid: int) -> bool:
    """True while a process runs: one that has ended, and that nobody has asked about, has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def works(pid: int) -> bool:
    """True once a process has used two seconds of a processor, which is more than its start takes."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[11]) + int(fields[12]) > 200
