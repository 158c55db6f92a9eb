"""Calls of syzkaller programs on processes, limits and the page map; and the same words as its calls."""

from __future__ import annotations

from for_each import for_each

from pfnlab.export.from_syz import from_syz
from pfnlab.export.subject import Subject
from pfnlab.export.syz_lines import members, pointed
from pfnlab.export.to_syz import as_syz
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.printer import op_lines

HEAD = "pfnlab program 1\ndevice  bar: pci, 16 pages\n\na = mmap bar[0:16] wc shared rw\n"
FILE = "/sys/bus/pci/devices/0000:00:04.0/resource2_wc"
OPEN = f"r0 = openat$sysfs(0xffffffffffffff9c, &(0x7f0000000000)='{FILE}\\x00', 0x2)\n"
MMAP = "mmap(&(0x7f0000100000/0x10000)=nil, 0x10000, 0x3, 0x11, r0, 0x0)\n"
OWN = "r1 = getpid()\nr2 = syz_pidfd_open(r1, 0x0)\n"
CHILD = "r1 = syz_clone(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)\nr2 = syz_pidfd_open(r1, 0x0)\n"
WHOLE = '&(0x7f0000001000)=[{&(0x7f0000100000)="", 0x10000}]'
NO_LIMIT = "&(0x7f0000001000)={0xffffffffffffffff, 0xffffffffffffffff}"
PAGE_MAP = "r1 = syz_open_procfs$pagemap(0x0, &(0x7f0000000000)='pagemap\\x00')\n"


def scan(flags: str = "0x0", inverted: str = "0x0") -> str:
    """A scan of a part of the area."""
    return (
        f"ioctl$PAGEMAP_SCAN(r1, 0xc0606610, &(0x7f0000001000)={{0x60, {flags}, "
        "&(0x7f0000104000/0x1000)=nil, &(0x7f0000106000/0x1000)=nil, 0x0, "
        "&(0x7f0000002000)=[{0x0, 0x0, 0x0}], 0x1, 0x0, "
        f"{inverted}, 0x0, 0x2, 0x2}})"
    )


def imported(calls: str) -> str:
    return from_syz(f"{OPEN}{MMAP}{calls}\n", "one.syz", {}).text()


def exported(lines: str) -> list[str]:
    """The calls behind the mapping."""
    (text,) = as_syz(Subject("one", load_text(f"{HEAD}{lines}\n"))).values()
    calls = [line for line in text.splitlines() if not line.startswith("#")]
    return calls[3:]


@for_each(
    ("calls", "lines"),
    [
        (f"{OWN}process_madvise(r2, {WHOLE}, 0x1, 0x14, 0x0)", ["process_madvise a cold main"]),
        (
            f"process_madvise$auto_PIDFD_SELF_THREAD(0xffffffffffffd8f0, {WHOLE}, 0x1, 0x14, 0x0)",
            ["process_madvise a cold main"],
        ),
        (
            f"{CHILD}process_madvise(r2, {WHOLE}, 0x1, 0x15, 0x0)",
            ["child1 = fork", "process_madvise a pageout child1"],
        ),
        (
            f'{OWN}process_madvise(r2, &(0x7f0000001000)=[{{&(0x7f0000100000)="", 0x1000}}, '
            '{&(0x7f0000104000)="00", 0x2000}], 0x2, 0x14, 0x0)',
            ["process_madvise a[0] cold main", "process_madvise a[4:6] cold main"],
        ),
        (f"process_madvise(r9, {WHOLE}, 0x1, 0x14, 0x0)", []),
        (f"{OWN}process_madvise(r2, 0x0, 0x0, 0x14, 0x0)", []),
        (f"{CHILD}process_mrelease(r2, 0x0)", ["child1 = fork", "process_mrelease child1"]),
        (f"{OWN}process_mrelease(r2, 0x0)", ["process_mrelease main"]),
        (f"setrlimit(0x9, {NO_LIMIT})", ["setrlimit as unlimited"]),
        (f"prlimit64(0x0, 0x2, {NO_LIMIT}, 0x0)", ["setrlimit data unlimited"]),
        (f"r1 = getpid()\nprlimit64(r1, 0x8, {NO_LIMIT}, 0x0)", ["setrlimit memlock unlimited"]),
        (f"prlimit64(r9, 0x8, {NO_LIMIT}, 0x0)", []),
        (f"setrlimit(0x7, {NO_LIMIT})", []),
        ("prlimit64(0x0, 0x9, 0x0, &(0x7f0000001000))", []),
        (f"{PAGE_MAP}{scan()}", ["pagemap_scan a[4:6]"]),
        (f"{PAGE_MAP.replace('(0x0', '(r9')}{scan()}", []),
        (f"{PAGE_MAP}ioctl(r1, 0x5421, 0x0)", []),
    ],
)
def test_calls_of_others(calls: str, lines: list[str]) -> None:
    """A variable says which process, which descriptor, which page map."""
    assert ["a = mmap bar[0:16] wc shared rw", *lines] == op_lines(load_text(imported(calls)))


@for_each(
    ("calls", "says"),
    [
        (f"{OWN}process_madvise(r2, {WHOLE}, 0x1, 0x77, 0x0)", "# not said, 1: process_madvise 0x77 0x0"),
        (
            "setrlimit(0x9, &(0x7f0000001000)={0x1000000, 0xffffffffffffffff})",
            "# not said, 1: setrlimit of RLIMIT_AS to a number of bytes",
        ),
        (f"{PAGE_MAP}{scan(flags='0x1')}", "# not said, 1: PAGEMAP_SCAN with flags"),
        (f"{PAGE_MAP}{scan(inverted='0x8')}", "# not said, 1: PAGEMAP_SCAN with flags"),
    ],
)
def test_what_is_not_said_is_counted(calls: str, says: str) -> None:
    """With what it is."""
    assert says in imported(calls)


@for_each(
    ("lines", "calls"),
    [
        (
            "process_madvise a[4:8] cold main\nprocess_madvise a willneed main",
            [
                "r1 = getpid()",
                "r2 = syz_pidfd_open(r1, 0x0)",
                'process_madvise(r2, &(0x7f0000001000)=[{&(0x7f0000204000)="", 0x4000}], 0x1, 0x14, 0x0)',
                'process_madvise(r2, &(0x7f0000001000)=[{&(0x7f0000200000)="", 0x10000}], 0x1, 0x3, 0x0)',
            ],
        ),
        (
            "c = fork\nd = fork\nprocess_mrelease d",
            [
                "syz_clone(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)",
                "r1 = syz_clone(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)",
                "r2 = syz_pidfd_open(r1, 0x0)",
                "process_mrelease(r2, 0x0)",
            ],
        ),
        ("setrlimit data unlimited", [f"setrlimit(0x2, {NO_LIMIT})"]),
        (
            "pagemap_scan a[4:8]",
            [
                "r1 = syz_open_procfs$pagemap(0x0, &(0x7f0000000000)='pagemap\\x00')",
                "ioctl$PAGEMAP_SCAN(r1, 0xc0606610, &(0x7f0000001000)={0x60, 0x0, "
                "&(0x7f0000204000/0x4000)=nil, &(0x7f0000208000/0x1000)=nil, 0x0, "
                "&(0x7f0000002000)=[{0x0, 0x0, 0x0}], 0x4, 0x0, "
                "0x0, 0x0, 0xfe, 0xfe})",
            ],
        ),
    ],
)
def test_words_as_calls(lines: str, calls: list[str]) -> None:
    """Pids and descriptors are variables, each of its task."""
    assert calls == exported(lines)


def test_what_a_pointer_shows_has_members() -> None:
    """Strings and pointers have commas and brackets of their own."""
    shown = pointed('&(0x7f0000001000)={&(0x7f0000100000)="},{", 0x1, [0x2, 0x3]}')

    assert ('&(0x7f0000100000)="},{"', "0x1", "[0x2, 0x3]") == members(shown)
    assert ((), ()) == (members(pointed("0x0")), members("{0x1"))
