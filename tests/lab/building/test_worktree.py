"""The copy a build works in: patched, put back, brought up to date, and the user's tree untouched."""

import base64
import os
from dataclasses import replace
from pathlib import Path

import pytest
from for_each import for_each
from toy_tree import NEW_FILE, PATCH, toy_tree

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.lab.building.patch_file import PatchFile, read_patch
from pfnlab.lab.building.source import source_for
from pfnlab.lab.building.worktree import WorkTree, original, worktree
from pfnlab.lab.images import trust

#: The same line in another file.
IN_VMA = PATCH.replace("memory.c", "vma.c")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    return toy_tree(tmp_path / "linux")


def copy(tree: Path, *patches: PatchFile) -> WorkTree:
    """The copy of *tree* after a build with *patches*."""
    with worktree(source_for(str(tree), say=print), say=print) as work:
        work.apply(patches)
    return work


def patch(folder: Path, text: str = PATCH, name: str = "one-line.patch") -> PatchFile:
    (folder / name).write_text(text)
    return read_patch(folder / name)


def memory(work: WorkTree) -> str:
    return (work.folder / "mm" / "memory.c").read_text()


def test_the_copy_has_the_files(tree: Path) -> None:
    """Without patches the copy is the tree."""
    assert memory(copy(tree)) == "int first;\nint last;\n"


def test_a_patch_changes_the_copy(tree: Path, tmp_path: Path) -> None:
    """A patch is applied to the copy."""
    assert "int patched;" in memory(copy(tree, patch(tmp_path)))


def test_an_encoded_mail_changes_the_copy(tree: Path, tmp_path: Path) -> None:
    """What its text says is applied, not its letters."""
    coded = base64.encodebytes(PATCH.encode()).decode()
    mail = f"Subject: one\nContent-Transfer-Encoding: base64\n\n{coded}"

    assert "int patched;" in memory(copy(tree, patch(tmp_path, mail)))


def test_a_diff_in_a_message_changes_nothing(tree: Path, tmp_path: Path) -> None:
    """Where git would apply it, no one would take it back: the next build would have it."""
    vmlinux = (tree / "vmlinux.c").read_text()
    line = vmlinux.splitlines()[0]
    quoted = f"  --- a/vmlinux.c\n  +++ b/vmlinux.c\n  @@ -1 +1,2 @@\n   {line}\n  +int quoted;\n"

    work = copy(tree, patch(tmp_path, PATCH.replace("One line more\n", f"One line more\n\n{quoted}")))

    assert "int patched;" in memory(work)
    assert vmlinux == (work.folder / "vmlinux.c").read_text()


def test_a_patch_in_reverse_is_taken_out(tree: Path, tmp_path: Path) -> None:
    """What it would add is in the tree, and goes from the copy."""
    (tree / "mm" / "memory.c").write_text("int first;\nint patched;\nint last;\n")

    work = copy(tree, replace(patch(tmp_path), reverse=True))

    assert "int first;\nint last;\n" == memory(work)


def test_a_patch_in_reverse_that_is_not_there_says_so(tree: Path, tmp_path: Path) -> None:
    """Its lines are not in the tree."""
    with pytest.raises(
        Undecided, match=r"one-line\.patch does not apply in reverse to linux: patch failed: mm/memory\.c:1"
    ):
        copy(tree, replace(patch(tmp_path), reverse=True))


def test_and_not_the_tree(tree: Path, tmp_path: Path) -> None:
    """The user's file stays without the patch."""
    copy(tree, patch(tmp_path))
    assert "int patched;" not in (tree / "mm" / "memory.c").read_text()


def test_the_next_build_begins_without_it(tree: Path, tmp_path: Path) -> None:
    """A patch is taken back before the next build."""
    copy(tree, patch(tmp_path))
    assert memory(copy(tree)) == "int first;\nint last;\n"


def test_a_file_that_is_put_back_is_newer_than_its_object(tree: Path, tmp_path: Path) -> None:
    """So make compiles it again."""
    work = copy(tree, patch(tmp_path))
    os.utime(work.folder / "mm" / "memory.c", (1, 1))
    assert (copy(tree).folder / "mm" / "memory.c").stat().st_mtime > 1


def test_a_file_no_patch_touched_keeps_its_time(tree: Path, tmp_path: Path) -> None:
    """So make does not compile it again."""
    work = copy(tree, patch(tmp_path))
    os.utime(work.folder / "Makefile", (1, 1))
    assert (copy(tree).folder / "Makefile").stat().st_mtime == 1


def test_a_file_that_is_patched_as_before_keeps_its_time(tree: Path, tmp_path: Path) -> None:
    """Of two versions of a patch, what they change alike is not compiled again, nor is a new file."""
    alike, other = patch(tmp_path, PATCH + NEW_FILE), patch(tmp_path, IN_VMA, "vma.patch")
    work = copy(tree, alike)
    for name in ("memory.c", "new.c"):
        os.utime(work.folder / "mm" / name, (1, 1))

    times = [
        (copy(tree, alike, other).folder / "mm" / name).stat().st_mtime for name in ("memory.c", "new.c")
    ]

    assert [1, 1] == times


def test_a_file_that_was_put_back_in_between_is_newer(tree: Path, tmp_path: Path) -> None:
    """Objects were made from the original meanwhile."""
    work = copy(tree, patch(tmp_path))
    os.utime(work.folder / "mm" / "memory.c", (1, 1))
    copy(tree)

    assert (copy(tree, patch(tmp_path)).folder / "mm" / "memory.c").stat().st_mtime > 1


def test_a_file_that_is_patched_otherwise_is_newer(tree: Path, tmp_path: Path) -> None:
    """Its object is that of the version before."""
    work = copy(tree, patch(tmp_path))
    os.utime(work.folder / "mm" / "memory.c", (1, 1))
    other = patch(tmp_path, PATCH.replace("patched", "other"))

    assert (copy(tree, other).folder / "mm" / "memory.c").stat().st_mtime > 1


def test_a_new_file_of_a_patch_is_gone_afterwards(tree: Path, tmp_path: Path) -> None:
    """A file that a patch adds is removed with it."""
    work = copy(tree, patch(tmp_path, NEW_FILE))
    assert (work.folder / "mm" / "new.c").exists()
    assert not (copy(tree).folder / "mm" / "new.c").exists()


def test_two_patches_of_one_file_are_both_put_back(tree: Path, tmp_path: Path) -> None:
    """The second patch finds the first, and both are taken back."""
    second = PATCH.replace("+int patched;", "+int second;").replace("@@ -1,2 +1,3 @@", "@@ -1,2 +1,3 @@")
    second = second.replace(" int last;", " int patched;")
    assert "int second;" in memory(copy(tree, patch(tmp_path), patch(tmp_path, second, "second.patch")))
    assert memory(copy(tree)) == "int first;\nint last;\n"


def test_a_patch_that_does_not_apply_says_where(tree: Path, tmp_path: Path) -> None:
    """Patch, source, file and line are in the message."""
    with pytest.raises(
        Undecided, match=r"one-line\.patch does not apply to linux: patch failed: mm/memory\.c:1"
    ):
        copy(tree, patch(tmp_path, PATCH.replace(" int last;", " int other;")))


@for_each(
    ("base", "says"),
    [
        (
            "linux-source-6.12 6.12.117-1~deb12u1",
            "; it was made for linux-source-6.12 6.12.117-1~deb12u1: run pfnlab kernels build 6.12 --patch ",
        ),
        (
            "linux-source-7.2 7.2.1-1",
            "; it was made for linux-source-7.2 7.2.1-1: redo it for this source",
        ),
        ("mine", "; it was made for mine: redo it for this source"),
        ("linux-source-7.2 7.2.13-1", None),
        ("", None),
    ],
)
def test_a_patch_that_does_not_apply_says_what_it_is_made_for(
    tree: Path, tmp_path: Path, base: str, says: str | None
) -> None:
    """
    Where its head names another source than the one at hand, and the series to build instead.
    """
    failing = PATCH.replace(" int last;", " int other;")
    file = patch(tmp_path, failing.replace("Base: linux-source-7.2 7.2.13-1", f"Base: {base}"))
    source = replace(source_for(str(tree), say=print), label="linux-source-7.2 7.2.13-1", version="7.2.13")

    with worktree(source, say=print) as work, pytest.raises(Undecided) as refused:
        work.apply([file])

    _, made_for, rest = str(refused.value).partition("; it was made for ")
    expected = says and says + str(file.path) * says.endswith("--patch ")
    assert expected == (f"{made_for}{rest}" if made_for else None)
    assert "\n" not in str(refused.value)


def test_and_leaves_nothing(tree: Path, tmp_path: Path) -> None:
    """After a patch that fails, those in front of it are taken back too."""
    with pytest.raises(Undecided):
        copy(
            tree, patch(tmp_path), patch(tmp_path, PATCH.replace(" int last;", " int other;"), "second.patch")
        )
    assert memory(copy(tree)) == "int first;\nint last;\n"


def test_a_file_outside_the_tree_is_not_touched(tree: Path, tmp_path: Path) -> None:
    """A patch that leads out of the tree through a link is refused."""
    (tree / "mm" / "link").symlink_to(tmp_path)
    (tmp_path / "outside").write_text("int first;\nint last;\n")
    with pytest.raises(Misuse, match=r"names mm/link/outside, which is outside the tree"):
        copy(tree, patch(tmp_path, PATCH.replace("mm/memory.c", "mm/link/outside")))


def test_what_the_user_changed_comes_along(tree: Path) -> None:
    """A change of the tree is in the next copy."""
    copy(tree)
    (tree / "mm" / "memory.c").write_text("int changed;\n")
    assert memory(copy(tree)) == "int changed;\n"


def test_a_file_the_user_only_touched_keeps_its_time(tree: Path) -> None:
    """Equal content is not copied again."""
    work = copy(tree)
    os.utime(work.folder / "Makefile", (1, 1))
    os.utime(tree / "Makefile")
    assert (copy(tree).folder / "Makefile").stat().st_mtime == 1


def test_what_the_user_removed_is_gone(tree: Path) -> None:
    """A file that left the tree leaves the copy."""
    (tree / "mm" / "vma.c").write_text("int vma;\n")
    copy(tree)
    (tree / "mm" / "vma.c").unlink()
    assert not (copy(tree).folder / "mm" / "vma.c").exists()


def test_a_patched_file_the_user_changed_is_the_users(tree: Path, tmp_path: Path) -> None:
    """The change of the user counts, not the original that was put aside."""
    copy(tree, patch(tmp_path))
    (tree / "mm" / "memory.c").write_text("int changed;\n")
    assert memory(copy(tree)) == "int changed;\n"


def test_a_build_that_was_killed_while_patching_leaves_nothing(tree: Path, tmp_path: Path) -> None:
    """A half patched file is put back from its original."""
    work = copy(tree)
    (work.home / "originals" / "mm").mkdir(parents=True)
    (work.home / "originals" / "mm" / "memory.c").write_text("int first;\nint last;\n")
    (work.folder / "mm" / "memory.c").write_text("half a pat")
    assert memory(copy(tree)) == "int first;\nint last;\n"


@pytest.mark.parametrize("name", ["mm/memory.c", "Makefile"])
def test_the_original_of_a_package_that_is_patched_in_place(tree: Path, tmp_path: Path, name: str) -> None:
    """Also of a file that no patch touched."""
    folder = tree.rename(tree.with_name("source"))
    unpatched = (folder / name).read_text()
    source = replace(source_for(str(folder), say=print), own=False)
    WorkTree(source, folder.parent).apply([patch(tmp_path)])

    assert "int patched;" in (folder / "mm" / "memory.c").read_text()
    assert unpatched == original(source, name).read_text()


def test_the_original_of_a_tree_of_the_users(tree: Path) -> None:
    """It is the file itself, whatever lies beside the tree."""
    assert tree / "Makefile" == original(source_for(str(tree), say=print), "Makefile")


def test_nobody_else_may_write_to_the_copy(tree: Path, tmp_path: Path) -> None:
    """Whatever the tree, a patch and the umask allow; the copy is used once more."""
    for path in (tree, *tree.rglob("*")):
        path.chmod(path.stat().st_mode | 0o022)
    old = os.umask(0)
    try:
        copy(tree, patch(tmp_path, NEW_FILE))
        work = copy(tree, patch(tmp_path))
    finally:
        os.umask(old)

    assert [] == [path for path in (tmp_path / "cache").rglob("*") if path.lstat().st_mode & 0o022]
    assert work.folder.is_dir()


def test_a_copy_that_others_may_write_to_is_not_built(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They could have changed what is built from it."""
    file = copy(tree).folder / "mm" / "memory.c"
    file.chmod(0o666)
    monkeypatch.setattr(trust, "_sound", set())

    with pytest.raises(Misuse, match=rf"others may write to {file} \(mode 0666"):
        copy(tree)


_RENAME = "diff --git a/mm/memory.c b/mm/moved.c\nrename from mm/memory.c\nrename to mm/moved.c\n"
_MAIL = "From x Mon Sep 17 00:00:00 2001\nSubject: one\n\n"


def test_a_series_is_applied_mail_by_mail(tree: Path, tmp_path: Path) -> None:
    """An edit, a rename, an edit."""
    hunk = "@@ -1,3 +1,4 @@\n int first;\n+int again;\n int patched;\n int last;\n"
    again = f"--- a/mm/moved.c\n+++ b/mm/moved.c\n{hunk}"

    work = copy(tree, patch(tmp_path, f"{_MAIL}{PATCH}\n{_MAIL}{_RENAME}\n{_MAIL}{again}"))

    assert "int first;\nint again;\nint patched;\nint last;\n" == (work.folder / "mm/moved.c").read_text()
    assert not (work.folder / "mm" / "memory.c").exists()
    assert "int first;\nint last;\n" == memory(copy(tree))


def test_a_series_in_reverse_begins_with_its_last_mail(tree: Path, tmp_path: Path) -> None:
    """Which changed the same line as the first."""
    first = "--- a/mm/memory.c\n+++ b/mm/memory.c\n@@ -1,2 +1,2 @@\n-int zero;\n+int one;\n int last;\n"
    second = first.replace("one", "first").replace("zero", "one")

    work = copy(tree, replace(patch(tmp_path, f"{_MAIL}{first}\n{_MAIL}{second}"), reverse=True))

    assert "int zero;\nint last;\n" == memory(work)


def test_a_folder_that_lost_its_last_file_comes_back(tree: Path, tmp_path: Path) -> None:
    """git has removed it, too."""
    (tree / "mm" / "vma.c").unlink()
    gone = "--- a/mm/memory.c\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-int first;\n-int last;\n"
    work = copy(tree, patch(tmp_path, gone))

    assert not (work.folder / "mm").exists()
    assert "int first;\nint last;\n" == memory(copy(tree))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mm", "not a file in the tree"),
        ("mm/memory.c/below.c", "below a file"),
        ("link", "not a file in the tree"),
    ],
)
def test_a_name_that_is_not_a_file_is_refused(tree: Path, tmp_path: Path, name: str, says: str) -> None:
    """And what an earlier patch did is undone."""
    (tree / "link").symlink_to("mm")
    wrong = NEW_FILE.replace("mm/new.c", name)

    with pytest.raises(Misuse, match=f"second.patch names {name}, which is {says}"):
        copy(tree, patch(tmp_path), patch(tmp_path, wrong, "second.patch"))
    with worktree(source_for(str(tree), say=print), say=print) as work:
        assert "patched" not in memory(work)
