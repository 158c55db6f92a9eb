"""Claims read from TOML: what a file may say, and one line for what it may not."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.discussions.claim_questions import (
    CostQuestion,
    PropertyQuestion,
    SharedWordQuestion,
    StepQuestion,
)
from pfnlab.discussions.evidence import SERIES, SizeEvidence, SourceStatement, StepEvidence
from pfnlab.discussions.form import Claim, ClaimStatus, Message
from pfnlab.discussions.reading import discussions, read_discussion
from pfnlab.discussions.step_parts import book, left, log

HEAD = """\
title = "a test"
short = "Nothing comes out."
[[message]]
who = "A. Nobody"
role = "tester"
date = "today"
subject = "[PATCH] nothing"
"""

CLAIM = """\
[[message.claim]]
words = "It might be so."
hedge = "might"
reading = "It is so."
status = "confirmed"
"""

KERNELS = """\
kernels = [
  { on = "vm_pat", litmus = "unmapping/munmap-whole", op = "munmap a", expected = { book = "empty" } },
]
"""

#: The places of mistakes in errors.
_AT = ": claim 009.1"
_FIRST = f"{_AT}, kernels, question 1"

RUN = '{ on = "7.2", run = ["munmap a"], expected = { book = "empty" } }'
SEARCH = '{ on = "7.2", search = "standard", expected = { no_leak = "holds" } }'
COSTS = '{ tracker = "exact", expected = { per_vma = 0, per_context = 0 } }'


def claim_of(*lines: str) -> Claim:
    """The one claim of a file that says *lines* behind the words."""
    discussion = read_discussion(HEAD + CLAIM + "\n".join(lines) + "\n", "009")
    ((claim,),) = (said.claims for said in discussion.said)
    return claim


def refusal(text: str) -> str:
    """The line that refuses a file."""
    with pytest.raises(Misuse) as refused:
        read_discussion(text, "009")
    return str(refused.value)


def test_a_file_is_a_discussion() -> None:
    """Title, outcome, messages, and their claims by number."""
    found = read_discussion(HEAD + CLAIM + KERNELS + CLAIM.replace("is so", "was so") + KERNELS, "009")

    assert ("009", "a test", "Nothing comes out.") == found[:3]
    message = Message("[PATCH] nothing", "today", "A. Nobody", "tester")
    assert [message] == [said.message for said in found.said]
    assert [("009.1", "It is so."), ("009.2", "It was so.")] == [
        (number, claim.reading) for number, _, claim in found.numbered()
    ]


def test_a_message_may_have_its_id() -> None:
    """By which it is found in the archive."""
    head = f'{HEAD}message_id = "a@b"\n'

    (said,) = read_discussion(head + CLAIM + KERNELS, "009").said

    assert "a@b" == said.message.message_id


def test_a_claim_has_its_words_and_its_status() -> None:
    """As they are written, and what is left out is empty."""
    seen = StepEvidence("unmapping/munmap-whole", SERIES["vm_pat"], "munmap a", book, "empty")

    assert claim_of(KERNELS) == Claim(
        "It might be so.", "might", "It is so.", ClaimStatus.CONFIRMED, "", [], [seen], ""
    )


@for_each(
    ("line", "asks"),
    [
        (RUN, [StepQuestion("7.2", ("munmap a",), book, "empty")]),
        (
            '{ on = ["6.1", "7.2"], run = ["munmap a"], expected = { log = "x", left = "y" } }',
            [
                StepQuestion(machine, ("munmap a",), part, expected)
                for machine in ("6.1", "7.2")
                for part, expected in ((log, "x"), (left, "y"))
            ],
        ),
        (
            '{ on = "7.2", header = ["area a: 9 pages"], run = ["look"], expected = { book = "empty" } }',
            [
                StepQuestion(
                    "7.2", ("look",), book, "empty", head=("device bar: pci, 16 pages", "area a: 9 pages")
                )
            ],
        ),
        (
            '{ on = "7.2", search = "race", expected = { told_free = "violated" } }',
            [PropertyQuestion("7.2", "told_free", "violated", scope="race")],
        ),
        (
            '{ tracker = "track_ctx", expected = { per_vma = 8, per_context = 24 } }',
            [CostQuestion("track_ctx", (8, 24))],
        ),
        ('{ shared_word = "7.2", expected = { able = 8, unable = 4 } }', [SharedWordQuestion("7.2", (8, 4))]),
    ],
)
def test_a_question_to_models(line: str, asks: list[object]) -> None:
    """One for each machine and each part that is expected."""
    assert asks == claim_of(f"models = [{line}]", KERNELS).asks


@for_each(
    ("line", "kernels"),
    [
        (
            '{ on = "6.1", litmus = "a/b", op = "look", nth = 0, expected = { book = "x", log = "y" } }',
            [
                StepEvidence("a/b", ("6.1",), "look", part, said, nth=0)
                for part, said in ((book, "x"), (log, "y"))
            ],
        ),
        (
            '{ on = ["6.1", "7.2"], structure = "vm_area_struct", expected = { bytes = 192 } }',
            [SizeEvidence("vm_area_struct", ("6.1", "7.2"), 192)],
        ),
    ],
)
def test_a_question_to_kernels(line: str, kernels: list[object]) -> None:
    """Of a golden's step, or of a size that was read."""
    assert kernels == claim_of(f"kernels = [{line}]").kernels


def test_what_source_says() -> None:
    """A file, a function and the releases it was read of."""
    line = '{ source = "mm/memory.c", function = "f", on = ["3.0.27"], says = "untracks" }'

    claim = claim_of(f"sources = [{line}]", KERNELS)

    assert (SourceStatement("mm/memory.c", "f", ["3.0.27"], "untracks"),) == claim.sources


def test_what_speaks_against_a_claim_says_so() -> None:
    """A status that needs it is accepted."""
    text = HEAD + CLAIM.replace('"confirmed"', '"holds with a condition"') + 'because = "sometimes"\n'

    (said,) = read_discussion(text + KERNELS.replace(" },\n", ", against = true },\n"), "009").said

    assert [True] == [seen.against for seen in said.claims[0].kernels]


@for_each(
    ("was", "is_", "said"),
    [
        ("title", "titel", ": there is no key 'titel': did you mean `title`?"),
        ('short = "Nothing comes out."\n', "", ": `short` is missing: write short = ..."),
        ('role = "tester"', "role = 3", ": message 1: `role`: expected `str`, got `int`"),
        ("hedge", "hegde", f"{_AT}: there is no key 'hegde': did you mean `hedge`?"),
        ('"confirmed"', '"confirmd"', f"{_AT}: there is no status 'confirmd': did you mean `confirmed`?"),
        ('"might"', '"could"', f"{_AT} its hedge is not in the quotation"),
        ('"vm_pat"', '"vmpat"', f"{_FIRST}: there is no series 'vmpat': did you mean `vm_pat`?"),
        ("book =", "bok =", f"{_FIRST}: there is no part of a step 'bok': did you mean `book`?"),
        ("litmus =", "golden =", f"{_FIRST} asks nothing: write one of litmus, structure"),
        ('op = "munmap a", ', "", f"{_FIRST}: `op` is missing: write op = ..."),
        ('{ book = "empty" }', "{}", f"{_FIRST}: `expected`: expected `object` of length >= 1"),
        ('"vm_pat"', "[]", f"{_FIRST}: `on`: expected `array` of length >= 1"),
    ],
)
def test_a_malformed_file_is_one_line(was: str, is_: str, said: str) -> None:
    """The file, the claim, the question, and what to write instead."""
    text = (HEAD + CLAIM + KERNELS).replace(was, is_, 1)

    assert f"discussions/009.toml{said}" == refusal(text)


@for_each(
    ("line", "said"),
    [
        (SEARCH.replace("no_leak", "no_leek"), "no_leek"),
        (SEARCH.replace("standard", "standart"), "there is no scope `standart`"),
        (
            SEARCH.replace("holds", "hold"),
            "no_leak = 'hold' is not a verdict: write holds, always or violated",
        ),
        (RUN.replace('["munmap a"]', "[]"), "`run`: expected `array` of length >= 1"),
        (COSTS.replace("exact", "exect"), "there is no tracker 'exect': did you mean `exact`?"),
        (COSTS.replace("per_vma", "vma"), "`expected`: object contains unknown field `vma`"),
        ('{ shared_word = "7.9", expected = { able = 1, unable = 2 } }', "no series '7.9'"),
    ],
)
def test_a_malformed_question_to_models_is_one_line(line: str, said: str) -> None:
    """With its place, before anything is asked."""
    refused = refusal(f"{HEAD}{CLAIM}models = [{RUN}, {line}]\n{KERNELS}")

    assert refused.startswith("discussions/009.toml: claim 009.1, models, question 2: ")
    assert said in refused
    assert "\n" not in refused


def test_text_that_is_no_toml_is_one_line() -> None:
    """With its line."""
    assert refusal("title = \n").startswith("discussions/009.toml: this is not TOML: ")


@for_each("word", ["compared", "recorded"])
def test_no_claim_says_by_hand_what_is_recorded(word: str) -> None:
    """The recorded runs and comparisons say it, and change."""
    said = {
        number: (claim.because, claim.model_only)
        for one in discussions()
        for number, _, claim in one.numbered()
    }

    assert [] == [number for number, texts in said.items() if any(word in text for text in texts)]
