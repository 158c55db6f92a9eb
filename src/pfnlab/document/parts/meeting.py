"""``kernels meet --json`` and ``kernels diff --json``: a kernel held against its model or another kernel."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.document.blocks import Block, Bullets, Chapter, Paragraph, Table, cell
from pfnlab.document.drawings import bars, story_of_text
from pfnlab.document.parts.part import Part, done, program_code, section, short
from pfnlab.meeting.meet import MeetingResult, ShownDifference
from pfnlab.policies.known import HeldCount, programs_in, steps_in
from pfnlab.units import number_of

#: The most programs that show a difference, and the most commits, that are named.
_SHOWN, _TITLES = 8, 100


def part(content: MeetingResult) -> Part:
    """What is to be read of a meeting."""
    names = " against ".join(reversed(content.machines))
    found = content.differences
    says = f"{names}: no difference in {amount_of(content.held)}."
    if found:
        causes = f" of {number_of(len(content.causes), 'cause')}" if content.causes else ""
        count = number_of(len(found), "difference")
        says = f"{names}: {count}{causes} in {amount_of(content.held)}, {content.unexplained} unexplained."
    elif content.unstable:
        count = number_of(len(content.unstable), "difference")
        says = f"{names}: {count} did not show again in {amount_of(content.held)}."
    return Part(
        title=names,
        says=says,
        outcome=content.outcome,
        blocks=tuple(_blocks(content)),
        facts=done(
            content.made,
            ("machines", content.machines),
            ("kernels", content.kernels),
            ("seed", seeds(content.held)),
        ),
    )


def amount_of(held: dict[str, HeldCount]) -> str:
    """How much was compared: ``512 programs, 4,211 steps``."""
    return f"{number_of(programs_in(held), 'program')}, {number_of(steps_in(held), 'step')}"


def seeds(held: dict[str, HeldCount]) -> tuple[str, ...]:
    """The seeds of random programs."""
    return tuple(dict.fromkeys(str(count.seed) for count in held.values() if count.seed is not None))


def held_table(held: dict[str, HeldCount]) -> Table:
    """The counts of each kind of programs that were compared."""
    return Table(
        "What was compared",
        ("held", "programs", "steps", "undecided", "differ"),
        tuple(
            (
                cell(name),
                cell(f"{count.programs:,}" if count.programs else "-"),
                cell(f"{count.steps:,}"),
                cell(f"{count.undecided:,}"),
                cell(f"{count.differences:,}", "bad" if count.differences else ""),
            )
            for name, count in held.items()
        ),
    )


def difference_section(
    number: int, shown: ShownDifference, others: tuple[ShownDifference, ...], machines: tuple[str, ...]
) -> Chapter:
    """A cause: the difference with the shortest program, and others that follow from it."""
    said = [f"explained by {explanation}" for explanation in shown.explanations[:3]]
    names = shown.shown_by[:_SHOWN]
    if names:
        rest = len(shown.shown_by) - len(names)
        said.append(f"shown by {', '.join(names)}" + (f" and {rest} more" if rest else ""))
    if others:
        said.append(f"of the same cause: {'; '.join(short(other.says, machines) for other in others)}")
    return Chapter(
        f"{number}. {short(shown.says, machines)}",
        (
            *program_code(shown.program),
            *story_of_text(shown.program, machines),
            *((Bullets(tuple(said)),) if said else ()),
        ),
    )


def _blocks(content: MeetingResult) -> Iterator[Block]:
    found = content.differences
    causes = content.causes or tuple((place,) for place in range(len(found)))
    for number, cause in enumerate(causes, 1):
        shown = [found[place] for place in cause if 0 <= place < len(found)]
        if shown:
            yield difference_section(number, shown[0], tuple(shown[1:]), content.machines)
            if not shown[0].explanations and content.unexplained:
                yield Paragraph("Unexplained: no switch, and no two of them, make the model do this.", "bad")
    if len(found) > 1:
        counts = [(short(shown.says, content.machines), len(shown.shown_by)) for shown in found]
        yield from bars("Programs that show each difference", counts, "program")
    if content.unstable:
        yield from section("What did not show again", Bullets(content.unstable))
    if content.verdicts:
        yield from section("Properties that change their verdict", Bullets(content.verdicts))
    yield held_table(content.held)
    if content.titles:
        titles = content.titles[:_TITLES]
        more = (f"and {len(content.titles) - _TITLES} more",) if len(content.titles) > _TITLES else ()
        title = f"Commits of stable releases since {content.since} that touch the area"
        yield from section(title, Bullets((*titles, *more)), folded=True)
