"""Patches as they are mailed: the functions that their hunks change and call."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.lab.building import mailed_patches
from pfnlab.lab.building.mailed_patches import MailedPatches, read_mailed

DIFF = """\
--- a/mm/memory.c
+++ b/mm/memory.c
@@ -10,4 +10,4 @@ static void zap_one(struct vma *vma,
 \tint left;

-\told_call(vma);
+\tnew_call(vma, left);
 \tsame_call(vma);
"""

HEAD = """\
From 1111111111111111111111111111111111111111 Mon Sep 17 00:00:00 2001
From: A Developer <dev@example.org>
Subject: [PATCH 1/2] mm: a long
 subject
"""


def read(tmp_path: Path, text: str | bytes) -> MailedPatches:
    """The patches in a file with this text."""
    path = tmp_path / "mail"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_mailed(path)


@for_each(
    ("text", "patches", "subjects"),
    [
        (DIFF, 1, []),
        (f"{HEAD}\nText.\n---\n{DIFF}-- \n2.47.1\n", 1, ["[PATCH 1/2] mm: a long subject"]),
        (f"{HEAD}\n{DIFF}\n{HEAD}\n{DIFF}".replace("1/2", "?/2"), 2, ["[PATCH ?/2] mm: a long subject"] * 2),
        (
            f"{HEAD}\n> @@ -1,1 +1,1 @@\n> -quoted()\n\n{HEAD}\n{DIFF}",
            1,
            ["[PATCH 1/2] mm: a long subject"],
        ),
        (f"{HEAD}\r\n{DIFF}".replace("\n", "\r\n"), 1, ["[PATCH 1/2] mm: a long subject"]),
        (
            f"From x Mon Sep 17 00:00:00 2001\nSubject: =?utf-8?q?mm=3A_f=C3=BCr?=\n\n{DIFF}",
            1,
            ["mm: für"],
        ),
    ],
)
def test_a_mail_an_mbox_and_a_bare_diff(tmp_path: Path, text: str, patches: int, subjects: list[str]) -> None:
    """A mail without a change, e.g. an answer, does not count."""
    found = read(tmp_path, text)

    assert patches == found.patches
    assert subjects == found.subjects
    assert ["zap_one"] == list(found.changed)
    assert ["old_call", "new_call"] == list(found.called)
    assert ["mm/memory.c"] == list(found.files)


@for_each(
    ("lines", "changed", "called"),
    [
        # A definition in the hunk ends what the hunk's head says.
        ([" static int second(int a)", " {", "+\tcall(a);"], ["second"], ["call"]),
        # A function that is added, and one whose name has a line of its own.
        ([" }", "+static int", "+added(int a,", "+      int b)", "+{", "+}"], ["added"], []),
        # What follows the end of a function belongs to none.
        ([" }", " ", "+#define MAP(a) call(a)"], ["MAP"], ["call"]),
        ([" }", "+EXPORT_SYMBOL(first);"], [], ["EXPORT_SYMBOL"]),
        # Neither a label nor a declaration is a definition, nor is a word of the language a call.
        (["+out:", "+\tif (a) return (b);"], ["first"], []),
        ([" int declared(int a);", "+\tcall (a);"], ["first"], ["call"]),
        (["-}"], ["first"], []),
    ],
)
def test_the_functions_of_a_hunk(
    tmp_path: Path, lines: list[str], changed: list[str], called: list[str]
) -> None:
    """By its head, and by the definitions in it."""
    old = sum(line[0] in " -" for line in lines)
    new = sum(line[0] in " +" for line in lines)
    hunk = f"@@ -1,{old} +1,{new} @@ int first(void)\n" + "\n".join(lines)
    found = read(tmp_path, f"--- a/mm/x.c\n+++ b/mm/x.c\n{hunk}\n")

    assert changed == list(found.changed)
    assert called == list(found.called)


@for_each("text", ["", "\n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    """It says so: a pipeline that compares a branch with itself writes one."""
    with pytest.raises(Misuse, match=r"mail is empty: it has no patch"):
        read(tmp_path, text)


@for_each(
    ("text", "says"),
    [
        *((text, "mail is not a patch: it has no hunk") for text in ("a log line\n", HEAD, "\0" * 100)),
        *((text, r"mail:\d+: expected a hunk's") for text in ("--- a/x\n+++ b/x\n", DIFF.split("@@")[0])),
        ("diff --git a/x b/x\nindex 1..2\n", "mail:1: a diff without a hunk; the mail is cut"),
    ],
)
def test_a_file_without_a_change_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """In one line, with the fault if there is one."""
    with pytest.raises(Misuse, match=says) as refusal:
        read(tmp_path, text)
    assert "\n" not in str(refusal.value)


def test_a_cut_hunk_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Nothing is applied, but what is missing is said, with its place."""
    found = read(tmp_path, f"{HEAD}\n{DIFF.replace('-10,4 +10,4', '-10,400 +10,400')}{HEAD}\n{DIFF}")

    assert (2, ["zap_one"]) == (found.patches, list(found.changed))
    assert "mail, mail 1, line 3 below its headers: " in found.faults[0]
    assert "the hunk says 400 lines before" in found.faults[0]


def test_names_and_subjects_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a hostile mailbox needs no memory."""
    monkeypatch.setattr(mailed_patches, "MOST_NAMES", 3)
    monkeypatch.setattr(mailed_patches, "MOST_SUBJECTS", 2)
    found = read(
        tmp_path,
        "".join(f"{HEAD}\n{DIFF}".replace("_call", f"_call{number}") for number in range(9)),
    )

    assert (9, 2, 3) == (found.patches, len(found.subjects), len(found.called))


def hunk(head: str, *lines: str, file: str = "mm/x.c", line: int = 90) -> str:
    """A diff of one hunk."""
    old, new = (sum(one[0] in marks for one in lines) for marks in (" -", " +"))
    return f"--- a/{file}\n+++ b/{file}\n@@ -{line},{old} +{line},{new} @@ {head}\n" + "\n".join(lines) + "\n"


@for_each(
    ("head", "file", "changed", "why"),
    [
        # GNU diff cuts after 40 characters, and may cut right after the name.
        (
            "static vm_fault_t vfio_pci_mmap_huge_fau",
            "drivers/vfio/pci/a.c",
            ["vfio_pci_mmap_huge_fault"],
            "",
        ),
        ("static __always_inline void zap_page_ran", "mm/memory.c", ["zap_page_range_single"], ""),
        ("int walk_page_vma(struct vm_area_struct ", "mm/pagewalk.c", ["walk_page_vma"], ""),
        # A line of that length that fits several functions, none, or one of other drivers.
        (
            "static int __maybe_unused memtype_check_",
            "arch/x86/a.c",
            [],
            "its header is cut, and fits memtype_",
        ),
        ("static inline void unmap_mapping_range_t", "mm/memory.c", [], "its header is cut: static inline"),
        ("static vm_fault_t vfio_pci_mmap_huge_fau", "drivers/net/a.c", [], "its header is cut: static vm_"),
        ("out_unlock:", "mm/a.c", [], "its header names a label or data: out_unlock:"),
        ("", "mm/a.c", [], "its header names no function"),
        ("", "mm/Kconfig", [], "not C"),
    ],
)
def test_a_header_that_is_cut_or_empty(
    tmp_path: Path, head: str, file: str, changed: list[str], why: str
) -> None:
    """Its function is found if one known function begins so; otherwise the hunk is kept with the reason."""
    found = read(tmp_path, hunk(head, "-\told = 1;", "+\tnew = 1;", file=file))

    assert changed == list(found.changed)
    assert [(file, 90)] * (not changed) == [(one.file, one.line) for one in found.unplaced]
    assert all(one.why.startswith(why) for one in found.unplaced)


@for_each(
    ("lines", "why"),
    [
        (("+#ifdef CONFIG_ONE",), ["outside functions, after first"]),
        (("+static bool one;",), ["outside functions, after first"]),
        # Neither a comment nor a declaration needs a place.
        (("+/* A comment */", "+", "+#include <linux/mm.h>"), []),
        (("+int declared(int a,", "+\t     int b);"), []),
    ],
)
def test_a_line_between_functions(tmp_path: Path, lines: tuple[str, ...], why: list[str]) -> None:
    """It is kept with the function in front, once a hunk."""
    found = read(tmp_path, hunk("int first(void)", " \treturn 0;", " }", *lines))

    assert why == [one.why for one in found.unplaced]
    assert "first" not in found.changed


def test_a_structure_has_its_members_and_pointers(tmp_path: Path) -> None:
    """By the head of the hunk or a line in it; a context line counts if the structure is changed."""
    of_head = read(
        tmp_path,
        hunk(
            "static const struct vm_operations_struct",
            " \t.fault = one_fault,",
            "+\t.rebuilds = true,",
            " };",
        )
        + hunk("struct mmu_gather {", " \tint a;", "-\tunsigned int vma_pfn : 1;", "+\t/* is so: */"),
    )
    beside = read(tmp_path, hunk("int f(void)", " }", " struct ops b = {", " \t.c = one,", " };", "+int d;"))

    assert ["vm_operations_struct", "mmu_gather"] == list(of_head.structures)
    assert ["rebuilds", "vma_pfn"] == list(of_head.members)
    assert "one_fault" in of_head.pointed
    assert ({}, {}) == (beside.structures, beside.pointed)


def test_a_call_is_added_or_removed(tmp_path: Path) -> None:
    """Or both, if its line is changed."""
    found = read(tmp_path, hunk("int f(void)", "-\told();", "-\tsame(1);", "+\tsame(2);", "+\tnew();"))

    assert {"old": (False, True), "same": (True, True), "new": (True, False)} == {
        name: (call.added, call.removed) for name, call in found.called.items()
    }


def test_a_file_that_is_removed_keeps_its_name(tmp_path: Path) -> None:
    """The other side is /dev/null."""
    found = read(tmp_path, "--- a/mm/x.c\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-int one(void)\n-{\n")

    assert {"one": {"mm/x.c": None}} == found.changed
    assert ["mm/x.c"] == list(found.files)


def test_the_trailers_of_this_project(tmp_path: Path) -> None:
    """Above a diff; not a line of the code, and not within a line."""
    trailers = "Policy: flush=none\nBase: linux-source-6.12 6.12.1\nsee Base: x\n"
    found = read(tmp_path, f"A title\n\n{trailers}---\n{hunk('', '+Policy: a=b')}")

    assert ["flush=none"] == list(found.policies)
    assert ["linux-source-6.12 6.12.1"] == list(found.bases)


@for_each(
    ("head", "policies", "subjects"),
    [
        ("[PATCH 0/1] a cover", ["flush=none"], []),
        ("Re: [PATCH 1/1] an answer", [], []),
    ],
)
def test_a_mail_without_a_patch(tmp_path: Path, head: str, policies: list[str], subjects: list[str]) -> None:
    """A cover letter speaks for its series, and its diff is another version's; an answer says nothing."""
    diff = DIFF if head.startswith("[PATCH 0/1]") else ""
    cover = f"From x Mon Sep 17 00:00:00 2001\nSubject: {head}\n\nPolicy: flush=none\n{diff}\n"
    found = read(tmp_path, f"{cover}From x Mon Sep 17 00:00:00 2001\nSubject: one\n\n{DIFF}")

    assert (1, [*subjects, "one"], policies) == (found.patches, found.subjects, list(found.policies))
