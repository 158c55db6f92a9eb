"""The script that collects where nothing is installed redacts by the same program, in any awk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from random import Random

import pytest
from fake_root import fake_root
from having import lacking
from hypothesis import given
from hypothesis import strategies as st
from machine_shapes import shape
from planted_words import plant

from pfnlab.base.errors import Misuse
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.sources import redaction
from pfnlab.diagnosis.inspector.sources.bundle import Bundle, ended, written
from pfnlab.diagnosis.inspector.sources.collecting import Recorder, script_text
from pfnlab.diagnosis.inspector.sources.redaction import plain_expression, program_text
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder

#: Each with a shell and an awk; a program that is not here is passed over.
PAIRS = {
    "dash and mawk": (("dash",), "mawk"),
    "bash and gawk": (("bash", "--posix"), "gawk"),
    "busybox": (("busybox", "sh"), "busybox"),
    "original-awk": (("sh",), "original-awk"),
}


_KERNEL = Path(__file__).parents[4] / "src/pfnlab/explorer/page/munmap-middle-6.1.bundle"
_ENVIRONMENT = {**os.environ, "LC_ALL": "C", "PFNLAB_RANDOM": Random(1).randbytes(4096).hex()}
_TABLE = tomllib.loads(Path(redaction.__file__).with_name("public_words.toml").read_text(encoding="utf-8"))


def redacting(root: Path, name: str = "", script: str = "") -> subprocess.CompletedProcess[bytes]:
    """The run of the script on standard input, as over ssh.

    :param name: of the pair of a shell and an awk
    :param script: another one
    """
    words, awk = PAIRS.get(name, (("sh",), "awk"))
    for program in (words[0], awk):
        if shutil.which(program) is None:
            lacking(f"no {program}: tools/install-missing test")
    with tempfile.TemporaryDirectory() as programs:
        (Path(programs) / "awk").symlink_to(str(shutil.which(awk)))
        return subprocess.run(
            [*words, "-s", "--", "--redact"],
            input=(script or script_text()).encode(),
            capture_output=True,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PFNLAB_ROOT": str(root)},
            timeout=120,
            check=False,
        )


@pytest.mark.parametrize("name", PAIRS)
def test_no_planted_word_stays(machine_root: Path, name: str) -> None:
    """Of those that Python has to leave out."""
    words = plant(machine_root)

    done = redacting(machine_root, name)

    left = [word for word in words if word.encode() in done.stdout]
    assert (0, b"", []) == (done.returncode, done.stderr, left)


@pytest.mark.parametrize("planted", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_findings_and_counts_stay(machine_root: Path, name: str, planted: bool) -> None:
    """And what was read, and the words of the log on the machine."""
    if planted:
        plant(machine_root)

    other = snapshot_of(Bundle(redacting(machine_root, name).stdout, "script"))

    assert shape(snapshot_of(RootFolder(machine_root))) == shape(other)


def test_findings_of_a_kernel_stay() -> None:
    """A reservation that 6.1 leaked, with the lines of its log."""
    text = _awked(_KERNEL.read_bytes())

    other = snapshot_of(Bundle(ended(text), "script"))
    assert shape(snapshot_of(Bundle.at(_KERNEL))) == shape(other)
    assert 2 == sum("freeing invalid memtype" in line for line in other.log or ())


def _awked(text: bytes, name: str = "") -> bytes:
    """What the program makes of a bundle.

    :param name: of the pair with the awk
    """
    awk = PAIRS[name][1] if name else "awk"
    words = [awk, "awk"] if awk == "busybox" else [awk]
    return subprocess.run(
        [*words, program_text()], input=text, capture_output=True, env=_ENVIRONMENT, timeout=60, check=True
    ).stdout


def test_every_awk_writes_the_same() -> None:
    """To the byte, of a machine with planted words and of a kernel."""
    with tempfile.TemporaryDirectory() as folder:
        root = fake_root(Path(folder) / "root")
        plant(root)
        recorder = Recorder(RootFolder(root))
        snapshot_of(recorder)
    texts = [written(recorder.entries, [("root", "yes")]), _KERNEL.read_bytes()]

    found = [[_awked(text, name) for text in texts] for name in PAIRS if shutil.which(PAIRS[name][1])]

    assert [found[0]] * len(found) == found


def test_no_address_and_no_number_of_a_process_stays(machine_root: Path) -> None:
    """Of physical memory, of mappings, and in lines of the log."""
    text = redacting(machine_root).stdout

    numbers = set(re.findall(rb"[0-9a-f]{5,16}", text))
    assert set() == numbers & {b"e0000000", b"f8004000", b"00000000f8000000", b"fed00000", b"7f0000000000"}
    assert (False, False) == (b"Xorg" in text, b"1234/" in text)


def test_what_is_left_out_is_counted(machine_root: Path) -> None:
    """As Python counts it."""
    found = snapshot_of(Bundle(redacting(machine_root).stdout, "script")).left_out

    assert {("/dev/kmsg", 2), ("/proc/cmdline", 1)} == {(one.name, one.lines) for one in found}


def test_a_program_that_fails_leaves_no_whole_bundle(machine_root: Path) -> None:
    """So nobody takes it for one, and nothing passes around it."""
    script = script_text().replace("    h = ", "    exit 1\n    h = ")

    done = redacting(machine_root, script=script)

    with pytest.raises(Misuse, match=r"not a bundle|it was cut"):
        Bundle(done.stdout, "script")


@pytest.mark.parametrize("word", ["--redacted", "--redact x", "-x"])
def test_another_option_is_refused(word: str) -> None:
    """In one line, without a bundle: exit code 2."""
    done = subprocess.run(
        ["sh", "-s", "--", *word.split()], input=script_text(), capture_output=True, text=True, check=False
    )

    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))


def test_the_script_alone_refuses_to_redact() -> None:
    """Its program is put into it when it is printed."""
    source = Path(__file__).parents[4] / "src/pfnlab/diagnosis/inspector/pfnlab-collect.sh"

    done = subprocess.run(
        ["sh", str(source), "--redact"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )

    assert (2, "") == (done.returncode, done.stdout)
    assert "pfnlab inspect --script" in done.stderr


def test_shellcheck_finds_nothing_in_the_whole_script(tmp_path: Path) -> None:
    """As POSIX shell."""
    program = shutil.which("shellcheck")
    if program is None:
        lacking("no shellcheck: tools/install-missing test")
    (tmp_path / "script.sh").write_text(script_text(), encoding="utf-8")

    done = subprocess.run(
        [program, "-s", "sh", str(tmp_path / "script.sh")], capture_output=True, text=True, check=False
    )

    assert "" == done.stdout


def test_the_program_has_nothing_that_ends_it() -> None:
    """No apostrophe, no place of a word that was not filled, and no repetition that mawk does not know."""
    program = script_text().partition("program='")[2].partition("'\n")[0]

    assert program.rstrip().endswith("}")
    assert [] == re.findall(r"@[A-Z]+@|[\])]\{[0-9]", program)


def test_the_script_runs_the_program_of_python() -> None:
    """It has all of it, and the program fits into an argument."""
    program = program_text()

    assert f"program='{program}'\n" in script_text()
    assert len(program) < 1 << 17


@given(st.data(), st.sampled_from(["files", "resources", "release", "options"]))
def test_an_expression_for_awk_matches_the_same(data: st.DataObject, name: str) -> None:
    """Whatever Python matches."""
    expression = "".join(_TABLE[name])
    text = data.draw(st.from_regex(expression, fullmatch=True))

    assert re.fullmatch(plain_expression(expression), text)


@cache
def _stream() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(RootFolder(fake_root(Path(folder) / "root")))
        snapshot_of(recorder)
    return written(recorder.entries, [("root", "yes")]).decode().splitlines()


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["", " ", "/"])), min_size=1
    ),
    st.from_regex(r"[ghjkmqzGHJKMQZ][0-9ghjkmqzGHJKMQZ_.-]{6,14}[ghjkmqzGHJKMQZ]", fullmatch=True),
)
def test_a_word_at_any_place_is_not_in_the_bundle(places: list[tuple[int, int, str]], word: str) -> None:
    """In any lines of the bundle that it reads, also in those about files."""
    lines = list(_stream())
    for number, at, blank in places:
        line = lines[number % len(lines)]
        # A line of content stays one, whose first letter is a blank.
        first = 1 + at % len(line)
        lines[number % len(lines)] = f"{line[:first]}{blank}{word}{blank}{line[first:]}"

    assert word.encode() not in _awked("".join(f"{line}\n" for line in lines).encode())
