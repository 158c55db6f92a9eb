"""A bundle whose every text would do something, if it were not only text."""

from __future__ import annotations

import re
from pathlib import Path

#: Linux 6.1 after the middle of a mapping was unmapped, and then the rest: one leak.
LEAK = Path(__file__).parents[2] / "src/pfnlab/explorer/page/munmap-middle-6.1.bundle"

#: What would run in a page, and what would move a terminal's cursor or turn the direction of writing.
SCRIPT = "<script>document.title='got'</script>"
NASTY = "\"'&<img src=x onerror=document.title='got'><style>*{display:none}</style>\x1b[2J\u202e"

#: The same for a name of a file, which has no stroke and no control character.
NAMED = "\"'&<img src=x onerror=document.title='got'>"


def hostile() -> bytes:
    """The bundle of the leak, with such texts as host, kernel, driver, task and file, and in the log."""
    text = LEAK.read_text(encoding="utf-8")
    for word, other in (
        ("main:78", f"{NASTY}:78"),
        ("\n (none)\n", f"\n {NASTY}\n"),
        ("\n 6.1.0-56-cloud-amd64\n", f"\n 6.1.0-56{SCRIPT}{NASTY}\n"),
        ("Kernel command line:", f"x86/PAT: {SCRIPT}{NASTY} map pfn RAM range req write-combining for"),
    ):
        assert word in text
        text = text.replace(word, other)
    text = re.sub(r"(?<=\nfile /proc/1/comm\n )[^\n]+", NASTY, text)
    mapped = "/sys/devices/pci0000:00/0000:00:11.0/resource2_wc"
    flags = "VmFlags: rd wr sh mr mw me ms pf io"
    text = re.sub(
        r"(?<=\nfile /proc/1/smaps\n )",
        f"7f0000000000-7f0000001000 rw-s 00000000 00:15 7 {mapped}\n {flags}\n "
        f"7f0000010000-7f0000011000 rw-s f8000000 00:06 8 /dev/{NASTY}\n {flags}\n ",
        text,
    )
    lines = text[: text.rindex("end ")]
    lines += f"link /sys/bus/pci/devices/0000:00:11.0/driver\n ../../../bus/pci/drivers/{NAMED}\n"
    return f"{lines}end {lines.count(chr(10))}\n".encode()


def with_log_of(size: int) -> bytes:
    """The bundle of the leak with a longer log: at least so many bytes, of no other meaning."""
    text = LEAK.read_bytes()
    lines = text[: text.rindex(b"end ")]
    # A process that never was has room for any text.
    more = b"file /proc/4000000/fdinfo\n" + b" pos: 0123456789\n" * (size // 17 + 1)
    whole = lines + more
    return whole + b"end %d\n" % whole.count(b"\n")
