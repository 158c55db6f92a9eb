"""A claim as plain text for a mailing list: 72 columns, no markup, everything to repeat it."""

from __future__ import annotations

import msgspec
from sample_reports import sample_contents

from pfnlab.discussions.claim_results import ClaimAnswer, ClaimProgram, ClaimResult
from pfnlab.discussions.form import ClaimStatus
from pfnlab.discussions.lookup import ListedClaim
from pfnlab.present.document.claims_part import claim_mail

ANSWER = ClaimAnswer(
    asked="munmap a",
    file="claim-009.1.pfn",
    on="model:7.2,flush=end_vma",
    expected="flushes: 2",
    model="flushes: 2",
    kernel=None,
    patched=None,
    against=False,
    word="as expected",
    command="",
)
CLAIM = ClaimResult(
    claim=ListedClaim(
        number="009.1",
        author="A. Nobody",
        date="27 January 2025",
        message="Re: *a* test_of `words`",
        quote="It might be so.",
        hedge="might",
        reading="It is so.",
        status=ClaimStatus.CONFIRMED,
        because="",
    ),
    discussion="a test",
    role="tester",
    model_only="",
    sources=(),
    builds=(),
    programs=(
        ClaimProgram("claim-009.1.pfn", "pfnlab program 1\n\nmunmap a\n", "pfnlab run claim-009.1.pfn"),
    ),
    answers=(ANSWER,),
    says="The answer is that on which the claim rests.",
)
REPLY = """\
On 27 January 2025 A. Nobody wrote (Re: *a* test_of `words`):

> It might be so.

We read this as: It is so.
The author hedged: “might”.
Status: confirmed.

claim-009.1.pfn:

    pfnlab program 1

    munmap a

Results:

munmap a (claim-009.1.pfn)
on                 models
7.2,flush=end_vma  flushes: 2

To repeat it:

    pfnlab run claim-009.1.pfn

The answer is that on which the claim rests. (claim 009.1, pfnlab )
"""

#: A row with two wide cells.
WIDE = """
munmap a (claim-009.1.pfn)
on   models                            stock kernels
6.1  untrack, clear, flush, untrack,   untrack, clear, flush, untrack,
     clear, flush, untrack, clear,     clear, flush, untrack, clear,
     flush, untrack, clear, flush      flush, untrack, clear, flush
"""


def with_answers(*answers: ClaimAnswer) -> str:
    """The mail of a claim with *answers*."""
    return claim_mail(msgspec.structs.replace(CLAIM, answers=answers))


def test_a_claim_is_a_reply() -> None:
    """The words quoted, the program indented, a table, the command; nothing is escaped."""
    assert REPLY == claim_mail(CLAIM)


def test_only_what_has_to_be_copied_whole_is_wider_than_a_mail() -> None:
    """Lines of programs; a real claim with two ages of kernels."""
    sample = msgspec.convert(sample_contents()["claim"], type=ClaimResult)
    programs = {f"    {line}" for program in sample.programs for line in program.text.splitlines()}

    wide = [line for line in claim_mail(sample).splitlines() if len(line) > 72]

    assert [] == [line for line in wide if line not in programs]


def test_a_long_command_is_broken_where_a_shell_goes_on() -> None:
    """Before an option, with a backslash."""
    command = "pfnlab check --on model:7.2,flush=end_vma,tracker=exact --scope race --property told_free"

    text = with_answers(msgspec.structs.replace(ANSWER, command=command))

    lines = text[text.index("    pfnlab check") :].splitlines()[:2]
    assert lines[0].endswith(" \\")
    assert command == " ".join(line.rstrip("\\").strip() for line in lines)


def test_a_wide_cell_stays_in_its_column() -> None:
    """In lines below each other, beside the kernel's."""
    long = ", ".join(["untrack, clear, flush"] * 4)

    text = with_answers(msgspec.structs.replace(ANSWER, model=long, kernel=long, on="6.1"))

    assert WIDE in text


def test_a_machine_without_an_answer_and_a_name_has_its_row() -> None:
    """A file may name no machine; the first column stays."""
    text = with_answers(msgspec.structs.replace(ANSWER, on="model:", model=None, kernel=None, patched=None))

    assert "munmap a (claim-009.1.pfn)" in text


def test_the_blank_lines_of_a_program_stay() -> None:
    """A table and a paragraph are one line apart."""
    spaced = msgspec.structs.replace(CLAIM.programs[0], text="a = mmap bar[0:4]\n\n\n\nmunmap a\n")

    text = claim_mail(msgspec.structs.replace(CLAIM, programs=(spaced,)))

    assert "    a = mmap bar[0:4]\n\n\n\n    munmap a\n" in text
    assert "\n\n\n" not in text.partition("Results:")[2]


def test_what_speaks_against_the_claim_says_so() -> None:
    """In its row; and what was not asked or is otherwise too."""
    text = with_answers(
        msgspec.structs.replace(ANSWER, against=True),
        msgspec.structs.replace(ANSWER, model=None, word="not asked"),
    )

    assert "flushes: 2  contradicts the claim\n" in text
    assert "not asked, expected flushes: 2\n" in text


def test_a_month_has_another_preposition() -> None:
    """The archive does not know every day."""
    undated = msgspec.structs.replace(CLAIM, claim=msgspec.structs.replace(CLAIM.claim, date="July 2024"))

    text = claim_mail(undated)

    assert text.startswith("In July 2024 A. Nobody")
