"""``try``: the kernel of a tree compared with a model; and ``replay --json``."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.base.inert import one_line
from pfnlab.base.units import number_of
from pfnlab.checker.replay import ReplayResult
from pfnlab.hunt.meeting.trial import ShownCause, TrialResult
from pfnlab.present.document.blocks import Block, Bullets, Chapter, Paragraph, Table, cell
from pfnlab.present.document.meeting_part import difference_section, held_table
from pfnlab.present.document.part import Part, done, section

#: The most causes that are shown at once, so that the report fits under a cover letter.
_CAUSES = 8


def part(content: TrialResult) -> Part:
    """The differences of a trial by their causes, and what a policy changes."""
    return Part(
        title=f"{content.tree} against {content.model}",
        says=f"{content.tree} against {content.model}: {content.says}",
        outcome=content.outcome,
        blocks=tuple(_blocks(content)),
        facts=done(
            content.made,
            ("kernel", (content.kernel, content.built)),
            ("patch", content.patches),
            ("said to be", ", ".join(content.policies)),
            ("seed", str(content.seed)),
        ),
    )


def replay_part(content: ReplayResult) -> Part:
    """The steps of a replay, and its verdict."""
    rows = tuple(
        (cell(str(number)), cell(step.step, code=True), cell(step.word))
        for number, step in enumerate(content.steps, 1)
    )
    steps = Table("Step by step", ("", "step", "what it does"), rows, glance=(0, 1, 2), under=5)
    return Part(
        title=f"{content.title}, again",
        says=f"{content.machine}, {content.title}: {content.verdict}.",
        outcome=content.outcome,
        first=one_line(f"{content.machine}, {content.title}"),
        blocks=(*((steps,) if rows else ()), Paragraph(one_line(content.verdict))),
        facts=done(content.made),
    )


def _blocks(content: TrialResult) -> Iterator[Block]:
    yield from _claims(content)
    yield from _causes(f"What it does otherwise than {content.model}", content.causes, content)
    yield from _causes(f"What {', '.join(content.policies)} changes", content.meant, content)
    if content.policies:
        yield from section("Properties that change their verdict", Bullets(content.verdicts or ("none",)))
    if content.unstable:
        yield from section("What did not show again", Bullets(content.unstable))
    yield held_table(content.held)
    yield from _undecided(sum(count.undecided for count in content.held.values()))


def _undecided(programs: int) -> Iterator[Paragraph]:
    if programs:
        why = "the model has no rule, or the kernel lacks something"
        yield Paragraph(f"{number_of(programs, 'program')} undecided: {why}.")


def _claims(content: TrialResult) -> Iterator[Chapter]:
    """The claims of the discussions that change their answer, first those that come first there."""
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
    yield from section("Claims that change their answer", Bullets(changed or (none,)), *undecided)


def _causes(title: str, causes: tuple[ShownCause, ...], content: TrialResult) -> Iterator[Chapter]:
    shown = [
        difference_section(number, cause.differences, (content.model,))
        for number, cause in enumerate(causes, 1)
    ]
    more = shown[_CAUSES:]
    rest = section(f"And {number_of(len(more), 'cause')} more", *more, folded=True)
    yield from section(title, *shown[:_CAUSES], *rest)
