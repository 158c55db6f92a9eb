"""Review a design: report what it newly breaks, fixes, costs and changes, compared with a base.

Exit codes: 0 all core questions answered and nothing newly broken, 1 something is newly broken, 2 misuse, 3
the core questions were cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import SECONDS, AsJson, JobsOf, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.checker.review.review_result import ReviewResult


class ReviewRequest(Request, frozen=True, kw_only=True):
    design: Annotated[
        str,
        Option(
            "A policy file, changes to the base (flush=first_vma,mseal=off), or a model.",
            "DESIGN",
            positional=True,
        ),
    ]
    base: Annotated[str | None, Option("Model to compare with. Default: the newest.", "MODEL")] = None
    seconds: Annotated[
        float, SECONDS._replace(help="Start no new question after this many seconds.", metavar="S")
    ] = 60
    resume: Annotated[Path | None, Option("Save the answers in FILE, and resume from them.", "FILE")] = None
    store: Annotated[
        str | None, Option("First use the answers that campaigns have stored here.", "STORE")
    ] = None
    jobs: JobsOf = None
    as_json: AsJson = False


def perform(request: ReviewRequest, say: Say) -> Iterator[ReviewResult]:
    """Review a design.

    :raises Misuse: if the design or base does not exist, or the saved answers belong to another review
    """
    from contextlib import ExitStack

    from pfnlab.base.processes import processors
    from pfnlab.base.progress import working
    from pfnlab.checker.review.designs import models_reviewed
    from pfnlab.checker.review.kept_answers import AnswerFile, PieceAnswer, ReviewHead
    from pfnlab.checker.review.review import plan, review
    from pfnlab.programs.model.model_machine import model_of
    from pfnlab.programs.runs.named_machines import name_machine

    base, design = (model_of(name_machine(spec)) for spec in models_reviewed(request.design, request.base))
    pieces = plan()
    with ExitStack() as stack:
        head = ReviewHead.of(base, design, pieces)
        known: dict[int, PieceAnswer] = {}
        if request.store is not None:
            from pfnlab.campaign.review_work import answers_in
            from pfnlab.campaign.store.store import Store, store_address

            with Store(store_address(request.store), make=False, write=False) as store:
                known |= answers_in(store, head)
        keep: Callable[[PieceAnswer], None] = _forget
        if request.resume is not None:
            kept = stack.enter_context(AnswerFile(request.resume, head))
            known, keep = known | kept.known, kept.keep
        work = stack.enter_context(working(f"reviewing model:{design.spec}"))
        work.expect(len(pieces) - len(known))
        yield review(
            *(base, design),
            seconds=request.seconds,
            jobs=request.jobs or processors(),
            pieces=pieces,
            known=known,
            keep=keep,
            done=work.advance,
            interrupted=lambda: _say_how_to_resume(request, say),
        )


def _say_how_to_resume(request: ReviewRequest, say: Say) -> None:
    """Print the command that resumes an interrupted review."""
    from pfnlab.base.made import with_option

    if request.resume is None:
        say("interrupted; with --resume FILE the answers so far are saved")
    else:
        say(f"interrupted; to resume: {with_option('--resume', request.resume)}")


def _forget(answer: object) -> None:
    """Do nothing: the answers are needed only for this review."""
