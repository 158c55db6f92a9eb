"""The review of a mailed patch."""

from __future__ import annotations

from pathlib import Path

from for_each import for_each

from pfnlab.discussions.posted_threads import PostedDefect, posted_threads
from pfnlab.lab.building.mailed_patches import MailedPatches, read_mailed
from pfnlab.present.document.terminal import text_of
from pfnlab.verbs.patch_review import PatchReview

#: Patches written anew in the shape of the posted versions.
MAILS = Path(__file__).parent / "posted_mails"

#: A mail for each posted version of the first threads that has a defect.
ROWS = [
    (f"{thread.number.replace('T', 'T0')}-{version.name}", defect)
    for thread in posted_threads()[:4]
    for version in thread.versions
    for defect in thread.defects
    if version.name in defect.versions
]


def review(name: str) -> PatchReview:
    """The review of a mail."""
    return PatchReview.of(read_mailed(MAILS / f"{name}.mbox"), "mail")


@for_each(("mail", "defect"), ROWS, ids=lambda case: str(case))
def test_each_posted_defect_is_named_with_function_and_rules(mail: str, defect: PostedDefect) -> None:
    """The function is one that the mail touches, and its rules are printed."""
    found = review(mail)
    touched = [one for one in found.functions if one.name in defect.functions]

    assert touched
    assert all(defect.number in one.rows for one in touched)
    assert defect.number in [row.number for row in found.rows]
    assert set(defect.rules) & {rule for one in touched for rule in one.rules}
    assert all(rule in shown(found) for rule in (*defect.rules, defect.number))


def test_every_mail_belongs_to_a_version() -> None:
    """No mail is left over."""
    assert {path.stem for path in MAILS.iterdir()} == {mail for mail, _ in ROWS}


def test_functions_that_change_come_before_those_called() -> None:
    """With the releases that have them."""
    text = text_of(review("T03-repost").blocks())

    assert text.index("unmap_single_vma (changed, up to 7.0)") < text.index(
        "untrack_pfn (call changed, up to 6.15)"
    )
    assert text.startswith("1 patch, 3 functions of PFN mappings touched, 0 other functions changed.\n")


@for_each(
    ("mail", "command"),
    [
        ("T02-v5", "pfnlab try 7.3 --patch mail"),
        # Its function exists up to 7.0 only.
        ("T03-repost", "pfnlab try 7.0 --patch mail"),
    ],
)
def test_the_command_builds_a_series_that_has_the_functions(mail: str, command: str) -> None:
    """The newest one."""
    assert command == review(mail).command


def test_questions_say_where_they_are_checked() -> None:
    """Those that most functions ask come first."""
    first, *_ = review("T02-v1").questions

    assert "told_free" == first.name
    assert ("schedules", "kernels") == first.checked


def test_a_patch_elsewhere_says_so_in_one_line() -> None:
    """There is nothing to ask of it."""
    found = PatchReview.of(MailedPatches(patches=2, changed={"kmem_cache_init": {"mm/slub.c": None}}), "mail")

    assert (
        "2 patches, no known function of PFN mappings touched, 1 other function changed: kmem_cache_init.\n"
        == shown(found)
    )
    assert () == found.questions


def test_a_foreign_subject_is_one_plain_line() -> None:
    """Whatever a mail has there."""
    mail = read_mailed(MAILS / "T02-v1.mbox")
    mail.subjects[0] = "a\x1b[31m\nb"

    assert "\x1b" not in text_of(PatchReview.of(mail, "mail").blocks())


def shown(found: PatchReview) -> str:
    """Its lines in a pipe."""
    return text_of(found.blocks())


def of(tmp_path: Path, *diffs: str) -> PatchReview:
    """The review of diffs."""
    path = tmp_path / "diff"
    path.write_text("".join(diffs))
    return PatchReview.of(read_mailed(path), "diff")


def diff(file: str, head: str, *lines: str) -> str:
    """A diff of one hunk."""
    old, new = (sum(one[0] in marks for one in lines) for marks in (" -", " +"))
    return f"--- a/{file}\n+++ b/{file}\n@@ -90,{old} +90,{new} @@ {head}\n" + "\n".join(lines) + "\n"


@for_each(
    ("file", "head", "line", "how"),
    [
        ("mm/mmap.c", "void unmap_region(void)", "+\tone();", "unmap_region: changed"),
        ("arch/x86/mm/pat/a.c", "void untrack_pfn(void)", "+\tone();", "untrack_pfn: changed"),
        (
            "include/linux/pgtable.h",
            "static inline void untrack_pfn(void)",
            "+\tone();",
            "untrack_pfn: changed",
        ),
        ("drivers/gpu/a.c", "int f(void)", "+\tremap_pfn_range();", "remap_pfn_range: call added"),
        ("mm/a.c", "int f(void)", "-\tioremap_prot();", "ioremap_prot: call removed"),
        ("mm/a.c", "int f(void)", "-\tops->mmap = mmap_mem;", "mmap_mem: in changed operations"),
        # Other functions with these names.
        ("drivers/foo/bar.c", "void untrack_pfn(void)", "+\tone();", ""),
        ("arch/arm64/mm/a.c", "void ioremap_prot(void)", "+\tone();", ""),
        ("arch/arm64/mm/a.c", "int f(void)", "+\tioremap_prot();", ""),
        ("tools/testing/vma/a.c", "int f(void)", "+\tvma_merge();", ""),
    ],
)
def test_a_function_is_known_by_name_and_kind_of_file(
    tmp_path: Path, file: str, head: str, line: str, how: str
) -> None:
    """The same name below another architecture, in other drivers or in tools/ is another function."""
    found = of(tmp_path, diff(file, head, line))

    assert [how] * bool(how) == [f"{one.name}: {one.how}" for one in found.functions]


def test_another_function_with_a_known_name_is_told(tmp_path: Path) -> None:
    """Also where it is called in its own file, it is not the known one."""
    text = shown(
        of(
            tmp_path,
            diff(
                "drivers/foo/bar.c",
                "void memtype_free(void)",
                "+\tone();",
                " }",
                "+int caller(void)",
                "+\tmemtype_free();",
            ),
            diff("mm/a.c", "void vma_needs_copy(void)", "+\tone();"),
        )
    )

    assert "  memtype_free in drivers/foo/bar.c: not that of arch/x86/mm/pat/memtype.c" in text
    assert "touched, 3 other functions changed: memtype_free, caller, vma_needs_copy.\n" in text


@for_each(
    ("diffs", "says"),
    [
        ([diff("mm/a.c", "", "+\tone = 1;")], "mm/a.c, hunk at line 90: its header names no function"),
        ([diff("mm/Kconfig", "", "+config A")], "mm/Kconfig, hunk at line 90: not C"),
    ],
)
def test_hunks_without_a_function_are_listed(tmp_path: Path, diffs: list[str], says: str) -> None:
    """Nothing is claimed to be untouched."""
    text = shown(of(tmp_path, *diffs))

    assert says in text
    assert "no known function of PFN mappings found" in text
    assert "; 1 hunk without a function.\n" in text


@for_each(
    ("file", "head", "line", "told"),
    [
        ("mm/pagewalk.c", "int walk_page_test(void)", "+\tone();", "walk_page_test, mm/pagewalk.c: S"),
        ("include/a.h", "struct mmu_gather {", "+\tint vma_pfn;", "vma_pfn (member), include/a.h: S"),
        # A word of every text, and a function that no rule names.
        ("include/a.h", "struct mmu_one {", "+\tint size;", ""),
        ("mm/slub.c", "int walk_page_testing(void)", "+\tone();", ""),
    ],
)
def test_other_changes_have_the_rules_that_name_them(
    tmp_path: Path, file: str, head: str, line: str, told: str
) -> None:
    """Functions, structures and members without a text of their own."""
    text = shown(of(tmp_path, diff(file, head, line)))

    assert told in text
    assert bool(told) == ("Also changed, and named by the rules" in text)


def test_a_change_of_every_patch_of_the_project_is_told() -> None:
    """With a function, the rules, or the hunks that have none."""
    for path in Path("evidence/patches").rglob("*.patch"):
        if "upstream" not in path.parts:
            found = PatchReview.of(read_mailed(path), path.name)

            assert found.functions or found.changes or found.unplaced, path


@for_each(("subject", "is_guess"), [("[PATCH] one", True), ("[PATCH 6.12.y] one", False)])
def test_a_series_that_is_a_guess_is_marked(tmp_path: Path, subject: str, is_guess: bool) -> None:
    """With what to write instead."""
    change = diff("mm/mmap.c", "void unmap_region(void)", "+\tone();")
    found = of(tmp_path, f"Subject: {subject}\n\n{change}")

    assert is_guess == (found.series_from == "guess")
    assert is_guess == (f"{found.series} is a guess: write the series of your tree" in shown(found))


@for_each(
    ("trailers", "says"),
    [
        ("Policy: flush=none\n", "compare the kernel with the model of flush=none:\n"),
        ("Policy: a=b\nPolicy: c=d\n", "compare the kernel with the model of a=b, c=d:\n"),
        ("", "Build the tree with and without it, and compare the two kernels:\n"),
        # A line of the code is no trailer.
        ("Subject: one\n\n" + diff("mm/a.c", "", "+Policy: flush=none"), "compare the two kernels:\n"),
    ],
)
def test_the_command_says_with_what_the_kernel_is_compared(tmp_path: Path, trailers: str, says: str) -> None:
    """With a model if a policy is named, otherwise with the kernel without the patch."""
    change = diff("mm/mmap.c", "void unmap_region(void)", "+\tone();")

    assert says in shown(of(tmp_path, f"A title.\n\n{trailers}---\n{change}"))


@for_each(
    ("tag", "bugs", "elsewhere"),
    [
        ("[PATCH 6.1.y]", "A06 partial-munmap", "A09 untrack-at-unmap-only"),
        ("[PATCH 5.10.y]", "A06 partial-munmap", "A17 partial-remap-zap-warn"),
    ],
)
def test_bugs_that_the_series_does_not_have_come_last(
    tmp_path: Path, tag: str, bugs: str, elsewhere: str
) -> None:
    """In a row of their own, with the series."""
    change = diff("arch/x86/mm/pat/memtype.c", "void untrack_pfn(void)", "+\tone();")
    found = of(tmp_path, f"Subject: {tag} one\n\n{change}")
    (one,) = found.functions
    first, _, last = " ".join(shown(found).split()).partition(f" not in {found.series} ")

    assert bugs in first and elsewhere in last
    assert one.bugs[-len(one.bugs_elsewhere) :] == one.bugs_elsewhere
    assert bugs.split()[0] not in one.bugs_elsewhere


def test_posted_defects_are_listed_below_the_subject_of_their_thread() -> None:
    """Each thread once."""
    found = review("T02-v1")
    lines = shown(found).splitlines()
    width = max(len(row.number) for row in found.rows)
    heads = {f"  {row.thread.ljust(width)}  {row.subject}" for row in found.rows}

    assert heads
    assert all(1 == lines.count(head) for head in heads)
    assert all(
        row.subject == thread.title
        for row in found.rows
        for thread in posted_threads()
        if thread.number == row.thread
    )


@for_each(
    ("file", "more", "near"),
    [
        ("mm/mmu_gather.c", "", "tlb_gather_mmu"),
        ("mm/mmap.c", "", "unmap_region"),
        # Other files, and a patch that touches a known function.
        ("mm/slub.c", "", ""),
        ("mm/mmap.c", diff("mm/mmap.c", "void exit_mmap(void)", "+\tone();"), ""),
    ],
)
def test_without_a_known_function_those_of_the_file_are_named(
    tmp_path: Path, file: str, more: str, near: str
) -> None:
    """A change next to them may matter to them."""
    text = shown(of(tmp_path, diff(file, "void new_helper(void)", "+\tone();"), more))

    assert bool(near) == (f"  new_helper, {file}: near " in text)
    assert near in text


@for_each("function", ["unmap_region", "unknown"])
def test_what_cannot_be_read_is_said(tmp_path: Path, function: str) -> None:
    """With its place, whether or not something else is known."""
    cut = diff("mm/mmap.c", f"void {function}(void)", "+\tone();").replace("+90,1", "+90,2")

    said = " ".join(shown(of(tmp_path, cut)).split())
    assert "Not read " in said
    assert "diff:3: the hunk says 0 lines before and 2 after, but has fewer;" in said
