"""One claim of a page: its words, its two lines, and the words that are explained where they first stand."""

from __future__ import annotations

import pytest
from for_each import for_each
from made_goldens import only

from evidence.pages.claim_block import (
    LINE,
    WordExplanations,
    _Cell,
    anchor,
    block,
    columns_of,
    fitting,
    quotation,
)
from pfnlab.base.errors import Discovery
from pfnlab.discussions.claim_questions import StepQuestion
from pfnlab.discussions.evidence import SourceStatement, StepEvidence
from pfnlab.discussions.form import Claim, ClaimStatus, Message
from pfnlab.discussions.step_parts import book, left, result

MESSAGE = Message("[PATCH] nothing", "21 January 2025", "A. Nobody", "tester", "a@b")

#: A program whose reservation goes with its mapping.
GONE = ("a = mmap bar[0:4] wc shared rw", "munmap a")


def claim(*asks: StepQuestion, status: ClaimStatus = ClaimStatus.CONFIRMED, because: str = "") -> Claim:
    """A claim that asks models."""
    return Claim("It is so.", "", "It is so.", status, because, asks, model_only="a test")


def made(one: Claim, message: Message = MESSAGE) -> str:
    """The block of a claim on a page that has none before."""
    return block("004.99", message, one, WordExplanations())


def rows(text: str) -> list[list[str]]:
    """The cells of the two lines."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [line[2:-2].split(" | ") for line in lines[2:]]


def test_a_block_is_found_by_its_number() -> None:
    """The heading is the anchor, as GitHub and the site make it."""
    assert made(claim()).startswith("### 004-99\n\n")
    assert "004-22" == anchor("004.22")


def test_a_block_has_words_author_and_outcome() -> None:
    """The date leads to the message."""
    text = made(claim(status=ClaimStatus.OPEN, because="who knows"))

    assert "> “It is so.”\n" in text
    linked = "[21 January 2025](https://lore.kernel.org/all/a@b/)"
    assert f"A. Nobody, tester, {linked}. Read as: It is so.\n" in text
    assert "**Open**: who knows.\n" in text


def test_a_message_without_an_address_has_its_date() -> None:
    """No link leads nowhere."""
    assert "tester, 21 January 2025. Read as" in made(claim(), MESSAGE._replace(message_id=""))


def test_what_came_later_is_told() -> None:
    """By the thread that the claim is about."""
    text = block("004.21", MESSAGE, claim(), WordExplanations())

    assert "Later, [21 May 2025](https://lore.kernel.org/all/CAG48ez39SaJe" in text
    assert ", Jann Horn: On v5, where the call comes before the loop: " in text


def test_the_two_lines_have_what_speaks_against_the_claim() -> None:
    """Whatever stands before it; the others are counted."""
    against = StepQuestion("7.2", GONE, result, "ok", against=True)
    text = made(
        claim(StepQuestion("7.2", GONE, book, "empty"), against, StepQuestion("6.1", GONE, book, "empty"))
    )

    (where, shown) = rows(text)

    assert ["`7.2` (+2)", "model only", "-"] == where
    assert ["**but** `result: ok`", "a test", "-"] == shown


def test_the_two_lines_have_the_first_answer_else() -> None:
    """Of one there are no others."""
    where, shown = rows(made(claim(StepQuestion("7.2", GONE, book, "empty"))))

    assert ("`7.2`", "`book: empty`") == (where[0], shown[0])


def test_a_kernel_has_its_program_as_a_link() -> None:
    """With the series that ran it."""
    seen = StepEvidence("unmapping/munmap-whole", ("6.1", "6.12"), "munmap a", book, "empty")
    one = Claim("It is so.", "", "It is so.", ClaimStatus.CONFIRMED, kernels=[seen])

    where, shown = rows(made(one))

    link = "[munmap-whole](../litmus/unmapping/munmap-whole.pfn)"
    assert ["-", f"{link}, 6.1, 6.12", "-"] == where
    assert ["-", "`book: empty`", "-"] == shown


def test_source_stands_where_no_kernel_does() -> None:
    """Its file leads to the release."""
    read = SourceStatement("mm/memory.c", "f", ["3.0.27"], "untracks")
    one = Claim("It is so.", "", "It is so.", ClaimStatus.CONFIRMED, sources=[read])

    where, shown = rows(made(one))

    assert where[1].startswith("[mm/memory.c](https://git.kernel.org/") and where[1].endswith(", 3.0.27")
    assert "untracks" == shown[1]


def test_a_patched_kernel_that_was_only_compared_stands_in_its_column(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The recorded comparison says how many programs agree; nobody writes it by hand."""
    only(monkeypatch)

    where, shown = rows(made(claim(StepQuestion("7.2,flush=end_vma", GONE, book, "empty"))))

    assert ["no stock kernel", "[flush-end_vma](../evidence/patches/flush-end_vma.patch)"] == where[1:]
    assert shown[2].startswith("not recorded; ")


def test_an_answer_that_is_not_shown_is_checked_too() -> None:
    """The deciding one is right, and another one is wrong."""
    right, wrong = StepQuestion("7.2", GONE, book, "empty"), StepQuestion("7.2", GONE, left, "bar[0:4] wc")

    with pytest.raises(Discovery, match=r"answers otherwise: .* shows left: nothing"):
        made(claim(right, wrong))


def test_a_word_is_explained_where_it_first_stands() -> None:
    """And nowhere behind."""
    explained = WordExplanations()
    asks = claim(StepQuestion("7.2", GONE, book, "empty"))

    first, second = (block("004.99", MESSAGE, asks, explained) for _ in range(2))

    assert "*book*: which physical range" in first and first.index("*book*") < first.index("| model |")
    assert "*book*" not in second


def test_a_word_that_stands_nowhere_is_not_explained() -> None:
    """A page explains what it says."""
    assert ["*left*"] == [line.partition(":")[0] for line in WordExplanations().lines("left: nothing")]


@for_each("cores", [("a" * 300, "-", "-"), ("a" * 60, "b" * 60, "c" * 60), ("a", "b" * 300, "c" * 40)])
def test_a_line_is_cut_to_its_width(cores: tuple[str, str, str]) -> None:
    """The widest cell first, and only as far as it has to be."""
    cells = fitting([_Cell(core, "`{}`") for core in cores])

    assert LINE == columns_of(cells)
    assert any("…" in cell for cell in cells)


def test_a_line_that_fits_is_whole() -> None:
    """An address takes no room."""
    cells = fitting([_Cell("a", "{}, 6.1", "https://example.com/" + "b" * 200), _Cell("-"), _Cell("-")])

    assert [f"[a](https://example.com/{'b' * 200}), 6.1", "-", "-"] == cells


def test_a_quotation_is_not_taken_for_markdown() -> None:
    """Stars, bars and brackets of the message are shown as they are."""
    one = Claim("*all* (A|B) might [1]", "might", "", ClaimStatus.OPEN)

    assert "“\\*all\\* (A&#124;B) **might** \\[1\\]”" == quotation(one)
