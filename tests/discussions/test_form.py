"""The faults in the form of a claim, whatever its answers are."""

from __future__ import annotations

from for_each import for_each

from pfnlab.checker.check import VIOLATED
from pfnlab.discussions.claim_questions import PropertyQuestion
from pfnlab.discussions.evidence import SourceStatement, StepEvidence
from pfnlab.discussions.form import Claim, ClaimStatus, faults
from pfnlab.discussions.step_parts import book

FOR = PropertyQuestion("6.1", "no_leak", VIOLATED)
AGAINST = FOR._replace(against=True)
SHOWN = StepEvidence("unmapping/munmap-whole", ["6.1"], "munmap a", book, "empty")

GOOD = Claim("It might be so.", "might", "It is so.", ClaimStatus.CONFIRMED, kernels=[SHOWN])


def test_a_good_claim_has_no_faults() -> None:
    """Quoted, asked, shown."""
    assert [] == faults(GOOD)


READ = SourceStatement("mm/memory.c", "zap_page_range", ["3.0.27"], "untracks", against=True)


@for_each(
    ("changed", "faults_found"),
    [
        ({"status": ClaimStatus.CONDITION, "because": "x", "sources": [READ]}, []),
        ({"sources": [READ]}, ["is confirmed against an answer"]),
        ({"kernels": [], "model_only": "x", "sources": [READ._replace(against=False)]}, []),
    ],
)
def test_the_source_of_a_release_is_an_answer(changed: dict[str, object], faults_found: list[str]) -> None:
    """It may speak for a claim or against it, and is enough where nothing can be run."""
    assert faults_found == faults(GOOD._replace(**changed))


@for_each(
    ("changed", "fault"),
    [
        ({"quote": "might " * 16}, "quotes more than 15 words"),
        ({"hedge": "could"}, "its hedge is not in the quotation"),
        ({"kernels": [], "asks": [FOR]}, "has neither a kernel that shows it nor a reason why none does"),
        ({"model_only": "nobody built it"}, "has kernels that show it and a reason why none does"),
        ({"asks": [AGAINST]}, "is confirmed against an answer"),
        ({"kernels": [SHOWN._replace(against=True)]}, "is confirmed against an answer"),
        (
            {"status": ClaimStatus.REFUTED, "because": "x", "asks": [AGAINST]},
            "refutes what its author hedged",
        ),
        ({"status": ClaimStatus.REFUTED, "because": "x", "hedge": ""}, "has no answer against it"),
        ({"status": ClaimStatus.REFUTED_IN_THREAD, "because": "x"}, "has no answer against it"),
        ({"status": ClaimStatus.CONDITION, "because": "x"}, "has no answer against it"),
        (
            {"status": ClaimStatus.CONFIRMED_IN_THREAD, "because": "x", "hedge": ""},
            "confirms in the thread what its author did not hedge",
        ),
        (
            {"status": ClaimStatus.CONFIRMED_IN_THREAD, "because": "x", "asks": [AGAINST]},
            "is confirmed against an answer",
        ),
        ({"status": ClaimStatus.CONFIRMED_IN_THREAD}, "gives no reason"),
        ({"status": ClaimStatus.OPEN}, "gives no reason"),
        ({"kernels": [], "model_only": "nobody built it"}, "asks nothing"),
    ],
)
def test_what_a_claim_lacks_is_said(changed: dict[str, object], fault: str) -> None:
    """Each change of a good claim is one fault."""
    assert [fault] == faults(GOOD._replace(**changed))


def test_what_was_said_without_a_hedge_may_be_refuted() -> None:
    """With an answer against it, and a sentence."""
    refuted = GOOD._replace(hedge="", status=ClaimStatus.REFUTED, because="it is not", asks=[AGAINST])

    assert [] == faults(refuted)


@for_each("status", [ClaimStatus.OPEN, ClaimStatus.CONFIRMED_IN_THREAD])
def test_what_is_open_or_confirmed_in_the_thread_need_not_be_asked(status: ClaimStatus) -> None:
    """Nothing here may be able to decide it, and the thread decides it by itself."""
    assert [] == faults(
        GOOD._replace(status=status, because="who knows", kernels=[], model_only="no program can show it")
    )
