"""Diffs are read: files, hunks, what cannot be read; and are written again for git."""

from __future__ import annotations

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from toy_tree import DIFF

from pfnlab.lab.building.diffs import Diffs, FileDiff, series_of_package, trailers
from pfnlab.lab.building.mails import Mail

GIT = "diff --git a/mm/memory.c b/mm/memory.c\nindex 1234567..89abcde 100644\n" + DIFF


def read(text: str) -> tuple[list[FileDiff], list[tuple[int, str]]]:
    """The files in a text, and its faults."""
    diffs = Diffs(Mail(None, text.encode()), "file")
    files = list(diffs)
    placed = [fault.removeprefix("file:").partition(": ") for fault in diffs.faults]
    return files, [(int(line), says) for line, _, says in placed]


@for_each(
    ("text", "names"),
    [
        (DIFF, [("mm/memory.c", "mm/memory.c")]),
        (GIT, [("mm/memory.c", "mm/memory.c")]),
        (DIFF + DIFF.replace("memory", "vma"), [("mm/memory.c",) * 2, ("mm/vma.c",) * 2]),
        (DIFF.replace(".c\n", ".c\t2026-11-02 10:00:00 +0000\n"), [("mm/memory.c", "mm/memory.c")]),
        ("--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+one\n", [("", "mm/new.c")]),
        ("--- a/mm/old.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n", [("mm/old.c", "")]),
        (
            "diff --git a/mm/a.c b/mm/b.c\nsimilarity index 100%\nrename from mm/a.c\nrename to mm/b.c\n",
            [("mm/a.c", "mm/b.c")],
        ),
        ("diff --git a/mm/a.c b/mm/a.c\nold mode 100644\nnew mode 100755\n", [("mm/a.c", "mm/a.c")]),
        ("diff --git a/mm/a.c b/mm/a.c\nnew file mode 100644\nindex 0000000..e69de29\n", [("mm/a.c",) * 2]),
        ("--- a/x.c\t2026-11-02 10:00\n+++ b/x.c\t1970-01-01 00:00\n@@ -1 +0,0 @@\n-one\n", [("x.c", "")]),
    ],
)
def test_files(text: str, names: list[tuple[str, str]]) -> None:
    """Each has a name before and after; one that is missing is empty."""
    files, faults = read(text)

    assert (names, []) == ([(file.old, file.new) for file in files], faults)


@for_each(
    "text",
    [
        DIFF,
        GIT,
        DIFF.replace(" one\n", "\n"),
        "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1 +1 @@\n-one\n\\ No newline at end of file\n+two\n"
        "\\ No newline at end of file\n",
        "diff --git a/mm/a.c b/mm/a.c\nnew file mode 100644\nindex 0000000..e69de29\n",
        "diff --git a/a.c b/b.c\nrename from a.c\nrename to b.c\n--- a/a.c\n+++ b/b.c\n@@ -1 +1 @@\n-1\n+2\n",
    ],
)
@for_each(
    "around", ["{}", "A title.\n\n  --- a/x\n  +++ b/x\n  @@ -1 +1 @@\n  -1\n  +2\n---\n{}-- \n2.47.0\n\n"]
)
def test_what_git_applies_is_the_diff_alone(around: str, text: str) -> None:
    """Without the message, what it quotes, and the signature."""
    files, _ = read(around.format(text))

    assert text == b"".join(file.text() for file in files).decode()


def test_lines_that_end_in_cr() -> None:
    """A mail program wrote them: kernel source has none."""
    assert read(GIT)[0] == read(GIT.replace("\n", "\r\n"))[0]


def test_a_hunk() -> None:
    """Its line in the file, what its head says of the function, and its lines with their marks."""
    ((file,), _) = read(DIFF)
    (hunk,) = file.hunks

    assert (1, b"void f(void)", [b" one", b"-two", b"+2", b"+2.5", b" three"]) == (
        *(hunk.line, hunk.context),
        hunk.lines,
    )


@for_each(
    ("text", "line", "says"),
    [
        (
            DIFF.replace("-1,3", "-1,4"),
            3,
            "the hunk says 4 lines before and 4 after, but has fewer; the mail",
        ),
        (DIFF.replace(" three", "wrapped"), 3, "but has fewer"),
        (DIFF.replace("+1,4", "+1,3"), 3, "but has more; change its line"),
        (DIFF.replace("-1,3 +1,4", "-1,2 +1,3"), 3, "but has more"),
        (DIFF[: DIFF.index("@@")], 3, "expected a hunk"),
        (DIFF.replace("-1,3", f"-1,{'9' * 5000}"), 3, "expected a hunk"),
        (DIFF + "\n@@ -9 +9 @@\n-1\n+2\n", 10, "a hunk without a file"),
        (DIFF.replace("memory.c", "a file.c"), 1, "without blanks"),
        (DIFF.replace("memory.c", "memory.c    2024-01-01"), 1, "without blanks"),
        (DIFF.replace("memory.c", "a" * 256), 1, "not a path in a tree"),
        (DIFF.replace("memory.c", "\ufffd.c"), 1, "not a path in a tree"),
        (
            "diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+y\n",
            1,
            "symbolic",
        ),
        ("diff --git a/../x b/../x\nold mode 100644\nnew mode 100755\n", 1, "../x is not a path in a tree"),
        (DIFF.replace("/mm/", "/../"), 1, "../memory.c is not a path in a tree; write a/FILE and b/FILE"),
        (DIFF.replace("a/mm/memory.c", "memory.c"), 1, "not a path in a tree"),
        (DIFF.replace("a/mm/memory.c", '"a/mm/gr\\303\\274n.c"'), 1, "not a path in a tree"),
        ("diff --git a/a b/b\nrename from a\nrename to ../b\n", 1, "../b is not a path in a tree"),
        ("--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+one\n", 1, "both sides are /dev/null; name the file"),
        ("diff --git a/x b/x\nGIT binary patch\nliteral 1\n", 2, "a binary patch"),
        ('diff --git "a/\\303" "b/\\303"\nold mode 100644\nnew mode 100755\n', 1, "its names cannot be read"),
        ("diff --git a/x b/x\nindex 1..2\n", 1, "a diff without a hunk; the mail is cut"),
        (
            "diff --git mm/x.c mm/x.c\n--- mm/x.c\n+++ mm/x.c\n@@ -1 +1 @@\n-1\n+2\n",
            1,
            "names without a/ and b/",
        ),
        ("*** a/x.c\n--- b/x.c\n***************\n*** 1 ****\n! 1\n--- 1 ----\n! 2\n", 1, "a context diff"),
    ],
)
def test_faults(text: str, line: int, says: str) -> None:
    """What cannot be read is said with its line."""
    _, ((at, said), *_) = read(text)

    assert line == at
    assert says in said


@for_each("footer", ["-- \n", "--\n", "-----\nlist\n", "____\nlist\n", "\n", ""])
def test_what_may_follow_a_hunk(footer: str) -> None:
    """A signature, or what a list's software adds."""
    assert [] == read(DIFF + footer)[1]


def test_what_follows_a_fault_is_read() -> None:
    """Up to the end."""
    files, faults = read(DIFF.replace(" three", "cut") + DIFF.replace("memory", "vma"))

    assert ["mm/memory.c", "mm/vma.c"] == [file.name for file in files]
    assert 1 == len(faults)


_LINES = st.sampled_from(
    [
        *("--- a/mm/x.c", "+++ b/mm/x.c", "+++ /dev/null", "@@ -1 +1 @@", "@@ -1,2 +1,3 @@ int f(void)"),
        *("diff --git a/mm/x.c b/mm/x.c", "rename from mm/x.c", "new file mode 100644", "*** a/mm/x.c"),
        *("-one", "+two", " three", "", "\\ No newline", "text", "GIT binary patch", "index 1..2"),
    ]
)


@given(st.lists(_LINES, max_size=30))
def test_any_lines_end_and_are_read_again_alike(lines: list[str]) -> None:
    """What was read without a fault is read again from what was written."""
    files, faults = read("\n".join(lines))

    if not faults:
        assert (files, []) == read(b"".join(file.text() for file in files).decode())


def test_trailers() -> None:
    """A line of its own, of this project."""
    lines = ["Policy: flush=none ", "see Base: x", "Base: linux-source-6.12 6.12.1", "Cc: a"]

    assert [("Policy", "flush=none"), ("Base", "linux-source-6.12 6.12.1")] == trailers(lines)


@pytest.mark.parametrize(("package", "series"), [("linux-source-6.12", "6.12"), ("my-linux-source-6.12", "")])
def test_the_series_of_a_package(package: str, series: str) -> None:
    """A source package of the archive has it in its name."""
    assert series == series_of_package(package)


def test_the_files_that_are_changed() -> None:
    """Both names of a rename; the source of a copy stays."""
    moved = "diff --git a/a.c b/b.c\nrename from a.c\nrename to b.c\n"

    ((renamed,), _), ((copied,), _) = read(moved), read(moved.replace("rename", "copy"))

    assert (("a.c", "b.c"), ("b.c",)) == (renamed.changed, copied.changed)


def test_a_file_that_has_cr_itself() -> None:
    """Only the lines of its hunks end so."""
    text = "--- a/x.bat\n+++ b/x.bat\n@@ -1 +1 @@\n-1\r\n+2\r\n"
    ((file,), _) = read(text)

    assert text == file.text().decode()
