"""Part for ``kernels meet``, ``kernels diff`` and ``try``: a kernel against its model or another kernel.

Also used for ``replay --json``.
"""

from collections.abc import Iterator, Sequence

from pfnlab.base.inert import one_line
from pfnlab.base.units import first_of_many, number_of
from pfnlab.checker.replay import ReplayResult
from pfnlab.hunt.meeting.explain import ShownDifference
from pfnlab.hunt.meeting.meet import MeetingResult
from pfnlab.hunt.meeting.trial import ShownCause, TrialResult
from pfnlab.kernel.policies.known_kernels import HeldCount, programs_in, steps_in
from pfnlab.present.document.blocks import Block, Bullets, Chapter, Paragraph, Table, cell, cells
from pfnlab.present.document.part import Part, drawn_program, part_of_result, section, short
from pfnlab.present.document.review_part import chapters

#: The maximum number of programs that show a difference, of other differences with the same
#: cause, and of commits.
_SHOWN, _OTHERS, _TITLES = 4, 8, 40
_UNEXPLAINED = "UNEXPLAINED: no switch or pair of switches makes the model behave this way"


def part(content: MeetingResult) -> Part:
    """Return the differences in a meeting, by cause, and how much was compared."""
    names = " against ".join(reversed(content.machines))
    found, amount = content.differences, amount_of(content.held)
    says = f"No difference in {amount}"
    if found or content.unstable:
        causes = f" of {number_of(len(content.causes), 'cause')}" if content.causes else ""
        unstable = f", and {len(content.unstable)} that did not recur" if content.unstable else ""
        count = number_of(len(found), "difference")
        says = f"{count}{causes} in {amount}, {content.unexplained} unexplained{unstable}"
    facts = ("kernel", content.kernels), ("seed", seeds(content.held))
    return part_of_result(content, names, f"{names}: {says}.", _blocks(content), *facts)


def amount_of(held: dict[str, HeldCount]) -> str:
    """Return how much was compared, e.g. ``512 programs, 4,211 steps``."""
    return f"{number_of(programs_in(held), 'program')}, {number_of(steps_in(held), 'step')}"


def seeds(held: dict[str, HeldCount]) -> tuple[str, ...]:
    """Return the seeds of random programs."""
    return tuple(dict.fromkeys(str(count.seed) for count in held.values() if count.seed is not None))


def held_table(held: dict[str, HeldCount]) -> Table:
    """Return the number of programs of each kind that were compared."""
    return Table(
        "Compared after every step: the whole state, the order of kernel calls, and flushes",
        ("held", "programs", "steps", "undecided", "differ"),
        tuple(
            cells(
                *(name, f"{count.programs:,}" if count.programs else "-"),
                *(f"{count.steps:,}", f"{count.undecided:,}"),
                cell(f"{count.differences:,}", "bad" if count.differences else ""),
                code=False,
            )
            for name, count in held.items()
        ),
    )


def difference_section(
    number: int,
    shown: Sequence[ShownDifference],
    machines: tuple[str, ...],
    without: str = "",
    commits: Sequence[str] = (),
) -> Chapter:
    """Return a chapter on a cause: its shortest program, others, and *commits* or the text *without*."""
    first, *others = shown
    said = [f"explained by {explanation}" for explanation in first.explanations[:3]]
    if without and not said:
        said.append(without)
    if commits:
        said.append(f"touched by {'; '.join(commits)}")
    same = list(dict.fromkeys(short(other.says, machines) for other in others))
    if same:
        said.append(f"of the same cause: {first_of_many(same, _OTHERS, '; ')}")
    by = f"shown by {first_of_many(first.shown_by, _SHOWN)}"
    return Chapter(
        f"{number}. {short(first.says, machines)}",
        (
            *drawn_program(first.program, machines),
            Bullets((*first.seen, by, *said)),
        ),
    )


def _blocks(content: MeetingResult) -> Iterator[Block]:
    found = content.differences
    causes = content.causes or tuple((place,) for place in range(len(found)))
    # A result from an early version does not list commits.
    commits = dict(enumerate(content.commits, 1))
    for number, cause in enumerate(causes, 1):
        shown = [found[place] for place in cause if 0 <= place < len(found)]
        if shown:
            yield difference_section(number, shown, content.machines, _UNEXPLAINED, commits.get(number, ()))
    if content.models is not None:
        models = content.models or ("none: both have the same rules",)
        yield from section("Differences between their models", Bullets(models))
    if content.unstable:
        yield from section("Differences that did not recur", Bullets(content.unstable))
    if content.verdicts:
        yield from section("Properties whose verdict changes", Bullets(content.verdicts))
    yield held_table(content.held)
    if content.titles:
        more = len(content.titles) - _TITLES
        titles = (*content.titles[:_TITLES], *([f"and {more} more"] if more > 0 else []))
        title = f"Commits of stable releases since {content.since} that touch the area"
        yield from section(title, Bullets(titles))


#: The maximum number of causes shown, so that the report fits below a cover letter.
_CAUSES = 8


def trial_part(content: TrialResult) -> Part:
    """Return the differences in a trial, by cause, and the effects of a policy."""
    against = "the kernel without the patch" if _is_review(content) else content.model
    title = f"{content.tree} against {against}"
    kernel = "kernel", (content.kernel, content.built)
    policies = "said to be", ", ".join(content.policies)
    seed = "" if _is_review(content) else str(content.seed)
    took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in content.seconds.items())
    if _is_review(content) and content.seconds and content.review and content.review.broken:
        before = sum(seconds for name, seconds in content.seconds.items() if name not in ("ask", "measure"))
        took += f"; first finding after {before + min(one.seconds for one in content.review.broken):.0f} s"
    facts = kernel, ("patch", content.patches), policies, ("seed", seed), ("time", took)
    return part_of_result(content, title, f"{title}: {content.says}", _trial_blocks(content), *facts)


def replay_part(content: ReplayResult) -> Part:
    """Return the steps of a replay and its verdict."""
    rows = tuple(
        (cell(str(number)), cell(step.step, code=True), cell(step.word))
        for number, step in enumerate(content.steps, 1)
    )
    steps = Table("Step by step", ("", "step", "operation and result"), rows, glance=(0, 1, 2), under=5)
    blocks = (*((steps,) if rows else ()), Paragraph(one_line(content.verdict)))
    name = f"{content.machine}, {content.title}"
    says = f"{name}: {content.verdict}."
    return part_of_result(content, f"{content.title}, again", says, blocks, first=one_line(name))


def _is_review(content: TrialResult) -> bool:
    """True if two kernels were reviewed, and none was compared with a model."""
    return content.review is not None and not content.policies


def _trial_blocks(content: TrialResult) -> Iterator[Block]:
    if content.review is not None:
        # The facts above have the titles: a heading with those of a series would be endless.
        count = len(content.patches)
        patches = "the patch" if count == 1 else number_of(count, "patch", "patches")
        about = ", ".join(content.policies) or patches
        yield from section(f"The review of {about}", *chapters(content.review))
    if _is_review(content):
        return
    yield from _claims(content)
    yield from _causes(f"Differences from {content.model}", content.causes, content)
    yield from _causes(f"Changes by {', '.join(content.policies)}", content.meant, content)
    if content.policies:
        yield from section("Properties whose verdict changes", Bullets(content.verdicts or ("none",)))
    if content.unstable:
        yield from section("Differences that did not recur", Bullets(content.unstable))
    yield held_table(content.held)
    yield from _undecided(sum(count.undecided for count in content.held.values()))


def _undecided(programs: int) -> Iterator[Paragraph]:
    if programs:
        why = "no rule in the model, or a feature missing in the kernel"
        yield Paragraph(f"{number_of(programs, 'program')} undecided: {why}.")


def _claims(content: TrialResult) -> Iterator[Chapter]:
    """Yield the claims whose results change, in the order of the discussions."""
    if content.claims is None:
        return
    changed = tuple(
        (
            f"{claim.number}, {claim.author}: “{claim.quote}”",
            f"{claim.op}: expected {claim.expected}",
            f"observed {claim.observed}",
        )
        for claim in content.claims.changed
    )
    none = f"none of {number_of(content.claims.asked, 'claim')}"
    undecided = _undecided(content.claims.undecided)
    yield from section("Claims whose answer changes", Bullets(changed or (none,)), *undecided)


def _causes(title: str, causes: tuple[ShownCause, ...], content: TrialResult) -> Iterator[Chapter]:
    shown = [
        difference_section(number, cause.differences, (content.model,))
        for number, cause in enumerate(causes, 1)
    ]
    more = shown[_CAUSES:]
    rest = section(f"And {number_of(len(more), 'cause')} more", *more, folded=True)
    yield from section(title, *shown[:_CAUSES], *rest)
