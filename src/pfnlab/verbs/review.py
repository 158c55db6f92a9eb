"""Review a design (what it newly breaks, fixes, costs and changes) or a mailed patch (what it touches).

A design is compared with a base. A patch is read without building it: list the functions it touches, their
rules, what went wrong there before, the questions of a review, and the command that builds and compares it.

Exit codes: 0 all core questions answered and nothing newly broken, 1 something is newly broken, 2 misuse, 3
the core questions were cut off. With --patch, 0 whatever the patch touches, 2 if a file is not a patch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import SECONDS, AsJson, JobsOf, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.checker.review.review_result import ReviewResult
    from pfnlab.verbs.patch_review import PatchReview


class ReviewRequest(Request, frozen=True, kw_only=True):
    design: Annotated[
        str | None,
        Option(
            "A policy file, changes to the base (flush=first_vma,mseal=off), or a model.",
            "DESIGN",
            positional=True,
        ),
    ] = None
    patch: Annotated[
        tuple[Path, ...],
        Option(
            "Review this diff, mail or mbox (mails need git; repeatable; - for standard input).",
            "FILE",
            takes="design seconds as_json",
        ),
    ] = ()
    base: Annotated[str | None, Option("Model to compare with. Default: the newest.", "MODEL")] = None
    seconds: Annotated[float, SECONDS._replace(help="Start no new question after this many seconds.")] = 60
    resume: Annotated[Path | None, Option("Save the answers in FILE, and resume from them.", "FILE")] = None
    store: Annotated[
        str | None, Option("First use the answers that campaigns have stored here.", "STORE")
    ] = None
    jobs: JobsOf = None
    as_json: AsJson = False


def perform(request: ReviewRequest, say: Say) -> Iterator[ReviewResult | PatchReview]:
    """Review a design, or a patch.

    :raises Misuse: if the design or base does not exist, the saved answers belong to another review, or the
        file is not a patch
    """
    if request.patch:
        yield _of_patch(request)
    elif request.design is not None:
        if _is_patch(request.design):
            from pfnlab.base.inert import shell_word

            option = f"--patch {shell_word(request.design)}"
            raise Misuse(f"{request.design} is not a DESIGN: to review a patch, write {option}")
        yield _of_design(request, request.design, say)
    else:
        raise Misuse("nothing to review: write a DESIGN, e.g. flush=first_vma, or --patch FILE")


def _of_patch(request: ReviewRequest) -> PatchReview:
    from pfnlab.lab.building.mailed_patches import read_mailed
    from pfnlab.verbs.patch_review import PatchReview

    if request.design is not None and _is_patch(request.design):
        raise Misuse(f"{request.design} has no --patch: write --patch before each file")
    request.refuse("--patch", ("design",))
    files = [None if str(path) == "-" else path for path in request.patch]
    return PatchReview.of(read_mailed(*files), *("FILE" if file is None else str(file) for file in files))


def _is_patch(word: str) -> bool:
    """True if a word is a file, or looks like the name of one, that is a patch rather than a DESIGN."""
    path = Path(word)
    if path.suffix == ".py":
        return False
    return word == "-" or path.suffix in (".patch", ".diff", ".mbox", ".eml") or path.is_file()


def _of_design(request: ReviewRequest, design_word: str, say: Say) -> ReviewResult:
    from contextlib import ExitStack

    from pfnlab.base.processes import processors
    from pfnlab.base.progress import working
    from pfnlab.checker.review.designs import models_reviewed
    from pfnlab.checker.review.kept_answers import AnswerFile, ReviewHead
    from pfnlab.checker.review.review import plan, review
    from pfnlab.checker.review.sequences import PieceAnswer
    from pfnlab.lab.images.reviewed_bases import bases_folder
    from pfnlab.programs.model.model_machine import model_of
    from pfnlab.programs.runs.named_machines import name_machine

    base, design = (model_of(name_machine(spec)) for spec in models_reviewed(design_word, request.base))
    folder = bases_folder()
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
        return review(
            *(base, design),
            seconds=request.seconds,
            jobs=request.jobs or processors(),
            pieces=pieces,
            known=known,
            keep=keep,
            done=work.advance,
            interrupted=lambda: _say_how_to_resume(request, say),
            folder=folder,
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
