"""Logs of strace as programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.export.from_strace import from_strace
from pfnlab.export.windows import KnownBar, bars_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Device
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine

RECORDED = Path(__file__).parent / "recorded"

OPEN = 'openat(AT_FDCWD, "/sys/bus/pci/devices/0000:00:04.0/resource2_wc", O_RDWR) = 3\n'
FORK = "clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x1) = 8\n"


def mapped(at: int = 0x7F0000000000, pages: int = 16, flags: str = "MAP_SHARED", offset: int = 0) -> str:
    words = f"NULL, {pages * 4096}, PROT_READ|PROT_WRITE, {flags}, 3, {offset:#x}"
    return f"mmap({words}) = {at:#x}\n"


MMAP = mapped()


def imported(text: str, known: dict[str, dict[int, KnownBar]] | None = None) -> str:
    return from_strace(text, "a.strace", known or {}).text()


def lines_of(text: str) -> list[str]:
    """The operations of an imported log."""
    return op_lines(load_text(imported(text)))


def devices_of(text: str, known: dict[str, dict[int, KnownBar]] | None = None) -> tuple[Device, ...]:
    return load_text(imported(text, known)).devices


@for_each(
    ("calls", "lines"),
    [
        ("munmap(0x7f0000004000, 16384) = 0", ["munmap a[4:8]"]),
        ("munmap(0x7effffff0000, 1048576) = 0", ["munmap a"]),
        ("munmap(0x7f0000400000, 4096) = 0", []),
        ("mprotect(0x7f0000000000, 4096, PROT_READ) = 0", ["mprotect a[0] r"]),
        ("mprotect(0x7f0000000000, 65536, PROT_NONE) = 0", ["mprotect a none"]),
        ("madvise(0x7f0000000000, 65536, MADV_DONTFORK) = 0", ["madvise a dontfork"]),
        ("madvise(0x7f0000000000, 65536, 0x66 /* MADV_??? */) = 0", []),
        ("mlock(0x7f0000000000, 4096) = 0", ["mlock a[0]"]),
        ("mbind(0x7f0000000000, 4096, MPOL_BIND, [0x0000000000000001], 64, 0) = 0", ["mbind a[0] bind"]),
        ("mbind(0x7f0000000000, 65536, MPOL_DEFAULT, NULL, 0, MPOL_MF_MOVE) = 0", ["mbind a default move"]),
        ("mbind(0x7effffff0000, 4096, MPOL_LOCAL, NULL, 0, 0) = 0", []),
        (
            'openat(AT_FDCWD, "/proc/self/clear_refs", O_WRONLY) = 4\nwrite(4, "4", 1) = 1',
            ["clear_refs soft_dirty"],
        ),
        ('write(4</proc/self/clear_refs>, "1\\n", 2) = 2', ["clear_refs all"]),
        ('write(4</proc/self/clear_refs>, "9", 1) = -1 EINVAL (Invalid argument)', []),
        ('write(4</tmp/a>, "4", 1) = 1', []),
        ("pkey_mprotect(0x7f0000000000, 4096, PROT_READ, -1) = 0", ["pkey_mprotect a[0] r"]),
        ("pkey_mprotect(0x7f0000000000, 4096, PROT_READ, 1) = 0", ["pkey_mprotect a[0] r keyed"]),
        ("munlock(0x7f0000000000, 4096) = 0", ["munlock a[0]"]),
        ("msync(0x7f0000000000, 4096, MS_SYNC) = 0", ["msync a[0]"]),
        ("mlockall(MCL_CURRENT|MCL_FUTURE) = 0", ["mlockall"]),
        ("mremap(0x7f0000000000, 65536, 8192, 0) = 0x7f0000000000", ["mremap a 2 pages"]),
        (
            "mremap(0x7f0000000000, 65536, 65536, MREMAP_MAYMOVE|MREMAP_FIXED, "
            "0x7f8000000000) = 0x7f8000000000",
            ["b = mremap a 16 pages maymove fixed"],
        ),
        (
            "mremap(0x7f0000000000, 8192, 131072, MREMAP_MAYMOVE) = -1 EFAULT (Bad address)",
            ["mremap a[0:2] 32 pages maymove"],
        ),
        (
            "mmap(0x7f0000002000, 8192, PROT_NONE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) "
            "= 0x7f0000002000",
            ["mmap anon[0:2] private none over a[2:4]"],
        ),
        (
            "mmap(0x7f0000002000, 8192, PROT_READ, MAP_SHARED|MAP_FIXED, 3, 0x8000) = 0x7f0000002000",
            ["mmap bar[8:10] wc shared r over a[2:4]"],
        ),
        ("mmap(NULL, 8192, PROT_READ, MAP_SHARED, 3, 0) = 0x7e0000000000", ["b = mmap bar[0:2] wc shared r"]),
        ("mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7e0000000000", []),
        ("exit_group(0) = ?", ["exit"]),
        ("+++ killed by SIGKILL +++", ["kill"]),
        ('execve("/bin/true", ["true"], 0x1 /* 1 var */) = 0', ["exec"]),
        ('execve("/bin/true", ["true"], 0x1 /* 1 var */) = -1 ENOENT (No such file)', []),
        (f"{FORK}[pid 8] munmap(0x7f0000000000, 4096) = 0", ["child1 = fork", "child1: munmap a[0]"]),
        (
            f"{FORK.replace('CLONE_CHILD_SETTID|SIGCHLD', 'CLONE_VM|CLONE_FILES|CLONE_THREAD')}"
            "[pid 8] munmap(0x7f0000000000, 4096) = 0",
            ["thread1 = thread", "thread1: munmap a[0]"],
        ),
        ("vfork() = 8\n[pid 8] munmap(0x7f0000000000, 4096) = 0", ["munmap a[0]"]),
        (f"{FORK}[pid 8] +++ killed by SIGSEGV +++", ["child1 = fork", "child1: kill"]),
        (
            f"{FORK}[pid 8] getpid() = 8\nprocess_vm_readv(8, [{{iov_base=0x1, iov_len=8}}], 1, "
            "[{iov_base=0x7f0000001004, iov_len=8}], 1, 0) = 8",
            ["child1 = fork", "child1: process_vm_readv a[1] at 4 8 bytes"],
        ),
    ],
)
def test_calls_on_a_mapping(calls: str, lines: list[str]) -> None:
    """Each call with addresses is an operation with names; what touches no device memory is none."""
    assert ["a = mmap bar[0:16] wc shared rw", *lines] == lines_of(f"{OPEN}{MMAP}{calls}\n")


@for_each(
    ("files", "words"),
    [
        ('openat(AT_FDCWD, "/sys/bus/pci/devices/0000:00:04.0/resource2", O_RDWR) = 3', "uc"),
        ('open("/sys/devices/pci0000:00/0000:00:04.0/resource2_wc", O_RDWR) = 3', "wc"),
        ('openat(AT_FDCWD, "/sys/class/net/eth0/device/resource0", O_RDWR|O_SYNC) = 3', "uc"),
        ('openat(AT_FDCWD, "/dev/uio0", O_RDWR) = 3', "driver remap uc-"),
        (
            'openat(AT_FDCWD, "/sys/bus/pci/devices/0000:00:04.0", O_PATH) = 4\n'
            'openat(4, "resource2", O_RDWR) = 3',
            "uc",
        ),
        ('chdir("/sys/bus/pci/devices/0000:00:04.0") = 0\nopen("resource2", O_RDWR) = 3', "uc"),
        (
            'openat(AT_FDCWD, "/sys/bus/pci/devices/0000:00:04.0/resource2", O_RDWR) = 9\ndup2(9, 3) = 3',
            "uc",
        ),
        ('ioctl(7, VFIO_GROUP_GET_DEVICE_FD, "0000:00:04.0") = 3', "vfio"),
    ],
)
def test_files_are_ways_to_map(files: str, words: str) -> None:
    """By their paths, however a descriptor came to be."""
    assert [f"a = mmap bar[0:16] {words} shared rw"] == lines_of(f"{files}\n{MMAP}")


@for_each(
    ("files", "words"),
    [
        ('openat(AT_FDCWD, "/dev/mem", O_RDWR) = 3', "devmem"),
        ('openat(AT_FDCWD, "/dev/mem", O_RDWR|O_SYNC) = 3', "devmem-sync"),
        ('open("/proc/bus/pci/00/04.0", O_RDWR) = 3', "proc-uc"),
        (
            'open("/proc/bus/pci/00/04.0", O_RDWR) = 3\n'
            "ioctl(3, _IOC(_IOC_WRITE, 0x49, 0x3, 0x1043), 0x1) = 0",
            "proc-wc",
        ),
    ],
)
def test_files_of_physical_memory(files: str, words: str) -> None:
    """An address is a page of a device, which is named after what it is."""
    lines = lines_of(f"{files}\n{mapped(offset=0xF8000000)}")

    assert [f"a = mmap mem[0:16] {words} shared rw"] == lines


@for_each(
    ("offset", "source", "kind"),
    [(0xF0000, "hole[88:104]", "isa"), (0x10000, "low[0:16]", "lowmem"), (0xF8000000, "mem[0:16]", "pci")],
)
def test_physical_memory_has_a_kind(offset: int, source: str, kind: str) -> None:
    """The ISA hole, low memory, and all else, which is taken for a device."""
    text = f'openat(AT_FDCWD, "/dev/mem", O_RDWR) = 3\n{mapped(offset=offset)}'

    assert ([f"a = mmap {source} devmem shared rw"], kind) == (lines_of(text), devices_of(text)[0].kind)


def test_an_address_in_a_known_bar_is_a_page_of_it() -> None:
    """One device, for /dev/mem and for the resource file."""
    known = {"": bars_of((RECORDED / "resource").read_text(), "resource")}
    text = (
        f'{OPEN}openat(AT_FDCWD, "/dev/mem", O_RDWR) = 4\n{MMAP}'
        "mmap(NULL, 4096, PROT_READ, MAP_SHARED, 4, 0xf8002000) = 0x7e0000000000\n"
    )

    program = load_text(imported(text, known))

    assert (Device("bar", "pci", 16384),) == program.devices
    assert "b = mmap bar[2] devmem shared r" == op_lines(program)[1]


def test_ports_of_a_known_device_are_no_memory() -> None:
    """The low pages of the same number are RAM."""
    ports = "0x000000000000e000 0x000000000000ffff 0x0000000000040101\n"
    known = {"": bars_of(f"{ports}{(RECORDED / 'resource').read_text()}", "resource")}
    text = (
        'openat(AT_FDCWD, "/dev/mem", O_RDWR) = 4\n'
        "mmap(NULL, 4096, PROT_READ, MAP_SHARED, 4, 0xe000) = 0x7e0000000000\n"
    )

    assert (Device("low", "lowmem", 1),) == load_text(imported(text, known)).devices


@for_each(
    ("more", "pages"),
    [
        ("", 16),
        (mapped(0x7E0000000000, 3, offset=0x10000), 32),
        ("fstat(3, {st_mode=S_IFREG|0600, st_size=1048576, ...}) = 0\n", 256),
        ('newfstatat(3, "", {st_mode=S_IFREG|0600, st_size=1048576, ...}, AT_EMPTY_PATH) = 0\n', 256),
        ("lseek(3, 0, SEEK_END) = 2097152\n", 512),
    ],
)
def test_the_size_of_a_bar(more: str, pages: int) -> None:
    """What the trace says of its file, else a power of two that holds what was mapped."""
    assert (Device("bar", "pci", pages),) == devices_of(f"{OPEN}{more}{MMAP}")


def test_an_exec_behind_vfork_stays_below_a_shell() -> None:
    """Without it the child would have a copy of what its parent had mapped."""
    text = (
        f'7 {FORK}8 execve("/bin/a", ["a"], 0x7ffd /* 1 var */) = 0\n8 {OPEN}8 {MMAP}8 vfork() = 9\n'
        f'9 execve("/bin/b", ["b"], 0x7ffd /* 1 var */) = 0\n9 {OPEN}9 {MMAP}'
    )

    assert ["child1 = fork", "child1: exec"] == lines_of(text)[1:3]


def test_several_bars_have_names_of_their_own() -> None:
    """By number, and by a letter for each device."""
    other = OPEN.replace("04.0/resource2_wc", "05.0/resource0").replace("= 3", "= 4")
    again = mapped(0x7E0000000000).replace(" 3, ", " 4, ")

    assert ["bar2a", "bar0b"] == [device.name for device in devices_of(f"{OPEN}{other}{MMAP}{again}")]


def test_the_same_address_is_the_same_area() -> None:
    """After it was unmapped, and with another size."""
    lines = lines_of(f"{OPEN}{MMAP}munmap(0x7f0000000000, 65536) = 0\n{mapped(pages=2)}")

    assert ["a = mmap bar[0:16] wc shared rw", "munmap a", "a = mmap bar[0:2] wc shared rw"] == lines


def test_a_mapping_over_two_areas_unmaps_the_other() -> None:
    """A line of its own says it."""
    beside = mapped(0x7F0000010000, 4)
    over = mapped(0x7F000000E000, 4, "MAP_SHARED|MAP_FIXED")

    program = load_text(imported(f"{OPEN}{MMAP}{beside}{over}"))

    assert ["munmap b[0:2]", "mmap bar[0:4] wc shared rw over a[14:18]"] == op_lines(program)[2:]
    assert ("a", 18) == (program.areas[0].name, program.areas[0].pages)


def test_a_shell_around_a_process_is_left_out() -> None:
    """What it forks before anything is mapped is the main task."""
    begin = 'execve("/usr/bin/user", ["user"], 0x1) = 0'
    text = f"9 {FORK}8 {begin}\n8 {OPEN}8 {MMAP}9 wait4(8, NULL, 0, NULL) = 8\n"

    assert ["a = mmap bar[0:16] wc shared rw"] == lines_of(text)
    assert "title   From a trace of user\n" in imported(text)


def test_a_child_acts_before_its_fork_is_logged() -> None:
    """As strace prints it when both run."""
    text = (
        f"9 {OPEN}9 {MMAP}9 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>\n"
        "8 munmap(0x7f0000000000, 4096) = 0\n9 <... clone resumed>) = 8\n"
    )

    assert ["child1 = fork", "child1: munmap a[0]"] == lines_of(text)[1:]


def test_a_call_that_is_begun_again_counts_once() -> None:
    """A signal comes in between."""
    text = f"{OPEN}{MMAP}munmap(0x7f0000000000, 4096) = ? ERESTARTNOINTR (To be restarted)\n"

    assert 1 == len(lines_of(text))


def test_an_operation_has_its_line_and_error() -> None:
    """In a comment, which no run reads."""
    text = imported(f"{OPEN}{MMAP}mlock(0x7f0000000000, 4096) = -1 ENOMEM (Cannot allocate memory)\n")

    assert "mlock a[0]                       # line 3: ENOMEM\n" in text


@for_each(
    ("calls", "says"),
    [
        ("getpid() = 1\ngetpid() = 1\nread(0, 0x1, 1) = 0", "# other calls, 3: getpid 2, read 1"),
        ("ftruncate(3, 8) = 0", "# not said, 1: ftruncate of /sys/bus/pci/devices/0000:00:04.0/resource2_wc"),
        ("madvise(0x7f0000000000, 4096, MADV_ODD) = 0", "# not said, 1: madvise with MADV_ODD"),
        (
            "mbind(0x7f0000000000, 4096, MPOL_BIND, [0x0000000000000002], 64, 0) = 0",
            "# not said, 1: mbind with MPOL_BIND, [0x0000000000000002] and 0",
        ),
        (
            'write(4</proc/77/clear_refs>, "4", 1) = 1',
            '# not said, 1: write of "4" to /proc/77/clear_refs',
        ),
        ('write(4</tmp/clear_refs>, "1", 1) = 1', "# other calls, 1: write 1"),
        ("hello\nthere", "# not said, 2: lines that are not a system call"),
        (
            "pkey_mprotect(0x7f0000000000, 4096, PROT_READ, 0) = 0",
            "# not said, 1: pkey_mprotect with key 0",
        ),
        ("mlockall(MCL_CURRENT) = 0", "# not said, 1: mlockall with MCL_CURRENT"),
        (
            'openat(AT_FDCWD, "/dev/mem", O_RDWR) = -1 EPERM (No)',
            "# not said, 1: open of /dev/mem failed with EPERM",
        ),
        ('openat(AT_FDCWD, "/sys/bus/p"..., O_RDWR) = 9', "# not said, 1: paths that strace has cut"),
        (
            "mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, 3, 0) = -1 EACCES (Permission denied)",
            "# not said, 1: mmap of /sys/bus/pci/devices/0000:00:04.0/resource2_wc failed with EACCES",
        ),
        (
            "mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, 3, 0x40000000) = -1 EINVAL (Invalid argument)",
            "# not said, 1: mmap of pages behind the end of bar",
        ),
        (
            'openat(AT_FDCWD, "/dev/dri/card0", O_RDWR) = 4\n'
            "mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, 4, 0) = 0x7c0000000000",
            "# not said, 1: mmap of /dev/dri/card0: its driver has a special way to map",
        ),
        (
            "[pid 7] getpid() = 7\n[pid 99] getpid() = 99",
            "# not said, 1: processes whose beginning is not in the log",
        ),
    ],
)
def test_what_is_not_said_is_counted(calls: str, says: str) -> None:
    """A comment line for each kind."""
    assert says in imported(f"{OPEN}{MMAP}{calls}\n")


@for_each(
    ("text", "problem"),
    [
        ("hello\n", "a.strace: no line is a system call as strace prints it"),
        ("getpid() = 7\n", "a.strace: no call maps device memory: of 1 calls 0 are mmap"),
        (OPEN, "a.strace: no call maps device memory"),
    ],
)
def test_a_log_without_device_memory_is_refused(text: str, problem: str) -> None:
    """With what to do."""
    with pytest.raises(Misuse, match=problem):
        imported(text)


def test_more_than_a_program_holds_is_counted() -> None:
    """The first operations are there, and the comment says from where on others are not."""
    calls = "mlock(0x7f0000000000, 4096) = 0\n" * 1001

    text = imported(f"{OPEN}{MMAP}{calls}")

    assert 1000 == len(load_text(text).ops)
    assert "# not said, 2: operations behind the first 1000, from line 1002 on" in text


@for_each("name", ["bar_user", "devmem", "processes"])
def test_a_recorded_process_runs(name: str) -> None:
    """record_strace.py made these logs in a guest; the errors of the log are those of the model."""
    text = imported((RECORDED / f"{name}.strace").read_text())
    program = load_text(text)

    (run,) = ModelMachine("6.12").run([program])

    lines = [line for line in text.splitlines() if "  # line" in line]
    errors = [line.rpartition(": ")[2] if line.endswith(("EFAULT", "EINVAL")) else "ok" for line in lines]
    assert errors == [step.result for step in run.steps[: len(errors)]]


def test_the_recorded_user_of_a_bar() -> None:
    """Two ways to map, a child that unmaps one, and a mapping that does not grow."""
    text = (RECORDED / "bar_user.strace").read_text()

    assert [
        "a = mmap bar[0:4] uc shared rw",
        "b = mmap bar[16:32] wc shared rw",
        "madvise b[8:16] dontfork",
        "child1 = fork",
        "child1: munmap a",
        "child1: exit",
        "mremap b 32 pages maymove",
        "munmap b",
        "munmap a",
    ] == lines_of(text)


def test_the_recorded_processes_are_their_program_again() -> None:
    """It was exported to C and traced; a limit in bytes and a scan are left out, and a pidfd of nobody."""
    lines = op_lines(load_text((RECORDED / "processes.pfn").read_text()))
    del lines[lines.index("c: kill") + 1]
    lines.remove("setrlimit data +16 pages")
    lines.remove("pagemap_scan a")

    found = lines_of((RECORDED / "processes.strace").read_text())

    assert lines == [line.replace("child1", "c").replace("bar[64:80]", "bar[0:16]") for line in found]


RESOURCE = 'openat(AT_FDCWD, "/sys/bus/pci/devices/0000:00:04.0/resource2", O_RDWR) = 3\n'


@for_each(
    ("calls", "lines"),
    [
        (
            "mmap(NULL, 33554432, PROT_READ, MAP_SHARED, 3, 0) = -1 EINVAL (Invalid argument)",
            ["a = mmap bar[0:65] uc shared r"],
        ),
        (
            "mmap2(NULL, 8192, PROT_READ, MAP_SHARED, 3, 0) = 0xb6f00000\n"
            "mmap2(NULL, 266240, PROT_READ, MAP_SHARED, 3, 0x1000) = -1 EINVAL (Invalid argument)\n"
            "munmap(0xb6f01000, 4096) = 0",
            ["a = mmap bar[0:2] uc shared r", "b = mmap bar[1:66] uc shared r", "munmap a[1]"],
        ),
    ],
)
def test_a_mapping_that_failed_past_the_end_is_in_the_program(calls: str, lines: list[str]) -> None:
    """As long as a program can say it, and it fails all the same; mmap2 is the mmap of 32 bits."""
    assert lines == lines_of(RESOURCE + calls)


@for_each("length", [262144, 266240, 8388608])
def test_a_mapping_that_failed_fails_in_the_program(length: int) -> None:
    """With the errno of the trace, however long it was."""
    text = imported(f"{RESOURCE}mmap(NULL, {length}, PROT_READ, MAP_SHARED, 3, 0) = -1 EINVAL (Invalid)")

    (run,) = ModelMachine("7.3").run([load_text(text)])

    assert "EINVAL" == run.steps[0].result


def test_a_mapping_that_begins_past_the_end_is_told() -> None:
    """Alone it leaves nothing to make a program of."""
    with pytest.raises(
        Misuse, match=r"every mapping lies behind the end of its device: mmap of pages .* \(1\)"
    ):
        imported(f"{RESOURCE}mmap(NULL, 4096, PROT_READ, MAP_SHARED, 3, 0x40000000) = -1 EINVAL (Invalid)")


def test_an_errno_of_the_file_names_who_explains_it() -> None:
    """A program cannot say it: who may map is no question of memory management."""
    with pytest.raises(Misuse, match="`pfnlab explain --errno EPERM mmap resource2`"):
        imported(
            f"{RESOURCE}mmap(NULL, 4096, PROT_READ, MAP_SHARED, 3, 0) = -1 EPERM (Operation not permitted)"
        )
