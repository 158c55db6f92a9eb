"""``check --json`` and ``check --differ ... --json``: a search and its verdicts."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.checker.check import SHOWN_APART, VIOLATED, CheckResult, PropertyResult
from pfnlab.checker.differ import DifferResult
from pfnlab.document.blocks import Block, Bullets, Cell, Chapter, Code, Paragraph, Table, Tone, cell
from pfnlab.document.drawings import bars, story_of_text
from pfnlab.document.parts.part import Part, done, program_code, section
from pfnlab.result import beside
from pfnlab.units import number_of


def part(content: CheckResult) -> Part:
    """What is to be read of a check."""
    broken = content.answered(VIOLATED)
    names = ", ".join(answer.name for answer in broken)
    amount = f"{number_of(content.states, 'state')} of the scope {content.scope}"
    says = (
        f"{content.machine} violates {names} in {amount}."
        if broken
        else f"{content.machine}: no violation in {amount}."
    )
    if content.cut:
        says = f"{says[:-1]}; the search was cut: {content.cut[0]}."
    return Part(
        title=f"{content.machine}, scope {content.scope}",
        says=says,
        outcome=content.outcome,
        blocks=tuple(_blocks(content, broken)),
        facts=done(
            content.made,
            ("machine", content.machine),
            ("scope", f"{content.scope}, {_bound(content)}"),
            ("search", f"{amount}, {number_of(content.transitions, 'step')}, {content.seconds:.1f} s"),
            ("cut", content.cut),
            *((name, str(value)) for name, value in beside(content, SHOWN_APART).items() if value),
        ),
    )


def _bound(content: CheckResult) -> str:
    return "to the end" if content.ended else f"at most {number_of(content.depth, 'operation')}"


def differ_part(content: DifferResult) -> Part:
    """What is to be read of a search for a program that tells two models apart."""
    names = " and ".join(content.machines)
    if content.differ:
        says = f"{names} part in {', '.join(content.differ)}."
    else:
        word = "do the same" if content.complete else "did the same as far as the search came,"
        says = f"{names} {word} in every sequence of at most {number_of(content.depth, 'operation')}."
    return Part(
        title=f"{names}, told apart",
        says=says,
        outcome=content.outcome,
        blocks=(
            *program_code(content.text or "", "The shortest program"),
            *story_of_text(content.text, content.machines),
        ),
        facts=done(
            content.made,
            ("machines", content.machines),
            ("scope", f"{content.scope}, at most {number_of(content.depth, 'operation')}"),
            ("search", f"{number_of(content.states, 'state')}, {content.seconds:.1f} s"),
            ("cut", content.cut),
        ),
    )


def _blocks(content: CheckResult, broken: list[PropertyResult]) -> Iterator[Block]:
    for answer in broken:
        yield Chapter(f"{answer.name} is violated", tuple(_counterexample(content, answer)))
    order = sorted(content.answers, key=lambda answer: answer.verdict != VIOLATED)
    yield Table(
        "Every property that was asked",
        ("property", "verdict", "asked in", "question"),
        tuple(map(_row, order)),
    )
    if len(content.growth) > 1:
        labels = [(str(depth), count) for depth, count in enumerate(content.growth)]
        yield from bars("New states by number of operations", labels, "state")
    fired = [
        (cell(name), Cell(tuple(f"{result} {count:,}" for result, count in results.items())))
        for name, results in sorted(content.fired.items())
    ]
    if fired:
        table = Table("How often each operation ended how", ("operation", "results"), tuple(fired))
        yield from section("Operations that were tried", table, folded=True)
    if content.untaken:
        yield from section(
            "Branches of policies that were never taken", Bullets(content.untaken), folded=True
        )


def _counterexample(content: CheckResult, answer: PropertyResult) -> Iterator[Block]:
    yield Paragraph(answer.asks)
    if answer.schedule:
        yield Code("The schedule", "\n".join(answer.schedule))
    yield from program_code(answer.text or "", "The shortest program")
    yield from story_of_text(answer.text, [content.machine])
    if answer.confirmed:
        yield Bullets(tuple(f"{machine}: {word}" for machine, word in answer.confirmed.items()))
    if answer.replay is not None:
        yield Code("Go through it again", f"pfnlab replay {answer.replay}")


def _tone(answer: PropertyResult) -> Tone:
    if answer.verdict == VIOLATED:
        return "bad"
    return "good" if answer.word in ("holds", "reached") else "pale"


def _row(answer: PropertyResult) -> tuple[Cell, ...]:
    return (
        cell(answer.name, code=True),
        cell(answer.word, _tone(answer)),
        cell(f"{answer.arose:,}"),
        cell(answer.asks),
    )
