"""Lines of strace, in the forms that its options give them."""

from __future__ import annotations

from for_each import for_each

from pfnlab.export.strace_lines import (
    InjectedCall,
    LoggedCall,
    TracedEnd,
    UnreadLine,
    events_of,
    looks_like_strace,
)

CALL = "munmap(0x7f0000000000, 4096)"


@for_each(
    "prefix",
    [
        "",
        "12    ",
        "[pid    12] ",
        "[pid 12<Xorg>] ",
        "12<Xorg> ",
        "12:00:01 ",
        "12:00:01.000123 ",
        "1700000000.123456 ",
        "     0.000123 ",
        "12 12:00:01.000123 ",
        "12 1700000000.123456 (+     0.000010) ",
        "[pid    12] 12:00:01 ",
        "[00007f2a33d1b2a7] ",
        "[  11] ",
    ],
)
def test_what_stands_before_a_call_is_passed(prefix: str) -> None:
    """Processes and time stamps, in every form."""
    (event,) = events_of([f"{prefix}{CALL} = 0\n"])

    assert isinstance(event, LoggedCall)
    assert ("munmap", ("0x7f0000000000", "4096"), 0) == (event.name, event.arguments, event.value)
    assert event.pid == (12 if "12 " in prefix or "12]" in prefix or "12<" in prefix else None)


@for_each(
    ("end", "value", "errno"),
    [
        (" = 0", 0, ""),
        ("               = 0 <0.000012>", 0, ""),
        (" = 0x7f0000000000", 0x7F0000000000, ""),
        (" = -1 EINVAL (Invalid argument)", -1, "EINVAL"),
        (" = -1 EINVAL (Invalid argument) <0.000012>", -1, "EINVAL"),
        (" = -1 ENODATA", -1, "ENODATA"),
        (" = 022", 0o22, ""),
        (" = ?", None, ""),
        (" = ? ERESTARTSYS (To be restarted if SA_RESTART is set)", None, "ERESTARTSYS"),
        (" = 0x8000 (flags O_RDONLY|O_LARGEFILE)", 0x8000, ""),
    ],
)
def test_results(end: str, value: int | None, errno: str) -> None:
    """Numbers, addresses, errors, and calls that never return."""
    (event,) = events_of([f"{CALL}{end}"])

    assert isinstance(event, LoggedCall)
    assert (value, errno) == (event.value, event.errno)


@for_each(
    ("call", "arguments"),
    [
        ("close(3</dev/mem>)", ("3</dev/mem>",)),
        ("close(3</dev/mem<char 1:1>>)", ("3</dev/mem<char 1:1>>",)),
        ("close(3</tmp/a, b (c)>)", ("3</tmp/a, b (c)>",)),
        ("close(3<TCP:[127.0.0.1:80->127.0.0.1:90]>)", ("3<TCP:[127.0.0.1:80->127.0.0.1:90]>",)),
        ('open("a, \\"b)", O_RDWR)', ('"a, \\"b)"', "O_RDWR")),
        ('write(1, "a"..., 9)', ("1", '"a"...', "9")),
        (
            "mmap(0, 2097152, MAP_HUGETLB|21<<MAP_HUGE_SHIFT)",
            ("0", "2097152", "MAP_HUGETLB|21<<MAP_HUGE_SHIFT"),
        ),
        ("clone3({flags=CLONE_VM, stack=0x1}, 88)", ("{flags=CLONE_VM, stack=0x1}", "88")),
        ("getuid()", ()),
        ("exit_group(/* a, b */ 0)", ("/* a, b */ 0",)),
    ],
)
def test_arguments(call: str, arguments: tuple[str, ...]) -> None:
    """Commas and brackets in strings, paths, structures and comments part nothing."""
    (event,) = events_of([f"{call} = 0"])

    assert isinstance(event, LoggedCall)
    assert arguments == event.arguments


def test_a_path_of_a_new_descriptor() -> None:
    """With -y."""
    (event,) = events_of(['openat(AT_FDCWD</root>, "mem", O_RDWR) = 3</dev/mem>'])

    assert isinstance(event, LoggedCall)
    assert (3, "/dev/mem") == (event.value, event.path)


def test_an_interrupted_call_is_one() -> None:
    """At the line of its result, with the line on which it began."""
    lines = [
        "[pid 1] mmap(NULL, 4096,  <unfinished ...>",
        "[pid 2] getpid() = 2",
        "[pid 1] <... mmap resumed>PROT_READ, MAP_SHARED, 3, 0) = 0x7f0000000000",
    ]

    other, whole = events_of(lines)

    assert isinstance(other, LoggedCall)
    assert isinstance(whole, LoggedCall)
    assert (2, 3, 1, 6) == (other.line, whole.line, whole.begun, len(whole.arguments))


def test_ends_and_signals() -> None:
    """Ends are events, signals and lines of strace itself are none."""
    lines = [
        "strace: Process 7 attached",
        "--- SIGCHLD {si_signo=SIGCHLD, si_pid=7} ---",
        "[pid 7] +++ exited with 0 +++",
        "8 +++ killed by SIGBUS (core dumped) +++",
    ]

    assert [TracedEnd(7, 3, ""), TracedEnd(8, 4, "SIGBUS")] == list(events_of(lines))


@for_each(
    "line",
    [
        " > /usr/lib/libc.so.6(__mmap+0x33) [0x102e13]",
        " > /root/a.out(munmap(void*, unsigned long) = 0+0x44) [0x11ad]",
        " > unexpected_backtracing_error [0x7ffc]",
        "[ Process PID=9 runs in 32 bit mode. ]",
        "strace: Process 9 attached",
    ],
)
def test_lines_of_strace_itself_are_nothing(line: str) -> None:
    """Frames of a call stack among them."""
    assert [] == list(events_of([line]))


def test_an_injected_result_is_of_no_call() -> None:
    """Neither a success nor an error of the kernel's; a delay is of one."""
    events = list(events_of([f"{CALL} = 0 (INJECTED)", f"{CALL} = -1 ENOMEM (Out of it) (INJECTED) <0.1>"]))

    assert [InjectedCall, InjectedCall] == [type(event) for event in events]
    assert [LoggedCall] == [type(event) for event in events_of([f"{CALL} = 0 (DELAYED)"])]


def test_the_old_name_of_a_call_is_read() -> None:
    """Of 32 bits, and after the mark of an editor."""
    (event,) = events_of(["\ufeffold_mmap(NULL, 8192, PROT_READ, MAP_SHARED, 3, 0) = 0xf7c00000"])

    assert isinstance(event, LoggedCall)
    assert event.name == "mmap"


@for_each(
    "line",
    ["hello", "munmap(0x7f0000000000, 4096", "<... mmap resumed>) = 0", "munmap(0x7f0000000000, 4096) = "],
)
def test_a_line_that_is_no_call_is_said(line: str) -> None:
    """Output of the traced program, and lines that were cut."""
    assert [UnreadLine(1, line.rstrip())] == list(events_of([line]))


@for_each(
    ("text", "is_log"),
    [
        (f"{CALL} = 0\n", True),
        (f"output\n12 {CALL} = 0\n", True),
        ("r0 = openat(0xffffffffffffff9c, 0x0, 0x2, 0x0)\n", False),
        ("pfnlab program 1\n", False),
        ("", False),
    ],
)
def test_a_log_is_recognised(text: str, is_log: bool) -> None:
    """By a call with its result."""
    assert is_log == looks_like_strace(text)
