"""The form of a claim: author, quotation, questions, kernel evidence and status."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from pfnlab.discussions.claim_questions import ClaimQuestion
from pfnlab.discussions.evidence import Evidence, SourceStatement
from pfnlab.discussions.patch_evidence import has_patch

#: The maximum number of words quoted from a message in one piece.
MOST_WORDS = 15


class ClaimStatus(StrEnum):
    """The status of a claim."""

    CONFIRMED = "confirmed"
    CONFIRMED_IN_THREAD = "confirmed in the thread"
    REFUTED = "refuted"
    REFUTED_IN_THREAD = "refuted in the thread"
    CONDITION = "holds with a condition"
    OPEN = "open"


#: The statuses that need no answer from us.
_UNASKED = (ClaimStatus.CONFIRMED_IN_THREAD, ClaimStatus.OPEN)


class Message(NamedTuple):
    """A message, or part of one that quotes another author.

    :param date: the date, as precisely as the archive has it
    :param role: the author's part in this discussion
    :param message_id: its Message-ID without angle brackets; empty if unknown
    """

    subject: str
    date: str
    author: str
    role: str
    message_id: str = ""


class Claim(NamedTuple):
    """One claim.

    :param quote: the author's words, verbatim; ``[…]`` marks omitted words in the sentence
    :param hedge: those words in the quotation that hedge; may be empty
    :param reading: how we understand it
    :param status: its status
    :param because: the condition, the refutation, or why it is open; empty if the status needs no reason
    :param asks: questions to models; those that contradict the claim are marked
    :param kernels: golden steps, which the models of the same kernels reproduce, and structure sizes
    :param model_only: why no kernel shows it, if ``kernels`` is empty and no patched kernel answers
    :param sources: statements about the source of releases that have no kernel in the archive
    """

    quote: str
    hedge: str
    reading: str
    status: ClaimStatus
    because: str = ""
    asks: Sequence[ClaimQuestion] = ()
    kernels: Sequence[Evidence] = ()
    model_only: str = ""
    sources: Sequence[SourceStatement] = ()


class AuthorClaims(NamedTuple):
    """The claims that one author makes in one message."""

    message: Message
    claims: Sequence[Claim]


class Discussion(NamedTuple):
    """The claims in one discussion.

    :param number: its number, e.g. ``004``
    :param short: a summary, for readers who skip the individual claims
    """

    number: str
    title: str
    short: str
    said: Sequence[AuthorClaims]

    def numbered(self) -> Iterator[tuple[str, Message, Claim]]:
        """Every claim with its number, e.g. ``002.17``, and its message."""
        claims = ((part.message, claim) for part in self.said for claim in part.claims)
        for number, (message, claim) in enumerate(claims, start=1):
            yield f"{self.number}.{number}", message, claim


def faults(claim: Claim) -> list[str]:
    """Faults in the form of a claim, regardless of its answers."""
    found = []
    if len(claim.quote.split()) > MOST_WORDS:
        found.append(f"quotes more than {MOST_WORDS} words")
    if claim.hedge not in claim.quote:
        found.append("its hedge is not in the quotation")
    if claim.kernels and claim.model_only:
        found.append("has kernels that show it and a reason why none does")
    if not (claim.kernels or claim.model_only or has_patch(claim.asks)):
        found.append("has neither a kernel that shows it nor a reason why none does")
    against = any(answer.against for answer in (*claim.asks, *claim.kernels, *claim.sources))
    match claim.status:
        case ClaimStatus.CONFIRMED | ClaimStatus.CONFIRMED_IN_THREAD if against:
            found.append("is confirmed against an answer")
        case ClaimStatus.CONFIRMED_IN_THREAD if not claim.hedge:
            found.append("confirms in the thread what its author did not hedge")
        case ClaimStatus.REFUTED if claim.hedge:
            found.append("refutes what its author hedged")
        case ClaimStatus.REFUTED | ClaimStatus.REFUTED_IN_THREAD | ClaimStatus.CONDITION if not against:
            found.append("has no answer against it")
    if claim.status is not ClaimStatus.CONFIRMED and not claim.because:
        found.append("gives no reason")
    if claim.status not in _UNASKED and not (claim.asks or claim.kernels or claim.sources):
        found.append("asks nothing")
    return found
