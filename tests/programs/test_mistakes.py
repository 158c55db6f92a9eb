"""Wrong programs, each with the whole message it is answered with (`NAME.pfn`, `NAME.err`)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.load import load_bytes, load_program, load_text
from pfnlab.programs.lang.words import VERBS

MISTAKES = Path(__file__).parent / "mistakes"
HEAD = "pfnlab program 1\ndevice  bar: pci, 16 pages\n"


def answer(path: Path) -> str:
    """The whole message about the program at *path*, without the folder."""
    with pytest.raises(ProgramError) as caught:
        load_program(path)
    return str(caught.value).replace(f"{path.parent}/", "")


@for_each("path", sorted(MISTAKES.glob("*.pfn")), ids=lambda path: path.stem)
def test_a_mistake_is_answered_with(path: Path) -> None:
    """The whole message is the one kept beside the program; `{operations}` stands for the list of all."""
    expected = path.with_suffix(".err").read_text().replace("{operations}", ", ".join(VERBS))

    assert expected == answer(path) + "\n"


def test_there_are_mistakes_enough() -> None:
    """An empty folder would pass every test above."""
    assert len(list(MISTAKES.glob("*.pfn"))) >= 40


def test_every_answer_has_its_program() -> None:
    """No `.err` is left over."""
    assert {p.stem for p in MISTAKES.glob("*.err")} == {p.stem for p in MISTAKES.glob("*.pfn")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n" * 10_001, "x.pfn: a program has at most 10000 lines: is it the right file?"),
        (b"\x7fELF\0\0", "x.pfn: this is a binary file (it holds NUL bytes): name a program file"),
        (b"\0\xff", "x.pfn: this is a binary file (it holds NUL bytes): name a program file"),
        (b"pfnlab program 1\n\xc3\xa4\xff", "x.pfn:2:2: this is not UTF-8: save the file as UTF-8"),
        (b"{", "x.pfn: Input data was truncated"),
        (b"#" * (1 << 20) + b"#", "x.pfn: a program is at most 1 MiB, this is larger: is it the right file?"),
    ],
    ids=["lines", "elf", "nul-first", "latin-1", "json", "large"],
)
def test_content_that_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Binary, badly encoded, cut off and oversized files are named as what they are."""
    path = tmp_path / "x.pfn"
    path.write_bytes(content)

    assert message == answer(path)


def test_a_huge_file_is_answered_at_once(tmp_path: Path) -> None:
    """A file of 100 GiB is refused without being read whole."""
    path = tmp_path / "x.pfn"
    with path.open("wb") as file:
        file.truncate(100 << 30)
    start = time.monotonic()

    message = answer(path)

    assert message == "x.pfn: a program is at most 1 MiB, this is larger: is it the right file?"
    assert time.monotonic() - start < 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path without a file is a mistake of the caller, not a traceback."""
    assert answer(tmp_path / "x.pfn") == "x.pfn: no such file: check the path"


def test_a_directory_is_named(tmp_path: Path) -> None:
    """A directory is refused as one."""
    (tmp_path / "x.pfn").mkdir()

    assert answer(tmp_path / "x.pfn") == "x.pfn: this is a directory: name a program file in it"


def test_an_unreadable_file_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason is passed on."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "x.pfn").touch()
    monkeypatch.setattr("pfnlab.base.files.os.open", refuse)

    assert answer(tmp_path / "x.pfn") == "x.pfn: the file cannot be read: Permission denied"


def test_a_path_with_a_nul_is_refused(tmp_path: Path) -> None:
    """A path no file can have is a mistake like another."""
    with pytest.raises(ProgramError, match="cannot be read"):
        load_program("x\0y")


@for_each(
    ("text", "message"),
    [
        (HEAD + "look\n" * 1001, "a program has at most 1000 operations: split it"),
        (
            HEAD + "".join(f"t{n} = fork\n" for n in range(16)),
            "a program has at most 16 tasks",
        ),
        (
            HEAD + "".join(f"a{n} = mmap bar[0:1] wc shared rw\n" for n in range(27)),
            "a program has at most 26 areas: use a name again",
        ),
        (
            HEAD + "look" + " " * 5000 + "look\n",
            "a line has at most 4000 characters before its comment: split it",
        ),
        (
            f"pfnlab program 1\ntitle {'a' * 3001}\n",
            "`title` takes at most 3000 characters: shorten it",
        ),
        ("pfnlab program 1\ntitle a\x1bb\n", "`title` takes one line of printable text"),
    ],
    ids=["operations", "tasks", "areas", "line", "title", "control-character"],
)
def test_a_limit_is_named(text: str, message: str) -> None:
    """Every limit is refused with its number."""
    with pytest.raises(ProgramError) as caught:
        load_text(text)

    assert message == caught.value.message


def test_control_characters_are_not_shown_raw() -> None:
    """An escape sequence in a program does not reach the terminal."""
    with pytest.raises(ProgramError) as caught:
        load_bytes(b"pfnlab program 1\n\x1b[31m\n")

    assert "\x1b" not in str(caught.value)
