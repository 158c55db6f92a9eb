"""``bugs affects`` and ``bugs run``: the bugs of a kernel, and a bug that programs show."""

from collections.abc import Iterator

from pfnlab.base.units import number_of
from pfnlab.hunt.meeting.bug_shown import BugRunResult, HeldMachine, ShownMachine, ShownProgram
from pfnlab.present.document.blocks import Block, Cell, Paragraph, Table, cell, cells, headed
from pfnlab.present.document.part import Part, program_code, section, told
from pfnlab.present.report.bug_entry import AffectedBy, AffectsResult


def affects_part(content: AffectsResult) -> Part:
    """The rows, bugs and regressions first; a note on what was left out."""
    facts = ("version", content.upstream or ""), ("configuration", content.config)
    says = _affected(content)
    return told(content, f"Bugs of {content.version}", says, _affects_blocks(content), *facts, first=says)


def _affected(content: AffectsResult) -> str:
    counts = content.counts
    words = [number_of(counts.get("has", 0), "known bug")]
    words += [f"{count} {word}" for word, count in counts.items() if word != "has"]
    return f"{content.version}: {', '.join(words)}."


def _affects_blocks(content: AffectsResult) -> Iterator[Block]:
    head = ("id", "kind", "stands", "sentence", "sources", "what happens")
    yield from headed("Where this kernel stands", head, map(_affected_row, content.bugs), 5)
    if content.left_out:
        rows = number_of(content.left_out, "row")
        yield Paragraph(f"{rows} of what is over, and of rules, left out: --all has them.", "pale")


def _affected_row(row: AffectedBy) -> tuple[Cell, ...]:
    word = cell(row.word, "bad" if row.word == "has" and row.kind.is_fault else "")
    sentence = f"{row.sentence}{f' {row.cve}' if row.cve else ''}"
    return cells(row.id, row.kind, word, sentence, "; ".join(row.sources), row.what, code=False)


def part(content: BugRunResult) -> Part:
    """For each program its sign, and a row for each machine."""
    cve = f" ({content.cve})" if content.cve else ""
    says = f"{content.id}, {content.title}: {_shown(content)}"
    first = f"{content.id}  {content.title}{cve}: {content.what}"
    breaks = ", ".join(content.breaks)
    return told(content, f"Bug {content.id}", says, _run_blocks(content), ("breaks", breaks), first=first)


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
            tuple(_machine_row(program, machine) for machine in program.machines),
            glance=(0, 1, 2, 3),
        )
        yield from section(
            f"The program {program.program}", *program_code(program.text, glance=""), folded=True
        )
    if content.held:
        yield Table(
            "The rule holds",
            ("program", "machine", "step", "answer"),
            tuple(map(_held_row, content.held)),
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


def _held_row(one: HeldMachine) -> tuple[Cell, ...]:
    kept = one.answer == one.says
    answer = f"{one.field} {one.answer}{'' if kept else f', expected {one.says}'}"
    return cells(one.program, one.machine, one.op, cell(answer, "" if kept else "bad"), code=False)


def _machine_row(program: ShownProgram, machine: ShownMachine) -> tuple[Cell, ...]:
    word = cell(machine.word)
    if not machine.as_expected:
        word = cell(f"{machine.word}, expected {machine.expected}", "bad")
    answers = zip(program.sign, machine.answers, strict=False)
    shown = "; ".join(f"{one.field} {', '.join(lines) or '-'}" for one, lines in answers)
    return cells(machine.machine, word, shown, ", ".join(machine.violated), code=False)
