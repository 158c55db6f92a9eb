"""One claim on a page: anchor, words, outcome, and the deciding answer in two lines."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from evidence.pages.markdown import table
from pfnlab.base.errors import Discovery
from pfnlab.discussions.claim_questions import ClaimQuestion, PropertyQuestion, QuestionResult
from pfnlab.discussions.evidence import Evidence, StepEvidence, series_words
from pfnlab.discussions.form import Claim, Message
from pfnlab.discussions.patch_evidence import (
    PatchedAnswers,
    by_kernel,
    compared_alone,
    compared_words,
    has_patch,
)
from pfnlab.discussions.posted_threads import LaterWord, archive_address, date_words, posted_threads

#: The patches that implement policies.
PATCHES = Path(__file__).parents[1] / "patches"

#: Maximum width of either line, without link addresses.
LINE = 100

#: Maximum number of characters in any line of a page.
MOST = 800

#: The words that a page explains at first use, each with a pattern that detects its use.
_WORDS = {
    "book": (
        r"\bbook\b",
        "which physical range is reserved with which cache mode, the kernel's pat_memtype_list",
    ),
    "left": (r"\bleft: ", "what is still reserved once every process is gone"),
    "always": (
        r"`\w+ always`",
        "the scope ends: it has so few states that the search saw all, after any number of operations",
    ),
}


A = TypeVar("A", ClaimQuestion, Evidence, PatchedAnswers)


class _Cell(NamedTuple):
    """A cell in the two lines.

    :param core: the part to shorten if the line is too wide
    :param form: the cell with a placeholder for the core
    :param target: the link address of the core
    """

    core: str
    form: str = "{}"
    target: str = ""

    def cut(self, letters: int) -> str:
        """Return the cell with at most *letters* characters of its core."""
        whole = len(self.core) <= letters
        core = self.core if whole else f"{self.core[: letters - 1].rstrip(' ,')}…"
        shown = f"[{core}]({self.target})" if self.target else core
        return self.form.replace("{}", shown)


class WordExplanations:
    """The words that a page has explained so far."""

    def __init__(self) -> None:
        self._left = dict(_WORDS)

    def lines(self, text: str) -> list[str]:
        """Return a line for each word first used in *text*."""
        found = [word for word, (sign, _) in self._left.items() if re.search(sign, text)]
        return [f"*{word}*: {self._left.pop(word)[1]}." for word in found]


def anchor(number: str) -> str:
    """The anchor of a claim on its page.

    :param number: ``004.22``
    """
    return number.replace(".", "-")


def block(number: str, message: Message, claim: Claim, explained: WordExplanations) -> str:
    """Return the claim as part of its page, with links as on a page in docs/.

    :param number: ``004.22``
    :param explained: the words explained so far; the claim's own are added
    :raises Discovery: if an answer is not the one that the claim rests on
    """
    parts = [
        f"> {quotation(claim)}",
        f"{message.author}, {message.role}, {linked_date(message)}. Read as: {plain(claim.reading)}",
        verdict(claim),
        *(_later(word) for one in posted_threads() for word in one.later if word.claim == number),
    ]
    for asked in claim.asks:
        answered(asked)
    rows = table(("model", "kernel", "patched"), _rows(claim)).rstrip("\n")
    body = "\n\n".join([*parts, rows])
    words = explained.lines(body)
    if words:
        body = "\n\n".join([*parts, "\n".join(words), rows])
    return f"### {anchor(number)}\n\n{body}\n"


def verdict(claim: Claim) -> str:
    """The outcome in a sentence."""
    because = f": {plain(claim.because)}" if claim.because else ""
    return f"**{claim.status.capitalize()}**{because}."


def linked_date(message: Message) -> str:
    """The date of a message, linked to the public archive if its Message-ID is known."""
    return f"[{message.date}]({archive_address(message.message_id)})" if message.message_id else message.date


def quotation(claim: Claim) -> str:
    """The quoted words, with hedging in bold."""
    before, hedge, behind = claim.quote.partition(claim.hedge) if claim.hedge else (claim.quote, "", "")
    bold = f"**{plain(hedge)}**" if hedge else ""
    return f"“{plain(before)}{bold}{plain(behind)}”"


def plain(words: str) -> str:
    """Escape words that are Markdown syntax; a bar would end a cell."""
    escaped = html.escape(words, quote=False)
    for sign in "*_[]`~":
        escaped = escaped.replace(sign, f"\\{sign}")
    return escaped.replace("|", "&#124;")


def _later(word: LaterWord) -> str:
    when = date_words(word.date)
    linked = f"[{when}]({archive_address(word.message_ids[0])})" if word.message_ids else when
    return f"Later, {linked}, {word.who}: {plain(word.says)}"


# The two lines.


def _rows(claim: Claim) -> list[list[str]]:
    """Return the machines and what each shows, in three columns."""
    columns = [_model(claim), _kernel(claim), _of_patch(claim)]
    return [fitting(cells) for cells in zip(*columns, strict=True)]


_NOTHING = (_Cell("-"), _Cell("-"))


def _model(claim: Claim) -> tuple[_Cell, _Cell]:
    """Return a model's answer: evidence against the claim comes before evidence for it."""
    if not claim.asks:
        return _NOTHING
    asked = _telling(claim.asks)
    answer = answered(asked)
    # A search is about a property; a program shows part of a step, which its answer names.
    shown = f"{asked.name} {answer.value}" if isinstance(asked, PropertyQuestion) else answer.value
    return _Cell(asked.machine, f"`{{}}`{_more(claim.asks)}"), _Cell(shown, f"{_but(asked.against)}`{{}}`")


def _kernel(claim: Claim) -> tuple[_Cell, _Cell]:
    if claim.kernels:
        seen = _telling(claim.kernels)
        name, target = _program(seen)
        where = _Cell(name, f"{{}}, {series_words(seen.series)}{_more(claim.kernels)}", target)
        return where, _Cell(seen.shown, f"{_but(seen.against)}`{{}}`")
    if claim.sources:
        source = claim.sources[0]
        where = _Cell(source.file, f"{{}}, {source.releases[0]}{_more(claim.sources)}", source.places[0])
        return where, _Cell(plain(source.shown))
    why = _Cell(plain(claim.model_only) or "-")
    patched = has_patch(claim.asks) or any(map(compared_alone, claim.asks))
    return _Cell("no stock kernel" if patched else "model only"), why


def _of_patch(claim: Claim) -> tuple[_Cell, _Cell]:
    found = patched(claim)
    alone = list(dict.fromkeys(filter(None, map(compared_alone, claim.asks))))
    if not found and not alone:
        return _NOTHING
    if not found:
        (file,) = PATCHES.rglob(f"{alone[0]}.patch")
        where = _Cell(alone[0], f"{{}}{_more(alone)}", f"../evidence/patches/{file.relative_to(PATCHES)}")
        return where, _Cell(f"not recorded; {compared_words(alone[0])}")
    one = next((kernel for kernel in found if kernel.against), found[0])
    where = _Cell(one.golden.patch, f"{{}}, {one.golden.version}{_more(found)}", _patch(one))
    return where, _Cell(str(one).replace("`", ""), f"{_but(one.against)}`{{}}`")


def _telling(answers: Sequence[A]) -> A:
    """Return the deciding answer: the first that contradicts the claim, else the first."""
    return next((one for one in answers if one.against), answers[0])


def _more(answers: Sequence[object]) -> str:
    return f" (+{len(answers) - 1})" if len(answers) > 1 else ""


def fitting(cells: Sequence[_Cell]) -> list[str]:
    """Return the cells of a line, shortening the widest until the line fits."""
    letters = [len(cell.core) for cell in cells]
    while True:
        texts = [cell.cut(most) for cell, most in zip(cells, letters, strict=True)]
        if columns_of(texts) <= LINE or max(letters) <= 1:
            return texts
        letters[letters.index(max(letters))] -= 1


def columns_of(cells: Sequence[str]) -> int:
    """Return the width of a table line, without link addresses."""
    return len(re.sub(r"\]\([^)]*\)", "]", f"| {' | '.join(cells)} |"))


# The answers.


def answered(asked: ClaimQuestion) -> QuestionResult:
    """Return the answer to a question.

    :raises Discovery: it is not the expected one
    """
    answer = asked.ask()
    if not answer.right:
        raise Discovery(f"model:{answer.machine} answers otherwise: {answer.asked} shows {answer.shown}")
    return answer


def patched(claim: Claim) -> list[PatchedAnswers]:
    """Return the answers from every patched kernel.

    :raises Discovery: one is not as expected
    """
    found = by_kernel(claim.asks)
    for kernel in found:
        for answer in kernel.answers:
            if not answer.right:
                name = kernel.golden.patch
                raise Discovery(f"{name} answers otherwise: {answer.asked} shows {answer.shown}")
    return found


def _program(seen: Evidence) -> tuple[str, str]:
    """The name and address of a program, or of the page of sizes."""
    if isinstance(seen, StepEvidence):
        return seen.program.rpartition("/")[2], f"../litmus/{seen.program}.pfn"
    return "sizes", "sizes.md"


def _patch(found: PatchedAnswers) -> str:
    return f"../evidence/patches/{found.golden.file}"


def _but(against: bool) -> str:
    return "**but** " if against else ""
