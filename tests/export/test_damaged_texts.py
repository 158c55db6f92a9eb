"""Texts of other tools that were damaged: a program, or one clear line, and never a defect."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.export.from_strace import from_strace
from pfnlab.programs.lang.load import load_text

RECORDED = Path(__file__).parent / "recorded"

#: The part of the recorded log behind the start of Python, and calls that it has not.
LOG = [
    *(RECORDED / "bar_user.strace").read_text().splitlines()[308:],
    '139 openat(AT_FDCWD, "/dev/mem", O_RDWR|O_SYNC) = 9',
    "139 mmap(0x7fff00000000, 8192, PROT_NONE, MAP_PRIVATE|MAP_FIXED, 9, 0xf8000000) = 0x7fff00000000",
    "139 mremap(0x7fff00000000, 4096, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, 0x7ffe00000000) = 0x7ffe00000000",
    "139 clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0}, 88) = 150",
    "150 process_vm_readv(139, [{iov_base=0x1, iov_len=8}], 1, [{iov_base=0x7fff00000004, iov_len=8}]) = 8",
    '150 ioctl(9, VFIO_GROUP_GET_DEVICE_FD, "0000:00:04.0") = 10',
    "150 mmap(NULL, 8192, PROT_READ, MAP_SHARED, 10, 0x20000000000) = 0x7ffd00000000",
    "150 ioctl(10, VFIO_DEVICE_RESET) = 0",
    "150 mlockall(MCL_CURRENT|MCL_FUTURE) = 0",
    "150 msync(0x7fff00000000, 4096, MS_SYNC) = 0",
    '150 execve("/bin/true", ["true"], 0x1) = 0',
]

#: Calls on other processes, on limits and on the page map.
PROCESSES = [
    '7 openat(AT_FDCWD, "/sys/bus/pci/devices/0000:00:04.0/resource2_wc", O_RDWR) = 3',
    "7 mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = 0x7f0000000000",
    "7 clone(child_stack=NULL, flags=CLONE_PIDFD|SIGCHLD, parent_tid=[11<pid:8>]) = 8",
    "7 process_madvise(11, [{iov_base=0x7f0000000000, iov_len=4096}], 1, MADV_COLD, 0) = 4096",
    "8 pidfd_open(7, 0) = 12",
    "8 process_madvise(12<anon_inode:[pidfd]>, [{iov_base=0x7f0000004000, iov_len=8192}, "
    "{iov_base=0x7f0000000000, iov_len=4096}], 2, 21, 0) = 8192",
    "7 process_mrelease(11<pid:8>, 0) = -1 EINVAL (Invalid argument)",
    "8 +++ killed by SIGKILL +++",
    "7 process_mrelease(11, 0) = -1 ESRCH (No such process)",
    "7 prlimit64(0, RLIMIT_AS, {rlim_cur=RLIM64_INFINITY, rlim_max=RLIM64_INFINITY}, NULL) = 0",
    "7 setrlimit(RLIMIT_DATA, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0",
    "7 ioctl(13</proc/self/pagemap>, PAGEMAP_SCAN, 0x7ffc) = 1",
    "7 vfork() = 9",
    "7 prlimit64(9, RLIMIT_AS, {rlim_cur=RLIM64_INFINITY, rlim_max=RLIM64_INFINITY}, NULL) = 0",
]

PIECES = st.sampled_from(
    ["", "0", "(", ")", ",", "-1", "<", ">", '"', "'", "0x", " = ", "?", "NULL", "|", "r0", "nil"]
)


def damaged(lines: list[str]) -> st.SearchStrategy[str]:
    """Some of the lines, in some order, with pieces of a few replaced."""
    edit = st.tuples(st.integers(0, len(lines)), st.integers(0, 150), st.integers(0, 12), PIECES)

    def apply(chosen: tuple[list[str], list[tuple[int, int, int, str]]]) -> str:
        text, edits = [*chosen[0]], chosen[1]
        for number, at, length, piece in edits:
            if number < len(text):
                text[number] = text[number][:at] + piece + text[number][at + length :]
        return "\n".join(text) + "\n"

    some = st.lists(st.sampled_from(lines), max_size=12).map(lambda more: [*lines, *more])
    return st.tuples(some, st.lists(edit, max_size=6)).map(apply)


@settings(deadline=None, max_examples=300)
@given(st.one_of(damaged(LOG), damaged(PROCESSES)))
def test_a_damaged_log(text: str) -> None:
    """What is imported is a correct program."""
    try:
        imported = from_strace(text, "log", {}).text()
    except (Misuse, Undecided) as refused:
        assert "\n" not in str(refused)
        return
    assert load_text(imported).ops
