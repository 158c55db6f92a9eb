"""``bugs affects`` and ``bugs run``: the bugs of a kernel, and a bug that programs show."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.base.units import number_of
from pfnlab.hunt.meeting.bug_held import HeldMachine
from pfnlab.hunt.meeting.bug_shown import BugRunResult, ShownMachine, ShownProgram
from pfnlab.present.document.blocks import Block, Cell, Paragraph, Table, Tone, cell
from pfnlab.present.document.part import Part, done, program_code, section
from pfnlab.present.report.bug_entry import AffectedBy, AffectsResult


def affects_part(content: AffectsResult) -> Part:
    """The rows, bugs and regressions first; a note on what was left out."""
    return Part(
        title=f"Bugs of {content.version}",
        says=_affected(content),
        outcome=content.outcome,
        blocks=tuple(_affects_blocks(content)),
        facts=done(content.made, ("version", content.upstream or ""), ("configuration", content.config)),
        first=_affected(content),
    )


def _affected(content: AffectsResult) -> str:
    counts = content.counts
    words = [number_of(counts.get("has", 0), "known bug")]
    words += [f"{count} {word}" for word, count in counts.items() if word != "has"]
    return f"{content.version}: {', '.join(words)}."


def _affects_blocks(content: AffectsResult) -> Iterator[Block]:
    if content.bugs:
        yield Table(
            "Where this kernel stands",
            ("id", "kind", "stands", "sentence", "sources", "what happens"),
            tuple(tuple(_affected_row(row)) for row in content.bugs),
            glance=(0, 1, 2, 3, 4),
            headed=True,
        )
    if content.left_out:
        rows = number_of(content.left_out, "row")
        yield Paragraph(f"{rows} of what is over, and of rules, left out: --all has them.", "pale")


def _affected_row(row: AffectedBy) -> Iterator[Cell]:
    tone: Tone = "bad" if row.word == "has" and row.kind.is_fault else ""
    yield cell(row.id)
    yield cell(row.kind)
    yield cell(row.word, tone)
    yield cell(f"{row.sentence}{f' {row.cve}' if row.cve else ''}")
    yield cell("; ".join(row.sources))
    yield cell(row.what)


def part(content: BugRunResult) -> Part:
    """For each program its sign, and a row for each machine."""
    cve = f" ({content.cve})" if content.cve else ""
    return Part(
        title=f"Bug {content.id}",
        says=f"{content.id}, {content.title}: {_shown(content)}",
        outcome=content.outcome,
        blocks=tuple(_run_blocks(content)),
        facts=done(content.made, ("breaks", ", ".join(content.breaks))),
        first=f"{content.id}  {content.title}{cve}: {content.what}",
    )


def _shown(content: BugRunResult) -> str:
    machines = [machine for program in content.programs for machine in program.machines]
    wrong = sum(not machine.as_expected for machine in machines)
    names = {one.program for one in content.programs} | {one.program for one in content.held}
    programs = number_of(len(names), "program")
    same = sum(not program.sign for program in content.programs)
    words = [f"{programs}, {number_of(len(machines) + len(content.held), 'answer')}"]
    broken = sum(one.answer != one.says for one in content.held)
    words += [f"{broken} not as the rule says"] if broken else []
    words += [f"{wrong} not as its dates have it"] if wrong else []
    words += [f"{number_of(same, 'program')} without a difference"] if same else []
    return f"{', '.join(words)}."


def _run_blocks(content: BugRunResult) -> Iterator[Block]:
    for program in content.programs:
        yield Paragraph(_sign(program))
        yield Table(
            f"{program.program}",
            ("machine", "shows", "answer", "violates"),
            tuple(tuple(_machine_row(program, machine)) for machine in program.machines),
            glance=(0, 1, 2, 3),
        )
        yield from section(
            f"The program {program.program}", *program_code(program.text, glance=""), folded=True
        )
    if content.held:
        yield Table(
            "The rule holds",
            ("program", "machine", "step", "answer"),
            tuple(tuple(_held_row(one)) for one in content.held),
            glance=(0, 1, 2, 3),
        )
    yield Paragraph(_shown(content))


def _sign(program: ShownProgram) -> str:
    if not program.sign or program.step is None:
        return f"{program.program}: {program.before} and {program.after} do not part."
    broken = ""
    if program.violated:
        broken = f"; {', '.join(program.violated)} violated on {program.before} alone"
    fields = ", ".join(one.field for one in program.sign)
    return f"{program.program}, step {program.step + 1}, {program.op} ({fields}){broken}"


def _held_row(one: HeldMachine) -> Iterator[Cell]:
    yield from (cell(one.program), cell(one.machine), cell(one.op))
    kept = one.answer == one.says
    yield cell(f"{one.field} {one.answer}{'' if kept else f', expected {one.says}'}", "" if kept else "bad")


def _machine_row(program: ShownProgram, machine: ShownMachine) -> Iterator[Cell]:
    tone: Tone = "" if machine.as_expected else "bad"
    yield cell(machine.machine)
    expected = "" if machine.as_expected else f", expected {machine.expected}"
    yield cell(f"{machine.word}{expected}", tone)
    answers = zip(program.sign, machine.answers, strict=False)
    yield cell("; ".join(f"{one.field} {', '.join(lines) or '-'}" for one, lines in answers))
    yield cell(", ".join(machine.violated))
