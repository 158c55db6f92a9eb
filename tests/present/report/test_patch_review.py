"""The review of a mailed patch."""

from __future__ import annotations

from pathlib import Path

from for_each import for_each

from pfnlab.discussions.posted_threads import PostedDefect, posted_threads
from pfnlab.lab.building.mailed_patches import MailedPatches, read_mailed
from pfnlab.present.report.patch_review import PatchReview

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
    assert all(rule in str(found) for rule in (*defect.rules, defect.number))


def test_every_mail_belongs_to_a_version() -> None:
    """No mail is left over."""
    assert {path.stem for path in MAILS.iterdir()} == {mail for mail, _ in ROWS}


def test_functions_that_change_come_before_those_called() -> None:
    """With the releases that have them."""
    text = str(review("T03-repost"))

    assert text.index("unmap_single_vma (changed, up to 7.0)") < text.index(
        "untrack_pfn (called, up to 6.15)"
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
    found = PatchReview.of(MailedPatches(patches=2, changed={"kmem_cache_init": None}), "mail")

    assert "2 patches, no function of PFN mappings touched, 1 other function changed." == str(found)
    assert () == found.questions


def test_a_foreign_subject_is_one_plain_line() -> None:
    """Whatever a mail has there."""
    mail = read_mailed(MAILS / "T02-v1.mbox")
    mail.subjects[0] = "a\x1b[31m\nb"

    assert "\x1b" not in str(PatchReview.of(mail, "mail"))
