"""Part for ``check``: a search and its verdicts."""

from collections.abc import Iterator

from pfnlab.base.errors import ProgramError
from pfnlab.base.inert import recorded_line
from pfnlab.base.result import other_fields
from pfnlab.base.units import number_of
from pfnlab.checker.check import HOLDS, SHOWN_APART, VIOLATED, CheckResult, PropertyResult
from pfnlab.checker.scopes.properties import verdict_words
from pfnlab.present.document.blocks import (
    Block,
    Bullets,
    Cell,
    Chapter,
    Code,
    Facts,
    Paragraph,
    Table,
    Tone,
    cell,
    cells,
)
from pfnlab.present.document.part import Part, drawn_program, part_of_result, section
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import op_lines


def part(content: CheckResult) -> Part:
    """Return the verdicts of a check, and the shortest program for each violation."""
    title = f"{content.machine}, scope {content.scope}"
    broken = ", ".join(answer.name for answer in content.answered(VIOLATED))
    amount = f"{number_of(content.states, 'state')} of the scope {content.scope}"
    clean = "nothing asked" if content.asked_nothing else "no violation"
    says = f"{content.machine} violates {broken}" if broken else f"{content.machine}: {clean}"
    cut = f"; the search was cut short: {content.cut[0]}" if content.cut else ""
    others = ((name, str(value)) for name, value in other_fields(content, SHOWN_APART).items() if value)
    bound = f"at most {number_of(content.depth, 'operation')}"
    if content.ended:
        bound = f"every sequence of operations: no state is farther away than {content.depth}"
    blocks = (Paragraph(f"{title}: {bound}"), *_blocks(content))
    return part_of_result(content, title, f"{says} in {amount}{cut}.", blocks, ("cut", content.cut), *others)


def _blocks(content: CheckResult) -> Iterator[Block]:
    amount = f"{number_of(content.states, 'state')}, {number_of(content.transitions, 'step')}"
    yield Paragraph(f"{amount}, {content.seconds:.1f} s ({content.rate:,.0f} states/s)")
    yield Table(
        "Every property that was checked",
        ("property", "verdict", "asked in", "question"),
        tuple(_row(content, answer) for answer in content.answers),
        glance=(1, 0, 3),
        below=tuple(_counterexample(content, answer) for answer in content.answers),
        under=14,
    )
    if len(content.growth) > 1:
        rows = (cells(str(depth), f"{count:,}", code=False) for depth, count in enumerate(content.growth))
        yield Table("New states by number of operations", ("operations", "states"), tuple(rows))
    yield Bullets(tuple(_gaps(content)))
    fired = [
        (cell(name), Cell(tuple(f"{result} {count:,}" for result, count in results.items())))
        for name, results in sorted(content.fired.items())
    ]
    if fired:
        table = Table("Outcomes of each operation", ("operation", "results"), tuple(fired))
        yield from section("Operations tried", table, folded=True)


def _gaps(content: CheckResult) -> Iterator[str]:
    """Yield operations that never succeeded, and the attempts by operation."""
    for kind, results in content.fired.items():
        if "ok" not in results:
            failed = ", ".join(f"{result} {count:,}" for result, count in results.items())
            yield f"never ok: {kind} ({failed})"
    counts = ", ".join(f"{kind} {sum(results.values()):,}" for kind, results in content.fired.items())
    yield f"steps: {counts}"


def _counterexample(content: CheckResult, answer: PropertyResult) -> Chapter | None:
    """Return the shortest path to a state that violates a property."""
    if answer.verdict != VIOLATED:
        return None
    blocks: list[Block] = [Code("The schedule", "\n".join(answer.schedule))] if answer.schedule else []
    if answer.text is not None:
        program, ops = _read_program(answer), None
        if program is not None:
            ops = "\n".join(op_lines(program))
            if answer.schedule:
                held = "with one held task" if program.needs.held else "without a held task"
                blocks.append(Paragraph(f"as a program {held}:"))
        blocks += drawn_program(answer.text, [content.machine], "The shortest program", glance=ops)
    if answer.confirmed:
        blocks.append(Bullets(tuple(f"{machine}: {word}" for machine, word in answer.confirmed.items())))
    if answer.replay is not None:
        blocks.append(Facts((("again", (f"pfnlab replay {recorded_line(answer.replay)}",)),)))
    return Chapter(f"{answer.name} is violated", tuple(blocks))


def _read_program(answer: PropertyResult) -> Program | None:
    """Return the counterexample as a program; None if this version cannot read it."""
    try:
        return answer.program
    except ProgramError:
        return None


def _row(content: CheckResult, answer: PropertyResult) -> tuple[Cell, ...]:
    word = "always" if answer.word == HOLDS and content.ended else answer.word
    tone: Tone = "bad" if answer.verdict == VIOLATED else "pale"
    if answer.word in ("holds", "reached"):
        tone = "good"
    says = verdict_words(answer.name, answer.asks, violated=answer.verdict == VIOLATED)
    return cells(answer.name, cell(word, tone), f"{answer.arose:,}", says)
