"""The check of a release, on findings made up for it: a private one is found wherever it is put."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from releasing import check_release

from pfnlab.programs.form import to_json
from pfnlab.programs.load import load_text

REPORT = "# Pages forget who they are\nState: private\n\nThey do.\n"
PROGRAM = (
    "pfnlab program 1\ntitle   Pages that forget\ndevice  bar: pci, 16 pages\n\n"
    "a = mmap bar[3:5] wc shared rw\nmunmap a[1]\n"
)
OTHER = "pfnlab program 1\ndevice  bar: pci, 16 pages\n\na = mmap bar[0:4] wc shared rw\n"


@pytest.fixture
def tool() -> ModuleType:
    """The check."""
    return check_release()


@pytest.fixture
def root(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree with one finding in it, which is private."""
    folder = tmp_path / "findings" / "forgetful-pages"
    folder.mkdir(parents=True)
    (folder / "report.md").write_text(REPORT)
    (folder / "program.pfn").write_text(PROGRAM)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    return tmp_path


def wheel(root: Path, name: str, content: bytes) -> str:
    """A wheel of two files, one of them *name*."""
    path = root / "one.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pfnlab/__init__.py", "")
        archive.writestr(name, content)
    return str(path)


def sdist(root: Path, name: str, content: bytes) -> str:
    """A source archive of one file."""
    path = root / "one.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(f"pfnlab-1/{name}")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return str(path)


def docs(root: Path, name: str, content: bytes) -> str:
    """A folder of one file."""
    path = root / "docs" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return str(root / "docs")


each_form = pytest.mark.parametrize("packed", [wheel, sdist, docs])


@each_form
@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("findings/forgetful-pages/notes.txt", b"nothing", "the folder"),
        ("notes.md", REPORT.encode(), "a file"),
        ("changes.md", b"see forgetful-pages", "words"),
        ("page.html", b"<h1>Pages forget who they are</h1>", "words"),
        ("index.md", b"| Pages that forget | 6.1 |", "words"),
        (
            "x.pfn",
            PROGRAM.replace("Pages that forget", "x").replace("munmap", "munmap ").encode(),
            "a program",
        ),
        ("x.json", to_json(load_text(PROGRAM.replace("Pages that forget", "x"))), "a program"),
    ],
)
def test_a_private_finding_is_refused(
    root: Path,
    tool: ModuleType,
    capsys: pytest.CaptureFixture[str],
    packed,
    name: str,
    content: bytes,
    what: str,
) -> None:
    """The line says where it is, and what of it."""
    path = packed(root, name, content)

    assert 1 == tool.main([path])

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"{name} holds {what} of the private finding forgetful-pages")


def test_a_golden_of_a_private_program_is_refused(root: Path, tool: ModuleType) -> None:
    """It has the program's hash in it."""
    golden = b'{"program": "' + tool.program_hash(load_text(PROGRAM)).encode() + b'"}'

    assert 1 == tool.main([wheel(root, "x.expected.json", golden)])


@each_form
@pytest.mark.parametrize(("name", "content"), [("x.pfn", OTHER.encode()), ("x.json", b"{}"), ("x.md", b"")])
def test_anything_else_is_not(root: Path, tool: ModuleType, packed, name: str, content: bytes) -> None:
    """Other programs, and files that are none."""
    assert 0 == tool.main([packed(root, name, content)])


@pytest.mark.parametrize("state", ["reported", "public"])
def test_a_finding_that_was_told_may_be_released(root: Path, tool: ModuleType, state: str) -> None:
    """A person has changed its state."""
    report = root / "findings" / "forgetful-pages" / "report.md"
    report.write_text(REPORT.replace("private", state))

    assert 0 == tool.main([wheel(root, "notes.md", report.read_bytes())])


@pytest.mark.parametrize("second", ["State: secret", "State:", "They do."])
def test_a_finding_without_a_state_stops_every_release(root: Path, tool: ModuleType, second: str) -> None:
    """Nobody knows whether it may be told."""
    report = root / "findings" / "forgetful-pages" / "report.md"
    report.write_text(f"# Pages forget who they are\n{second}\n")

    assert 2 == tool.main([wheel(root, "notes.md", b"")])


def test_a_finding_without_a_report_stops_every_release(root: Path, tool: ModuleType) -> None:
    """The same."""
    (root / "findings" / "forgetful-pages" / "report.md").unlink()

    assert 2 == tool.main([wheel(root, "notes.md", b"")])


def test_what_cannot_be_read_is_not_released(root: Path, tool: ModuleType) -> None:
    """Neither what is missing or broken nor nothing at all."""
    broken = root / "broken.whl"
    broken.write_bytes(b"no wheel")
    (root / "empty").mkdir()

    asked = [[str(root / "absent.whl")], [str(broken)], [str(root / "empty")], []]
    assert [2] * len(asked) == [tool.main(arguments) for arguments in asked]


def test_no_findings_at_all_is_no_licence(
    root: Path, tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the folder is missing nothing can be judged."""
    monkeypatch.setattr(tool, "ROOT", root / "elsewhere")

    assert 2 == tool.main([wheel(root, "notes.md", b"")])
