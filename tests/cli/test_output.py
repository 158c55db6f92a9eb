"""Output that cannot be written, and files: one line and a code, never a traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from asking import Ask
from litmus_files import litmus_file

COMMAND = [sys.executable, "-c", "from pfnlab.cli import main; main()"]
STORY = str(litmus_file("munmap-middle"))


def into(device: str, *words: str, unbuffered: str = "") -> tuple[int, str]:
    """The code and the error output of a command whose output goes to *device*."""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path(device).open("wb") as out:
        ended = subprocess.run(
            [*COMMAND, *words], stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, env=environment
        )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("run", "--help"),
        ("run", STORY),
        ("run", STORY, "--json"),
        ("policies",),
    ],
)
def test_a_full_disk_is_one_line(words: tuple[str, ...], unbuffered: str) -> None:
    """The output is lost, and nothing is known to be wrong: 3."""
    code, said = into("/dev/full", *words, unbuffered=unbuffered)

    # A slow machine says before how far it is.
    last = said.splitlines()[-1]
    assert (3, "pfnlab: standard output cannot be written: No space left on device") == (code, last)


def test_a_closed_output_is_one_line() -> None:
    """A file that is opened later would be taken for the output."""
    ended = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *COMMAND, "--version"], capture_output=True, text=True, timeout=60
    )

    said = "pfnlab: standard output is closed: to discard it, write > /dev/null\n"
    assert (3, said) == (ended.returncode, ended.stderr)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("words", "code"), [(("run", "/no/such/file"), 2), (("run", STORY), 0), (("run", "--no-such-option"), 2)]
)
def test_messages_that_cannot_be_said_change_no_code(
    words: tuple[str, ...], code: int, unbuffered: str
) -> None:
    """Misuse stays misuse where nobody can be told, whether Python buffers or not."""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}

    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=full, timeout=60, env=environment
        )

    assert code == ended.returncode


def test_a_line_beside_the_output_that_cannot_be_said_stops_nothing() -> None:
    """What a verb prints is whole, and the code is that of its work."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*COMMAND, "litmus", "list"], stdout=subprocess.PIPE, stderr=full, text=True, timeout=60
        )

    assert (0, True) == (ended.returncode, "munmap-middle" in ended.stdout)


@pytest.mark.parametrize("words", [("run", "/no/such/file"), ("run", "--no-such-option")])
def test_messages_never_go_to_the_output(words: tuple[str, ...]) -> None:
    """Where standard error is closed nobody is told, and what reads the output reads no message."""
    ended = subprocess.run(
        ["sh", "-c", '"$@" 2>&-', "sh", *COMMAND, *words], capture_output=True, text=True, timeout=60
    )

    assert (2, "", "") == (ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize(
    ("trouble", "code", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "kept"), 3, "kept cannot be written: No space"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 3, "a file cannot be written: Disk quota exceeded"),
        (OSError(errno.EIO, "Input/output error", "kept"), 3, "kept cannot be read or written: Input"),
        (MemoryError(), 3, "out of memory: reduce the request"),
        (OSError(errno.EBADF, "Bad file descriptor"), 4, "this is a defect of pfnlab"),
    ],
)
def test_a_disk_or_memory_that_is_full_is_no_defect(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, trouble: Exception, code: int, says: str
) -> None:
    """Wherever it happens; what else the system refuses is ours."""

    def fail() -> int:
        raise trouble

    monkeypatch.setattr("pfnlab.kernel.policies.shipped_policies.all_policies", fail)

    answer = ask("policies")

    assert (code, code == 4) == (answer.code, "Traceback" in answer.err)
    assert says in answer.err


@pytest.mark.parametrize("verb", [("run",), ("fmt",), ("check", "--scope")])
def test_a_file_without_an_end_is_misuse(ask: Ask, verb: tuple[str, ...]) -> None:
    """Instead of being read for ever."""
    answer = ask(*verb, "/dev/zero")

    assert (2, 1) == (answer.code, len(answer.err.splitlines()))
    assert "/dev/zero: this is a device" in answer.err


def test_a_state_without_an_end_is_misuse(ask: Ask) -> None:
    """The same for what fuzz goes on from."""
    answer = ask("fuzz", "--on", "model:6.1", "--on", "model:7.2", "--resume", "/dev/zero")

    assert (2, "pfnlab: /dev/zero: this is a device: name a hunt file\n") == (answer.code, answer.err)


def test_a_policy_without_an_end_is_misuse(ask: Ask, tmp_path: Path) -> None:
    """The same for a policy, which is run as a module."""
    (tmp_path / "zero.py").symlink_to("/dev/zero")

    answer = ask("run", STORY, "--policy", tmp_path / "zero.py")

    assert (2, f"pfnlab: {tmp_path}/zero.py: this is a device: name a policy file\n") == (
        answer.code,
        answer.err,
    )


def test_standard_input_without_an_end_is_misuse() -> None:
    """fmt reads no more of it than a program may have."""
    with Path("/dev/zero").open("rb") as zero:
        ended = subprocess.run([*COMMAND, "fmt", "-"], stdin=zero, capture_output=True, text=True, timeout=60)

    assert (2, "pfnlab: -: a program is at most 1 MiB, this is larger: is it the right file?\n") == (
        ended.returncode,
        ended.stderr,
    )


@pytest.mark.parametrize("verb", ["run", "fmt --check"])
def test_a_process_substitution_is_a_file(verb: str) -> None:
    """A pipe that ends is read to its end."""
    command = f'"$0" "$1" "$2" {verb} <(sleep 0.1; cat {STORY})'

    ended = subprocess.run(["bash", "-c", command, *COMMAND], capture_output=True, text=True, timeout=60)

    assert (0, "") == (ended.returncode, ended.stderr)


def test_fmt_does_not_write_into_a_pipe() -> None:
    """Nobody reads there what it would write."""
    command = f'"$0" "$1" "$2" fmt <(cat {STORY}; echo)'

    ended = subprocess.run(["bash", "-c", command, *COMMAND], capture_output=True, text=True, timeout=60)

    assert 2 == ended.returncode
    assert "this is a pipe: a program has to be a file here" in ended.stderr


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (("report", "read", "-o", "read"), "read"),
        (("report", "link", "-o", "read"), "read"),
        (("report", "read", "-o", "link"), "read"),
        (("report", "read", "-o", "hard"), "read"),
        (("report", "one", "-o", "./one/report.md"), "one/report.md"),
        (("report", "one", "-o", "./one/finding.json"), "one/finding.json"),
        (("run", "program.pfn", "-o", "program.pfn"), "program.pfn"),
        (("run", "program.pfn", "--policy", "mine.py", "-o", "mine.py"), "mine.py"),
        (("run", "program.pfn", "--on", "model:7.2,config=read", "-o", "read"), "read"),
        (("run", "program.pfn", "--on", "qemu:7.2", "--promote", "-o", "program.expected.json"), ""),
        (("draw", "program.pfn", "-o", "program.pfn"), "program.pfn"),
        (("draw", "program.pfn", "--on", "model:7.2,tracker=mine.py", "-o", "mine.py"), "mine.py"),
        (("kernels", "meet", "read", "-o", "hard"), "read"),
        (("kernels", "diff", "6.1", "read", "-o", "read"), "read"),
        (("kernels", "meet", "6.1", "--litmus", "one", "-o", "one/program.pfn"), "one/program.pfn"),
        (("try", "read", "--like", "7.2", "-o", "read"), "read"),
        (("try", ".", "--like", "7.2", "--patch", "read", "-o", "link"), "read"),
        (("try", ".", "--like", "7.2", "--config", "read", "-o", "read"), "read"),
    ],
)
def test_what_is_read_is_not_written_over(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], read: str
) -> None:
    """By none of its names, and before anything is run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()
    for path in ("read", "one/program.pfn", "one/report.md", "one/finding.json", "program.expected.json"):
        Path(path).write_text("mine")
    litmus_program = litmus_file("munmap-middle").read_text(encoding="utf-8")
    Path("program.pfn").write_text(litmus_program, encoding="utf-8")
    Path("mine.py").write_text(
        "from pfnlab.design import Exact\n\nclass Mine(Exact):\n    pass\n", encoding="utf-8"
    )
    Path("link").symlink_to("read")
    Path("hard").hardlink_to("read")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    answer = ask(*words)

    assert "a file that is read: name another file with -o" in answer.err and 1 == answer.err.count("\n")
    assert answer.code in (2, 130) and read in answer.err
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.parametrize(
    "words", [("run",), ("report",), ("campaign", "run", "--check"), ("campaign", "results", "--store")]
)
def test_a_name_moves_no_cursor(ask: Ask, words: tuple[str, ...]) -> None:
    """Neither of a file nor of an option."""
    answers = [ask(*words, "./\x1b[2J\x9b.x"), ask(*words, "--\x1b[2J\x9b")]

    assert [2, 2] == [answer.code for answer in answers]
    assert all("\\x1b[2J\\x9b" in answer.err and "\x1b" not in answer.err for answer in answers)


def test_a_working_directory_that_is_gone_is_one_line(tmp_path: Path) -> None:
    """What is asked of it is misuse; what asks nothing of it is done."""
    ended = [
        subprocess.run(
            ["sh", "-c", 'cd "$1" && rmdir "$1" && shift && exec "$@"', "sh", str(place), *COMMAND, *words],
            capture_output=True,
            text=True,
            timeout=60,
        )
        for number, words in enumerate([("campaign", "status"), ("litmus", "show", "munmap-middle")])
        if (place := tmp_path / str(number)).mkdir() is None
    ]

    assert [2, 0] == [one.returncode for one in ended]
    assert 1 == len(ended[0].stderr.splitlines()), ended[0].stderr


def test_a_closed_standard_input_is_one_line() -> None:
    """Where a program is to come from there."""
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "run", "-"], capture_output=True, text=True, timeout=60
    )

    assert (2, "pfnlab: standard input is closed: name a file instead of -\n") == (
        ended.returncode,
        ended.stderr,
    )


def test_an_interrupt_while_the_output_is_written_is_no_defect() -> None:
    """As anywhere: the code says so, and nothing is printed."""
    text = (
        "import os, signal, sys\n"
        "from pfnlab.cli import main\n"
        "class Slow:\n"
        "    def __init__(self, out): self.out = out\n"
        "    def __getattr__(self, name): return getattr(self.out, name)\n"
        "    def flush(self):\n"
        "        sys.stdout = self.out\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.stdout = Slow(sys.stdout)\n"
        "main(['litmus', 'show', 'munmap-middle'])\n"
    )

    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)

    assert (130, "") == (ended.returncode, ended.stderr)
