"""The check of a release, on findings made up for it: a private one is found wherever it is put."""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from tooling import build_release, check_release

from pfnlab.programs.lang.load import load_text, to_json

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
    folder = tmp_path / "evidence" / "findings" / "forgetful-pages"
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
    report = root / "evidence" / "findings" / "forgetful-pages" / "report.md"
    report.write_text(REPORT.replace("private", state))

    assert 0 == tool.main([wheel(root, "notes.md", report.read_bytes())])


@pytest.mark.parametrize("second", ["State: secret", "State:", "They do."])
def test_a_finding_without_a_state_stops_every_release(root: Path, tool: ModuleType, second: str) -> None:
    """Nobody knows whether it may be told."""
    report = root / "evidence" / "findings" / "forgetful-pages" / "report.md"
    report.write_text(f"# Pages forget who they are\n{second}\n")

    assert 2 == tool.main([wheel(root, "notes.md", b"")])


def test_a_finding_without_a_report_stops_every_release(root: Path, tool: ModuleType) -> None:
    """The same."""
    (root / "evidence" / "findings" / "forgetful-pages" / "report.md").unlink()

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


#: What git has of a project as small as can be packed.
TRACKED = {
    ".gitignore": "dist/\n",
    "README.md": "# small\n",
    "pyproject.toml": "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
    "[project]\nname = 'pfnlab'\nversion = '1'\n"
    "[tool.hatch.build.targets.wheel]\npackages = ['src/pfnlab']\n"
    "[tool.hatch.build.targets.wheel.force-include]\nlitmus = 'pfnlab/litmus'\n"
    "[tool.hatch.build.targets.sdist]\nexclude = ['/evidence/findings']\n",
    "evidence/findings/one.md": "secret\n",
    "litmus/fork/small.pfn": "pfnlab program 1\n",
    "src/pfnlab/__init__.py": "one = 1\n",
}

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git")
needs_build = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("build", "hatchling"))),
    reason="no build, no hatchling: pip install -e '.[dev]'",
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with files git does not have, and a change nobody committed."""
    root = tmp_path / "checkout"
    for name, text in TRACKED.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    own = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "-A"], [*own, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    (root / "secret.txt").write_text("secret")
    (root / "src" / "pfnlab" / "x.py").write_text("x = 1\n")
    (root / "src" / "pfnlab" / "__init__.py").write_text("one = 2\n")
    monkeypatch.setattr(build_release(), "ROOT", root)
    return root


@needs_git
def test_every_tracked_file_is_exported_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    """As it was committed."""
    build_release().export(checkout, tmp_path / "tree")

    tree = tmp_path / "tree"
    found = {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}
    assert TRACKED == found


@needs_git
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_python_without_filters_exports_the_same(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian 12 has 3.11.2, whose archives know no filter."""
    plain = tarfile.TarFile.extractall
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr(tarfile.TarFile, "extractall", lambda archive, path: plain(archive, path))

    build_release().export(checkout, tmp_path / "tree")

    assert TRACKED["README.md"] == (tmp_path / "tree" / "README.md").read_text()


@needs_git
@needs_build
def test_a_release_holds_what_git_has(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wheel and source archive, less findings; what lies around is named and left out."""
    dist = tmp_path / "dist"

    assert 0 == build_release().main([str(dist)])

    said = capsys.readouterr().err.splitlines()
    assert [" M src/pfnlab/__init__.py", "?? secret.txt", "?? src/pfnlab/x.py"] == said[1:]
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {name for name in TRACKED if not name.startswith("evidence/findings")} | {"PKG-INFO"} == packed
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as archive:
        modules = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    program = {"pfnlab/litmus/fork/small.pfn": b"pfnlab program 1\n"}
    assert {"pfnlab/__init__.py": b"one = 1\n", **program} == modules


@pytest.mark.parametrize(("name", "content"), [("secret.txt", b""), ("README.md", b"# another\n")])
def test_a_file_that_is_not_of_the_commit_is_found(
    tmp_path: Path, tool: ModuleType, name: str, content: bytes
) -> None:
    """Because git does not have it, or has another."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "README.md").write_text(TRACKED["README.md"])
    packed = Path(sdist(tmp_path, name, content))

    assert [f"{packed}:pfnlab-1/{name}"] == build_release().strangers(packed, tmp_path / "tree")


@pytest.mark.parametrize(("content", "strange"), [(b".TH X 1", False), (b".TH Y 1", True)])
def test_what_lies_elsewhere_in_a_wheel_is_held_against_its_source(
    tmp_path: Path, content: bytes, strange: bool
) -> None:
    """Man pages are below share/ there; pyproject.toml says what they are made of."""
    (tmp_path / "tree" / "man").mkdir(parents=True)
    (tmp_path / "tree" / "man" / "pfnlab.1").write_bytes(b".TH X 1")
    settings = "[tool.hatch.build.targets.wheel.shared-data]\nman = 'share/man/man1'\n"
    (tmp_path / "tree" / "pyproject.toml").write_text(settings)
    packed = tmp_path / "pfnlab-1.whl"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pfnlab-1.data/data/share/man/man1/pfnlab.1", content)

    assert strange is bool(build_release().strangers(packed, tmp_path / "tree"))


@pytest.mark.parametrize(("content", "strange"), [(b"one", False), (b"two", True)])
def test_programs_in_a_wheel_are_held_against_those_of_the_repository(
    tmp_path: Path, content: bytes, strange: bool
) -> None:
    """Their folder lies in that of the package there, and beside it in a tree."""
    (tmp_path / "tree" / "litmus").mkdir(parents=True)
    (tmp_path / "tree" / "litmus" / "a.pfn").write_bytes(b"one")
    sources = "'src/pfnlab' = 'pfnlab'\n'litmus' = 'pfnlab/litmus'\n"
    settings = f"[tool.hatch.build.targets.wheel.sources]\n{sources}"
    (tmp_path / "tree" / "pyproject.toml").write_text(settings)
    packed = tmp_path / "pfnlab-1.whl"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pfnlab/litmus/a.pfn", content)

    found = build_release().strangers(packed, tmp_path / "tree")

    assert strange is bool(found)


@needs_git
def test_without_git_nothing_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is no checkout has no commit."""
    monkeypatch.setattr(build_release(), "ROOT", tmp_path)

    assert 2 == build_release().main([str(tmp_path / "dist")])

    assert capsys.readouterr().err.startswith("a release is made of a git checkout: ")
