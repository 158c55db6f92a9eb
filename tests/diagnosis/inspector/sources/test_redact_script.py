"""The script that collects where nothing is installed redacts as Python does, with fewer forms of the log."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest
from fake_root import LIST, fake_root, write
from having import lacking
from hypothesis import given
from hypothesis import strategies as st
from machine_shapes import shape
from planted_words import plant

from pfnlab.base.errors import Misuse
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.sources.bundle import Bundle, written
from pfnlab.diagnosis.inspector.sources.collecting import Recorder, plain_expression, script_text
from pfnlab.diagnosis.inspector.sources.redacted_names import FILES, OPTIONS, RELEASE, RESOURCES
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder

#: Each with a shell and an awk; a program that is not here is passed over.
PAIRS = {
    "dash and mawk": (("dash",), "mawk"),
    "bash and gawk": (("bash", "--posix"), "gawk"),
    "busybox": (("busybox", "sh"), "busybox"),
    "original-awk": (("sh",), "original-awk"),
}


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
    path = Path(__file__).parents[4] / "src/pfnlab/explorer/page/munmap-middle-6.1.bundle"
    lines = path.read_text(encoding="utf-8").splitlines()[:-1]

    text = subprocess.run(
        ["awk", "-v", "seed=1", _stream()[0]],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    other = snapshot_of(Bundle(f"{text}end {text.count(chr(10))}\n".encode(), "script"))
    assert shape(snapshot_of(Bundle.at(path))) == shape(other)
    assert 2 == sum("freeing invalid memtype" in line for line in other.log or ())


@pytest.mark.parametrize("name", PAIRS)
def test_addresses_of_all_widths_move_by_as_much(machine_root: Path, name: str) -> None:
    """By some GiB, with no digit lost beyond the 53 bits of a double; those below 1 MiB stay."""
    places = [
        0x1000,
        0xFF000,
        0x100000,
        0xFFFFF000,
        0xFD_FC00_0000,
        0xF_FFFF_FFFF_F000,
        0xFEDC_BA98_7654_3000,
    ]
    lines = [f"PAT: [mem {at:#018x}-{at + 0x1000:#018x}] uncached\n" for at in places]
    write(machine_root, LIST, "PAT memtype list:\n" + "".join(lines))

    book = snapshot_of(Bundle(redacting(machine_root, name).stdout, "script")).book

    assert book is not None
    moves = [one.start - at for one, at in zip(book, places, strict=True)]
    assert ([0, 0], 1, 0) == (moves[:2], len(set(moves[2:])), moves[-1] % (1 << 30))
    assert moves[-1] > 0
    assert [0x1000] * len(places) == [one.end - one.start for one in book]


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


@given(st.data(), st.sampled_from([FILES, RESOURCES, RELEASE, OPTIONS]))
def test_an_expression_for_awk_matches_the_same(data: st.DataObject, expression: str) -> None:
    """Whatever Python matches."""
    text = data.draw(st.from_regex(expression, fullmatch=True))

    assert re.fullmatch(plain_expression(expression), text)


@cache
def _stream() -> tuple[str, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(RootFolder(fake_root(Path(folder) / "root")))
        snapshot_of(recorder)
    text = written(recorder.entries, [("root", "yes")]).decode()
    # Only the last line is not of the script's own.
    program = script_text().partition("program='")[2].partition("'\n")[0]
    return program, text.splitlines()[:-1]


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["", " ", "/"])), min_size=1
    ),
    st.from_regex(r"[ghjkmqzGHJKMQZ][0-9ghjkmqzGHJKMQZ_.-]{6,14}[ghjkmqzGHJKMQZ]", fullmatch=True),
)
def test_a_word_at_any_place_is_not_in_the_bundle(places: list[tuple[int, int, str]], word: str) -> None:
    """In any lines of the bundle that it reads, also in those about files."""
    program, lines = _stream()
    lines = list(lines)
    for number, at, blank in places:
        line = lines[number % len(lines)]
        # A line of content stays one, whose first letter is a blank.
        first = 1 + at % len(line)
        lines[number % len(lines)] = f"{line[:first]}{blank}{word}{blank}{line[first:]}"
    text = "\n".join(lines) + "\n"

    done = subprocess.run(
        ["awk", "-v", "seed=1", program], input=text, capture_output=True, text=True, check=False, timeout=60
    )

    assert (0, "", False) == (done.returncode, done.stderr, word in done.stdout)
