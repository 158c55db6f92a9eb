"""Calls of a log of strace on other processes, on limits and on the page map.

The forms are those that strace 6.1 printed of small programs.
"""

from __future__ import annotations

from for_each import for_each

from pfnlab.export.from_strace import from_strace
from pfnlab.export.process_calls import ranges_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine

HEAD = (
    '7 openat(AT_FDCWD, "/sys/bus/pci/devices/0000:00:04.0/resource2_wc", O_RDWR) = 3\n'
    "7 mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = 0x7f0000000000\n"
)
FORK = "7 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x1) = 8\n"
PIDFD = "7 pidfd_open(8, 0) = 4\n"
NO_LIMIT = "{rlim_cur=RLIM64_INFINITY, rlim_max=RLIM64_INFINITY}"
ELSEWHERE = "[{iov_base=0x7e0000000000, iov_len=4096}]"
WHOLE = "[{iov_base=0x7f0000000000, iov_len=65536}]"
TWO = "[{iov_base=0x7f0000000000, iov_len=4096}, {iov_base=0x7f0000004000, iov_len=8192}]"
KILLED = "8 +++ killed by SIGKILL +++\n"


def imported(text: str) -> str:
    return from_strace(f"{HEAD}{text}\n", "a.strace", {}).text()


def lines_of(text: str) -> list[str]:
    """The operations behind the mapping."""
    return op_lines(load_text(imported(text)))[1:]


@for_each(
    ("calls", "lines"),
    [
        (f"{PIDFD}7 process_madvise(4, {WHOLE}, 1, MADV_COLD, 0) = 65536", ["process_madvise a cold child1"]),
        (
            f"7 pidfd_open(8, 0) = 4<anon_inode:[pidfd]>\n"
            f"7 process_madvise(4<anon_inode:[pidfd]>, {WHOLE}, 1, MADV_PAGEOUT, 0) = 65536",
            ["process_madvise a pageout child1"],
        ),
        (
            f"7 process_madvise(4<pid:8>, {WHOLE}, 1, MADV_WILLNEED, 0) = 65536",
            ["process_madvise a willneed child1"],
        ),
        (
            f"7 process_madvise(4<pid:8>, {WHOLE}, 1, MADV_DONTNEED, 0) = -1 EINVAL (Invalid argument)",
            ["process_madvise a dontneed child1"],
        ),
        (f"7 process_madvise(-10000, {WHOLE}, 1, MADV_COLD, 0) = 65536", ["process_madvise a cold main"]),
        (
            f"8 pidfd_open(7, 0) = 4\n8 process_madvise(4, {WHOLE}, 1, 20, 0) = 65536",
            ["child1: process_madvise a cold main"],
        ),
        (
            f"{PIDFD}7 dup(4) = 5\n7 process_madvise(5, {WHOLE}, 1, MADV_COLD, 0) = 65536",
            ["process_madvise a cold child1"],
        ),
        (f"{PIDFD}7 process_madvise(4, {ELSEWHERE}, 1, MADV_COLD, 0) = 4096", []),
        (f"7 process_madvise(9, {WHOLE}, 1, MADV_COLD, 0) = 65536", []),
        (f"{PIDFD}7 close(4) = 0\n7 process_madvise(4, {WHOLE}, 1, MADV_COLD, 0) = -1 EBADF (Bad)", []),
    ],
)
def test_advice_about_a_process(calls: str, lines: list[str]) -> None:
    """The descriptor says whose memory it is, however the log shows that."""
    assert lines == [line for line in lines_of(f"{FORK}8 getpid() = 8\n{calls}") if "fork" not in line]


@for_each(
    ("result", "lines"),
    [
        ("12288", ["process_madvise a[0] cold child1", "process_madvise a[4:6] cold child1"]),
        ("4096", ["process_madvise a[0] cold child1", "process_madvise a[4:6] cold child1"]),
        ("-1 ENOMEM (Cannot allocate memory)", ["process_madvise a[0] cold child1"]),
    ],
)
def test_several_ranges_are_advised_up_to_the_one_that_fails(result: str, lines: list[str]) -> None:
    """The result has the bytes before it."""
    assert lines == lines_of(f"{FORK}{PIDFD}7 process_madvise(4, {TWO}, 2, MADV_COLD, 0) = {result}")[1:]


@for_each(
    "fork",
    [
        "7 clone(child_stack=NULL, flags=CLONE_PIDFD|SIGCHLD, parent_tid=[4<anon_inode:[pidfd]>]) = 8",
        "7 clone3({flags=CLONE_PIDFD, pidfd=0x7ffc, exit_signal=SIGCHLD, stack=NULL, stack_size=0} => "
        "{pidfd=[4]}, 88) = 8",
    ],
)
def test_a_clone_gives_a_pidfd_too(fork: str) -> None:
    """With CLONE_PIDFD."""
    lines = lines_of(f"{fork}\n7 process_madvise(4, {WHOLE}, 1, MADV_COLD, 0) = 65536")

    assert ["child1 = fork", "process_madvise a cold child1"] == lines


@for_each(
    ("calls", "lines"),
    [
        ("7 process_mrelease(4, 0) = -1 EINVAL (Invalid argument)", ["process_mrelease child1"]),
        (
            f"{KILLED}7 process_mrelease(4, 0) = -1 ESRCH (No such process)",
            ["child1: kill", "process_mrelease child1"],
        ),
        (
            "8 exit_group(0) = ?\n7 process_mrelease(4, 0) = -1 ESRCH (No such process)",
            ["child1: exit", "process_mrelease child1"],
        ),
        (
            f"8 munmap(0x7f0000000000, 65536) = 0\n{KILLED}7 process_mrelease(4, 0) = -1 ESRCH (No such)",
            ["child1: munmap a"],
        ),
    ],
)
def test_a_process_is_released(calls: str, lines: list[str]) -> None:
    """One that lives, or had device memory when it ended."""
    assert lines == lines_of(f"{FORK}{PIDFD}{calls}")[1:]


@for_each(
    ("calls", "errno"),
    [
        (f"7 process_madvise(4, {WHOLE}, 1, MADV_DONTNEED, 0) = -1 EINVAL (Invalid argument)", "EINVAL"),
        (f"7 process_madvise(4, {WHOLE}, 1, MADV_COLD, 0) = -1 EINVAL (Invalid argument)", "EINVAL"),
        ("7 process_mrelease(4, 0) = -1 EINVAL (Invalid argument)", "EINVAL"),
        (f"{KILLED}7 process_mrelease(4, 0) = -1 ESRCH (No such process)", "ESRCH"),
    ],
)
def test_the_model_says_what_the_log_does(calls: str, errno: str) -> None:
    """Of the last call."""
    text = imported(f"{FORK}{PIDFD}{calls}")
    program = load_text(text)

    (run,) = ModelMachine("6.12").run([program])

    assert errno == run.steps[len(program.ops) - 1].result
    assert text.rstrip().endswith(f": {errno}")


def test_a_killer_without_device_memory_is_in_the_program() -> None:
    """It has no operation but this one."""
    text = (
        "6 clone(child_stack=NULL, flags=SIGCHLD) = 7\n"
        f"{HEAD}6 pidfd_open(7, 0) = 3\n6 process_madvise(3, {WHOLE}, 1, MADV_COLD, 0) = 65536\n"
    )

    lines = op_lines(load_text(from_strace(text, "a.strace", {}).text()))

    assert ["child1 = fork", "process_madvise a cold child1"] == [lines[0], lines[-1]]


def test_a_process_that_is_only_named_keeps_its_name() -> None:
    """The first of the log, which forks and does nothing else."""
    text = (
        "6 clone(child_stack=NULL, flags=SIGCHLD) = 7\n"
        f"{HEAD}7 pidfd_open(6, 0) = 4\n7 process_mrelease(4, 0) = -1 EINVAL (Invalid argument)\n"
        f"7 process_madvise(-10000, {WHOLE}, 1, MADV_COLD, 0) = 65536\n"
    )

    lines = op_lines(load_text(from_strace(text, "a.strace", {}).text()))

    assert ["a = mmap bar[0:16] wc shared rw", "process_madvise a cold main"] == lines


@for_each(
    ("calls", "lines"),
    [
        (
            "7 setrlimit(RLIMIT_AS, {rlim_cur=RLIM_INFINITY, rlim_max=RLIM_INFINITY}) = 0",
            ["setrlimit as unlimited"],
        ),
        (
            f"7 prlimit64(0, RLIMIT_DATA, {NO_LIMIT}, NULL) = 0",
            ["setrlimit data unlimited"],
        ),
        (
            f"7 prlimit64(7, RLIMIT_MEMLOCK, {NO_LIMIT}, {{rlim_cur=8192*1024, rlim_max=8192*1024}}) = 0",
            ["setrlimit memlock unlimited"],
        ),
        (
            f"{FORK}7 prlimit64(8, RLIMIT_AS, {NO_LIMIT}, NULL) = 0",
            ["child1 = fork", "child1: setrlimit as unlimited"],
        ),
        (f"7 prlimit64(0, RLIMIT_AS, NULL, {NO_LIMIT}) = 0", []),
        (f"7 setrlimit(RLIMIT_NOFILE, {NO_LIMIT}) = 0", []),
        ("7 setrlimit(RLIMIT_AS, 0x7ffc) = -1 EFAULT (Bad address)", []),
    ],
)
def test_a_limit_is_taken_away(calls: str, lines: list[str]) -> None:
    """From a process, by itself or by another."""
    assert lines == lines_of(calls)


@for_each(
    ("calls", "says"),
    [
        (
            f"{PIDFD}7 process_madvise(4, {WHOLE}, 1, 0x66 /* MADV_??? */, 0) = -1 EINVAL (Invalid argument)",
            "# not said, 1: process_madvise with 0x66 /* MADV_??? */ and 0, which failed with EINVAL",
        ),
        (
            f"{PIDFD}7 process_madvise(4, {WHOLE}, 1, MADV_COLD, 0) = -1 EPERM (Operation not permitted)",
            "# not said, 1: process_madvise with MADV_COLD and 0, which failed with EPERM",
        ),
        (
            f"{PIDFD}7 process_madvise(4, [{{iov_base=0x7f0000000000, iov_len=4096}}, ... /* 0x7ffc */], 2, "
            "MADV_COLD, 0) = 4096",
            "# not said, 1: process_madvise of ranges that strace has cut",
        ),
        (
            f"{PIDFD}7 process_mrelease(4, 0) = 0\n{KILLED}",
            "# not said, 1: process_mrelease of a process that dies: a program holds a processor for it",
        ),
        (
            f"{PIDFD}7 process_mrelease(4, 0) = -1 ESRCH (No such process)\n{KILLED}",
            "# not said, 1: process_mrelease of a process that dies",
        ),
        (
            "7 prlimit64(0, RLIMIT_AS, {rlim_cur=4194304*1024, rlim_max=RLIM64_INFINITY}, NULL) = 0",
            "# not said, 1: prlimit64 of RLIMIT_AS to a number of bytes: a program gives",
        ),
        (
            "7 setrlimit(RLIMIT_DATA, {rlim_cur=RLIM_INFINITY, rlim_max=RLIM_INFINITY}) = -1 EPERM (No)",
            "# not said, 1: setrlimit of RLIMIT_DATA, which failed with EPERM",
        ),
        (
            '7 openat(AT_FDCWD, "/proc/self/pagemap", O_RDONLY) = 4\n'
            "7 ioctl(4, _IOC(_IOC_READ|_IOC_WRITE, 0x66, 0x10, 0x60), 0x7ffc) = 2",
            "# not said, 1: PAGEMAP_SCAN, of which strace does not print the range",
        ),
        (
            "7 ioctl(4</proc/8/pagemap>, PAGEMAP_SCAN, 0x7ffc) = 2",
            "# not said, 1: PAGEMAP_SCAN, of which strace does not print the range",
        ),
    ],
)
def test_what_is_not_said_is_counted(calls: str, says: str) -> None:
    """With the reason."""
    assert says in imported(f"{FORK}8 getpid() = 8\n{calls}").replace("\n#   ", " ")


def test_ranges_are_read_with_their_bytes() -> None:
    """Empty ones are none, and what is cut is not there."""
    text = "[{iov_base=0x1000, iov_len=8192}, {iov_base=0x9000, iov_len=0}, ... /* 0x7ffc */]"

    assert [(0x1000, 8192)] == ranges_of(text)
