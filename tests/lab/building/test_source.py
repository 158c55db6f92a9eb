"""Sources of kernels: which folders are trees, which files they have, and when their content changes."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from toy_tree import toy_tree

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.lab.building import source
from pfnlab.lab.building.source import files_of, source_for
from pfnlab.lab.images.archive import Package


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t", *arguments],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return toy_tree(tmp_path / "linux")


@pytest.fixture
def worktree(tree: Path) -> Path:
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "all")
    return tree


def content(tree: Path) -> str:
    return source_for(str(tree), say=print).content


def test_a_tree_says_its_version(tree: Path) -> None:
    """VERSION, PATCHLEVEL and SUBLEVEL of its Makefile."""
    assert source_for(str(tree), say=print).version == "7.2.13"


def test_its_series_is_that_of_the_version(tree: Path) -> None:
    """The first two numbers of the version."""
    assert source_for(str(tree), say=print).series == "7.2"


def test_a_folder_without_a_makefile_is_no_tree(tmp_path: Path) -> None:
    """The message names the files of a tree."""
    with pytest.raises(Misuse, match=r"is not a kernel tree: the kernel Makefile or mm/memory\.c is missing"):
        source_for(str(tmp_path), say=print)


def test_a_word_is_no_source(tmp_path: Path) -> None:
    """A name that is neither folder nor series is misuse."""
    with pytest.raises(Misuse, match=r"no source 'linux': write the folder"):
        source_for("linux", say=print)


@pytest.mark.parametrize(
    "name",
    ["mm/memory.o", "mm/.memory.o.cmd", ".config", "vmlinux", "include/generated/autoconf.h", ".git/HEAD"],
)
def test_what_a_build_left_is_no_source(tree: Path, name: str) -> None:
    """Objects, notes, configurations, images and generated headers are not copied."""
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).touch()
    assert name not in files_of(source_for(str(tree), say=print))


def test_a_linker_script_is_a_source(tree: Path) -> None:
    """Though its name begins as an image's."""
    (tree / "vmlinux.lds.S").touch()
    assert "vmlinux.lds.S" in files_of(source_for(str(tree), say=print))


def test_an_ignored_file_of_a_worktree_is_no_source(worktree: Path) -> None:
    """In a worktree .gitignore decides."""
    (worktree / ".gitignore").write_text("*.log\n")
    (worktree / "x.log").touch()
    assert "x.log" not in files_of(source_for(str(worktree), say=print))


def test_a_new_file_of_a_worktree_is_one(worktree: Path) -> None:
    """A file need not be added to be built."""
    (worktree / "mm" / "new.c").touch()
    assert "mm/new.c" in files_of(source_for(str(worktree), say=print))


def test_a_removed_file_of_a_worktree_is_none(worktree: Path) -> None:
    """A file that git still has and the folder has not is left out."""
    (worktree / "mm" / "memory.c").rename(worktree / "mm" / "other.c")
    (worktree / "mm" / "memory.c").write_text("again")
    (worktree / "absent").unlink()
    assert "absent" not in files_of(source_for(str(worktree), say=print))


def test_the_content_of_a_folder_is_that_of_its_files(tree: Path) -> None:
    """A changed file is another content."""
    before = content(tree)
    (tree / "mm" / "memory.c").write_text("int other;\n")
    assert content(tree) != before


def test_the_content_of_a_worktree_follows_what_is_not_committed(worktree: Path) -> None:
    """So it is in a worktree, before a commit."""
    before = content(worktree)
    (worktree / "mm" / "memory.c").write_text("int other;\n")
    assert content(worktree) != before


def test_and_what_git_does_not_know_yet(worktree: Path) -> None:
    """A new file is another content too."""
    before = content(worktree)
    (worktree / "mm" / "new.c").write_text("int new;\n")
    assert content(worktree) != before


def test_a_commit_without_a_change_has_the_same_content(worktree: Path) -> None:
    """A commit alone does not build a kernel anew."""
    before = content(worktree)
    git(worktree, "commit", "-q", "--allow-empty", "-m", "nothing")
    assert content(worktree) == before


@pytest.mark.parametrize("name", ["Makefile", "mm/pipe"])
def test_a_pipe_in_a_tree_is_no_part_of_it(tree: Path, name: str) -> None:
    """Nobody writes into it."""
    before = content(tree)
    (tree / name).unlink(missing_ok=True)
    os.mkfifo(tree / name)

    if name == "Makefile":
        with pytest.raises(Misuse, match="is not a kernel tree"):
            content(tree)
    else:
        assert before == content(tree)


class OneSource:
    """An archive whose package is as good as fetched."""

    def download(self, package: Package, into: Path) -> Path:
        """Any file will do."""
        return into / "linux-source.deb"


def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *members: tarfile.TarInfo) -> Path:
    """The source out of a package with these files."""

    def take_out(deb: Path, into: Path, name_of: object) -> None:
        with tarfile.open(into / "source.tar.xz", "w:xz") as ball:
            for member in members:
                ball.addfile(member)

    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(source, "take_out", take_out)
    folder = tmp_path / "cache" / "trees" / "linux-source-7.2_7.2-1" / "source"
    source._unpack(OneSource(), Package("linux-source-7.2", "7.2-1", "sid", 1), folder)  # type: ignore[arg-type]
    return folder


def member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """A file of somebody else's that everybody may write to."""
    found = tarfile.TarInfo(name)
    found.type, found.mode, found.uid, found.gid = kind, 0o777, 1234, 1234
    return found


def test_the_source_of_a_package_is_of_the_user_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever packed it; and nobody else may write to it."""
    folder = unpacked(tmp_path, monkeypatch, member("linux/", tarfile.DIRTYPE), member("linux/Makefile"))

    status = [path.stat() for path in (folder, folder / "Makefile")]
    assert [(os.geteuid(), 0)] * 2 == [(one.st_uid, one.st_mode & 0o022) for one in status]


def test_a_pipe_in_the_source_of_a_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a device, which root alone can unpack."""
    pipe = member("linux/pipe", tarfile.FIFOTYPE)

    with pytest.raises(
        Undecided, match=r"^linux-source-7\.2 is not unpacked: pipe is not a file, folder or link$"
    ):
        unpacked(tmp_path, monkeypatch, member("linux/", tarfile.DIRTYPE), pipe)
