"""Review a design: what it newly breaks, repairs, costs and changes, against a base.

Exit codes: 0 the core questions were asked and nothing is newly broken, 1 something is, 2 misuse, 3 the core
questions were cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
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
    base: Annotated[str | None, Option("The model it is compared with. Default: the newest.", "MODEL")] = None
    seconds: Annotated[
        float, SECONDS._replace(help="Ask no more questions after so many seconds.", metavar="S")
    ] = 60
    jobs: JobsOf = None
    as_json: AsJson = False


def perform(request: ReviewRequest, say: Say) -> Iterator[ReviewResult]:
    """The review of a design; Misuse if there is no such design or base."""
    from pfnlab.base.processes import processors
    from pfnlab.checker.review.review import review
    from pfnlab.programs.model.model_machine import model_of
    from pfnlab.programs.runs.named_machines import name_machine

    base, design = (model_of(name_machine(spec)) for spec in models_of(request.design, request.base))
    yield review(base, design, seconds=request.seconds, jobs=request.jobs or processors())


def models_of(design: str, base: str | None) -> tuple[str, str]:
    """The names of the base and of the model with the design; Misuse if one of them is none."""
    from pfnlab.programs.runs.named_machines import newest_series, with_policies

    base = base or f"model:{newest_series()}"
    if not base.startswith("model:"):
        raise Misuse(f"--base {base} cannot be reviewed against: write a model, as --base model:7.2")
    if design.startswith("model:"):
        return base, design
    if design.endswith(".py"):
        return base, with_policies([base], [design])[0]
    if "=" not in design:
        raise Misuse(f"{design!r} is no design: write FILE.py, SEAM=POLICY, SWITCH=on or model:SERIES")
    return base, f"{base},{design}"
